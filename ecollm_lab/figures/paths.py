"""What several figures need to know of paths: where they run, what delay is declared for them, how sure their means are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecollm_lab.choices import placements
from ecollm_lab.traces import Trace

IDLE = "none"  # the slug of a component that does nothing


def path_placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) runs.

    "edge": every stage on the edge device. "mixed": a cloud model generates after at least one stage on the edge that does something;
    rewriting, retrieval and refinement always run on the edge. "cloud": a cloud model alone, as in a model router. "not stated": the
    provenance does not place the model.
    """
    paths = trace.path_ids if path_ids is None else path_ids
    return [
        "mixed" if place == "cloud" and any(slug != IDLE for slug in path.split("/")[:-1]) else place
        for path, place in zip(paths, placements(trace, paths), strict=True)
    ]


def declared_delays(trace: Trace) -> np.ndarray:
    """Return the declared network delay in each path's latency, in seconds, shape (paths,); NaN where provenance declares none."""
    models = trace.provenance.get("models", {})
    return np.array([models.get(path.rsplit("/", 1)[-1], {}).get("network_delay_s", np.nan) for path in trace.path_ids], dtype=float)
