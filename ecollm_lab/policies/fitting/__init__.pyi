from .fit import POLICIES as POLICIES
from .fit import fit_policy as fit_policy
