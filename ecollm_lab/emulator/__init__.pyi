from .budget import Budget as Budget
from .budget import emulate as emulate
from .budget import replay_from as replay_from
from .domains import emulate_domain as emulate_domain
from .emulator import Emulator as Emulator
from .estimates import Estimates as Estimates
