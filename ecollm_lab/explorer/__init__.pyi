from .live import emulate_live as emulate_live
from .live import sweep_live as sweep_live
from .opening import explore as explore
from .widget import Explorer as Explorer
