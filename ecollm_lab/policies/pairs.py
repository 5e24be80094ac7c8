"""Policies of two paths: a threshold between them, or a cascade from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ecollm_lab.models import default_encoder
from ecollm_lab.policies.choosing import Decision
from ecollm_lab.policies.gates import Ask, Gate
from ecollm_lab.policies.limits import MOSTLY, first_good
from ecollm_lab.policies.policy import Policy
from ecollm_lab.policies.rules import Rule
from ecollm_lab.records import SLO, LabError

# thresholds tried per pair: those that send 1/20, 2/20, … of the training queries to the second
SHARES = 20
MOST_BROKEN = 0.05  # by a sum of two calls, where 95th percentiles must keep the limits


@dataclass(frozen=True, eq=False)
class Options:
    """Pairs of candidates with thresholds, and what they would have delivered in training."""

    first: np.ndarray  # positions among the candidates, (pairs,)
    second: np.ndarray  # likewise; the same as the first: a single path
    threshold: np.ndarray  # how sure the first must be, (pairs, thresholds)
    unsure: np.ndarray  # whether a query goes to the second, (pairs, thresholds, queries)
    delivered: np.ndarray  # mean quality, cost and latency, (3, pairs, thresholds)


@dataclass(eq=False, kw_only=True, repr=False)
class PairPolicy(Policy):
    """A policy that has one path in mind first and another where confidence in the first is low.

    Without a gate, confidence is how much better the first is expected to be, and one of the two is
    run (weak and strong model, as in RouteLLM, arXiv 2406.18665). With a gate the first is always
    run, confidence is the quality its answer seems to have, and the second is run where that is
    below the threshold: both are paid for and waited for (FrugalGPT, arXiv 2305.05176).
    """

    candidates: np.ndarray  # the paths pairs are made of, (candidates,)
    # in their answers to the training queries, each from other queries, (queries, candidates);
    # without a gate the difference between two columns decides
    confidence: np.ndarray
    gate: Gate | None = None  # None for a threshold policy

    def _decided(self, embeddings: np.ndarray, rule: Rule, slo: SLO, ask: Ask | None) -> Decision:
        first, second = self.path_ids[rule.columns[[0, -1]]]
        if first == second or self.gate is None or not len(embeddings):
            return super()._decided(embeddings, rule, slo, ask)
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

    def _positions(self, embeddings: np.ndarray, rule: Rule, slo: SLO) -> np.ndarray:
        if self.gate is not None or len(rule.columns) == 1:  # it starts with the first
            return np.zeros(len(embeddings), dtype=int)
        scores = rule.scores(embeddings)
        return (scores[:, 0] - scores[:, 1] < rule.threshold).astype(int)

    def _other_reasons(self, rule: Rule, slo: SLO) -> dict[str, str]:
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

    @property
    def _counts(self) -> bool:
        return super()._counts and not self.training.estimated

    @cached_property
    def options(self) -> Options:
        """Every pair of candidates with its thresholds; computed once, whatever the SLO.

        The confidence in a query's answer is one that its own outcomes had no part in.
        """
        n = len(self.candidates)
        first, second = np.divmod(np.arange(n * n), n)
        known = self.training.cost, self.training.latency
        spends = [one.filled()[:, self.candidates] for one in known]
        cost, latency = (one.mean[self.candidates] for one in known)
        dearer = (cost[first] >= cost[second]) & (latency[first] >= latency[second])
        sensible = (first == second) | ~dearer  # else the other way round is the sensible one
        first, second = first[sensible], second[sensible]
        sure = self.confidence[:, first] - (self.gate is None) * self.confidence[:, second]
        shares = np.linspace(0, 1, SHARES + 1)[1:-1]
        threshold = np.quantile(sure, shares, axis=0).T
        threshold[first == second] = -np.inf
        unsure = (sure.T[:, None] < threshold[:, :, None]).astype(np.float32)
        seen = self.training.quality
        quality = np.where(np.isnan(seen), self.left_out, seen)[:, self.candidates]
        found = [(quality[:, first], quality[:, second])]
        both = (first != second) * (self.gate is not None)
        found += [(one[:, first], one[:, second] + both * one[:, first]) for one in spends]
        delivered = np.stack([_mean(unsure, *tables) for tables in found])
        return Options(first, second, threshold, unsure, delivered)

    def _calibrated(self, slo: SLO) -> Rule:
        """Return the pair that served training best among those that broke limits rarely enough."""
        target = self.terms.violation_rate
        assert target is not None
        share = self.training.broke(slo).mean(axis=0)
        rate = _mean(self.options.unsure, *self._broke(slo))
        may = (rate <= target) & self._among(self.allowed)
        if not may.any():
            rule = self._refused(share, slo)  # though it may meet the rate, as of all policies
            return replace(rule, feasible=bool(share[rule.columns[0]] <= target))
        return self._pair(may, share, rate, slo)

    def _by_percentile(self, slo: SLO) -> Rule:
        """Return the best pair in training among paths whose 95th percentiles keep the limits."""
        share, options = 1 - self.training.tails_keep(slo), self.options
        may = self._among(self.allowed & (share < MOSTLY))
        if self.gate is not None:
            together = self._broke(slo)[1].mean(axis=0) <= MOST_BROKEN
            may = may & (together | (options.first == options.second))[:, None]
        if not may.any():
            return self._refused(share, slo)
        return self._pair(may, share, np.full(may.shape, np.nan), slo)

    def _among(self, paths: np.ndarray) -> np.ndarray:
        """Return which options use only some paths, shape (pairs, thresholds)."""
        may, options = paths[self.candidates], self.options
        both = may[options.first] & may[options.second]
        return np.broadcast_to(both[:, None], options.threshold.shape)

    def _pair(self, may: np.ndarray, share: np.ndarray, rate: np.ndarray, slo: SLO) -> Rule:
        """Return the rule of the pair and threshold that serve best, of those under a mask."""
        options = self.options
        quality, cost, latency = options.delivered[:, may]
        spent = (cost, latency) if slo.prefer == "latency" else (latency, cost)
        order = np.lexsort((-quality, *spent))  # the last key counts first
        good = first_good(quality[order][None], slo, self.terms.tolerance)[0]
        at = tuple(np.argwhere(may)[order[good]])
        pair = dict.fromkeys([int(options.first[at[0]]), int(options.second[at[0]])])
        columns, threshold = self.candidates[list(pair)], float(options.threshold[at])
        return self._rule(columns, share, violation_rate=float(rate[at]), threshold=threshold)

    def _broke(self, slo: SLO) -> tuple[np.ndarray, np.ndarray]:
        """Return whether limits break by the first and by the second, shape (queries, pairs).

        What was not seen breaks them as often as what was.
        """
        first, second = (self.candidates[one] for one in (self.options.first, self.options.second))
        broke, training = self.training.broke(slo), self.training
        if self.gate is None:
            return broke[:, first], broke[:, second]
        unseen, lost = np.isnan(training.quality), broke.mean(axis=0)
        spends = (training.cost.filled(), training.latency.filled())
        sums = [one[:, first] + one[:, second] for one in spends]
        guess = np.minimum(1.0, lost[first] + lost[second])
        together = np.where(unseen[:, first] | unseen[:, second], guess, ~slo.keeps(*sums))
        return broke[:, first], np.where(first == second, broke[:, first], together)


def _mean(unsure: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return means over queries where some go to the second, shape (pairs, thresholds).

    `unsure` has the shape (pairs, thresholds, queries), the others (queries, pairs).
    """
    more = np.matmul(unsure, (second - first).T[:, :, None], dtype=np.float64)[:, :, 0]
    return np.asarray(first.mean(axis=0)[:, None] + more / len(first))
