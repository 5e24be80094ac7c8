"""The SQLite store: outcomes, replies, and the ledger of what was paid."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
