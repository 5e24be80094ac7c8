from .importers.outcomes import import_outcomes as import_outcomes
from .pareto import OBJECTIVES as OBJECTIVES
from .pareto import hypervolume as hypervolume
from .pareto import is_on_front as is_on_front
from .pareto import pareto_front as pareto_front
from .trace import Trace as Trace
from .trace import require_trace as require_trace
