"""Fitting policies to a trace: ours, and the baselines, over the same paths and tuned alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies.fitting import learners
from ecollm_lab.policies.fitting.characteristics import Beside, Characteristics
from ecollm_lab.policies.fitting.learners import Learner, Queries
from ecollm_lab.policies.gates import Reads, fit_gate
from ecollm_lab.policies.limits import Forecast, Terms, TermsOptions
from ecollm_lab.policies.pairs import PairPolicy
from ecollm_lab.policies.policy import Policy, require_finite
from ecollm_lab.policies.predictors import Means
from ecollm_lab.policies.training import TINY, Estimates, Spend, Training, estimated, measured
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces import Trace, is_on_front, require_trace
from ecollm_lab.traces.groups import related
from ecollm_lab.traces.path_ids import have_pipelines, pipeline_of, placements

MOST_CANDIDATES = 16  # paths that pairs are made of
LEAST_OF_KIND = 3  # queries, for a kind to be told by its words
UNKNOWN = "unknown"  # the kind of queries of which none was given
LEAST_SD = 1e-3  # of the logarithm of cost or latency around its forecast
Pair = Reads | Literal["threshold"]


@dataclass(frozen=True)
class Recipe:
    """How a policy is fitted."""

    quality: Learner | None = None  # None: path means
    spend: Learner | None = None  # of the logarithm of cost and latency
    order: Literal["quality", "cost_usd", "latency_s", "random"] = "quality"
    pair: Pair | None = None  # whether it is one of two paths; of a cascade, what its gate reads
    cloud_only: bool = False  # may choose only paths that generate in the cloud, and has to
    # whether it looks at yes/no questions about a query, instead of its embedding or beside it; if
    # beside it, also at how much the query resembles each kind
    characteristics: Literal["instead", "beside"] | None = None

    @property
    def weighs(self) -> bool:
        """Whether it may weigh a violation by its cost; pairs and fixed orders meet a rate."""
        return self.pair is None and self.order == "quality"


RECIPES = {
    "ours": Recipe(learners.linear, learners.linear, characteristics="beside"),
    "knn": Recipe(learners.neighbours),
    "cluster": Recipe(learners.clusters),
    "matrix_factorisation": Recipe(learners.factors),
    "carrot": Recipe(learners.neighbours, learners.neighbours),
    "brane": Recipe(learners.linear, learners.linear, characteristics="instead"),
    "threshold": Recipe(learners.linear, pair="threshold"),
    "cascade": Recipe(pair="embeddings"),
    "raser": Recipe(pair="signs"),
    "best_single": Recipe(),
    "cloud_only": Recipe(cloud_only=True),
    "cheapest": Recipe(order="cost_usd"),
    "fastest": Recipe(order="latency_s"),
    "random": Recipe(order="random"),
}
POLICIES = tuple(RECIPES)


def fit_policy(
    trace: Trace,
    name: str = "ours",
    *,
    embeddings: np.ndarray | None = None,
    estimates: Estimates | None = None,
    encoder: Encoder | None = None,
    models_only: bool = False,
    seed: int = 0,
    **terms: Unpack[TermsOptions],
) -> Policy:
    """Fit a policy to a trace, usually its training split.

    Parameters
    ----------
    trace
        Outcomes to learn from; a missing outcome counts as its path's mean.
    name
        One of `POLICIES`. "brane" reads only the words of queries, whatever `embeddings` are given.
    embeddings
        Unit embeddings of the trace's queries, shape (queries, dimension). If left out they are
        computed, and "ours" may look at words and kinds of queries too; it then takes texts only.
    estimates
        Of a trace that lacks most outcomes, as the Emulator leaves it; limits are then uncertain.
    encoder
        Embeds new queries; the default encoder if left out.
    models_only, seed, terms
        Whether it may choose only among `router_paths`; of what is drawn at random; see `Terms`.

    """
    require_trace(trace)
    require_choice("policy name", name, POLICIES)
    recipe, bound = RECIPES[name], Terms(**terms)
    training = measured(trace) if estimates is None else estimated(estimates)
    allowed = _allowed(trace, training, recipe, models_only=models_only)
    asked = Characteristics(trace.provenance.get("characteristics"))
    if recipe.characteristics == "instead":
        encoder, embeddings = asked, None
    queries = None
    if recipe.quality or recipe.pair or embeddings is not None or estimates is not None:
        queries = _queries(trace, recipe, embeddings, estimates, encoder, asked, seed)
    parts, reads = _fitted(recipe, training, queries)
    if queries is not None and reads != queries.embeddings.shape[1]:
        encoder = Beside(encoder, asked)
    if queries is not None and recipe.pair is not None:
        parts |= _pair(trace, recipe.pair, training, queries, encoder, allowed, parts["left_out"])
    return (PairPolicy if recipe.pair else Policy)(
        name=f"{name}_router" if models_only else name,
        training=training,
        terms=bound if recipe.weighs else replace(bound, violation_cost=None),
        order=recipe.order,
        allowed=allowed,
        best_effort=recipe.cloud_only,
        reads_text=isinstance(encoder, Characteristics | Beside),
        dimension=reads,
        provenance=trace.provenance,
        encoder=encoder,
        seed=seed,
        **parts,
    )


def _queries(
    trace: Trace,
    recipe: Recipe,
    embeddings: np.ndarray | None,
    estimates: Estimates | None,
    encoder: Encoder | None,
    asked: Characteristics,
    seed: int,
) -> Queries:
    wide = None
    if estimates is None:
        groups = related(trace)
    else:
        groups = np.arange(len(estimates.embeddings))
        embeddings = None if recipe.characteristics == "instead" else estimates.embeddings
    if embeddings is None:
        texts = trace.queries["text"].tolist()
        embeddings = (encoder or default_encoder()).encode(texts)
        wide = asked.beside(embeddings, texts) if recipe.characteristics == "beside" else None
    embeddings = np.asarray(embeddings)
    if embeddings.ndim != 2 or len(embeddings) != len(groups):
        raise LabError(
            f"embeddings must have one row per query of the trace: {len(groups)}, got the shape"
            f" {embeddings.shape}."
        )
    require_finite(embeddings)
    return Queries(embeddings, groups, seed, wide, None if wide is None else _kinds(trace))


def _kinds(trace: Trace) -> np.ndarray | None:
    """Return 1 where a query is of a kind, shape (queries, kinds); None if they cannot be told.

    Looked at are kinds with enough queries, at least two of them.
    """
    kind = trace.queries["kind"]
    kind = kind.where(kind != UNKNOWN)
    told = pd.get_dummies(kind.where(kind.map(kind.value_counts()) >= LEAST_OF_KIND), dtype=float)
    return told.to_numpy() if told.shape[1] > 1 else None


def _allowed(trace: Trace, training: Training, recipe: Recipe, *, models_only: bool) -> np.ndarray:
    """Return which paths the policy may choose, shape (paths,)."""
    path_ids = training.path_ids.tolist()
    allowed = np.ones(len(path_ids), dtype=bool)
    if recipe.order in ("cost_usd", "latency_s") and not training.spend(recipe.order).recorded:
        raise LabError(
            f"The trace has no {recipe.order}, so a policy cannot go by it. Choose another policy,"
            " or give a trace that records it."
        )
    if recipe.cloud_only:
        allowed = np.array([place == "cloud" for place in placements(trace, path_ids)])
        if not allowed.any():
            raise LabError(
                "The trace names no cloud model: cloud_only needs models.NAME.placement = 'cloud'"
                " in its provenance."
            )
    if models_only:
        quality = np.where(allowed, training.mean, -np.inf)
        allowed &= np.isin(path_ids, router_paths(path_ids, quality))
    return allowed


def router_paths(path_ids: list[str], quality: np.ndarray) -> list[str]:
    """Return the paths that a model router chooses from.

    These are the pipeline (all but the last part) of the best single path, with every model. Paths
    that are models alone, whatever their names (`gpt-4`, `vendor/model`), are all of them.
    """
    if not have_pipelines(path_ids):
        return path_ids
    pipelines = [pipeline_of(path) for path in path_ids]
    best = pipelines[int(np.argmax(quality))]
    return [path for path, pipeline in zip(path_ids, pipelines, strict=True) if pipeline == best]


def _fitted(
    recipe: Recipe, training: Training, queries: Queries | None
) -> tuple[dict[str, Any], int | None]:
    """Return predictor, what it says of queries left out, and forecasts; how wide queries are."""
    parts: dict[str, Any] = {
        "predictor": Means(training.mean),
        "left_out": np.broadcast_to(training.mean, training.expected.shape),
    }
    if queries is None:
        return parts, None
    dimension = queries.embeddings.shape[1]
    if recipe.quality is not None:
        fit = recipe.quality(queries, training.expected, True)
        dimension = fit.basis.projections.shape[0] if fit.basis else dimension
        queries = replace(queries, basis=fit.basis)
        parts = {name: getattr(fit, name) for name in ("predictor", "left_out", "details")}
    if recipe.spend is not None and not training.estimated:
        recorded = [name for name in ("cost_usd", "latency_s") if training.spend(name).recorded]
        parts["forecasts"] = {
            name: _forecast(recipe.spend, training.spend(name), queries) for name in recorded
        }
    return parts, dimension


def _forecast(learner: Learner, spend: Spend, queries: Queries) -> Forecast:
    """Fit the logarithm of what paths cost or take; at least a thousandth of the path's mean."""
    logs = np.log(np.maximum(spend.filled(), np.maximum(1e-3 * spend.mean, TINY)))
    fit = learner(queries, logs, False)
    wrong = np.where(np.isnan(spend.outcomes), np.nan, logs - fit.left_out)
    sd = np.sqrt(np.nanmean(np.square(wrong), axis=0))
    return Forecast(fit.predictor, fit.left_out, np.maximum(sd, LEAST_SD))


def _pair(
    trace: Trace,
    reads: Pair,
    training: Training,
    queries: Queries,
    encoder: Encoder | None,
    allowed: np.ndarray,
    left_out: np.ndarray,
) -> dict[str, Any]:
    """Return the candidates, the confidence in their answers and, of a cascade, the gate."""
    spent = [np.nan_to_num(spend.mean) for spend in (training.cost, training.latency)]
    at = np.flatnonzero(allowed)
    aside = ~is_on_front(np.stack([training.mean, *spent], axis=1)[at])
    candidates = np.sort(at[np.lexsort((-training.mean[at], aside))][:MOST_CANDIDATES])
    if reads == "threshold":
        return {"candidates": candidates, "confidence": left_out[:, candidates]}
    answers = trace.outcomes.get("answer", pd.Series(dtype=object)).fillna("").astype(str)
    if training.estimated or not answers.str.strip().ne("").any():
        raise LabError(
            "A cascade reads answers, and this trace has none: it needs a column answer, as"
            " measured traces have, that is not blank everywhere."
        )
    gate, confidence, details = fit_gate(
        trace, candidates, queries, encoder or default_encoder(), reads
    )
    return {"candidates": candidates, "confidence": confidence, "gate": gate, "details": details}
