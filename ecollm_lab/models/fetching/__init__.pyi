from .download import Download as Download
from .download import is_here as is_here
from .fetch import Fetched as Fetched
from .fetch import fetch_models as fetch_models
