"""Outcomes that survive: measure (query, path) pairs into a store, whole domains or single pairs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
