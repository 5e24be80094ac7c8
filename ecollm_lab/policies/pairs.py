"""Policies of two paths: a threshold between a weak and a strong one, and a cascade that runs the second if the first's answer fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecollm_lab.models import default_encoder
from ecollm_lab.policies.limits import MOSTLY, Rule, highest_rate
from ecollm_lab.policies.policy import Ask, Decision, Policy
from ecollm_lab.policies.predictors import Gate
from ecollm_lab.records import SLO, LabError, Query

# thresholds tried per pair: those that send 1/20, 2/20, … of the training queries to the second
# path
SHARES = 20


@dataclass(eq=False, kw_only=True, repr=False)
class PairPolicy(Policy):
    """A policy that has one path in mind first and another where confidence in the first is low.

    Without a gate, confidence is how much better the first is expected to be, and one of the two is
    run (weak and strong model, as in RouteLLM, arXiv 2406.18665). With a gate the first is always
    run, confidence is the quality its answer seems to have, and the second is run where that is
    below the threshold: both are paid for and waited for (FrugalGPT, arXiv 2305.05176).

    Attributes
    ----------
    candidates
        The paths pairs are made of, shape (candidates,).
    confidence
        In the answers of the candidates to the training queries, each from other queries, shape
        (queries, candidates). Without a gate a path is trusted relative to the other: the
        difference between the two columns decides.
    gate
        None for a threshold policy.

    """

    candidates: np.ndarray
    confidence: np.ndarray
    gate: Gate | None = None

    def decide(
        self,
        queries: Sequence[Query] | Sequence[str] | np.ndarray,
        slo: SLO,
        *,
        ask: Ask | None = None,
        infeasible: Literal["raise", "least_violating"] = "raise",
    ) -> Decision:
        """Choose, and say which paths were run; a cascade needs `ask` to see the first path's answers."""
        embeddings = self.embed(queries)
        rule = self._feasible_rule(slo, infeasible)
        first, second = self.path_ids[rule.columns[0]], self.path_ids[rule.columns[-1]]
        if first == second:
            path_ids = np.full(len(embeddings), first, dtype=object)
            return Decision(path_ids, path_ids[:, None])
        if self.gate is None:
            scores = rule.scores(embeddings)
            path_ids = np.where(scores[:, 0] - scores[:, 1] < rule.threshold, second, first).astype(
                object
            )
            return Decision(path_ids, path_ids[:, None])
        if ask is None:
            raise LabError(
                f"{self.name} reads the answer of {first} before it decides; give ask=, which"
                " returns the answers of a path."
            )
        rows = np.arange(len(embeddings))
        answers = (self.encoder or default_encoder()).encode(list(ask(rows, str(first))))
        unsure = self.gate.confidence(embeddings, answers, int(rule.columns[0])) < rule.threshold
        path_ids = np.where(unsure, second, first).astype(object)
        return Decision(
            path_ids,
            np.stack(
                [np.full(len(rows), first, dtype=object), np.where(unsure, second, None)], axis=1
            ),
        )

    def select(
        self,
        queries: Sequence[Query] | Sequence[str] | np.ndarray,
        slo: SLO,
        *,
        infeasible: Literal["raise", "least_violating"] = "raise",
        ask: Ask | None = None,
    ) -> np.ndarray:
        """Choose the path that answers each query, shape (queries,); see `decide`."""
        return self.decide(queries, slo, ask=ask, infeasible=infeasible).path_ids

    def _positions(self, embeddings: np.ndarray, rule: Rule, slo: SLO) -> np.ndarray:
        del slo
        if self.gate is not None:  # it starts with the first, whatever the query
            return np.zeros(len(embeddings), dtype=int)
        scores = rule.scores(embeddings)
        return (scores[:, 0] - scores[:, -1] < rule.threshold).astype(int)

    def _other_reasons(self, rule: Rule) -> dict[str, str]:
        first, second = self.path_ids[rule.columns[[0, -1]]]
        aside = self.allowed & (rule.violation_share < MOSTLY)
        reasons = dict.fromkeys(
            self.path_ids[aside],
            "not one of the two paths that served the training queries best under this SLO",
        )
        if self.gate is not None:
            return reasons | {
                second: (
                    f"run after {first} where its answer seems worth less than {rule.threshold:.3f}"
                )
            }
        apart = (
            f"of the two, {first} is taken where it is expected to be at least {rule.threshold:.3f}"
            " better"
        )
        return reasons | {first: apart, second: apart}

    def _calibrated(self, slo: SLO) -> Rule:
        assert self.violation_rate is not None
        broke = ~slo.keeps(self.cost, self.latency) & ~np.isnan(self.quality)
        share = broke.sum(axis=0) / np.maximum((~np.isnan(self.quality)).sum(axis=0), 1)
        return self._best_pair(slo, share, highest_rate(self.violation_rate, len(broke)))

    def _by_percentile(self, slo: SLO) -> Rule:
        return self._best_pair(slo, 1 - self.kept_probability(slo), None)

    def _best_pair(self, slo: SLO, share: np.ndarray, highest: float | None) -> Rule:
        """Return the pair and threshold that would have served the training queries best.

        With `highest`, among those that broke limits in at most this share of the queries; without,
        among the paths that keep them with their 95th percentiles, of a cascade with those of both
        together. The confidence in a query's answer is one that its own outcomes had no part in.
        """
        at = np.flatnonzero(
            self.allowed[self.candidates]
            & ((share[self.candidates] < MOSTLY) | (highest is not None))
        )
        options = np.hstack(
            [self._options(int(first), int(second), slo) for first in at for second in at]
            or [np.empty((8, 0))]
        )
        if highest is not None:
            options = options[:, options[4] <= max(highest, 0.0)]
        if not options.size:
            least = self._least_violating(share, slo)
            kept = (
                highest is not None
                and self.violation_rate is not None
                and bool(share[least] <= self.violation_rate)
            )  # as all policies
            return self._make(
                np.array([least]), np.zeros(1), float(share[least]), share, feasible=kept
            )
        quality, cost, latency, rate, _, first, second, threshold = options
        least_quality = quality.max() - (0.0 if slo.prefer == "quality" else self.tolerance)
        if slo.min_quality is not None and slo.prefer != "quality":
            least_quality = min(quality.max(), slo.min_quality)
        spent = (
            (cost, latency) if slo.prefer == "latency" else (latency, cost)
        )  # lexsort: the last counts first
        order = np.lexsort((-quality, *spent))
        best = order[quality[order] >= least_quality][0]
        pair = dict.fromkeys((int(first[best]), int(second[best])))
        columns = self.candidates[list(pair)]
        found = float(rate[best]) if highest is not None else float("nan")
        return self._make(
            columns, np.zeros(len(columns)), found, share, threshold=float(threshold[best])
        )

    def _options(self, first: int, second: int, slo: SLO) -> np.ndarray:
        """Return mean quality, cost, latency, violation rate plain and careful, first, second, threshold of a pair, (8, thresholds)."""
        a, b = self.candidates[[first, second]]
        if first != second and (
            self.cost_usd[a] >= self.cost_usd[b] and self.latency_s[a] >= self.latency_s[b]
        ):
            return np.empty((8, 0))  # the other way round is the sensible one
        score = self.confidence[:, first] - (
            self.confidence[:, second] if self.gate is None else 0.0
        )
        thresholds = (
            np.unique(np.quantile(score, np.linspace(0, 1, SHARES + 1)[1:-1]))
            if first != second
            else np.array([-np.inf])
        )
        unsure = score < thresholds[:, None]
        quality = np.where(np.isnan(self.quality), self.left_out, self.quality)
        tables = [
            np.where(np.isnan(v), np.nan_to_num(mean), v)
            for v, mean in ((self.cost, self.cost_usd), (self.latency, self.latency_s))
        ]
        by_percentile = self.gate is not None and self.violation_rate is None and first != second
        if by_percentile and slo.keeps(*(v.T[a] + v.T[b] for v in tables)).mean() < 0.95:
            return np.empty((8, 0))
        spent = [
            np.where(unsure, v.T[b] + (v.T[a] if self.gate is not None else 0.0), v.T[a])
            for v in tables
        ]
        delivered = np.where(unsure, quality.T[b], quality.T[a])
        unseen = np.isnan(self.quality[:, [a, b]])
        lost = (~slo.keeps(self.cost[:, [a, b]], self.latency[:, [a, b]]) & ~unseen).sum(
            axis=0
        ) / np.maximum((~unseen).sum(axis=0), 1)
        (unseen_a, unseen_b), (lost_a, lost_b) = (
            unseen.T,
            lost,
        )  # what was not seen breaks limits as often as what was
        if self.gate is not None:
            unseen_b, lost_b = unseen_a | unseen_b, min(1.0, lost_a + lost_b)
        broke = np.where(
            np.where(unsure, unseen_b, unseen_a),
            np.where(unsure, lost_b, lost_a),
            ~slo.keeps(*spent),
        )
        means = [*(v.mean(axis=1) for v in (delivered, *spent, broke)), self.careful_rate(broke)]
        return np.array(
            [*means, np.full(len(thresholds), first), np.full(len(thresholds), second), thresholds]
        )
