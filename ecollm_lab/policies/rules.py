"""Rules: how a policy decides under one SLO, made of what it knows of the paths."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from scipy.special import ndtr

from ecollm_lab.policies.limits import MOSTLY, UNLIKELY, Forecast, Lookback, Terms, first_good
from ecollm_lab.policies.predictors import Predictor, joined
from ecollm_lab.policies.training import TINY, Training
from ecollm_lab.records import SLO, LabError, Limit


@dataclass(frozen=True, eq=False)
class Rule:
    """How a policy decides under one SLO."""

    columns: np.ndarray  # the paths considered: the cheapest (or fastest) first, which breaks ties
    predictor: Predictor  # of their quality, less constant penalties, or × constant probabilities
    # share of each path's training outcomes that break a limit, (paths,); where none are counted,
    # how probably its 95th percentiles do
    violation_share: np.ndarray
    # share of training queries whose choice, made without knowing them, broke a limit, or is
    # expected to, by estimates; NaN where percentiles decide
    violation_rate: float = float("nan")
    tolerance: float = 0.0  # of estimates: how far below the best score a preferred path may be
    feasible: bool = True  # whether the target is met; if not, this is the least-violating path
    threshold: float = 0.0  # of policies of two paths: how sure the first must be
    excess: tuple[Predictor, ...] = ()  # one a limit: how many standard deviations beyond it
    penalty: float = 0.0  # of a certain violation, in quality, where `excess` tells how probable
    price: float | None = None  # of a US dollar or a second, in quality; None: not looked for

    @cached_property
    def _joined(self) -> Predictor | None:
        return joined([self.predictor, *self.excess]) if self.excess else None

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Return what decides, shape (queries, columns)."""
        if not self.penalty:
            return self.predictor.predict(embeddings)
        if self._joined is None:
            return self.predictor.predict(embeddings) - self.penalty * self.risk(embeddings)
        both = self._joined.predict(embeddings)
        parts = np.split(both, range(n := len(self.columns), both.shape[1], n), axis=1)
        return parts[0] - self.penalty * ndtr(np.maximum.reduce(parts[1:]))

    def risk(self, embeddings: np.ndarray) -> np.ndarray:
        """Return how probably each path breaks a limit for each query, shape (queries, columns).

        With two limits it is the larger of two probabilities: cost and latency both grow with the
        answer, so that they mostly break together.
        """
        if not self.excess:
            shape = len(embeddings), len(self.columns)
            return np.broadcast_to(self.violation_share[self.columns], shape)
        return np.asarray(ndtr(np.max([one.predict(embeddings) for one in self.excess], axis=0)))


