"""Models that run in this process or in one beside it, through llama.cpp."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
