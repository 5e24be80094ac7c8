"""Policies: (query, SLO) → path. What every policy has in common: limits kept at a stated rate, choice, explanation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr

from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies.explanations import Explanation, explained
from ecollm_lab.policies.limits import (
    MARGIN,
    MOSTLY,
    PENALTIES,
    STEPS,
    TOLERANCE,
    TOLERANCES,
    Rule,
    first_good,
    highest_rate,
    why_infeasible,
)
from ecollm_lab.policies.predictors import Predictor
from ecollm_lab.records import SLO, InfeasibleSLO, LabError, Query, require_choice


@dataclass(eq=False, kw_only=True, repr=False)
class Policy:
    """A predictor of quality, what paths cost and take, and a target for how often limits may be broken.

    Attributes
    ----------
    predictor
        Of quality; what tells policies apart.
    order
        "quality", or a fixed order that ignores quality: "cost_usd", "latency_s", "random".
    left_out
        Expected quality of the training queries, each predicted from other queries alone, shape
        (queries, paths).
    quality, cost, latency
        Training outcomes, shape (queries, paths), NaN where not seen.
    cost_usd, latency_s, cost_p95_usd, latency_p95_s
        Means and 95th percentiles, shape (paths,).
    cost_log_sd, latency_log_sd
        Standard deviations of the logarithms of the percentiles where they are estimates, else
        zero; shape (paths,).
    violation_rate
        Target: limits may be broken by at most this share of choices. None: every path must keep
        the limits with its 95th percentiles.
    allowed
        Paths it may choose, shape (paths,).
    tolerance
        How much quality prefer="cost" and "latency" may give up, on average over queries.
    clusters
        Of the training queries, shape (queries,): similar ones may break limits together.
    margin
        By how many standard errors over clusters the rate at which training queries break limits
        stays below the target.
    dimension
        Of the embeddings it was fitted on; None where it was fitted without.

    """

    name: str
    path_ids: np.ndarray
    predictor: Predictor
    order: Literal["quality", "cost_usd", "latency_s", "random"] = "quality"
    left_out: np.ndarray
    quality: np.ndarray
    cost: np.ndarray
    latency: np.ndarray
    cost_usd: np.ndarray
    latency_s: np.ndarray
    cost_p95_usd: np.ndarray
    latency_p95_s: np.ndarray
    cost_log_sd: np.ndarray
    latency_log_sd: np.ndarray
    violation_rate: float | None
    allowed: np.ndarray
    tolerance: float = TOLERANCE
    clusters: np.ndarray
    margin: float = MARGIN
    dimension: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    encoder: Encoder | None = field(default=None)
    seed: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    _rules: dict[SLO, Rule] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        n_queries, n_paths = self.left_out.shape
        learned = f"{n_queries} queries × {n_paths} paths" + (
            f" of {self.provenance['domain']}" if self.provenance.get("domain") else ""
        )
        return (
            f"{type(self).__name__}({self.name!r}, learned from {learned},"
            f" violation_rate={self.violation_rate})"
        )

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        return self.predictor.predict(embeddings)

    def select(
        self,
        queries: Sequence[Query] | Sequence[str] | np.ndarray,
        slo: SLO,
        *,
        infeasible: Literal["raise", "least_violating"] = "raise",
    ) -> np.ndarray:
        """Choose a path id for each query, shape (queries,).

        Parameters
        ----------
        queries
            Queries, texts, or unit embeddings of shape (queries, dimension).
        slo
            Limits and preference. With prefer="quality" the best expected quality wins; with "cost"
            or "latency" the cheapest or fastest path whose expected quality is at least
            `slo.min_quality` or, without one, so near the best that the choices give up at most
            `tolerance` (0.02) on average; if none reaches `min_quality`, the best. What breaks
            limits counts less: see `rule`.
        infeasible
            What to do if no choice keeps the limits often enough: raise, or take the
            least-violating path and warn: the one that breaks them least often, of equals the one
            least far beyond them.

        Raises
        ------
        InfeasibleSLO
            If no path keeps the limits; says which path comes closest.
        LabError
            If there is no query, or `slo` is not an SLO.

        """
        embeddings = self.embed(queries)
        rule = self._feasible_rule(slo, infeasible)
        return self.path_ids[rule.columns[self._positions(embeddings, rule, slo)]]

    def decide(
        self,
        queries: Sequence[Query] | Sequence[str] | np.ndarray,
        slo: SLO,
        *,
        ask: Ask | None = None,
        infeasible: Literal["raise", "least_violating"] = "raise",
    ) -> Decision:
        """Choose as `select` does, and say which paths are run for it: here, the chosen one. Only a cascade looks at answers with `ask`."""
        del ask
        path_ids = self.select(queries, slo, infeasible=infeasible)
        return Decision(path_ids, path_ids[:, None])

    def _feasible_rule(self, slo: SLO, infeasible: str) -> Rule:
        rule = self.rule(slo)
        cloud_only = (
            self.name.removesuffix("_router") == "cloud_only"
        )  # has nothing else to offer, and is charged with the violation
        if not rule.feasible and not cloud_only:
            require_choice("infeasible", infeasible, ("raise", "least_violating"))
            if infeasible == "raise":
                raise InfeasibleSLO(self._why_infeasible(slo))
            warnings.warn(
                f"{self._why_infeasible(slo)} Taking the least-violating path.", stacklevel=3
            )
        return rule

    def _positions(self, embeddings: np.ndarray, rule: Rule, slo: SLO) -> np.ndarray:
        if self.order == "random":
            return np.random.default_rng(self.seed).integers(
                len(rule.columns), size=len(embeddings)
            )
        if self.order != "quality" or len(rule.columns) == 1:
            return np.zeros(len(embeddings), dtype=int)
        return first_good(rule.scores(embeddings), slo, rule.tolerance)

    def embed(self, queries: Sequence[Query] | Sequence[str] | np.ndarray) -> np.ndarray:
        """Return embeddings of queries or texts; arrays pass through."""
        if isinstance(queries, np.ndarray):
            if queries.ndim != 2:
                raise LabError(
                    f"Embeddings must have the shape (queries, dimension), got {queries.shape}."
                )
            if self.dimension not in (None, queries.shape[1]):
                raise LabError(
                    f"Embeddings must have the dimension {self.dimension} of those {self.name} was"
                    f" fitted on, got {queries.shape[1]}."
                )
            if not np.isfinite(queries.sum()):
                raise LabError(
                    "Embeddings must be finite numbers; got NaN or infinity. Embed the texts again."
                )
            return queries
        if isinstance(queries, (str, Query)):
            raise LabError(
                "select takes a sequence of queries or texts; wrap a single one in a list."
            )
        texts = [query.text if isinstance(query, Query) else query for query in queries]
        if not texts:
            raise LabError(
                f"queries must name at least one query; got an empty {type(queries).__name__}. Give"
                " Query records or texts."
            )
        if not all(isinstance(text, str) for text in texts):
            raise LabError(
                "Queries must be Query records, texts or one array of embeddings; got"
                f" {type(texts[0]).__name__}."
            )
        return (self.encoder or default_encoder()).encode(texts)

    def rule(self, slo: SLO) -> Rule:
        """Return how this policy decides under an SLO; computed once per SLO.

        Where outcomes were seen, the penalty of a path is λ × the share of its outcomes that break
        a limit, with the least λ for which the choices for the training queries, each predicted
        from other queries, break limits at no more than the target rate: (n × rate + 1) / (n + 1)
        <= target, as in conformal risk control (Angelopoulos et al. 2024). An outcome that was not
        seen counts as broken by the share of the path's others. That rate is taken `margin`
        standard errors higher, by clusters of queries: other queries may have more of the cluster
        that breaks limits. Where outcomes were estimated, or without a target, a path must keep the
        limits with its 95th percentiles more probably than not, and its expected quality counts
        times that probability.

        The best of many expectations promises more than it keeps, so staying near it gives up
        little and saves little. With prefer="cost" or "latency" and no `min_quality`, a path may
        therefore be as far below the best expectation as costs the choices for the training queries
        at most `tolerance` of their actual quality, against always taking the best.
        """
        if not isinstance(slo, SLO):
            raise LabError(f"slo must be an SLO, e.g. SLO(max_latency_s=1.0); got {slo!r}.")
        if slo not in self._rules:
            self._require_recorded(slo)
            calibrated = self.violation_rate is not None and not (
                self.cost_log_sd.any() or self.latency_log_sd.any()
            )
            self._rules[slo] = self._calibrated(slo) if calibrated else self._by_percentile(slo)
        return self._rules[slo]

    def _require_recorded(self, slo: SLO) -> None:
        for asked, column, values in (
            (slo.max_cost_usd is not None or slo.prefer == "cost", "cost_usd", self.cost_usd),
            (slo.max_latency_s is not None or slo.prefer == "latency", "latency_s", self.latency_s),
        ):
            if asked and np.isnan(values).any():
                raise LabError(
                    f"The trace this policy learned from has no {column}, so an SLO cannot limit or"
                    f" prefer it; got {slo}."
                )

    def _calibrated(self, slo: SLO) -> Rule:
        target = self.violation_rate
        assert target is not None
        seen = ~np.isnan(self.quality)
        broke = ~slo.keeps(self.cost, self.latency) & seen
        n_seen = seen.sum(axis=0)
        share = broke.sum(axis=0) / np.maximum(n_seen, 1)
        most = MOSTLY if self.order == "quality" else target + 1e-12
        columns = self._ordered((share < most) & self.allowed, slo)
        if not len(columns) or share[columns].min() > target:
            least = self._least_violating(share, slo)
            return self._make(
                np.array([least]), np.zeros(1), float(share[least]), share, feasible=False
            )
        if self.order != "quality":
            return self._make(columns, np.zeros(len(columns)), float(share[columns].mean()), share)
        rows = np.arange(len(seen))
        others = (broke.sum(axis=0) - broke) / np.maximum(
            n_seen - 1, 1
        )  # the share without the query itself
        broke = np.where(
            seen, broke, share
        )  # an outcome not seen breaks limits as often as those that were
        expected, others, broke = self.left_out[:, columns], others[:, columns], broke[:, columns]
        quality = np.where(np.isnan(self.quality), self.left_out, self.quality)[:, columns]
        highest = highest_rate(target, len(rows))

        def calibrated(slo: SLO, tolerance: float) -> tuple[float, np.ndarray]:
            """Return the least penalty that meets the target, and the choices under it."""

            def choices(penalty: float) -> np.ndarray:
                return first_good(expected - penalty * others, slo, tolerance)

            low, high = PENALTIES
            if self.careful_rate(broke[rows, choices(0.0)]) <= highest:
                return 0.0, choices(0.0)
            for _ in range(STEPS):
                middle = (low * high) ** 0.5
                low, high = (
                    (low, middle)
                    if self.careful_rate(broke[rows, choices(middle)]) <= highest
                    else (middle, high)
                )
            return high, choices(high)

        tolerance = 0.0
        penalty, chosen = calibrated(slo, tolerance)
        if slo.prefer != "quality" and slo.min_quality is None:
            best = quality[rows, chosen].mean()
            for wider in TOLERANCES:
                candidate = calibrated(slo, wider)
                if quality[rows, candidate[1]].mean() >= best - self.tolerance:
                    tolerance, (penalty, chosen) = wider, candidate
        rate = float(broke[rows, chosen].mean())
        return self._make(columns, penalty * share[columns], rate, share, tolerance=tolerance)

    def careful_rate(self, broke: np.ndarray) -> np.ndarray:
        """Return the share of training queries that broke limits, shape (..., queries) → (...), plus its margin over clusters."""
        rate = broke.mean(axis=-1)
        excess = (broke - rate[..., None]).reshape(-1, broke.shape[-1])
        variance = [np.square(np.bincount(self.clusters, row)).sum() for row in excess]
        return rate + self.margin * np.sqrt(variance).reshape(rate.shape) / broke.shape[-1]

    def _by_percentile(self, slo: SLO) -> Rule:
        kept = self.kept_probability(slo)
        columns = self._ordered((kept >= MOSTLY) & self.allowed, slo)
        if not len(columns):
            return self._make(
                np.array([self._least_violating(1 - kept, slo)]),
                np.zeros(1),
                np.nan,
                1 - kept,
                feasible=False,
            )
        return self._make(columns, np.zeros(len(columns)), np.nan, 1 - kept, weight=kept[columns])

    def _least_violating(self, share: np.ndarray, slo: SLO) -> int:
        """Return the path that breaks limits least often; of equals the one least far beyond by its 95th percentiles, then the best."""
        over = np.full(len(share), -np.inf)  # the logarithm of percentile / limit
        for limit, tail in (
            (slo.max_cost_usd, self.cost_p95_usd),
            (slo.max_latency_s, self.latency_p95_s),
        ):
            if limit is not None:
                over = np.maximum(over, np.log(np.maximum(tail, 1e-300)) - np.log(limit))
        allowed = np.flatnonzero(self.allowed)
        return int(
            allowed[
                np.lexsort(
                    (-self.left_out[:, allowed].mean(axis=0), over[allowed], share[allowed])
                )[0]
            ]
        )

    def _ordered(self, mask: np.ndarray, slo: SLO) -> np.ndarray:
        """Return the columns under a mask: cheapest first, then fastest; the other way round where latency counts. A fixed order stays."""
        by_latency = self.order == "latency_s" or (
            slo.prefer == "latency" and self.order != "cost_usd"
        )
        first, second = (
            (self.latency_s, self.cost_usd) if by_latency else (self.cost_usd, self.latency_s)
        )
        columns = np.flatnonzero(mask)
        return columns[np.lexsort((second[columns], first[columns]))]

    def _make(
        self,
        columns: np.ndarray,
        penalty: np.ndarray,
        rate: float,
        share: np.ndarray,
        *,
        weight: np.ndarray | None = None,
        feasible: bool = True,
        tolerance: float | None = None,
        threshold: float = 0.0,
    ) -> Rule:
        width = self.tolerance if tolerance is None else tolerance
        return Rule(
            columns,
            self.predictor.restricted(columns, penalty),
            weight,
            width,
            rate,
            share,
            feasible,
            threshold,
        )

    def kept_probability(self, slo: SLO) -> np.ndarray:
        """Return how probably each path's 95th percentiles keep the limits of an SLO, shape (paths,)."""
        out = np.ones(len(self.path_ids))
        for limit, tail, log_sd in (
            (slo.max_cost_usd, self.cost_p95_usd, self.cost_log_sd),
            (slo.max_latency_s, self.latency_p95_s, self.latency_log_sd),
        ):
            if limit is not None:
                below = np.log(limit) - np.log(np.maximum(tail, 1e-300))
                out *= np.where(
                    log_sd > 0, ndtr(below / np.where(log_sd > 0, log_sd, 1.0)), tail <= limit
                )
        return out

    def _paths(self, **more: np.ndarray) -> pd.DataFrame:
        """Return what is known of each path, one row per path."""
        known = {
            name: getattr(self, name)
            for name in ("cost_usd", "cost_p95_usd", "latency_s", "latency_p95_s", "allowed")
        }
        return pd.DataFrame({"path_id": self.path_ids, **known, **more})

    def _why_infeasible(self, slo: SLO) -> str:
        in_cost = self.kept_probability(SLO(max_cost_usd=slo.max_cost_usd)) >= MOSTLY
        in_time = self.kept_probability(SLO(max_latency_s=slo.max_latency_s)) >= MOSTLY
        return why_infeasible(self._paths(in_cost=in_cost, in_time=in_time), slo)

    def explain(self, query: Query | str | np.ndarray, slo: SLO) -> Explanation:
        """Say which path is chosen for one query and why no other; an infeasible SLO is explained by its least-violating path.

        Of a cascade it is the path run first: whether the other is run depends on its answer.

        Parameters
        ----------
        query
            A query, a text, or one embedding of shape (dimension,).
        slo
            Limits and preference.

        Raises
        ------
        LabError
            If it is not one query, or not an SLO.

        """
        if not isinstance(query, (Query, str, np.ndarray)):
            raise LabError(
                "explain takes one query: a Query, a text or an embedding of shape (dimension,); "
                f"got {type(query).__name__}. Call it once for each query."
            )
        embeddings = self.embed(
            query[None]
            if isinstance(query, np.ndarray)
            else [query if isinstance(query, str) else query.text]
        )
        rule = self.rule(slo)
        score = np.full(len(self.path_ids), np.nan)
        score[rule.columns] = rule.scores(embeddings)[0]
        chosen = int(rule.columns[self._positions(embeddings, rule, slo)[0]])
        error = self.quality[:, chosen] - self.left_out[:, chosen]
        return explained(
            self._paths(
                quality=self.predict(embeddings)[0],
                score=score,
                violation_share=rule.violation_share,
            ),
            chosen,
            slo,
            quality_sd=float(np.nanstd(error)) if np.isfinite(error).any() else float("nan"),
            violation_rate=rule.violation_rate,
            tolerance=rule.tolerance,
            feasible=rule.feasible,
            other_reasons=self._other_reasons(rule),
        )

    def _other_reasons(self, rule: Rule) -> dict[str, str]:
        """Return why paths are not chosen, by path, where neither limits nor expected quality decide."""
        reason = {
            "quality": "",
            "cost_usd": "not the cheapest",
            "latency_s": "not the fastest",
            "random": "not drawn",
        }[self.order]
        return dict.fromkeys(self.path_ids[rule.columns], reason) if reason else {}


Ask = Callable[[np.ndarray, str], Sequence[str]]
"""Answers of a path to some of the queries: (rows, path_id) → one text a row."""


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy does about some queries.

    Attributes
    ----------
    path_ids
        The path whose answer counts, shape (queries,).
    runs
        The paths run for it in order, shape (queries, most runs), None where there were fewer. Cost
        and latency are their sums.

    """

    path_ids: np.ndarray
    runs: np.ndarray
