"""Limits: how probably a path breaks them, how often a policy may, what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from scipy.special import ndtr

from ecollm_lab.policies.predictors import Predictor
from ecollm_lab.records import SLO, LabError

TOLERANCE = 0.02  # of quality, given up on average for being cheaper or faster
MOSTLY = 0.5  # a path that breaks a limit at least this probably is not considered
UNLIKELY = 0.05  # of estimates: what is less probable than this counts as impossible
PENALTIES = (0.5, 1e3)  # range of what a certain violation costs, in quality
MOST_WORTH = 3.0  # right answers for one violation; more only where the target is surely missed
SURE = 1.645  # by so many standard errors, which chance exceeds in 5 %
STEPS = 12  # of the bisection for the penalty
_AT_ONCE = 2**13  # queries chosen for
# of the mean spend over paths, in quality; the highest is tried first
PRICES = 2.0 ** np.arange(6, -15, -1)
CAREFUL = 1.0  # standard errors by which a saving must keep what it may give up


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
        How much quality prefer="cost" or "latency" may give up for being cheaper or faster, on
        average over queries, against prefer="quality" and against the best single path.
    violation_cost
        What a broken limit is worth, in quality: the policy then weighs it against the quality
        gained, query by query, instead of meeting a rate; pairs of paths and fixed orders meet the
        rate all the same. None: the rate decides.

    """

    violation_rate: float | None = 0.05
    tolerance: float = TOLERANCE
    violation_cost: float | None = None

    def __post_init__(self) -> None:
        rate, cost = self.violation_rate, self.violation_cost
        if rate is not None and not 0 < rate < 1:
            raise LabError(f"violation_rate must be within (0, 1) or None, got {rate!r}.")
        if self.tolerance is None or not 0 <= self.tolerance <= 1:
            raise LabError(f"tolerance must be within [0, 1], got {self.tolerance!r}.")
        if cost is not None and not 0 <= cost < np.inf:
            raise LabError(f"violation_cost must be a finite number >= 0 or None, got {cost!r}.")
        if cost is not None and rate is None:
            raise LabError(
                "violation_cost weighs how probably limits break, which violation_rate=None"
                " does not look at; leave one of the two out."
            )


@dataclass(frozen=True, eq=False)
class Forecast:
    """What each path costs or takes for a query, in logarithms; how far outcomes are from that."""

    predictor: Predictor  # of the logarithm
    left_out: np.ndarray  # of the training queries, each predicted from others, (queries, paths)
    sd: np.ndarray  # standard deviation of the outcomes around it, (paths,)

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

    Its tables have the shape (queries, columns).
    """

    expected: np.ndarray  # quality, from other queries alone
    risk: np.ndarray  # how probably limits break, from other queries alone
    quality: np.ndarray  # what was delivered
    broke: np.ndarray  # whether it broke a limit
    spend: np.ndarray  # mean cost, or mean latency if that is preferred, (columns,)
    near: float | None = None  # of estimates: the tolerance, which stands for a price

    def least_rate(self) -> float:
        """Return how often limits break where nothing but that decides."""
        return self._rate(self.risk.argmin(axis=1))

    def calibrated(self, slo: SLO, terms: Terms) -> tuple[float, float, np.ndarray, float]:
        """Return the penalty of a violation, and what `saving` returns under it.

        docs/routing.md tells how the penalty (λ) is found, within `PENALTIES`. Whether it rises
        above `MOST_WORTH` is asked first, because a higher one does not always lower the rate: a
        path's rate on the other queries is lower for a query on which it broke, so high penalties
        choose those that broke.
        """
        if terms.violation_cost is not None:
            worth = terms.violation_cost
            return worth, *self.saving(slo, terms.tolerance, worth)
        assert terms.violation_rate is not None
        target = terms.violation_rate
        surely = target + SURE * (target * (1 - target) / len(self.risk)) ** 0.5

        def too_often(penalty: float) -> bool:
            rate = self._rate(self._choices(slo, penalty))
            return rate > (target if penalty < MOST_WORTH else surely) + 1e-12

        (low, high), middle = PENALTIES, MOST_WORTH
        if not too_often(low):
            return low, *self.saving(slo, terms.tolerance, low, target)
        for _ in range(STEPS):
            low, high = (middle, high) if too_often(middle) else (low, middle)
            middle = (low * high) ** 0.5
        return high, *self.saving(slo, terms.tolerance, high, target)

    def saving(
        self, slo: SLO, tolerance: float, penalty: float = 0.0, target: float = 1.0
    ) -> tuple[float, np.ndarray, float]:
        """Return how to choose so that what is preferred is saved, and nothing else is lost.

        That is the price of one US dollar or one second, in quality; the positions of the columns
        to choose from; how often the choices break a limit. docs/routing.md tells how a policy
        saves and when it takes one path for all. Lost may be at most `tolerance`, in quality −
        `penalty` × broken limits: surely (by `CAREFUL` standard errors) at a price, on average by
        a single path. With `min_quality` or, under limits, prefer="quality", nothing is saved.
        `target` is how often limits may break. On estimates no price is looked for.
        """
        every = np.arange(len(self.spend))
        chosen, rows = self._choices(slo, penalty), np.arange(len(self.quality))
        rate = self._rate(chosen)
        saves = slo.prefer != "quality"
        priced = slo.min_quality is None and self.near is None
        if not priced or not (saves or slo == SLO()):
            return 0.0, every, rate
        worth, most = self.quality - penalty * self.broke, max(rate, target) + 1e-12
        kept, reference, spent = every, worth[rows, chosen], self.spend[chosen].mean()
        singles = np.where(self.broke.mean(axis=0) <= most, worth.mean(axis=0), -np.inf)
        if singles.max() >= reference.mean() - 1e-12:
            reference = worth[:, singles.argmax()]
            alike = np.flatnonzero(singles >= singles.max() - tolerance * saves)
            kept = alike[[self.spend[alike].argmin()]]
            spent, rate = self.spend[kept[0]], float(self.broke[:, kept[0]].mean())
        for price in PRICES / (self.spend.mean() or 1.0) if saves else ():
            chosen = self._choices(slo, penalty, price)
            gained = worth[rows, chosen] - reference
            surely = gained.mean() - CAREFUL * gained.std() / len(rows) ** 0.5
            cheaper = self.spend[chosen].mean() < spent
            if cheaper and surely >= -tolerance and self._rate(chosen) <= most:
                return float(price), every, self._rate(chosen)
        return 0.0, kept, rate

    def _choices(self, slo: SLO, penalty: float, price: float = 0.0) -> np.ndarray:
        """Return the column chosen for each query, shape (queries,)."""
        spent = price * self.spend if price else 0.0

        return by_parts(
            len(self.expected),
            lambda part: first_good(
                self.expected[part] - penalty * self.risk[part] - spent, slo, self.near or 0.0
            ),
        )

    def _rate(self, chosen: np.ndarray) -> float:
        return float(self.broke[np.arange(len(chosen)), chosen].mean())
