from .domains import emulate_domain as emulate_domain
from .emulator import Budget as Budget
from .emulator import Emulator as Emulator
from .emulator import emulate as emulate
from .emulator import replay_from as replay_from
from .estimates import Estimates as Estimates
