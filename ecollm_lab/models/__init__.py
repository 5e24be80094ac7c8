"""What answers and what embeds: the catalog, its models behind one method, and encoders. No other room imports `llama_cpp` or `openai`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
