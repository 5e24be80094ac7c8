from .app import create_app as create_app
from .serve import Files as Files
from .serve import listen as listen
from .serve import serve as serve
from .settings import Settings as Settings
