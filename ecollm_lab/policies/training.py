"""What a policy learns from: outcomes of training queries on every path, or estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from scipy.special import ndtr

from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace

TINY = 1e-300  # what stands for zero where a logarithm is taken


class Estimates(Protocol):
    """Estimated outcomes of every path, as the Emulator gives them."""

    path_ids: list[str]
    embeddings: np.ndarray

    def draws(self) -> np.ndarray:
        """Return draws of mean quality, cost_usd and latency_s, shape (draws, paths, 3)."""

    def expected_quality(self) -> np.ndarray:
        """Return the expected quality of every query on every path, shape (queries, paths)."""

    def tail_draws(self, column: str) -> np.ndarray:
        """Return draws of the 95th percentile of cost_usd or latency_s, shape (draws, paths)."""

    def likely_outcomes(self, column: str) -> np.ndarray:
        """Return equally likely outcomes of each path, ascending, shape (queries, paths)."""


@dataclass(frozen=True, eq=False)
class Spend:
    """What paths cost in US dollars, or how long they take in seconds."""

    # (queries, paths). Measured: of each training query, NaN where not seen. Estimated: equally
    # likely values, ascending, which belong to no query
    outcomes: np.ndarray
    mean: np.ndarray  # (paths,), NaN where nothing is recorded
    p95: np.ndarray  # 95th percentiles, likewise
    p95_log_sd: np.ndarray  # sd of the logarithms of those that are estimates, else 0, (paths,)

    @classmethod
    def measured(cls, outcomes: np.ndarray) -> Self:
        """Summarise outcomes, shape (queries, paths)."""
        n_paths = outcomes.shape[1]
        if np.isnan(outcomes).all():
            unknown = np.full(n_paths, np.nan)
            return cls(outcomes, unknown, unknown, np.zeros(n_paths))
        mean, p95 = np.nanmean(outcomes, axis=0), np.nanquantile(outcomes, 0.95, axis=0)
        return cls(outcomes, mean, p95, np.zeros(n_paths))

    @classmethod
    def from_estimates(cls, estimates: Estimates, column: str, mean: np.ndarray) -> Self:
        """Summarise what is estimated of cost_usd or latency_s; `mean` is that of each path."""
        logs = np.log(np.maximum(estimates.tail_draws(column), TINY))
        sd = np.maximum(logs.std(axis=0), 1e-12)
        return cls(estimates.likely_outcomes(column), mean, np.exp(logs.mean(axis=0)), sd)

    @property
    def estimated(self) -> bool:
        """Whether these are estimates, so that no outcome belongs to a query."""
        return bool(self.p95_log_sd.any())

    @property
    def recorded(self) -> bool:
        """Whether every path's cost or latency is known."""
        return not np.isnan(self.mean).any()

    def filled(self) -> np.ndarray:
        """Return the outcomes, with the path's mean where none was seen and 0 without any."""
        unseen = np.isnan(self.outcomes) | self.estimated
        return np.where(unseen, np.nan_to_num(self.mean), self.outcomes)

    def tail_keeps(self, limit: float) -> np.ndarray:
        """Return how probably each path's 95th percentile is within a limit, shape (paths,)."""
        sd = self.p95_log_sd
        below = np.log(limit) - np.log(np.maximum(self.p95, TINY))
        return np.where(sd > 0, ndtr(below / np.where(sd > 0, sd, 1.0)), self.p95 <= limit)


