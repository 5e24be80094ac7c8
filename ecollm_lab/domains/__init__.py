"""What is asked and what is right: queries and passages, grading, and clusters of queries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
