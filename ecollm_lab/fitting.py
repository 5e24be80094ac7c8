"""Fitting policies to a trace: ours, and the baselines it is measured against, over the same paths and with the same tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from ecollm_lab.choices import TOLERANCE, Predictor, placements
from ecollm_lab.embed import Encoder, default_encoder
from ecollm_lab.estimates import Estimates
from ecollm_lab.policies import Policy
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.regression import fit_regression, kernel
from ecollm_lab.traces import Trace

PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
CLUSTERS = (2, 4, 8, 16, 32, 64)
RANKS = (1, 2, 4, 8)
RIDGES = (1.0, 10.0, 100.0, 1000.0)
N_FOLDS = 5  # of the inner validation, by group of queries
STATIC = ("best_single", "cloud_only", "cheapest", "fastest", "random")
POLICIES = ("ours", "knn", "cluster", "matrix_factorisation", *STATIC)


@dataclass(frozen=True, eq=False)
class Means:
    """The path means, whatever the query."""

    quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the path means for each query, shape (queries, paths)."""
        return np.broadcast_to(self.quality, (len(embeddings), len(self.quality)))

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[columns] - less)


@dataclass(frozen=True, eq=False)
class KernelRidge:
    """Path means plus `ecollm_lab.regression`'s deviation."""

    quality: np.ndarray
    landmarks: np.ndarray
    coefficients: np.ndarray
    bandwidth: float

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        out = kernel(embeddings, self.landmarks, self.bandwidth) @ self.coefficients
        out += self.quality
        return out

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        coefficients = np.ascontiguousarray(self.coefficients[:, columns], dtype=np.float32)
        return replace(self, quality=(self.quality[columns] - less).astype(np.float32), coefficients=coefficients)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Mean quality over the nearest training queries by cosine (arXiv 2505.12601)."""

    embeddings: np.ndarray
    quality: np.ndarray
    k: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        nearest = np.argpartition(-(embeddings @ self.embeddings.T), self.k - 1, axis=1)[:, : self.k]
        out = np.zeros((len(embeddings), self.quality.shape[1]))
        for column in nearest.T:
            out += self.quality[column]
        return out / self.k

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[:, columns] - less)


@dataclass(frozen=True, eq=False)
class ClusterMeans:
    """Quality per query cluster, shrunk to the path means: k-means as in Avengers-Pro, on whole paths."""

    centroids: np.ndarray
    quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the means of each query's nearest cluster, shape (queries, paths)."""
        return self.quality[np.argmax(embeddings @ self.centroids.T - 0.5 * np.square(self.centroids).sum(axis=1), axis=1)]

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[:, columns] - less)


@dataclass(frozen=True, eq=False)
class LowRank:
    """Path means plus a bilinear form of few dimensions between embedding and path, as in RouteLLM's matrix factorisation."""

    quality: np.ndarray
    centre: np.ndarray
    queries: np.ndarray
    paths: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        return self.quality + (embeddings - self.centre) @ self.queries @ self.paths

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[columns] - less, paths=self.paths[:, columns])


