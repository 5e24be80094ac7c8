"""Tables of outcomes: load, split and save them, find their Pareto fronts, import those recorded elsewhere."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
