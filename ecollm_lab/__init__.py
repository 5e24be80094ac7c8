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
    from ecollm_lab.fitting import fit_policy
    from ecollm_lab.importers import import_outcomes
    from ecollm_lab.live import emulate_live, sweep_live
    from ecollm_lab.pareto import hypervolume, pareto_front
    from ecollm_lab.replays import replay, replay_all
    from ecollm_lab.saving import load_policy, save_policy
    from ecollm_lab.traces import Trace
    from ecollm_lab.widgets import explore

_ROOMS = {
    "Budget": "emulator", "Emulator": "emulator", "Trace": "traces", "emulate": "emulator", "explore": "widgets",
    "fit_policy": "fitting", "hypervolume": "pareto", "load_domain": "domains", "pareto_front": "pareto",
    "replay": "replays", "replay_all": "replays", "import_outcomes": "importers", "load_policy": "saving",
    "save_policy": "saving", "emulate_live": "live", "sweep_live": "live",
}  # fmt: skip
__all__ = [
    "SLO", "Budget", "Emulator", "InfeasibleSLO", "LabError", "Trace", "emulate", "emulate_live", "explore", "fit_policy", "hypervolume",
    "import_outcomes", "load_domain", "load_policy", "pareto_front", "replay", "replay_all", "save_policy", "sweep_live",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'ecollm_lab' has no attribute {name!r}")
    return getattr(import_module(f"ecollm_lab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