def fit_policy(
    trace: Trace,
    name: str = "ours",
    *,
    embeddings: np.ndarray | None = None,
    estimates: Estimates | None = None,
    encoder: Encoder | None = None,
    violation_rate: float | None = 0.05,
    tolerance: float = TOLERANCE,
    models_only: bool = False,
    seed: int = 0,
) -> Policy:
    """Fit a policy to a trace, usually its training split.

    Parameters
    ----------
    trace
        Outcomes to learn from; a missing outcome counts as its path's mean.
    name
        "ours"; a learned baseline: "knn", "cluster", "matrix_factorisation"; or a static one: "best_single", "cheapest",
        "fastest", "cloud_only", "random". All predict or rank the same paths and keep limits by the same rule.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension); computed with `encoder` if left out.
    estimates
        Of a trace with outcomes missing, as the Emulator leaves it: the policy then learns from what they expect of every path
        on every query, and treats limits with their uncertainty. They bring their own queries, paths and embeddings.
    encoder
        Embeds new queries; the default encoder if left out.
    violation_rate
        Target share in (0, 1) of choices that may break a limit; None: the 95th percentile of every path decides instead.
    tolerance
        How much quality prefer="cost" or "latency" may give up, on average over queries, for being cheaper or faster.
    models_only
        A router: may choose only the paths of `router_paths`, one pipeline with its model varied.
    seed
        Of the random policy and of k-means.

    Raises
    ------
    LabError
        If a path of the trace has no outcome with quality, or cost and latency are recorded for some paths only, or `name` is unknown.

    Notes
    -----
    Hyper-parameters minimise the squared error, centred per query, of predictions for queries left out with all others of the same text.

    """
    require_choice("policy name", name, POLICIES)
    if violation_rate is not None and not 0 < violation_rate < 1:
        raise LabError(f"violation_rate must be within (0, 1) or None, got {violation_rate!r}.")
    if not 0 <= tolerance <= 1:
        raise LabError(f"tolerance must be within [0, 1], got {tolerance!r}.")
    known = _known(trace) if estimates is None else _estimated(estimates)
    allowed = np.array([name != "cloud_only" or place == "cloud" for place in placements(trace, known["path_ids"])])
    if not allowed.any():
        raise LabError("The trace names no cloud model: cloud_only needs models.NAME.placement = 'cloud' in its provenance.")
    if models_only:
        allowed &= np.isin(known["path_ids"], router_paths(known["path_ids"].tolist(), known["left_out"].mean(axis=0)))
    if estimates is not None:
        embeddings = estimates.embeddings
    elif embeddings is None and name not in STATIC:
        embeddings = (encoder or default_encoder()).encode(trace.queries["text"].tolist())
    table = known.pop("table")
    if embeddings is not None and len(embeddings) != len(table):
        raise LabError(f"embeddings must have one row per query of the trace: {len(table)}, got {len(embeddings)}.")
    mean = known["left_out"][0]
    details: dict[str, Any] = {}
    predictor: Predictor = Means(mean)
    if name not in STATIC:
        assert embeddings is not None
        groups = _groups(trace) if estimates is None else np.arange(len(table))
        filled = np.where(np.isnan(table), mean, table)
        predictor, known["left_out"], details = _FITS[name](embeddings, filled, mean, known["path_ids"].tolist(), groups, seed)
    order = {"cheapest": "cost_usd", "fastest": "latency_s", "random": "random"}.get(name, "quality")
    return Policy(
        name=f"{name}_router" if models_only else name, predictor=predictor, order=order, allowed=allowed,  # type: ignore[arg-type]
        violation_rate=violation_rate, tolerance=tolerance, provenance=trace.provenance, encoder=encoder,
        seed=seed, details=details, **known,
    )  # fmt: skip


def router_paths(path_ids: list[str], quality: np.ndarray) -> list[str]:
    """Return the paths a model router chooses from: the pipeline (all but the last part) with the best single path, every model.

    Paths without parts are models alone: all of them.
    """
    pipelines = [path.rpartition("/")[0] for path in path_ids]
    best = pipelines[int(np.argmax(quality))]
    return [path for path, pipeline in zip(path_ids, pipelines, strict=True) if pipeline == best]


def _known(trace: Trace) -> dict[str, Any]:
    """Return what policies know of each path, as measured."""
    quality, cost, latency = trace.array("quality"), trace.array("cost_usd"), trace.array("latency_s")
    for column, values in (("quality", quality), ("cost_usd", cost), ("latency_s", latency)):
        empty = np.isnan(values).all(axis=0)
        if empty.any() and not (column != "quality" and empty.all()):
            raise LabError(f"Path {trace.path_ids[int(empty.argmax())]} has no {column} in the trace; leave it out or measure it.")
    unrecorded = np.full(quality.shape[1], np.nan)
    known = {"path_ids": np.array(trace.path_ids, dtype=object), "table": quality, "quality": quality, "cost": cost, "latency": latency}
    known["left_out"] = np.broadcast_to(np.nanmean(quality, axis=0), quality.shape)
    for values, mean, tail, log_sd in (
        (cost, "cost_usd", "cost_p95_usd", "cost_log_sd"), (latency, "latency_s", "latency_p95_s", "latency_log_sd"),
    ):  # fmt: skip
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
        "path_ids": np.array(estimates.path_ids, dtype=object), "table": table, "quality": unseen, "cost": unseen, "latency": unseen,
        "cost_usd": cost, "latency_s": latency, "left_out": np.broadcast_to(quality, table.shape),
    }  # fmt: skip
    for column, tail, log_sd in (("cost_usd", "cost_p95_usd", "cost_log_sd"), ("latency_s", "latency_p95_s", "latency_log_sd")):
        logs = np.log(np.maximum(estimates.tail_draws(column), 1e-300))
        known |= {tail: np.exp(logs.mean(axis=0)), log_sd: np.maximum(logs.std(axis=0), 1e-12)}
    return known


