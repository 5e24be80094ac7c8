"""What a policy expects of each path for one question: quality, cost and latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO
from ecollm_lab.serving.choosing import Saving

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
        spends = {name: policy.training.spend(name) for name in SPENT}
        self._whatever_the_query = {name: _over_all(one.outcomes) for name, one in spends.items()}

    def embed(self, text: str) -> np.ndarray:
        """Return the embedding of a question, shape (dimension,)."""
        return np.asarray(self._policy.embed([text])[0])

    def of(self, embedding: np.ndarray) -> Forecast:
        """Return what is expected of each path for a question."""
        quality = np.asarray(self._policy.predict(embedding[None])[0], dtype=float)
        cost, latency = (self._spent(name, embedding[None]) for name in SPENT)
        return Forecast(quality, *cost, *latency)

    def saving(self, slo: SLO) -> Saving:
        """Return how to save under an SLO, by what the policy found on its training queries.

        The price is the one it found without limits. Without limits, all questions may get one
        path, where choosing per query did harm. A policy that looked for no price (one of two
        paths, a fixed order, under limits one of estimated outcomes) has a tolerance instead.
        """
        every = np.ones(len(self.path_ids), dtype=bool)
        preferred = {"cost": "cost_usd", "latency": "latency_s"}.get(slo.prefer)
        if slo.min_quality is not None or (slo.limits and not preferred):
            return Saving(every)
        if preferred and not self._policy.training.spend(preferred).recorded:
            return Saving(every)
        rule = self._policy.rule(SLO(prefer=slo.prefer))
        if rule.price is None or (slo.limits and self._policy.training.estimated):
            return Saving(every, tolerance=self._policy.terms.tolerance if preferred else 0.0)
        kept = np.isin(np.arange(len(every)), rule.columns)
        return Saving(every if slo.limits else kept, rule.price)

    def _spent(self, name: str, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = self._policy.forecasts.get(name)
        if found is None:
            return self._whatever_the_query[name]
        return np.asarray(found.predictor.predict(embeddings)[0], dtype=float), found.sd


def _over_all(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of the logarithms over all queries, (paths,) each.

    NaN where nothing was recorded.
    """
    if np.isnan(outcomes).all():
        unknown = np.full(outcomes.shape[1], np.nan)
        return unknown, unknown
    logs = np.log(np.maximum(outcomes, TINY))
    return np.nanmean(logs, axis=0), np.maximum(np.nanstd(logs, axis=0), LEAST_SD)
