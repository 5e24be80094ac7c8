"""Which models answer while this machine measures, and which take turns with its own work."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from ecollm_lab.models import Catalog, Model
from ecollm_lab.sweeps.speed import cores


class Lane(IntEnum):
    """How the calls to a model go together with what else is measured; the first are sent first."""

    HOSTED = 0
    """A hosted endpoint: as many calls are in flight as it bears, whatever else goes on."""
    BESIDE = 1
    """A file served by this machine on a core of its own: one call at a time, beside the rest."""
    HERE = 2
    """Anything else on this machine: it runs alone."""


def choose_lanes(
    catalog: Catalog, names: Iterable[str], n_cores: int | None = None
) -> tuple[dict[str, Lane], list[str]]:
    """Choose the lane of each named model; also say what becomes of the served ones, a line each.

    Served models answer beside this machine's own work where their threads and the most threads of
    an edge model (at least the one of the other stages) together are no more than the cores that
    this process may use, and no two of them compute on the GPU. Otherwise all take turns.

    Parameters
    ----------
    catalog, names
        The catalog, and the models that a sweep calls.
    n_cores
        How many cores there are; None = as many as this process may use.

    """
    models = [catalog[name] for name in dict.fromkeys(names)]
    served = [model for model in models if _is_served(model)]
    edge = [model for model in models if model.placement == "edge"]
    n_cores = cores() if n_cores is None else n_cores
    theirs = sum(model.threads for model in served)
    own = max([1, *(model.threads for model in edge)])
    on_gpu = [model for model in (*served, *edge) if model.gpu_layers]
    apart = len(on_gpu) > 1 and any(model in served for model in on_gpu)
    beside = theirs + own <= n_cores and not apart
    lanes = {model.name: Lane.HERE if model.base_url is None else Lane.HOSTED for model in models}
    if beside:
        lanes |= {model.name: Lane.BESIDE for model in served}
    plural = "s" if n_cores > 1 else ""
    why = "the GPU is shared" if apart else f"{theirs} + {own} threads on {n_cores} core{plural}"
    how = (
        "answers one call at a time while this machine does its other work"
        if beside
        else "takes turns with this machine's other work"
    )
    return lanes, [f"Model {m.name!r}, which this machine serves, {how} ({why})." for m in served]


def _is_served(model: Model) -> bool:
    return model.placement == "cloud" and model.file is not None
