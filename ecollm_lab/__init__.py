"""A lab for edge-cloud orchestration of language models: measure, choose under limits, explore.

>>> import ecollm_lab as lab
>>> sorted(lab.__all__)[:6]
['Emulator', 'InfeasibleSLO', 'LabError', 'Runtime', 'SLO', 'Trace']
"""

import lazy_loader

__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [  # the names to start with; __init__.pyi lists all that can be imported from here
    "SLO",
    "Emulator",
    "InfeasibleSLO",
    "LabError",
    "Runtime",
    "Trace",
    "explore",
    "fit_policy",
    "import_outcomes",
    "load_policy",
    "pareto_front",
    "replay",
]
