"""Which path under an SLO: fit a policy, let it choose, explain its choice, replay it, save it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
