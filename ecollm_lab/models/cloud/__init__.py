"""Models behind an OpenAI-compatible endpoint, and the loopback server of a GGUF file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
