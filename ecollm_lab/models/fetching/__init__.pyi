from .download import Download as Download
from .fetch import Fetched as Fetched
from .fetch import fetch_here as fetch_here
from .fetch import fetch_models as fetch_models
from .listing import is_here as is_here
from .listing import list_models as list_models
