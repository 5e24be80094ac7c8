"""A lab for edge-cloud LLM orchestration: load a trace, see its front, fit a policy, replay it under SLOs, explore it.

>>> import ecollm_lab as lab
>>> sorted(set(dir(lab)) & {"SLO", "Trace", "explore", "fit_policy", "pareto_front", "replay"})
['SLO', 'Trace', 'explore', 'fit_policy', 'pareto_front', 'replay']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecollm_lab.records import SLO, InfeasibleSLO, LabError

if TYPE_CHECKING:
    from ecollm_lab.domains import load_domain
    from ecollm_lab.emulator import Budget, Emulator, emulate
    from ecollm_lab.pareto import hypervolume, pareto_front
    from ecollm_lab.policies import fit_policy
    from ecollm_lab.replays import replay, replay_all
    from ecollm_lab.traces import Trace
    from ecollm_lab.widgets import explore

_ROOMS = {
    "Budget": "emulator", "Emulator": "emulator", "Trace": "traces", "emulate": "emulator", "explore": "widgets",
    "fit_policy": "policies", "hypervolume": "pareto", "load_domain": "domains", "pareto_front": "pareto",
    "replay": "replays", "replay_all": "replays",
}  # fmt: skip
__all__ = [
    "SLO", "Budget", "Emulator", "InfeasibleSLO", "LabError", "Trace", "emulate", "explore", "fit_policy", "hypervolume", "load_domain",
    "pareto_front", "replay", "replay_all",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'ecollm_lab' has no attribute {name!r}")
    return getattr(import_module(f"ecollm_lab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
