"""Adaptation: forecasts follow what happens, and broken limits are held to their target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving.choosing import Outlook, Saving, choose
from ecollm_lab.serving.forecasts import Forecast

SURPRISE = 3.0  # standard deviations from which an outcome says that the world has changed


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a Runtime learns and forgets.

    Attributes
    ----------
    weight, surprised_weight
        Of a new outcome in the moving mean of how far outcomes lie from the forecast; the second
        where it lies more than three standard deviations away.
    half_life_s
        After so many seconds without an outcome, half of what was learned of a model is forgotten.
    failure_weight, failure_half_life_s
        The same for how probably a model fails.
    step
        η of the dual ascent: by how much one broken limit raises its price, in quality.
    exploration
        Share of choices made at random among the paths that keep the limits at the target rate.

    """

    weight: float = 0.1
    surprised_weight: float = 0.5
    half_life_s: float = 300.0
    failure_weight: float = 0.5
    failure_half_life_s: float = 3.0
    step: float = 0.1
    exploration: float = 0.02

    def __post_init__(self) -> None:
        for name in ("weight", "surprised_weight", "failure_weight", "exploration"):
            if not 0 <= getattr(self, name) <= 1:
                raise LabError(f"{name} must be within [0, 1], got {getattr(self, name)!r}.")
        for name in ("half_life_s", "failure_half_life_s", "step"):
            if not getattr(self, name) > 0:
                raise LabError(f"{name} must be a positive number, got {getattr(self, name)!r}.")


@dataclass(slots=True)
class Fading:
    """One number per model that moves towards what is seen, and halves when nothing is seen."""

    half_life_s: float
    values: np.ndarray
    at: np.ndarray

    @classmethod
    def zeros(cls, n: int, half_life_s: float) -> Fading:
        """Start at zero for n models."""
        return cls(half_life_s, np.zeros(n), np.zeros(n))

    def now(self, time_s: float) -> np.ndarray:
        """Return what is left at a time, shape (models,)."""
        age = np.maximum(time_s - self.at, 0.0)
        return np.asarray(self.values * 0.5 ** (age / self.half_life_s))

    def move(self, model: int, seen: float, weight: float, time_s: float) -> None:
        """Move one model's number towards what is seen."""
        before = self.now(time_s)[model]
        self.values[model] = before + weight * (seen - before)
        self.at[model] = time_s


