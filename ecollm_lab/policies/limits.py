"""Limits: how probably a path breaks them, how often a policy may, what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import pandas as pd
from scipy.special import ndtr

from ecollm_lab.policies.predictors import Predictor
from ecollm_lab.records import SLO, LabError

TOLERANCE = 0.02  # of quality, given up on average for being cheaper or faster
MOSTLY = 0.5  # a path that breaks a limit at least this probably is not considered
UNLIKELY = 0.05  # of estimates: what is less probable than this counts as impossible
PENALTIES = (0.5, 1e3)  # range of what a certain violation costs, in quality
PRICE = 3.0  # right answers for one violation: to pay more, the target must be missed for sure,
SURE = 1.645  # by so many standard errors, which chance exceeds in 5 %
STEPS = 12  # of the bisection for the penalty
_AT_ONCE = 2**13  # queries chosen for
# widths tried, in expectations: these promise more than they keep
WIDTHS = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24, 0.36)


class TermsOptions(TypedDict, total=False):
    """The fields of `Terms` as keywords."""

    violation_rate: float | None
    tolerance: float
    violation_cost: float | None


@dataclass(frozen=True)
class Terms:
    """On what terms a policy trades quality against limits, money and time.

    Attributes
    ----------
    violation_rate
        Target share in (0, 1) of choices that may break a limit. None: every path must keep the
        limits with its 95th percentiles.
    tolerance
        How much quality prefer="cost" or "latency" may give up, on average over queries, for being
        cheaper or faster.
    violation_cost
        What a broken limit is worth, in quality: the policy then weighs it against the quality
        gained, query by query, instead of meeting a rate. None: the rate decides.

    """

    violation_rate: float | None = 0.05
    tolerance: float = TOLERANCE
    violation_cost: float | None = None

    def __post_init__(self) -> None:
        rate, cost = self.violation_rate, self.violation_cost
        if rate is not None and not 0 < rate < 1:
            raise LabError(f"violation_rate must be within (0, 1) or None, got {rate!r}.")
        if not 0 <= self.tolerance <= 1:
            raise LabError(f"tolerance must be within [0, 1], got {self.tolerance!r}.")
        if cost is not None and not cost >= 0:
            raise LabError(f"violation_cost must be a number >= 0 or None, got {cost!r}.")
        if cost is not None and rate is None:
            raise LabError(
                "violation_cost weighs how probably limits break, which violation_rate=None"
                " does not look at; leave one of the two out."
            )


@dataclass(frozen=True, eq=False)
class Forecast:
    """What each path costs or takes for a query, in logarithms, and how far outcomes lie around it.

    Attributes
    ----------
    predictor
        Of the logarithm.
    left_out
        The same of the training queries, each predicted from others, shape (queries, paths).
    sd
        Standard deviation of the outcomes around it, shape (paths,).

    """

    predictor: Predictor
    left_out: np.ndarray
    sd: np.ndarray

    def risk(self, limit: float) -> np.ndarray:
        """Return how probably each training query's outcomes exceed a limit, (queries, paths)."""
        return np.asarray(ndtr((self.left_out - np.log(limit)) / self.sd))

    def restricted(self, columns: np.ndarray, limit: float) -> Predictor:
        """Return a predictor of how many standard deviations some paths are beyond a limit."""
        return self.predictor.restricted(columns, np.log(limit), 1 / self.sd[columns])


def first_good(scores: np.ndarray, slo: SLO, tolerance: float) -> np.ndarray:
    """Return, per row, the first good enough column; columns stand in the order of preference."""
    if slo.prefer == "quality":
        return scores.argmax(axis=1)
    best = scores.max(axis=1, keepdims=True)
    floor = np.minimum(best, slo.min_quality) if slo.min_quality is not None else best - tolerance
    return (scores >= floor).argmax(axis=1)


def by_parts(n: int, choose: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Return the choices for n queries, shape (n,), made for some at a time: tables stay small."""
    starts = range(0, max(n, 1), _AT_ONCE)
    return np.concatenate([choose(slice(start, start + _AT_ONCE)) for start in starts])


@dataclass(frozen=True, eq=False)
class Lookback:
    """The training queries as a policy that has not seen them would have met them.

    Attributes
    ----------
    expected, risk
        Expected quality, and how probably limits break, each from other queries alone; shape
        (queries, columns).
    quality, broke
        What was delivered, and whether it broke a limit; same shape.

    """

    expected: np.ndarray
    risk: np.ndarray
    quality: np.ndarray
    broke: np.ndarray

    def least_rate(self) -> float:
        """Return how often limits break where nothing but that decides."""
        return float(self.broke[np.arange(len(self.risk)), self.risk.argmin(axis=1)].mean())

    def calibrated(self, slo: SLO, terms: Terms) -> tuple[float, float, float]:
        """Return the penalty of a violation, the width of `first_good`, and the rate of violations.

        The penalty is what a violation is worth; or, within `PENALTIES`, the least for which the
        choices break limits at no more than the target rate. Above `PRICE` it only rises while the
        rate exceeds the target by more than `SURE` standard errors: where limits are broken by
        chance on every path, quality would be paid for nothing.

        The best of many expectations promises more than it keeps, so staying near it gives up
        little and saves little. With prefer="cost" or "latency" and no `min_quality`, a path may
        therefore be as far below the best expectation as costs the choices at most `tolerance` of
        their actual quality, against always taking the best.
        """
        rows = np.arange(len(self.expected))

        def choices(penalty: float, width: float) -> np.ndarray:
            def of(part: slice) -> np.ndarray:
                return first_good(self.expected[part] - penalty * self.risk[part], slo, width)

            return by_parts(len(rows), of)

        def penalised(width: float) -> tuple[float, np.ndarray]:
            if terms.violation_cost is not None:
                return terms.violation_cost, choices(terms.violation_cost, width)
            penalty = self._least_penalty(lambda penalty: choices(penalty, width), terms)
            return penalty, choices(penalty, width)

        width, (penalty, chosen) = 0.0, penalised(0.0)
        if slo.prefer != "quality" and slo.min_quality is None:
            least = self.quality[rows, chosen].mean() - terms.tolerance
            for wider in WIDTHS:
                candidate = penalised(wider)
                if self.quality[rows, candidate[1]].mean() >= least:
                    width, (penalty, chosen) = wider, candidate
        return penalty, width, float(self.broke[rows, chosen].mean())

    def _least_penalty(self, choices: Callable[[float], np.ndarray], terms: Terms) -> float:
        """Return the least penalty within `PENALTIES` that keeps the rate; see `calibrated`."""
        rows = np.arange(len(self.expected))
        assert terms.violation_rate is not None
        target = terms.violation_rate
        surely = target + SURE * (target * (1 - target) / len(rows)) ** 0.5

        def too_often(penalty: float) -> bool:
            rate = self.broke[rows, choices(penalty)].mean()
            return bool(rate > (target if penalty <= PRICE else surely))

        low, high = PENALTIES
        if not too_often(low):
            return low
        for _ in range(STEPS):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if too_often(middle) else (low, middle)
        return high


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
