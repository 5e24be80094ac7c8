"""What the lab finds on its own traces: the study, and the claims of the paper that it follows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
