from . import stages as stages
from .pipeline import Memo as Memo
from .pipeline import Pipeline as Pipeline
from .pipeline import Prepared as Prepared
from .space import PathSpace as PathSpace
from .space import called_on as called_on
from .space import read_path as read_path
