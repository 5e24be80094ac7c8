"""Figures of traces, policies and explorations, drawn with plotly.

Each module holds pairs of functions: `compute_x` returns a frame to check, save or draw otherwise,
and `plot_x` draws that frame and changes nothing.

>>> from ecollm_lab import Trace, figures
>>> trace = Trace.load("data/traces/smart_home.parquet")
>>> frame = figures.fronts.compute_front(trace)
>>> figures.fronts.plot_front(frame, trace.source_line).layout.title.text
'Which paths are worth their cost and time?'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
