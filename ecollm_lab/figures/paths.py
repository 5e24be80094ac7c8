"""What several figures need to know of paths: where they run, what delay is declared for them, how sure their means are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecollm_lab.policies.choosing import placements
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


def bootstrap_counts(n_queries: int, n_resamples: int, seed: int) -> np.ndarray:
    """Return how often each query is drawn in each resample, shape (n_resamples, n_queries).

    Means of every path and objective under the same counts make a paired bootstrap: what is hard about the drawn queries cancels.
    """
    return np.random.default_rng(seed).multinomial(n_queries, np.full(n_queries, 1 / n_queries), n_resamples).astype(float)


def resampled_means(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of each column of (queries, paths) in each resample, over what is recorded; NaN where nothing was drawn."""
    known = ~np.isnan(values)
    weights = counts.sum(axis=1, keepdims=True) if known.all() else counts @ known
    with np.errstate(invalid="ignore"):
        return counts @ np.where(known, values, 0.0) / np.where(weights > 0, weights, np.nan)


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5th and 97.5th percentiles over resamples, the first axis; NaN only where every resample is."""
    bounds = np.quantile(resampled, [0.025, 0.975], axis=0)
    patchy = np.isnan(bounds[0]) & ~np.isnan(resampled).all(axis=0)
    if patchy.any():
        bounds[:, patchy] = np.nanquantile(resampled[:, patchy], [0.025, 0.975], axis=0)
    return bounds[0], bounds[1]
