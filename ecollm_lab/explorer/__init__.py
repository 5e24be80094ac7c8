"""The SLO explorer: sliders over the fronts of a trace, in a notebook or as one offline page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
