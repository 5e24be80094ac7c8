from .doctor import diagnose as diagnose
from .domains import live_check as live_check
from .domains import sweep_domain as sweep_domain
from .job import Job as Job
from .pairs import fingerprints as fingerprints
from .pairs import sweep as sweep
from .progress import Progress as Progress
from .store.store import Store as Store
