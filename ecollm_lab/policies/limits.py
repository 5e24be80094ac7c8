"""How a policy decides under one SLO, and what it takes for limits to be kept at a stated rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecollm_lab.policies.predictors import Predictor
from ecollm_lab.records import SLO

TOLERANCES = (
    0.01,
    0.02,
    0.03,
    0.04,
    0.06,
    0.08,
    0.12,
    0.16,
    0.24,
    0.36,
)  # in expectations, which promise more than they keep
MARGIN = (
    1.0  # standard errors between the rate at which training queries break limits and the target
)
MOSTLY = 0.5  # a path that breaks a limit in this share of outcomes or more is not considered
PENALTIES = (1e-3, 1e3)  # range of what a certain violation costs, in quality
STEPS = 24  # of the bisection for that penalty


@dataclass(frozen=True, eq=False)
class Rule:
    """How a policy decides under one SLO.

    Attributes
    ----------
    columns
        The paths considered, in the order in which ties are broken: the cheapest (prefer="latency":
        fastest) first.
    predictor
        Restricted to these paths, penalties taken off.
    weight
        A path's score is what the predictor says × weight, shape (columns,); None for ones.
    tolerance
        With prefer="cost" or "latency": how far below the best score a path may be.
    violation_rate
        Share of training queries whose choice, made without knowing them, broke a limit; NaN where
        outcomes were estimated.
    violation_share
        Share of training outcomes of each path that break a limit, shape (paths,); under estimates,
        the probability to.
    feasible
        Whether the target is met; if not, this is the least-violating path.
    threshold
        Of policies of two paths: how sure the first must be.

    """

    columns: np.ndarray
    predictor: Predictor
    weight: np.ndarray | None
    tolerance: float
    violation_rate: float
    violation_share: np.ndarray
    feasible: bool
    threshold: float = 0.0

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Return what decides, shape (queries, columns)."""
        expected = self.predictor.predict(embeddings)
        return expected if self.weight is None else expected * self.weight


def highest_rate(target: float, n_queries: int) -> float:
    """Return the violation rate up to which training choices promise the target: (n × rate + 1) / (n + 1) <= target."""
    return (target * (n_queries + 1) - 1) / n_queries


TOLERANCE = 0.02  # with prefer = cost or latency: how much quality may be given up for it


def first_good(scores: np.ndarray, slo: SLO, tolerance: float) -> np.ndarray:
    """Return, per row, the first column that is good enough; columns stand in the order of preference."""
    if slo.prefer == "quality":
        return scores.argmax(axis=1)
    best = scores.max(axis=1, keepdims=True)
    floor = np.minimum(best, slo.min_quality) if slo.min_quality is not None else best - tolerance
    return (scores >= floor).argmax(axis=1)


def why_infeasible(paths: pd.DataFrame, slo: SLO) -> str:
    """Name the paths that come nearest to an SLO that none meets.

    Parameters
    ----------
    paths
        As in `explained`, with in_cost and in_time: whether the path keeps the one limit, whatever
        the other.
    slo
        The limits.

    """
    others = {
        "latency_s": ("in_cost", "the fastest within the cost limit"),
        "cost_usd": ("in_time", "the cheapest within the latency limit"),
    }
    reasons = []
    for limit in slo.limits:
        in_other, which = others[limit.column]
        tails = paths[limit.tail].where(paths[in_other] & paths["allowed"], np.inf).to_numpy()
        i = int(tails.argmin())
        if limit.value < tails[i] < np.inf:
            reasons.append(f"{which}, {paths['path_id'][i]}, needs {limit.name} >= {tails[i]:.4g}")
    if not reasons:
        reasons.append(
            "even alone, the limits allow no path: the fastest takes"
            f" {paths['latency_p95_s'].min():.4g} s, the cheapest costs"
            f" {paths['cost_p95_usd'].min():.4g} USD (95th percentiles)"
        )
    return f"No path meets {slo}: {'; '.join(reasons)}."
