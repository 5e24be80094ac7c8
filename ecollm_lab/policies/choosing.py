"""Choosing among paths: which outcomes keep the limits, which path is preferred, what the best one would have been."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace

TOLERANCE = 0.02  # with prefer = cost or latency: how much quality may be given up for it


Ask = Callable[[np.ndarray, str], Sequence[str]]
"""Answers of a path to some of the queries: (rows, path_id) → one text a row."""


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy does about some queries.

    Attributes
    ----------
    path_ids
        The path whose answer counts, shape (queries,).
    runs
        The paths run for it in order, shape (queries, most runs), None where there were fewer. Cost and latency are their sums.

    """

    path_ids: np.ndarray
    runs: np.ndarray


class Predictor(Protocol):
    """Expected quality of each path for a query, from its embedding."""

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        ...

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same predictor for some paths, in the order given, expecting so much less of each."""
        ...


def first_good(scores: np.ndarray, slo: SLO, tolerance: float) -> np.ndarray:
    """Return, per row, the first column that is good enough; columns stand in the order of preference."""
    if slo.prefer == "quality":
        return scores.argmax(axis=1)
    best = scores.max(axis=1, keepdims=True)
    floor = np.minimum(best, slo.min_quality) if slo.min_quality is not None else best - tolerance
    return (scores >= floor).argmax(axis=1)


def choose(predicted: np.ndarray, mask: np.ndarray, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> np.ndarray:
    """Return the chosen column for each row of expected quality (queries, paths).

    `mask`, `cost` and `latency` have the shape (paths,) or (queries, paths); only columns under the mask are chosen. Ties go
    to the path that is cheaper, then faster (with prefer="latency": faster, then cheaper).
    """
    scores = np.where(mask, predicted, -np.inf)
    best = scores.max(axis=1, keepdims=True)
    if slo.prefer == "quality":
        floor = best
    elif slo.min_quality is not None:
        floor = np.minimum(best, slo.min_quality)
    else:
        floor = best - TOLERANCE
    good = scores >= floor - 1e-12
    first, second = (latency, cost) if slo.prefer == "latency" else (cost, latency)
    first, second = (np.nan_to_num(values, nan=np.finfo(float).max) for values in (first, second))  # not recorded: the last choice
    first = np.where(good, first, np.inf)
    good &= first <= first.min(axis=1, keepdims=True)
    return np.where(good, second, np.inf).argmin(axis=1)


def placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) generates, by its provenance: "edge", "cloud" or "not stated"."""
    models = trace.provenance.get("models", {})
    paths = trace.path_ids if path_ids is None else path_ids
    return [models.get(path.rsplit("/", 1)[-1], {}).get("placement", "not stated") for path in paths]


def oracle_choice(trace: Trace, slo: SLO) -> np.ndarray:
    """Return, for each query, the path that is truly best under an SLO, judged by its own outcome; shape (queries,).

    Queries no path serves within the limits get the path with the best quality, in violation.
    """
    quality, cost, latency = trace.array("quality"), trace.array("cost_usd"), trace.array("latency_s")
    kept = keeps(slo, cost, latency) & ~np.isnan(quality)
    kept |= ~kept.any(axis=1, keepdims=True) & ~np.isnan(quality)
    return np.array(trace.path_ids, dtype=object)[choose(np.nan_to_num(quality), kept, cost, latency, slo)]


def keeps(slo: SLO, cost: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Tell which outcomes keep the limits of an SLO; NaN where a limit needs a value counts as a violation."""
    ok = np.ones(np.shape(cost), dtype=bool)
    if slo.max_cost_usd is not None:
        ok &= cost <= slo.max_cost_usd
    if slo.max_latency_s is not None:
        ok &= latency <= slo.max_latency_s
    return ok