@dataclass(eq=False, kw_only=True, repr=False)
class RuleMaker:
    """What a policy knows of paths, and the rules that it makes of it."""

    training: Training
    predictor: Predictor  # of quality; what tells policies apart
    left_out: np.ndarray  # what it says of training queries from others alone, (queries, paths)
    # of "cost_usd" and "latency_s"; without one, a limit goes by how often a path breaks it
    forecasts: dict[str, Forecast] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    order: Literal["quality", "cost_usd", "latency_s", "random"] = (
        "quality"  # else quality is ignored
    )
    allowed: np.ndarray  # which paths may be chosen, (paths,)
    _rules: dict[SLO, Rule] = field(default_factory=dict, init=False)

    def rule(self, slo: SLO) -> Rule:
        """Return how this policy decides under an SLO, as docs/routing.md tells; computed once.

        Of estimates, an SLO is refused if every path is expected to break it in half of its
        answers or more, or if all exceed the target and no path's 95th percentiles keep the limits
        with a probability of at least `UNLIKELY`: not knowing is no reason to refuse. Without a
        target, expected quality counts times that probability.
        """
        if not isinstance(slo, SLO):
            raise LabError(f"slo must be an SLO, e.g. SLO(max_latency_s=1.0); got {slo!r}.")
        if slo not in self._rules:
            self.training.require_recorded(slo)
            self._rules[slo] = self._calibrated(slo) if self._counts else self._by_percentile(slo)
        return self._rules[slo]

    @property
    def _counts(self) -> bool:
        """Whether broken limits are counted, rather than read off percentiles."""
        sure = self.order == "quality" or not self.training.estimated
        return self.terms.violation_rate is not None and sure

    def _calibrated(self, slo: SLO) -> Rule:
        target = self.terms.violation_rate
        assert target is not None
        broke = self.training.broke(slo)
        if self.training.estimated:
            return self._expected(slo, broke)
        share = broke.mean(axis=0)
        if self.order != "quality":
            columns = self._ordered((share <= target + 1e-12) & self.allowed, slo)
            if not len(columns):
                return self._refused(share, slo)
            taken = columns if self.order == "random" else columns[:1]
            return self._rule(columns, share, violation_rate=float(share[taken].mean()))
        by_path = self.training.broke_of_others(broke)
        by_query = self._risk(slo, by_path)
        nearer = np.linalg.norm(by_query - broke) < np.linalg.norm(by_path - broke)
        for risk in [by_query, by_path] if nearer else [by_path]:
            likely = share if risk is by_path else risk.min(axis=0)
            columns = self._ordered((likely < MOSTLY) & self.allowed, slo)
            if not len(columns):
                continue
            past = self._lookback(slo, columns, risk, broke)
            penalty, price, kept, rate = past.calibrated(slo, self.terms)
            least = float(share[columns].min()) if risk is by_path else past.least_rate()
            if self.terms.violation_cost is None and min(rate, least) > target:
                continue
            columns, spent = columns[kept], price * past.spend[kept] if price else 0.0
            more: dict[str, Any] = {"violation_rate": rate, "price": price}
            if risk is by_path:
                return self._rule(columns, share, penalty * share[columns] + spent, **more)
            excess = tuple(
                self.forecasts[limit.column].restricted(columns, limit.value)
                for limit in slo.limits
            )
            return self._rule(columns, share, spent, excess=excess, penalty=penalty, **more)
        return self._refused(share, slo)

    def _expected(self, slo: SLO, broke: np.ndarray) -> Rule:
        """Return the rule of estimates, which do not show how unsure they are of a single query.

        So no price of what is preferred is looked for on them, and without limits one path is taken
        for all. What they say of broken limits is the same for every query.
        """
        share, tolerance = broke[0], self.terms.tolerance
        columns = self._ordered((share < MOSTLY) & self.allowed, slo)
        if not len(columns):
            return self._refused(share, slo)
        if not slo.limits:
            mean = self.training.mean[None, columns]
            one = columns[first_good(mean, slo, tolerance)]
            return self._rule(one, share, violation_rate=0.0, price=0.0)
        past = self._lookback(slo, columns, broke, broke)
        penalty, _, _, rate = past.calibrated(slo, self.terms)
        too_often = min(rate, share[columns].min()) > cast("float", self.terms.violation_rate)
        surely = self.training.tails_keep(slo)[columns].max() < UNLIKELY
        if self.terms.violation_cost is None and too_often and surely:
            return self._refused(share, slo)
        less = penalty * share[columns]
        return self._rule(columns, share, less, violation_rate=rate, tolerance=tolerance)

    def _lookback(
        self, slo: SLO, columns: np.ndarray, risk: np.ndarray, broke: np.ndarray
    ) -> Lookback:
        """Return the training queries on some paths; what was not seen is as expected."""
        quality, unseen = self.training.quality, np.isnan(self.training.quality)
        if unseen.any():
            quality = np.where(unseen, self.left_out, quality)
        else:
            broke = broke > 0  # 0 or 1, as truths, which take an eighth of the memory
        expected, risk, quality, broke = (
            table[:, columns] for table in (self.left_out, risk, quality, broke)
        )
        spend = self.training.latency if slo.prefer == "latency" else self.training.cost
        near = self.terms.tolerance if self.training.estimated else None
        return Lookback(expected, risk, quality, broke, spend.mean[columns], near)

    def _risk(self, slo: SLO, by_path: np.ndarray) -> np.ndarray:
        """Return the probability that limits break, training queries × paths."""
        if not slo.limits or any(limit.column not in self.forecasts for limit in slo.limits):
            return by_path
        risks = [self.forecasts[limit.column].risk(limit.value) for limit in slo.limits]
        return np.asarray(np.max(risks, axis=0))

    def _by_percentile(self, slo: SLO) -> Rule:
        keeps = self.training.tails_keep(slo)
        least = UNLIKELY if self.order == "quality" else MOSTLY
        columns = self._ordered((keeps >= least) & self.allowed, slo)
        if not len(columns):
            return self._refused(1 - keeps, slo)
        if self.training.estimated or self.order != "quality":
            more = {"scale": keeps[columns], "tolerance": self.terms.tolerance}
            return self._rule(columns, 1 - keeps, **more)
        never = np.broadcast_to(0.0, self.left_out.shape)
        past = self._lookback(slo, columns, never, never)
        price, kept, _ = past.saving(slo, self.terms.tolerance)
        spent = price * past.spend[kept] if price else 0.0
        return self._rule(columns[kept], 1 - keeps, spent, price=price)

    def _refused(self, share: np.ndarray, slo: SLO) -> Rule:
        """Return the rule that takes the least-violating path."""
        allowed = np.flatnonzero(self.allowed)
        over = np.full(len(share), -np.inf)
        for limit in slo.limits:
            tail = np.log(np.maximum(self.training.spend(limit.column).p95, TINY))
            over = np.maximum(over, tail - np.log(limit.value))
        mean = self.left_out.mean(axis=0)
        order = np.lexsort((-mean[allowed], over[allowed], share[allowed]))  # the last key first
        least = allowed[order[:1]]
        rate = float(share[least[0]]) if self._counts else float("nan")
        return self._rule(least, share, violation_rate=rate, feasible=False)

    def _rule(
        self,
        columns: np.ndarray,
        share: np.ndarray,
        less: np.ndarray | float = 0.0,
        scale: np.ndarray | float = 1.0,
        **more: Any,
    ) -> Rule:
        """Return a rule on (expected quality - less) × scale, with further fields of `Rule`."""
        return Rule(columns, self.predictor.restricted(columns, less, scale), share, **more)

    def _ordered(self, mask: np.ndarray, slo: SLO) -> np.ndarray:
        """Return the columns under a mask: cheapest first, or fastest where latency counts."""
        by_latency = self.order == "latency_s" or (
            slo.prefer == "latency" and self.order != "cost_usd"
        )
        cost, latency = self.training.cost.mean, self.training.latency.mean
        first, second = (latency, cost) if by_latency else (cost, latency)
        columns = np.flatnonzero(mask)
        return columns[np.lexsort((second[columns], first[columns]))]

    def _why_infeasible(self, slo: SLO) -> str:
        """Name the paths that come nearest to an SLO that none meets, and what they need."""
        which = {"latency_s": "the fastest", "cost_usd": "the cheapest"}
        other = {"latency_s": " within the cost limit", "cost_usd": " within the latency limit"}
        reasons = []
        for limit in slo.limits:
            needs = self._needs(limit, slo)
            if limit.value < needs.min() < np.inf:
                beside = other[limit.column] * (len(slo.limits) > 1)
                reasons.append(f"{which[limit.column]}{beside}, {self._least(limit, needs)}")
        if reasons:
            return f"No path meets {slo}: {'; '.join(reasons)}."
        alone = [(limit, self._needs(limit, SLO())) for limit in slo.limits]
        lacking = [limit.column for limit, needs in alone if needs.min() == np.inf]
        if lacking:
            return (
                f"No path meets {slo}: on every path too many outcomes lack"
                f" {' and '.join(lacking)}, and what was not recorded keeps no limit."
            )
        least = [f"{which[limit.column]}, {self._least(limit, needs)}" for limit, needs in alone]
        return f"No path meets {slo}: even alone, the limits allow no path: {'; '.join(least)}."

    def _least(self, limit: Limit, needs: np.ndarray) -> str:
        """Say what the path with the least need asks of a limit, rounded up."""
        best = int(needs.argmin())
        scale = 10.0 ** (3 - np.floor(np.log10(max(needs[best], TINY))))
        return f"{self.training.path_ids[best]}, needs {limit.name} >= " + (
            f"{np.ceil(needs[best] * scale * (1 - 1e-12)) / scale:.4g}"
        )

    def _needs(self, limit: Limit, slo: SLO) -> np.ndarray:
        """Return the least value of a limit with which each path would meet an SLO, (paths,).

        Infinity where none would, for the other limit, or because the path may not be chosen.
        """
        training, rest = self.training, replace(slo, **cast("Any", {limit.name: None}))
        if self._counts:
            rate = self.terms.violation_rate if self.terms.violation_cost is None else MOSTLY - 1e-9
            needs = training.needs(limit.column, rest, cast("float", rate))
        else:
            likely = training.tails_keep(rest) >= MOSTLY
            needs = np.where(likely, training.spend(limit.column).p95, np.inf)
        return np.where(self.allowed, needs, np.inf)
