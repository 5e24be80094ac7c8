"""What a policy expects of each path for one question: quality, cost and latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO

TINY = 1e-12  # what stands for zero where a logarithm is taken
SPENT = ("cost_usd", "latency_s")
LEAST_SD = 0.05  # of a logarithm: no measured path is steadier than this


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What is expected of each path for one question; every array has the shape (paths,).

    Attributes
    ----------
    quality
        Expected quality, within [0, 1].
    log_cost, log_latency
        Expected logarithms of the cost in US dollars and the latency in seconds, NaN where the
        policy's trace does not record them.
    cost_sd, latency_sd
        Standard deviations of the outcomes around these logarithms.

    """

    quality: np.ndarray
    log_cost: np.ndarray
    cost_sd: np.ndarray
    log_latency: np.ndarray
    latency_sd: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Saving:
    """How the policy would save under an SLO without losing more than it may.

    Attributes
    ----------
    price
        What one US dollar or one second costs, in quality, whichever is preferred; 0 = nothing.
    first
        The paths to choose from while one of them can be reached, shape (paths,).

    """

    price: float
    first: np.ndarray

    def among(self, usable: np.ndarray) -> np.ndarray:
        """Return which of the usable paths to choose from, shape (paths,)."""
        first = usable & self.first
        return first if first.any() else usable


class Forecasts(Protocol):
    """All that a Runtime needs to know from a policy."""

    path_ids: list[str]
    allowed: np.ndarray
    target: float

    def embed(self, text: str) -> np.ndarray:
        """Return the embedding of a question, shape (dimension,)."""
        ...

    def of(self, embedding: np.ndarray) -> Forecast:
        """Return what is expected of each path for a question."""
        ...

    def saving(self, slo: SLO) -> Saving:
        """Return how to save under an SLO."""
        ...


class PolicyForecasts:
    """The forecasts of a fitted policy.

    Attributes
    ----------
    path_ids
        The policy's paths.
    allowed
        Which of them it may choose, shape (paths,).
    target
        The share of answers that may break a limit: the policy's `violation_rate`, or 0.05.

    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.path_ids = [str(path_id) for path_id in policy.path_ids]
        self.allowed = np.asarray(policy.allowed, dtype=bool)
        self.target = policy.terms.violation_rate or 0.05
        self._whatever_the_query = {name: _over_all(policy.training.spend(name)) for name in SPENT}

    def embed(self, text: str) -> np.ndarray:
        """Return the embedding of a question, shape (dimension,)."""
        return np.asarray(self._policy.embed([text])[0])

    def of(self, embedding: np.ndarray) -> Forecast:
        """Return what is expected of each path for a question."""
        quality = np.asarray(self._policy.predict(embedding[None])[0], dtype=float)
        cost, latency = (self._spent(name, embedding[None]) for name in SPENT)
        return Forecast(quality, *cost, *latency)

    def saving(self, slo: SLO) -> Saving:
        """Return how to save under an SLO, as `RuleMaker.rule` found it on the training queries.

        Without limits that may be one path for all questions, where choosing did harm. Under limits
        every path may be chosen, because the Runtime knows better what they take now.
        """
        every = np.ones(len(self.path_ids), dtype=bool)
        preferred = {"cost": ["cost_usd"], "latency": ["latency_s"]}.get(slo.prefer, [])
        if slo.min_quality is not None or (slo.limits and not preferred):
            return Saving(0.0, every)
        needed = [*preferred, *(limit.column for limit in slo.limits)]
        if not all(self._policy.training.spend(name).recorded for name in needed):
            return Saving(0.0, every)
        rule = self._policy.rule(slo)
        if slo.limits or not rule.feasible:
            return Saving(rule.price, every)
        return Saving(rule.price, np.isin(np.arange(len(every)), rule.columns))

    def _spent(self, name: str, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = self._policy.forecasts.get(name)
        if found is None:
            return self._whatever_the_query[name]
        return np.asarray(found.predictor.predict(embeddings)[0], dtype=float), found.sd


class _Spend(Protocol):
    @property
    def outcomes(self) -> np.ndarray: ...
    @property
    def mean(self) -> np.ndarray: ...
    @property
    def p95(self) -> np.ndarray: ...


def _over_all(spend: _Spend) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of the logarithms over all queries, (paths,) each.

    Of estimates, whose single outcomes are not known, the 95th percentile tells the deviation.
    """
    if np.isnan(spend.outcomes).all():
        middle = np.log(np.maximum(spend.mean, TINY))
        return middle, np.maximum((np.log(np.maximum(spend.p95, TINY)) - middle) / 1.645, LEAST_SD)
    logs = np.log(np.maximum(spend.outcomes, TINY))
    return np.nanmean(logs, axis=0), np.maximum(np.nanstd(logs, axis=0), LEAST_SD)
