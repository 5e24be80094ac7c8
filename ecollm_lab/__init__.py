"""A lab for edge-cloud LLM orchestration: load a trace, see its front, fit a policy, replay it under SLOs, explore it.

>>> import ecollm_lab as lab
>>> sorted(set(dir(lab)) & {"SLO", "Trace", "explore", "fit_policy", "pareto_front", "replay"})
['SLO', 'Trace', 'explore', 'fit_policy', 'pareto_front', 'replay']
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
