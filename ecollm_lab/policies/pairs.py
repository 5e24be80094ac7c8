"""Policies of two paths: a threshold between them, or a cascade from one to the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecollm_lab.models import default_encoder
from ecollm_lab.policies.choosing import Ask, Decision
from ecollm_lab.policies.gates import Gate
from ecollm_lab.policies.limits import MOSTLY, careful_rate, highest_rate
from ecollm_lab.policies.policy import Asked, Infeasible, Policy
from ecollm_lab.policies.rules import Rule
from ecollm_lab.records import SLO, LabError

# thresholds tried per pair: those that send 1/20, 2/20, … of the training queries to the second
SHARES = 20


@dataclass(frozen=True, eq=False)
class Options:
    """Pairs of paths with a threshold each, and what they would have delivered in training.

    Attributes
    ----------
    delivered
        Mean quality, mean cost, mean latency, and the rate of broken limits plain and with its
        margin; shape (5, options).
    pairs
        The first and the second path, as positions among the candidates; shape (2, options).
    threshold
        How sure the first must be, shape (options,).

    """

    delivered: np.ndarray
    pairs: np.ndarray
    threshold: np.ndarray

    def best(self, slo: SLO, tolerance: float) -> int:
        """Return the option that serves an SLO best: the cheapest or fastest good one."""
        quality, cost, latency = self.delivered[:3]
        least = quality.max() - (0.0 if slo.prefer == "quality" else tolerance)
        if slo.min_quality is not None and slo.prefer != "quality":
            least = min(quality.max(), slo.min_quality)
        spent = (cost, latency) if slo.prefer == "latency" else (latency, cost)
        order = np.lexsort((-quality, *spent))  # the last key counts first
        return int(order[quality[order] >= least][0])


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
        self, queries: Asked, slo: SLO, *, ask: Ask | None = None, infeasible: Infeasible = "raise"
    ) -> Decision:
        """Choose, and say which paths were run; a cascade reads the first answers with `ask`."""
        embeddings = self.embed(queries)
        rule = self._feasible_rule(slo, infeasible)
        first, second = self.path_ids[rule.columns[[0, -1]]]
        if first == second or self.gate is None:
            path_ids = self.path_ids[rule.columns[self._positions(embeddings, rule, slo)]]
            return Decision(path_ids, path_ids[:, None])
        if ask is None:
            raise LabError(
                f"{self.name} reads the answer of {first} before it decides; give ask=, which"
                " returns the answers of a path."
            )
        answers = ask(np.arange(len(embeddings)), str(first))
        encoder = self.encoder or default_encoder()
        sure = self.gate.confidence(embeddings, answers, int(rule.columns[0]), encoder)
        unsure = sure < rule.threshold
        firsts = np.full(len(embeddings), first, dtype=object)
        path_ids = np.where(unsure, second, firsts).astype(object)
        return Decision(path_ids, np.stack([firsts, np.where(unsure, second, None)], axis=1))

    def select(
        self, queries: Asked, slo: SLO, *, infeasible: Infeasible = "raise", ask: Ask | None = None
    ) -> np.ndarray:
        """Choose the path that answers each query, shape (queries,); see `decide`."""
        return self.decide(queries, slo, ask=ask, infeasible=infeasible).path_ids

    def _positions(self, embeddings: np.ndarray, rule: Rule, slo: SLO) -> np.ndarray:
        del slo
        if self.gate is not None or len(rule.columns) == 1:  # it starts with the first
            return np.zeros(len(embeddings), dtype=int)
        scores = rule.scores(embeddings)
        return (scores[:, 0] - scores[:, 1] < rule.threshold).astype(int)

    def _other_reasons(self, rule: Rule) -> dict[str, str]:
        first, second = self.path_ids[rule.columns[[0, -1]]]
        aside = self.allowed & (rule.violation_share < MOSTLY)
        reasons = dict.fromkeys(
            self.path_ids[aside],
            "not one of the two paths that served the training queries best under this SLO",
        )
        if self.gate is not None:
            seems = f"its answer seems worth less than {rule.threshold:.3f}"
            return reasons | {second: f"run after {first} where {seems}"}
        apart = (
            f"of the two, {first} is taken where it is expected to be at least {rule.threshold:.3f}"
            " better"
        )
        return reasons | {first: apart, second: apart}

    def _calibrated(self, slo: SLO) -> Rule:
        """Return the pair that served training best among those that broke limits rarely enough."""
        target = self.terms.violation_rate
        assert target is not None
        share = self.training.broke(slo).mean(axis=0)
        options = self._options(self.allowed[self.candidates], slo)
        rates = options.delivered[4]
        kept = rates <= max(highest_rate(target, len(self.left_out)), 0.0)
        if not kept.any():
            rule = self._refused(share, slo)
            meets = bool(share[rule.columns[0]] <= target)  # as of all policies
            return self._flat(rule.columns, share, rule.violation_rate, feasible=meets)
        chosen = Options(
            options.delivered[:, kept], options.pairs[:, kept], options.threshold[kept]
        )
        return self._pair(chosen, share, slo)

    def _by_percentile(self, slo: SLO) -> Rule:
        """Return the best pair in training among paths whose 95th percentiles keep the limits."""
        share = 1 - self.training.tails_keep(slo)
        may = self.allowed[self.candidates] & (share[self.candidates] < MOSTLY)
        options = self._options(may, slo)
        if not options.threshold.size:
            return self._refused(share, slo)
        return self._pair(options, share, slo)

    def _pair(self, options: Options, share: np.ndarray, slo: SLO) -> Rule:
        best = options.best(slo, self.terms.tolerance)
        columns = self.candidates[list(dict.fromkeys(options.pairs[:, best].tolist()))]
        counted = self.terms.violation_rate is not None
        rate = float(options.delivered[3, best]) if counted else float("nan")
        return self._flat(columns, share, rate, threshold=float(options.threshold[best]))

    def _options(self, may: np.ndarray, slo: SLO) -> Options:
        """Return every pair of candidates that may be used, with its thresholds.

        The confidence in a query's answer is one that its own outcomes had no part in.
        """
        at = np.flatnonzero(may).tolist()
        cost, latency = self.training.cost.mean, self.training.latency.mean
        found = []
        for first, second in ((first, second) for first in at for second in at):
            a, b = self.candidates[[first, second]]
            dearer = cost[a] >= cost[b] and latency[a] >= latency[b]
            if first == second or not dearer:  # else the other way round is the sensible one
                found.append(self._of_pair(first, second, slo))
        none = Options(np.empty((5, 0)), np.empty((2, 0), dtype=int), np.empty(0))
        some = [none, *(one for one in found if one is not None)]
        return Options(
            np.hstack([one.delivered for one in some]),
            np.hstack([one.pairs for one in some]),
            np.hstack([one.threshold for one in some]),
        )

    def _of_pair(self, first: int, second: int, slo: SLO) -> Options | None:
        a, b = self.candidates[[first, second]]
        score, threshold = self.confidence[:, first], np.array([-np.inf])
        if self.gate is None:
            score = score - self.confidence[:, second]
        if first != second:
            shares = np.linspace(0, 1, SHARES + 1)[1:-1]
            threshold = np.unique(np.quantile(score, shares))
        both = self.gate is not None and first != second
        training, unsure = self.training, score < threshold[:, None]
        spends = [spend.filled() for spend in (training.cost, training.latency)]
        by_percentile = both and self.terms.violation_rate is None
        if by_percentile and slo.keeps(*(v[:, a] + v[:, b] for v in spends)).mean() < 0.95:
            return None
        spent = [np.where(unsure, v[:, b] + both * v[:, a], v[:, a]) for v in spends]
        quality = np.where(np.isnan(training.quality), self.left_out, training.quality)
        delivered = np.where(unsure, quality[:, b], quality[:, a])
        broke = self._broke(unsure, (int(a), int(b)), spent, slo, both=both)
        careful = careful_rate(broke, self.terms.margin)
        means = [table.mean(axis=1) for table in (delivered, *spent, broke)]
        pairs = np.tile([[first], [second]], len(threshold))
        return Options(np.array([*means, careful]), pairs, threshold)

    def _broke(
        self,
        unsure: np.ndarray,
        pair: tuple[int, int],
        spent: list[np.ndarray],
        slo: SLO,
        *,
        both: bool,
    ) -> np.ndarray:
        """Return whether limits break; what was not seen breaks them as often as what was."""
        a, b = pair
        unseen, lost = np.isnan(self.training.quality), self.training.broke(slo).mean(axis=0)
        unseen_b, lost_b = unseen[:, b], lost[b]
        if both:
            unseen_b, lost_b = unseen[:, a] | unseen_b, min(1.0, lost[a] + lost_b)
        guessed = np.where(unsure, unseen_b, unseen[:, a])
        return np.where(guessed, np.where(unsure, lost_b, lost[a]), ~slo.keeps(*spent))
