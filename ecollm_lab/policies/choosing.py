"""Choosing among paths: which one is preferred, and which would have been the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecollm_lab.policies.limits import TOLERANCE, by_parts
from ecollm_lab.records import SLO
from ecollm_lab.traces import OBJECTIVES, Trace


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy does about some queries.

    Attributes
    ----------
    path_ids
        The path whose answer counts, shape (queries,).
    runs
        The paths run for it in order, shape (queries, most runs), None where there were fewer. Cost
        and latency are their sums.

    """

    path_ids: np.ndarray
    runs: np.ndarray

    @classmethod
    def single(cls, path_ids: np.ndarray) -> Decision:
        """Return the decision to run one path for each query, shape (queries,)."""
        return cls(path_ids, path_ids[:, None])


def choose(
    predicted: np.ndarray, mask: np.ndarray, cost: np.ndarray, latency: np.ndarray, slo: SLO
) -> np.ndarray:
    """Return the chosen column for each row of expected quality (queries, paths).

    `mask`, `cost` and `latency` have the shape (paths,) or (queries, paths); only columns under the
    mask are chosen. Ties go to the path that is cheaper, then faster (with prefer="latency":
    faster, then cheaper).
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
    first, second = (
        np.nan_to_num(values, nan=np.finfo(float).max) for values in (first, second)
    )  # not recorded: the last choice
    first = np.where(good, first, np.inf)
    good &= first <= first.min(axis=1, keepdims=True)
    return np.where(good, second, np.inf).argmin(axis=1)


def truly_best(quality: np.ndarray, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> np.ndarray:
    """Return the column that is best for each row by its outcomes, shape (queries,).

    `quality`, `cost` and `latency` have the shape (queries, paths), NaN where nothing is recorded.
    Where no outcome keeps the limits, the one with the best quality is chosen, in violation.
    """
    recorded = ~np.isnan(quality)
    kept = slo.keeps(cost, latency) & recorded
    kept |= ~kept.any(axis=1, keepdims=True) & recorded
    return choose(np.nan_to_num(quality), kept, cost, latency, slo)


def oracle_choice(trace: Trace, slo: SLO) -> np.ndarray:
    """Return the path that is truly best for each query, judged by its own outcome, (queries,).

    Queries no path serves within the limits get the path with the best quality, in violation.
    """
    q, c, s = (trace.array(name) for name in OBJECTIVES)
    best = by_parts(len(q), lambda part: truly_best(q[part], c[part], s[part], slo))
    return np.array(trace.path_ids, dtype=object)[best]
