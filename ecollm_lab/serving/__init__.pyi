from .adaptation import Adaptation as Adaptation
from .adaptation import Pace as Pace
from .forecasts import Forecasts as Forecasts
from .forecasts import PolicyForecasts as PolicyForecasts
from .results import Answer as Answer
from .results import Reason as Reason
from .results import Refused as Refused
from .runtime import Runtime as Runtime
