"""Language models and encoders: the catalog, and every model behind one method.

No other package imports `llama_cpp` or `openai`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
