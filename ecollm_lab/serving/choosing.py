"""Choosing one path for one question: expected quality against the risk of a broken limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ecollm_lab.records import SLO, Limit
from ecollm_lab.serving.results import Expected

LIKELY = 0.5  # a path that breaks a limit at least this probably is not a first choice
NOTICED = 0.01  # of the probability to break a limit: less does not stand in the way
TAIL_SD = 1.645  # standard deviations from the middle to the 95th percentile


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is expected of each path now; every array has the shape (paths,).

    Attributes
    ----------
    quality, log_cost, cost_sd, log_latency, latency_sd
        As in `Forecast`, after adaptation.
    failure
        How probably the path's models fail to answer.
    wait_s
        How long a question waits for its turn there, in seconds.

    """

    quality: np.ndarray
    log_cost: np.ndarray
    cost_sd: np.ndarray
    log_latency: np.ndarray
    latency_sd: np.ndarray
    failure: np.ndarray
    wait_s: np.ndarray

    @property
    def cost_usd(self) -> np.ndarray:
        """The cost that half of the answers stay below, in US dollars."""
        return np.exp(self.log_cost)

    @property
    def latency_s(self) -> np.ndarray:
        """The latency that half of the answers stay below, the wait included, in seconds."""
        return np.exp(self.log_latency) + self.wait_s

    def breaks(self, limit: Limit) -> np.ndarray:
        """Return how probably each path breaks one limit; what is not recorded breaks it surely."""
        if limit.column == "latency_s":
            room, log, sd = limit.value - self.wait_s, self.log_latency, self.latency_sd
        else:
            room, log, sd = np.full_like(self.log_cost, limit.value), self.log_cost, self.cost_sd
        with np.errstate(invalid="ignore"):
            beyond = (log - np.log(np.maximum(room, 1e-12))) / sd
        return np.where(np.isnan(beyond) | (room <= 0), 1.0, ndtr(beyond))

    def broken(self, slo: SLO) -> np.ndarray:
        """Return how probably each path breaks a limit.

        Of two limits the more probable break counts, as in `Rule.risk`.
        """
        breaks = np.max([np.zeros(len(self.failure)), *map(self.breaks, slo.limits)], axis=0)
        return np.asarray(breaks)

    def risk(self, slo: SLO) -> np.ndarray:
        """Return how probably each path breaks a limit or, independently of that, fails."""
        return np.asarray(1 - (1 - self.failure) * (1 - self.broken(slo)))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A path, chosen `used` seconds after the question came, with what was `left` of its limits."""

    path: int
    outlook: Outlook
    left: SLO
    usable: np.ndarray
    used: float

    def expected(self, spent_usd: float) -> Expected:
        """Return what is expected of the whole answer, with what earlier attempts took and cost."""
        outlook, path = self.outlook, self.path
        return Expected(
            quality=float(outlook.quality[path]),
            cost_usd=spent_usd + float(outlook.cost_usd[path]),
            latency_s=self.used + float(outlook.latency_s[path]),
            wait_s=float(outlook.wait_s[path]),
            risk=float(outlook.risk(self.left)[path]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Saving:
    """What may be given up for a lower cost or latency, whichever is preferred.

    Attributes
    ----------
    first
        The paths to choose from while one of them will do, shape (paths,).
    price
        What one US dollar or one second costs, in quality; 0 = nothing.
    tolerance
        How far below the best score a cheaper or faster path may be.

    """

    first: np.ndarray
    price: float = 0.0
    tolerance: float = 0.0


def choose(
    outlook: Outlook,
    slo: SLO,
    usable: np.ndarray,
    price: float,
    saving: Saving | None = None,
    likely: float = LIKELY,
) -> int | None:
    """Return the path of most expected quality − price × risk; None if every path is too risky.

    With prefer="cost" or "latency", what is expected to be spent now is taken off as well, at the
    price of `saving`; or it is the cheapest or fastest path within its tolerance of the best score.
    With `min_quality`, it is the cheapest or fastest path that reaches it.

    Parameters
    ----------
    outlook
        What is expected of each path.
    slo
        Limits and preference.
    usable
        Which paths may be taken, shape (paths,).
    price
        What a certain broken limit costs, in quality.
    saving
        What may be given up for cost or latency; None = nothing.
    likely
        Paths that are at least so risky are left out.

    """
    risk = outlook.risk(slo)
    columns = np.flatnonzero(usable & (risk < likely))
    if not len(columns):
        return None
    if saving is None:
        saving = Saving(usable)
    if len(first := columns[saving.first[columns]]):
        columns = first
    spend = outlook.latency_s if slo.prefer == "latency" else outlook.cost_usd
    columns = columns[np.argsort(np.nan_to_num(spend[columns], nan=np.inf), kind="stable")]
    scores = outlook.quality[columns] - price * risk[columns]
    if slo.prefer == "quality":
        return int(columns[scores.argmax()])
    if slo.min_quality is not None:
        return int(columns[(scores >= min(scores.max(), slo.min_quality)).argmax()])
    if saving.price:
        scores = scores - saving.price * spend[columns]
    return int(columns[(scores >= scores.max() - saving.tolerance).argmax()])


def bound_limits(outlook: Outlook, slo: SLO, chosen: int, usable: np.ndarray) -> tuple[str, ...]:
    """Return the limits that stood between the choice and a path of higher expected quality."""
    better = usable & (outlook.quality > outlook.quality[chosen] + 1e-9)
    names = [
        limit.name
        for limit in slo.limits
        if (better & (outlook.breaks(limit) > outlook.breaks(limit)[chosen] + NOTICED)).any()
    ]
    if slo.min_quality is not None and outlook.quality[chosen] < slo.min_quality:
        names.append("min_quality")
    return tuple(names)


def nearest_slo(outlook: Outlook, slo: SLO, usable: np.ndarray) -> SLO | None:
    """Return the SLO, its limits widened least, that some usable path keeps in 95 % of answers.

    Widening is measured by the largest factor on any one limit. None if there is no usable path.
    """
    needs = {
        "latency_s": np.exp(outlook.log_latency + TAIL_SD * outlook.latency_sd) + outlook.wait_s,
        "cost_usd": np.exp(outlook.log_cost + TAIL_SD * outlook.cost_sd),
    }
    factor = np.ones(len(outlook.quality))
    for limit in slo.limits:
        factor = np.maximum(factor, needs[limit.column] / limit.value)
    factor = np.where(usable & ~np.isnan(factor), factor, np.inf)
    column = int(factor.argmin())
    if not np.isfinite(factor[column]):
        return None
    widened = {
        limit.name: _rounded_up(max(limit.value, float(needs[limit.column][column])))
        for limit in slo.limits
    }
    return SLO(
        max_latency_s=widened.get("max_latency_s"),
        max_cost_usd=widened.get("max_cost_usd"),
        min_quality=slo.min_quality,
        prefer=slo.prefer,
    )


def _rounded_up(value: float) -> float:
    """Return a number with three digits, no smaller than the value."""
    digit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(f"{np.ceil(value / digit - 1e-9) * digit:.12g}")
