"""Fits of each learned policy, with hyper-parameters tuned on predictions for left-out queries: ours and the baselines alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import solve

from ecollm_lab.choices import Predictor
from ecollm_lab.pairs import gate_features
from ecollm_lab.predictors import ClusterMeans, KernelRidge, LowRank, Means, Neighbours
from ecollm_lab.regression import fit_regression

PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
CLUSTERS = (2, 4, 8, 16, 32, 64)
RANKS = (1, 2, 4, 8)
RIDGES = (1.0, 10.0, 100.0, 1000.0)
N_FOLDS = 5  # of the inner validation, by group of queries

Fit = tuple[Predictor, np.ndarray, dict[str, Any]]


def _ours(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> Fit:
    del seed
    fitted = fit_regression(embeddings, table - table.mean(axis=0), path_ids, groups)
    if fitted is None:
        return Means(mean), np.broadcast_to(mean, table.shape), {"sharing": "flat", "errors": {}}
    details = {"bandwidth": fitted.bandwidth, "noise": fitted.noise, "sharing": fitted.sharing, "errors": fitted.errors}
    return KernelRidge(mean, fitted.landmarks, fitted.coefficients, fitted.bandwidth), mean + fitted.left_out, details


def _knn(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> Fit:
    del mean, path_ids
    return _tuned(
        [{"k": k} for k in NEIGHBOURS if k < 0.8 * len(table)] or [{"k": 1}],
        Neighbours, embeddings, table, groups, seed,
    )  # fmt: skip


def _cluster(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, n_clusters: int) -> ClusterMeans:
        from sklearn.cluster import KMeans

        found = KMeans(min(n_clusters, len(np.unique(x, axis=0))), n_init=3, random_state=seed).fit(x)
        member = np.eye(found.n_clusters)[found.labels_]
        shrunk = (member.T @ y + PRIOR_OUTCOMES * y.mean(axis=0)) / (member.sum(axis=0)[:, None] + PRIOR_OUTCOMES)
        return ClusterMeans(found.cluster_centers_, shrunk)

    candidates = [{"n_clusters": n} for n in CLUSTERS if n <= len(table) // 4] or [{"n_clusters": 1}]
    return _tuned(candidates, fit, embeddings, table, groups, seed)


def _factorised(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, rank: int, ridge: float) -> LowRank:
        centred, centre = x - x.mean(axis=0), x.mean(axis=0)
        u, s, vt = np.linalg.svd(centred, full_matrices=False)
        weights = (vt.T * (s / (s**2 + ridge / 10))) @ (u.T @ (y - y.mean(axis=0)))
        _, _, paths = np.linalg.svd(centred @ weights, full_matrices=False)
        paths = paths[:rank]
        return LowRank(y.mean(axis=0), centre, weights @ paths.T, paths)

    return _tuned([{"rank": r, "ridge": a} for r in RANKS for a in RIDGES], fit, embeddings, table, groups, seed)


def _ridge(embeddings: np.ndarray, table: np.ndarray, mean: np.ndarray, path_ids: list[str], groups: np.ndarray, seed: int) -> Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, ridge: float) -> LowRank:
        centred, centre = x - x.mean(axis=0), x.mean(axis=0)
        u, s, vt = np.linalg.svd(centred, full_matrices=False)
        return LowRank(y.mean(axis=0), centre, vt.T * (s / (s**2 + ridge / 10)), u.T @ (y - y.mean(axis=0)))

    return _tuned([{"ridge": a} for a in RIDGES], fit, embeddings, table, groups, seed)


def fit_gate(
    embeddings: np.ndarray, answers: np.ndarray, quality: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Fit how good an answer is to what a query and the answer say.

    Parameters
    ----------
    embeddings
        Of the queries, shape (queries, dimension).
    answers
        Embeddings of each path's answers, shape (queries, paths, dimension).
    quality
        Of each answer, shape (queries, paths), NaN where not seen.
    groups
        Group of each query, shape (queries,); left out together.
    seed
        Of the folds.

    Returns
    -------
    Centre and weights of the features (see `ecollm_lab.pairs.Gate`); the confidence in each answer, from other queries, shape (queries,
    paths); the errors of the candidates tried.

    """
    seen = ~np.isnan(quality)
    rows, columns = np.nonzero(seen)
    features = gate_features(embeddings[rows], answers[rows, columns]).astype(np.float64)
    mean = np.nanmean(quality, axis=0)
    target = quality[rows, columns] - mean[columns]
    fold = _folds(groups, seed)[rows]
    told = {ridge: np.zeros(len(target)) for ridge in RIDGES}

    def fit(mask: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        centre = features[mask].mean(axis=0)
        centred = features[mask] - centre
        gram, projected = centred.T @ centred, centred.T @ target[mask]
        for ridge in RIDGES:
            yield ridge, centre, solve(gram + ridge * np.eye(len(gram)), projected, assume_a="pos")

    for f in np.unique(fold) if len(np.unique(fold)) > 1 else ():
        for ridge, centre, weights in fit(fold != f):
            told[ridge][fold == f] = (features[fold == f] - centre) @ weights
    errors = {(ridge,): float(np.square(scores - target).mean()) for ridge, scores in told.items()}
    (best,) = min(errors, key=errors.__getitem__)
    centre, weights = next((c, w) for ridge, c, w in fit(np.ones(len(target), dtype=bool)) if ridge == best)
    confidence = np.tile(mean, (len(quality), 1))
    confidence[rows, columns] += told[best]
    return centre, weights, confidence, {"ridge": best, "errors": errors}


def _folds(groups: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % N_FOLDS


def _tuned(
    candidates: list[dict[str, Any]], fit: Callable[..., Any], embeddings: np.ndarray, table: np.ndarray, groups: np.ndarray, seed: int
) -> Fit:
    """Return the candidate with the least left-out error, centred per query; what it predicts for queries left out; its errors."""
    fold = _folds(groups, seed)
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


FITS: dict[str, Callable[..., Fit]] = {
    "ours": _ours, "knn": _knn, "cluster": _cluster, "matrix_factorisation": _factorised, "threshold": _ridge,
}  # fmt: skip
