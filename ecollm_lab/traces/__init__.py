"""Tables of outcomes: load, split, save and import them, and find their Pareto fronts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
