"""What a policy expects of each path for one question: quality, and the logarithms of cost and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ecollm_lab.policies import Policy

TINY = 1e-12  # what stands for zero where a logarithm is taken
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
        self.target = policy.violation_rate or 0.05
        self._cost = _over_all(policy.cost)
        self._latency = _over_all(policy.latency)

    def embed(self, text: str) -> np.ndarray:
        """Return the embedding of a question, shape (dimension,)."""
        return np.asarray(self._policy.embed([text])[0])

    def of(self, embedding: np.ndarray) -> Forecast:
        """Return what is expected of each path for a question."""
        quality = np.asarray(self._policy.predict(embedding[None])[0], dtype=float)
        return Forecast(quality, *self._cost, *self._latency)


def _over_all(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of the logarithms of outcomes (queries, paths)."""
    if np.isnan(outcomes).all():
        unknown = np.full(outcomes.shape[1], np.nan)
        return unknown, unknown
    logs = np.log(np.maximum(outcomes, TINY))
    return np.nanmean(logs, axis=0), np.maximum(np.nanstd(logs, axis=0), LEAST_SD)
