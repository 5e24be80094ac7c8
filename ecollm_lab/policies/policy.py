"""Policies: (query, SLO) → path. What every policy has in common: choosing, and saying why."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies.choosing import Decision
from ecollm_lab.policies.explanations import Explanation, explained
from ecollm_lab.policies.gates import Ask
from ecollm_lab.policies.limits import MOSTLY, by_parts, first_good
from ecollm_lab.policies.rules import Rule, RuleMaker
from ecollm_lab.records import SLO, InfeasibleSLO, LabError, Query, require_choice

Infeasible = Literal["raise", "least_violating"]
Asked = Sequence[Query | str] | np.ndarray
_NOT_TAKEN = {"cost_usd": "not the cheapest", "latency_s": "not the fastest", "random": "not drawn"}


def require_finite(embeddings: np.ndarray) -> None:
    """Raise a `LabError` if embeddings, shape (queries, dimension), are no finite numbers."""
    if not (np.isfinite(embeddings.sum()) or np.isfinite(embeddings).all()):  # the sum is quicker
        raise LabError(
            "embeddings must be finite numbers; got NaN or infinity. Embed the texts again."
        )


@dataclass(eq=False, kw_only=True, repr=False)
class Policy(RuleMaker):
    """Chooses a path for a query under an SLO."""

    name: str
    best_effort: bool = False  # serves an SLO that it cannot meet, by the path nearest to it
    reads_text: bool = False  # its encoder is its own, so that it takes texts
    dimension: int | None = None  # of the embeddings it was fitted on; None: without any
    provenance: dict[str, Any] = field(default_factory=dict)
    encoder: Encoder | None = None  # of new queries; the default encoder if None
    seed: int = 0
    details: dict[str, Any] = field(default_factory=dict)  # how it was tuned

    def __repr__(self) -> str:
        n_queries, n_paths = self.left_out.shape
        domain = self.provenance.get("domain")
        learned = f"{n_queries} queries × {n_paths} paths" + (f" of {domain}" if domain else "")
        return (
            f"{type(self).__name__}({self.name!r}, learned from {learned},"
            f" violation_rate={self.terms.violation_rate})"
        )

    @property
    def path_ids(self) -> np.ndarray:
        """The paths of the training trace, shape (paths,)."""
        return self.training.path_ids

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        return self.predictor.predict(embeddings)

    def select(
        self, queries: Asked, slo: SLO, *, infeasible: Infeasible = "raise", ask: Ask | None = None
    ) -> np.ndarray:
        """Choose the path that answers each query, shape (queries,).

        Parameters
        ----------
        queries
            Queries, texts, or unit embeddings of shape (queries, dimension). A policy that looks at
            words (`reads_text`) takes queries or texts alone.
        slo
            Limits and preference; docs/routing.md tells how they decide.
        infeasible
            What to do if no choice keeps the limits often enough: raise, or warn and take the path
            that breaks them least often, of equals the one least far beyond them.
        ask
            Of a cascade: gives answers of a path to some of the queries, (rows, path_id) → one a
            row.

        Raises
        ------
        InfeasibleSLO
            If no path keeps the limits; says which path comes closest.
        LabError
            If there is no query, or `slo` is not an SLO.

        """
        return self.decide(queries, slo, ask=ask, infeasible=infeasible).path_ids

    def decide(
        self, queries: Asked, slo: SLO, *, ask: Ask | None = None, infeasible: Infeasible = "raise"
    ) -> Decision:
        """Choose as `select` does, and say which paths are run for it."""
        embeddings = self.embed(queries)
        return self._decided(embeddings, self._feasible_rule(slo, infeasible), slo, ask)

    def _decided(self, embeddings: np.ndarray, rule: Rule, slo: SLO, ask: Ask | None) -> Decision:
        """Return the decision to run the chosen path; a cascade reads its answers with `ask`."""
        return Decision.single(self.path_ids[rule.columns[self._positions(embeddings, rule, slo)]])

    def _feasible_rule(self, slo: SLO, infeasible: Infeasible) -> Rule:
        require_choice("infeasible", infeasible, ("raise", "least_violating"))
        rule = self.rule(slo)
        if not rule.feasible and not self.best_effort:
            if infeasible == "raise":
                raise InfeasibleSLO(self._why_infeasible(slo))
            warnings.warn(
                f"{self._why_infeasible(slo)} Taking the least-violating path.", stacklevel=4
            )
        return rule

    def _positions(self, embeddings: np.ndarray, rule: Rule, slo: SLO) -> np.ndarray:
        if self.order == "random":
            rng = np.random.default_rng(self.seed)
            return rng.integers(len(rule.columns), size=len(embeddings))
        if self.order != "quality" or len(rule.columns) == 1:
            return np.zeros(len(embeddings), dtype=int)
        return by_parts(
            len(embeddings),
            lambda part: first_good(rule.scores(embeddings[part]), slo, rule.tolerance),
        )

    def embed(self, queries: Asked) -> np.ndarray:
        """Return embeddings of queries or texts; arrays pass through."""
        if isinstance(queries, np.ndarray) and queries.dtype.kind not in "OU":
            self._require_embeddings(queries)
            return queries
        if isinstance(queries, (str, Query)) or not isinstance(queries, Iterable):
            raise LabError(
                "select takes a sequence of queries or texts; wrap a single one in a list. Got"
                f" {type(queries).__name__}."
            )
        texts = [query.text if isinstance(query, Query) else query for query in queries]
        if not texts:
            raise LabError(
                f"queries must name at least one query; got an empty {type(queries).__name__}. Give"
                " Query records or texts."
            )
        for text in texts:
            if not isinstance(text, str):
                raise LabError(
                    "Queries must be Query records, texts or one array of embeddings; got"
                    f" {type(text).__name__}."
                )
        embeddings = (self.encoder or default_encoder()).encode(texts)
        self._require_embeddings(embeddings)
        return embeddings

    def _require_embeddings(self, embeddings: np.ndarray) -> None:
        if embeddings.ndim != 2:
            raise LabError(
                f"Embeddings must have the shape (queries, dimension), got {embeddings.shape}."
            )
        if self.dimension not in (None, embeddings.shape[1]):
            raise LabError(
                f"Embeddings must have the dimension {self.dimension} of those {self.name} was"
                f" fitted on, got {embeddings.shape[1]}."
                + " It also reads the words of a query: give it texts."
                * self.reads_text
            )
        require_finite(embeddings)

    def explain(self, query: Query | str | np.ndarray, slo: SLO) -> Explanation:
        """Say which path is chosen for a query, text or embedding (dimension,), and why no other.

        An infeasible SLO is explained by its least-violating path. Of a cascade it is the path run
        first: whether the other is run depends on its answer. Raises a `LabError` if it is not one
        query, or not an SLO.
        """
        one = query.ndim == 1 if isinstance(query, np.ndarray) else isinstance(query, (Query, str))
        if not one:
            got = query.shape if isinstance(query, np.ndarray) else type(query).__name__
            raise LabError(
                "explain takes one query: a Query, a text or one embedding of shape (dimension,),"
                f" got {got}. Call it once for each query."
            )
        embeddings = self.embed(query[None] if isinstance(query, np.ndarray) else [query])
        rule = self.rule(slo)
        score = np.full(len(self.path_ids), np.nan)
        score[rule.columns] = rule.scores(embeddings)[0]
        risk = rule.violation_share.astype(float)
        risk[rule.columns] = rule.risk(embeddings)[0]
        chosen = int(rule.columns[self._positions(embeddings, rule, slo)[0]])
        error = self.training.quality[:, chosen] - self.left_out[:, chosen]
        paths = {
            "path_id": self.path_ids,
            "cost_usd": self.training.cost.mean,
            "cost_p95_usd": self.training.cost.p95,
            "latency_s": self.training.latency.mean,
            "latency_p95_s": self.training.latency.p95,
            "quality": self.predict(embeddings)[0],
            "score": score,
            "violation_share": risk,
            "allowed": self.allowed,
            "estimated": self.training.estimated,
        }
        return explained(
            pd.DataFrame(paths),
            chosen,
            slo,
            rule,
            quality_sd=float(np.nanstd(error)) if np.isfinite(error).any() else float("nan"),
            other_reasons=self._other_reasons(rule, slo),
        )

    def _other_reasons(self, rule: Rule, slo: SLO) -> dict[str, str]:
        """Return why paths are not chosen, where neither limits nor expected quality decide."""
        if self.order != "quality":
            return dict.fromkeys(self.path_ids[rule.columns], _NOT_TAKEN[self.order])
        if not rule.feasible or len(rule.columns) > 1:
            return {}
        why = f"surely {'serve better' if slo.prefer == 'quality' else 'save more'}"
        if self.training.estimated:
            why = "show on estimates that it pays"
        return dict.fromkeys(
            self.path_ids[self.allowed & (rule.violation_share < MOSTLY)],
            f"one path is taken for all, as choosing among paths does not {why}",
        )
