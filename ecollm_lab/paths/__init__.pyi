from .pipeline import Pipeline as Pipeline
from .pipeline import Prepared as Prepared
from .space import PathSpace as PathSpace
from .space import read_path as read_path
