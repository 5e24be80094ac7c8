from .claims import compute_claims as compute_claims
from .claims import compute_hindsight as compute_hindsight
from .report import DOMAINS as DOMAINS
from .report import headline as headline
from .report import run as run
from .resamples import complete as complete
