"""Measures (query, path) pairs, one by one or whole domains, into a store that outlives crashes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