@dataclass(frozen=True, eq=False)
class Training:
    """Outcomes of training queries on every path."""

    path_ids: np.ndarray  # (paths,)
    quality: np.ndarray  # (queries, paths), NaN where not seen; all NaN where it is estimated
    expected: np.ndarray  # the same with what is expected of each pair that was not seen
    mean: np.ndarray  # quality of each path, (paths,)
    cost: Spend
    latency: Spend

    @property
    def estimated(self) -> bool:
        """Whether costs and latencies are estimates, so that broken limits are expected only."""
        return self.cost.estimated or self.latency.estimated

    @property
    def _known(self) -> np.ndarray:
        """Which rows of `Spend.outcomes` tell of each path, (queries, paths)."""
        return ~np.isnan(self.quality) | self.estimated

    def spend(self, column: str) -> Spend:
        """Return what paths cost ("cost_usd") or how long they take ("latency_s")."""
        return {"cost_usd": self.cost, "latency_s": self.latency}[column]

    def require_recorded(self, slo: SLO) -> None:
        """Raise a `LabError` if an SLO limits or prefers what the trace does not record."""
        preferred = {"cost": "cost_usd", "latency": "latency_s"}.get(slo.prefer)
        for column in filter(None, [*(limit.column for limit in slo.limits), preferred]):
            if not self.spend(column).recorded:
                raise LabError(
                    f"The trace this policy learned from has no {column}, so an SLO cannot limit or"
                    f" prefer it; got {slo}."
                )

    def broke(self, slo: SLO) -> np.ndarray:
        """Return which outcomes break the limits, 1 or 0, shape (queries, paths).

        An outcome that was not seen counts as broken by the share of the path's others, or of the
        likely ones where they are estimated. Likely costs and latencies are both ascending, so the
        i-th of each belong together, and of two probabilities the larger counts: a long answer
        breaks both limits.
        """
        seen, known = ~np.isnan(self.quality), self._known
        broke = ~slo.keeps(self.cost.outcomes, self.latency.outcomes) & known
        share = broke.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return np.where(seen, broke, share)

    def broke_of_others(self, broke: np.ndarray) -> np.ndarray:
        """Return the share of each path's outcomes on the other queries that break the limits."""
        seen = ~np.isnan(self.quality)
        others = -np.where(seen, broke, 0.0)
        others -= others.sum(axis=0)
        others /= np.maximum(seen.sum(axis=0) - seen, 1)
        return others

    def needs(self, column: str, slo: SLO, rate: float) -> np.ndarray:
        """Return what each path costs or takes at most, but for a share of outcomes, (paths,).

        Outcomes that break the limits of an SLO belong to that share; infinity where they exceed
        it.
        """
        values = self.spend(column).outcomes
        kept = slo.keeps(self.cost.outcomes, self.latency.outcomes) & ~np.isnan(values)
        unseen = ~self._known
        n = (~unseen).sum(axis=0)
        taken = np.where(unseen, np.nan, np.where(kept, values, np.inf))  # NaN is sorted to the end
        at = n - 1 - np.floor(rate * n).astype(int)
        return np.asarray(np.sort(taken, axis=0)[at, np.arange(len(n))])

    def tails_keep(self, slo: SLO) -> np.ndarray:
        """Return how probably each path's 95th percentiles keep an SLO's limits, shape (paths,).

        With two limits it is the smaller of two probabilities: cost and latency both grow with the
        answer, so that they mostly break together.
        """
        parts = [self.spend(limit.column).tail_keeps(limit.value) for limit in slo.limits]
        return np.min([np.ones(len(self.path_ids)), *parts], axis=0)


def measured(trace: Trace) -> Training:
    """Return what a trace's outcomes say.

    Raises
    ------
    LabError
        If a path has no outcome with quality, or cost or latency is recorded for some paths only.

    """
    quality = trace.array("quality")
    cost, latency = trace.array("cost_usd"), trace.array("latency_s")
    for column, values in (("quality", quality), ("cost_usd", cost), ("latency_s", latency)):
        empty = np.isnan(values).all(axis=0)
        if empty.any() and not (column != "quality" and empty.all()):
            raise LabError(
                f"Path {trace.path_ids[int(empty.argmax())]} has no {column} in the trace; leave it"
                " out or measure it."
            )
    mean, unseen = np.nanmean(quality, axis=0), np.isnan(quality)
    return Training(
        path_ids=np.array(trace.path_ids, dtype=object),
        quality=quality,
        expected=np.where(unseen, mean, quality) if unseen.any() else quality,
        mean=mean,
        cost=Spend.measured(cost),
        latency=Spend.measured(latency),
    )


def estimated(estimates: Estimates) -> Training:
    """Return what estimates say; which query costs or takes how much stays unknown."""
    quality, cost, latency = estimates.draws().mean(axis=0).T
    expected = estimates.expected_quality()
    return Training(
        path_ids=np.array(estimates.path_ids, dtype=object),
        quality=np.full(expected.shape, np.nan),
        expected=expected,
        mean=quality,
        cost=Spend.from_estimates(estimates, "cost_usd", cost),
        latency=Spend.from_estimates(estimates, "latency_s", latency),
    )
