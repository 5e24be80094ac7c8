from .client import CloudModel as CloudModel
from .client import Patience as Patience