@dataclass(eq=False)
class Adaptation:
    """What a Runtime has learned since it started, and how it chooses with it.

    Every model carries a shift of the logarithm of latency and of cost: a moving mean, with
    forgetting, of how far outcomes lie from the policy's forecasts. A model that fails is expected
    to fail again for a while. The price λ of a broken limit follows dual ascent on the target α:

        λ ← max(0, λ + η · (v − α)),   v = 1 if the answer broke a limit, else 0.

    Attributes
    ----------
    models
        The model that generates on each path, in the order of the paths.
    target
        α, the share of answers that may break a limit.
    pace
        How fast it learns and forgets.
    price
        λ, what a certain broken limit costs, in quality.

    Notes
    -----
    After T answers under limits, summing the steps gives, without any condition on the world,

        share of broken limits ≤ α + (λ_T − λ_0) / (η T),

    where λ_T is the price that is reached: `bound` returns the right-hand side. It tends to α
    exactly if λ_T stays bounded. That holds if there is a Λ such that no limit breaks while
    λ ≥ Λ, that is, if for every question some usable path surely keeps the limits and the risk of
    the others is not underestimated to nothing; then λ_T ≤ Λ + η and the share is at most
    α + (Λ + η − λ_0) / (η T). Where no path can keep a limit, λ grows without end, and so does the
    bound: no choice could then do better. Adaptive conformal inference (Gibbs & Candès 2021,
    proposition 4.1) makes the same argument for a threshold.

    """

    models: Sequence[str]
    target: float = 0.05
    pace: Pace = field(default_factory=Pace)
    price: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise LabError(f"target must be within (0, 1), got {self.target!r}.")
        self.names = list(dict.fromkeys(self.models))
        self._model = np.array([self.names.index(name) for name in self.models])
        n = len(self.names)
        self._latency = Fading.zeros(n, self.pace.half_life_s)
        self._cost = Fading.zeros(n, self.pace.half_life_s)
        self._failure = Fading.zeros(n, self.pace.failure_half_life_s)
        self._reprice = np.zeros(len(self.models))
        self._first_price = self.price
        self._random = np.random.default_rng(self.seed)
        self.answers = self.broken = 0

    def outlook(self, forecast: Forecast, time_s: float, wait_s: np.ndarray | float = 0) -> Outlook:
        """Return what is expected of each path at a time, where turns take `wait_s` (paths,)."""
        return Outlook(
            quality=forecast.quality,
            log_cost=forecast.log_cost + self._reprice + self._cost.now(time_s)[self._model],
            cost_sd=forecast.cost_sd,
            log_latency=forecast.log_latency + self._latency.now(time_s)[self._model],
            latency_sd=forecast.latency_sd,
            failure=self._failure.now(time_s)[self._model],
            wait_s=np.broadcast_to(np.asarray(wait_s, dtype=float), len(self.models)),
        )

    def choose(
        self, outlook: Outlook, slo: SLO, usable: np.ndarray, saving: Saving | None = None
    ) -> int | None:
        """Choose a path: see `choosing.choose`; now and then another one that keeps the limits."""
        best = choose(outlook, slo, usable, self.price, saving)
        if best is None or self._random.random() >= self.pace.exploration:
            return best
        enough = outlook.quality >= (slo.min_quality or 0.0)
        others = np.flatnonzero(usable & enough & (outlook.risk(slo) <= self.target))
        return int(self._random.choice(others)) if len(others) else best

    def took(
        self, forecast: Forecast, path: int, seconds: float, time_s: float, *, cut: bool = False
    ) -> None:
        """Learn how long a path took, or, where it was `cut` off, the least that it would take."""
        seen = np.log(max(seconds, 1e-6)) - forecast.log_latency[path]
        model = int(self._model[path])
        if not cut or seen > self._latency.now(time_s)[model]:
            self._learn(self._latency, model, seen, float(forecast.latency_sd[path]), time_s)

    def cost(self, forecast: Forecast, path: int, usd: float, time_s: float) -> None:
        """Learn what a path cost."""
        seen = np.log(max(usd, 1e-12)) - forecast.log_cost[path] - self._reprice[path]
        model = int(self._model[path])
        self._learn(self._cost, model, seen, float(forecast.cost_sd[path]), time_s)

    def _learn(self, shift: Fading, model: int, seen: float, sd: float, time_s: float) -> None:
        if not np.isfinite(seen):
            return
        surprised = abs(seen - shift.now(time_s)[model]) > SURPRISE * sd
        weight = self.pace.surprised_weight if surprised else self.pace.weight
        shift.move(model, seen, weight, time_s)

    def failed(self, path: int, time_s: float, *, failed: bool = True) -> None:
        """Learn that a path's model failed, or that it did not."""
        self._failure.move(int(self._model[path]), float(failed), self.pace.failure_weight, time_s)

    def broke(self, broke: bool) -> None:
        """Learn whether an answer under limits broke one, and move the price of breaking."""
        self.answers += 1
        self.broken += broke
        self.price = max(0.0, self.price + self.pace.step * (float(broke) - self.target))

    @property
    def bound(self) -> float:
        """The most that the share of broken limits can be by now; see the class."""
        steps = self.pace.step * max(self.answers, 1)
        return self.target + (self.price - self._first_price) / steps

    @property
    def violation_rate(self) -> float:
        """The share of answers under limits that broke one."""
        return self.broken / self.answers if self.answers else 0.0

    def reprice(self, factors: np.ndarray) -> None:
        """Multiply what paths are expected to cost by one factor per path, shape (paths,).

        The factors are today's price ÷ the price that the policy was fitted at, so a second call
        replaces the first. What was learned of costs at earlier prices is forgotten.
        """
        with np.errstate(divide="ignore"):
            self._reprice = np.log(np.asarray(factors, dtype=float))
        self._cost = Fading.zeros(len(self.names), self.pace.half_life_s)
