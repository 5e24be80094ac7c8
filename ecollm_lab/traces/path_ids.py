"""What a path id says: its stages, its model, and by the provenance of a trace where it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecollm_lab.records import STAGES, LabError
from ecollm_lab.traces import Trace


def placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) generates, by its provenance: "edge", "cloud" or "not stated"."""
    models = trace.provenance.get("models", {})
    paths = trace.path_ids if path_ids is None else path_ids
    return [
        models.get(path.rsplit("/", 1)[-1], {}).get("placement", "not stated") for path in paths
    ]


def path_factors(path_ids: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return (stage, level of each path) wherever paths differ: components, and the names and numbers within them."""
    parts = [path_id.split("/") for path_id in path_ids]
    if len({len(p) for p in parts}) != 1 or len(parts[0]) < 2:
        return []
    factors, seen = [], set()
    for stage, slugs in enumerate(zip(*parts, strict=True)):
        split = [re.fullmatch(r"(.+)-(\d+)", slug) for slug in slugs]
        names = [m[1] if m else slug for m, slug in zip(split, slugs, strict=True)]
        numbers = [m[2] if m else "" for m in split]
        for levels in (list(slugs), names, numbers):
            pattern = tuple(np.unique(levels, return_inverse=True)[1].tolist())
            if len(set(pattern)) > 1 and pattern not in seen:
                factors.append((stage, levels))
                seen.add(pattern)
    return factors


def stage_slugs(path_ids: list[str]) -> pd.DataFrame:
    """Return the component slugs of each path, one column a stage. Raises `LabError` if a path id has not one part per stage."""
    parts = [path.split("/") for path in path_ids]
    for path, slugs in zip(path_ids, parts, strict=True):
        if len(slugs) != len(STAGES):
            raise LabError(
                f"A figure by stage needs path ids of {len(STAGES)} parts, {'/'.join(STAGES)}; got"
                f" {path!r}."
            )
    return pd.DataFrame(parts, columns=list(STAGES), index=path_ids)


IDLE = "none"  # the slug of a component that does nothing


def path_placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) runs.

    "edge": every stage on the edge device. "mixed": a cloud model generates after at least one
    stage on the edge that does something; rewriting, retrieval and refinement always run on the
    edge. "cloud": a cloud model alone, as in a model router. "not stated": the provenance does not
    place the model.
    """
    paths = trace.path_ids if path_ids is None else path_ids
    return [
        (
            "mixed"
            if place == "cloud" and any(slug != IDLE for slug in path.split("/")[:-1])
            else place
        )
        for path, place in zip(paths, placements(trace, paths), strict=True)
    ]


def declared_delays(trace: Trace) -> np.ndarray:
    """Return the declared network delay in each path's latency, in seconds, shape (paths,); NaN where provenance declares none."""
    models = trace.provenance.get("models", {})
    return np.array(
        [
            models.get(path.rsplit("/", 1)[-1], {}).get("network_delay_s", np.nan)
            for path in trace.path_ids
        ],
        dtype=float,
    )
