"""Fitting policies to a trace: ours, and the baselines it is measured against, over the same paths and with the same tuning."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies.fitting.learners import FITS, fit_gate
from ecollm_lab.policies.limits import MARGIN, TOLERANCE
from ecollm_lab.policies.pairs import PairPolicy
from ecollm_lab.policies.policy import Policy
from ecollm_lab.policies.predictors import Gate, Means, Predictor
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces import Trace, is_on_front, require_trace
from ecollm_lab.traces.path_ids import have_pipelines, pipeline_of, placements

STATIC = ("best_single", "cloud_only", "cheapest", "fastest", "random")
PAIRS = ("threshold", "cascade")
POLICIES = ("ours", "knn", "cluster", "matrix_factorisation", *PAIRS, *STATIC)
MOST_CANDIDATES = 16  # paths that pairs are made of
N_CLUSTERS = 12  # of queries, over which broken limits may be uneven


class Estimates(Protocol):
    """Estimated outcomes of every path, as the Emulator gives them; see `ecollm_lab.emulator.Estimates`."""

    path_ids: list[str]
    embeddings: np.ndarray

    def draws(self) -> np.ndarray:
        """Return posterior draws of mean quality, cost_usd and latency_s, shape (draws, paths, 3)."""
        ...

    def expected_quality(self) -> np.ndarray:
        """Return the expected quality of every query on every path, shape (queries, paths)."""
        ...

    def tail_draws(self, column: str) -> np.ndarray:
        """Return posterior draws of the 95th percentile of cost_usd or latency_s, shape (draws, paths)."""
        ...


def fit_policy(
    trace: Trace,
    name: str = "ours",
    *,
    embeddings: np.ndarray | None = None,
    estimates: Estimates | None = None,
    encoder: Encoder | None = None,
    violation_rate: float | None = 0.05,
    tolerance: float = TOLERANCE,
    margin: float = MARGIN,
    models_only: bool = False,
    seed: int = 0,
) -> Policy:
    """Fit a policy to a trace, usually its training split.

    Parameters
    ----------
    trace
        Outcomes to learn from; a missing outcome counts as its path's mean.
    name
        "ours"; a learned baseline: "knn", "cluster", "matrix_factorisation"; one of two paths:
        "threshold", "cascade" (the trace must have a column `answer`); or a static one:
        "best_single", "cheapest", "fastest", "cloud_only", "random". All have the same paths to
        choose from and the same target for limits.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension); computed with
        `encoder` if left out.
    estimates
        Of a trace with outcomes missing, as the Emulator leaves it: the policy then learns from
        what they expect of every path on every query, and treats limits with their uncertainty.
        They bring their own queries, paths and embeddings.
    encoder
        Embeds new queries; the default encoder if left out.
    violation_rate
        Target share in (0, 1) of choices that may break a limit; None: the 95th percentile of every
        path decides instead.
    tolerance
        How much quality prefer="cost" or "latency" may give up, on average over queries, for being
        cheaper or faster.
    margin
        Of safety: by how many standard errors, over clusters of queries, the rate of broken limits
        must stay below `violation_rate` on the training queries. 0 trusts that new queries are of
        the same kinds in the same shares.
    models_only
        A router: may choose only the paths of `router_paths`, one pipeline with its model varied.
    seed
        Of the random policy and of k-means.

    Raises
    ------
    LabError
        If `trace` is no Trace, or a path of it has no outcome with quality, or cost and latency are
        recorded for some paths only, or `name` is unknown, or a cascade is to be learned from a
        trace without answers.

    Notes
    -----
    Hyper-parameters minimise the squared error, centred per query, of predictions for queries left
    out with all others of the same text.

    """
    require_trace(trace)
    require_choice("policy name", name, POLICIES)
    _require_in_range(violation_rate, tolerance, margin)
    known = _known(trace) if estimates is None else _estimated(estimates)
    allowed = np.array(
        [name != "cloud_only" or place == "cloud" for place in placements(trace, known["path_ids"])]
    )
    if not allowed.any():
        raise LabError(
            "The trace names no cloud model: cloud_only needs models.NAME.placement = 'cloud' in"
            " its provenance."
        )
    if models_only:
        allowed &= np.isin(
            known["path_ids"],
            router_paths(known["path_ids"].tolist(), known["left_out"].mean(axis=0)),
        )
    if estimates is not None:
        embeddings = estimates.embeddings
    elif embeddings is None and name not in STATIC:
        embeddings = (encoder or default_encoder()).encode(trace.queries["text"].tolist())
    table = known.pop("table")
    if embeddings is not None and len(embeddings) != len(table):
        raise LabError(
            f"embeddings must have one row per query of the trace: {len(table)}, got"
            f" {len(embeddings)}."
        )
    mean = known["left_out"][0]
    if embeddings is not None and not np.isfinite(embeddings).all():
        raise LabError(
            "embeddings must be finite numbers; got NaN or infinity. Embed the texts again."
        )
    known["dimension"] = None if embeddings is None else embeddings.shape[1]
    details: dict[str, Any] = {}
    predictor: Predictor = Means(mean)
    if name in FITS:
        assert embeddings is not None
        groups = _groups(trace) if estimates is None else np.arange(len(table))
        filled = np.where(np.isnan(table), mean, table)
        predictor, known["left_out"], details = FITS[name](
            embeddings, filled, mean, known["path_ids"].tolist(), groups, seed
        )
    known["clusters"] = _clusters(embeddings, len(table), seed)
    order = {"cheapest": "cost_usd", "fastest": "latency_s", "random": "random"}.get(
        name, "quality"
    )
    pair: dict[str, Any] = {}
    if name in PAIRS:
        pair["candidates"] = _candidates(known, allowed)
        if name == "cascade":
            if estimates is not None or "answer" not in trace.outcomes:
                raise LabError(
                    "A cascade reads answers, and this trace has none: it needs a column answer, as"
                    " measured traces have."
                )
            pair["gate"], pair["confidence"], details = _gate(
                trace, pair["candidates"], embeddings, encoder or default_encoder(), seed
            )
        else:
            pair["confidence"] = known["left_out"][:, pair["candidates"]]
    return (PairPolicy if pair else Policy)(
        name=f"{name}_router" if models_only else name,
        predictor=predictor,
        order=order,  # type: ignore[arg-type]
        allowed=allowed,
        violation_rate=violation_rate,
        tolerance=tolerance,
        margin=margin,
        provenance=trace.provenance,
        encoder=encoder,
        seed=seed,
        details=details,
        **known,
        **pair,
    )


def _require_in_range(violation_rate: float | None, tolerance: float, margin: float) -> None:
    if violation_rate is not None and not 0 < violation_rate < 1:
        raise LabError(f"violation_rate must be within (0, 1) or None, got {violation_rate!r}.")
    if not 0 <= tolerance <= 1:
        raise LabError(f"tolerance must be within [0, 1], got {tolerance!r}.")
    if not margin >= 0:
        raise LabError(f"margin must be a number >= 0, got {margin!r}.")


def router_paths(path_ids: list[str], quality: np.ndarray) -> list[str]:
    """Return the paths a model router chooses from: the pipeline (all but the last part) with the best single path, every model.

    Paths that are models alone, whatever their names (`gpt-4`, `vendor/model`), are all of them.
    """
    if not have_pipelines(path_ids):
        return path_ids
    pipelines = [pipeline_of(path) for path in path_ids]
    best = pipelines[int(np.argmax(quality))]
    return [path for path, pipeline in zip(path_ids, pipelines, strict=True) if pipeline == best]


def _known(trace: Trace) -> dict[str, Any]:
    """Return what policies know of each path, as measured."""
    quality, cost, latency = (
        trace.array("quality"),
        trace.array("cost_usd"),
        trace.array("latency_s"),
    )
    for column, values in (("quality", quality), ("cost_usd", cost), ("latency_s", latency)):
        empty = np.isnan(values).all(axis=0)
        if empty.any() and not (column != "quality" and empty.all()):
            raise LabError(
                f"Path {trace.path_ids[int(empty.argmax())]} has no {column} in the trace; leave it"
                " out or measure it."
            )
    unrecorded = np.full(quality.shape[1], np.nan)
    known = {
        "path_ids": np.array(trace.path_ids, dtype=object),
        "table": quality,
        "quality": quality,
        "cost": cost,
        "latency": latency,
    }
    known["left_out"] = np.broadcast_to(np.nanmean(quality, axis=0), quality.shape)
    for values, mean, tail, log_sd in (
        (cost, "cost_usd", "cost_p95_usd", "cost_log_sd"),
        (latency, "latency_s", "latency_p95_s", "latency_log_sd"),
    ):
        recorded = not np.isnan(values).all()
        known[mean] = np.nanmean(values, axis=0) if recorded else unrecorded
        known[tail] = np.nanquantile(values, 0.95, axis=0) if recorded else unrecorded
        known[log_sd] = np.zeros(quality.shape[1])
    return known


def _estimated(estimates: Estimates) -> dict[str, Any]:
    """Return what policies know of each path, as estimated; single outcomes of cost and latency stay unknown."""
    quality, cost, latency = estimates.draws().mean(axis=0).T
    table = estimates.expected_quality()
    unseen = np.full(table.shape, np.nan)
    known = {
        "path_ids": np.array(estimates.path_ids, dtype=object),
        "table": table,
        "quality": unseen,
        "cost": unseen,
        "latency": unseen,
        "cost_usd": cost,
        "latency_s": latency,
        "left_out": np.broadcast_to(quality, table.shape),
    }
    for column, tail, log_sd in (
        ("cost_usd", "cost_p95_usd", "cost_log_sd"),
        ("latency_s", "latency_p95_s", "latency_log_sd"),
    ):
        logs = np.log(np.maximum(estimates.tail_draws(column), 1e-300))
        known |= {tail: np.exp(logs.mean(axis=0)), log_sd: np.maximum(logs.std(axis=0), 1e-12)}
    return known


def _candidates(known: dict[str, Any], allowed: np.ndarray) -> np.ndarray:
    """Return the paths that pairs are made of: where there are many, the front of the means, then the best of the others."""
    quality = known["left_out"].mean(axis=0)
    points = np.stack(
        [quality, np.nan_to_num(known["cost_usd"]), np.nan_to_num(known["latency_s"])], axis=1
    )
    at = np.flatnonzero(allowed)
    first = ~is_on_front(points[at])
    return np.sort(at[np.lexsort((-quality[at], first))][:MOST_CANDIDATES])


def _gate(
    trace: Trace, candidates: np.ndarray, embeddings: np.ndarray | None, encoder: Encoder, seed: int
) -> tuple[Gate, np.ndarray, dict[str, Any]]:
    """Return a cascade's gate, its confidence in the candidates' answers from other queries, and how it was tuned."""
    assert embeddings is not None
    paths = [trace.path_ids[i] for i in candidates]
    pairs = pd.MultiIndex.from_product([trace.query_ids, paths])
    words = (
        trace.outcomes.set_index(["query_id", "path_id"])["answer"]
        .reindex(pairs)
        .fillna("")
        .astype(str)
    )
    codes, texts = pd.factorize(words)
    answers = encoder.encode(list(texts))[codes].reshape(len(trace.query_ids), len(paths), -1)
    if answers.shape[2] != embeddings.shape[1]:
        raise LabError(
            f"The answers' embeddings have dimension {answers.shape[2]}, the queries'"
            f" {embeddings.shape[1]}; give the encoder that made the queries'."
        )
    quality = trace.array("quality")
    centre, weights, confidence, details = fit_gate(
        embeddings, answers, quality[:, candidates], _groups(trace), seed
    )
    return Gate(np.nanmean(quality, axis=0), centre, weights), confidence, details


def _clusters(embeddings: np.ndarray | None, n_queries: int, seed: int) -> np.ndarray:
    """Return the cluster of each query; without embeddings each is its own."""
    if embeddings is None:
        return np.arange(n_queries)
    n_clusters = min(N_CLUSTERS, n_queries // 8, len(np.unique(embeddings, axis=0)))
    if n_clusters < 2:
        return np.arange(n_queries)
    from sklearn.cluster import KMeans

    return KMeans(n_clusters, n_init=3, random_state=seed).fit_predict(embeddings)


def _groups(trace: Trace) -> np.ndarray:
    """Return the group of each query: queries of the same text belong together."""
    texts = trace.queries["text"]
    return pd.factorize(
        ("t" + texts).where(texts != "", "i" + trace.queries["query_id"].astype(str))
    )[0]