def _groups(trace: Trace) -> np.ndarray:
    """Return the group of each query: queries of the same text belong together."""
    texts = trace.queries["text"]
    return pd.factorize(("t" + texts).where(texts != "", "i" + trace.queries["query_id"].astype(str)))[0]


_Fit = tuple[Predictor, np.ndarray, dict[str, Any]]


def _ours(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> _Fit:
    del seed
    fitted = fit_regression(embeddings, table - table.mean(axis=0), path_ids, groups)
    if fitted is None:
        return Means(mean), np.broadcast_to(mean, table.shape), {"sharing": "flat", "errors": {}}
    details = {"bandwidth": fitted.bandwidth, "noise": fitted.noise, "sharing": fitted.sharing, "errors": fitted.errors}
    return KernelRidge(mean, fitted.landmarks, fitted.coefficients, fitted.bandwidth), mean + fitted.left_out, details


def _knn(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> _Fit:
    del mean, path_ids
    return _tuned(
        [{"k": k} for k in NEIGHBOURS if k < 0.8 * len(table)] or [{"k": 1}],
        Neighbours, embeddings, table, groups, seed,
    )  # fmt: skip


def _cluster(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> _Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, n_clusters: int) -> ClusterMeans:
        from sklearn.cluster import KMeans

        found = KMeans(min(n_clusters, len(np.unique(x, axis=0))), n_init=3, random_state=seed).fit(x)
        member = np.eye(found.n_clusters)[found.labels_]
        shrunk = (member.T @ y + PRIOR_OUTCOMES * y.mean(axis=0)) / (member.sum(axis=0)[:, None] + PRIOR_OUTCOMES)
        return ClusterMeans(found.cluster_centers_, shrunk)

    candidates = [{"n_clusters": n} for n in CLUSTERS if n <= len(table) // 4] or [{"n_clusters": 1}]
    return _tuned(candidates, fit, embeddings, table, groups, seed)


def _factorised(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> _Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, rank: int, ridge: float) -> LowRank:
        centred, centre = x - x.mean(axis=0), x.mean(axis=0)
        u, s, vt = np.linalg.svd(centred, full_matrices=False)
        weights = (vt.T * (s / (s**2 + ridge / 10))) @ (u.T @ (y - y.mean(axis=0)))
        _, _, paths = np.linalg.svd(centred @ weights, full_matrices=False)
        paths = paths[:rank]
        return LowRank(y.mean(axis=0), centre, weights @ paths.T, paths)

    return _tuned([{"rank": r, "ridge": a} for r in RANKS for a in RIDGES], fit, embeddings, table, groups, seed)


def _tuned(
    candidates: list[dict[str, Any]], fit: Callable[..., Any], embeddings: np.ndarray, table: np.ndarray, groups: np.ndarray, seed: int
) -> _Fit:
    """Return the candidate with the least left-out error, centred per query; what it predicts for queries left out; its errors."""
    fold = np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % N_FOLDS
    errors: dict[tuple[Any, ...], float] = {}
    best, left_out = candidates[0], table
    for candidate in candidates:
        predicted = np.broadcast_to(table.mean(axis=0), table.shape).copy()
        for f in np.unique(fold) if len(np.unique(fold)) > 1 else ():
            rest = fold != f
            predicted[~rest] = fit(embeddings[rest], table[rest], **candidate).predict(embeddings[~rest])
        wrong = predicted - table
        error = float(np.square(wrong - wrong.mean(axis=1, keepdims=True)).mean())
        if not errors or error < min(errors.values()):
            best, left_out = candidate, predicted
        errors[tuple(candidate.values())] = error
    return fit(embeddings, table, **best), left_out, {**best, "errors": errors}


_FITS: dict[str, Callable[..., _Fit]] = {"ours": _ours, "knn": _knn, "cluster": _cluster, "matrix_factorisation": _factorised}
