from .verdicts import Moment as Moment
from .views import Board as Board
from .views import View as View
