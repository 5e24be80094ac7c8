"""Fits of each learned policy, with hyper-parameters tuned on predictions for left-out queries: ours and the baselines alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import solve

from ecollm_lab.policies.fitting.regression import (
    LINEAR,
    centred,
    fit_regression,
    mean_left_out,
    stacked,
)
from ecollm_lab.policies.predictors import (
    Blend,
    ClusterMeans,
    LowRank,
    Means,
    Neighbours,
    Predictor,
    gate_features,
)

PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
CLUSTERS = (2, 4, 8, 16, 32, 64)
RANKS = (1, 2, 4, 8)
RIDGES = (1.0, 10.0, 100.0, 1000.0)
PARTS = ("radial", "linear", "factors")  # that ours is stacked of
MOST_DIRECTIONS = 16  # of the linear parts together, for decision time
N_FOLDS = 5  # of the inner validation, by group of queries

Fit = tuple[Predictor, np.ndarray, dict[str, Any]]


def _ours(
    embeddings: np.ndarray,
    table: np.ndarray,
    mean: np.ndarray,
    path_ids: list[str],
    groups: np.ndarray,
    seed: int,
) -> Fit:
    """Stack a radial and a linear regression and a factorisation; path means where that is not better by a standard error."""
    residual = table - table.mean(axis=0)
    y = centred(residual)
    radial = fit_regression(embeddings, residual, path_ids, groups)
    linear = fit_regression(embeddings, residual, path_ids, groups, [LINEAR])
    factors, told, tuned = _factorised(embeddings, table, mean, path_ids, groups, seed)
    assert isinstance(factors, LowRank)
    told = told - mean
    flat = mean_left_out(y, groups)
    parts = [
        part - flat
        for part in (radial.left_out, linear.left_out, told - told.mean(axis=1, keepdims=True))
    ]
    weights = stacked(parts, y - flat)
    left_out = flat + sum(weight * part for weight, part in zip(weights, parts, strict=True))
    without, wrong = np.square(y - flat).mean(axis=1), np.square(y - left_out).mean(axis=1)
    errors = {**radial.errors, **linear.errors, ("factors",): min(tuned["errors"].values())}
    errors |= {("flat",): float(without.mean()), ("stacked",): float(wrong.mean())}
    gained = without - wrong
    if gained.mean() <= gained.std() / len(gained) ** 0.5:
        return (
            Means(mean),
            np.broadcast_to(mean, table.shape),
            {"sharing": "flat", "errors": errors},
        )
    slopes = (
        weights[1] * linear.landmarks.T @ linear.coefficients
        + weights[2] * factors.queries @ factors.paths
    )
    paths = _leading(slopes, MOST_DIRECTIONS)
    directions = slopes @ paths.T
    offset = (
        weights[0] * radial.offset
        + weights[1] * linear.offset
        - weights[2] * factors.centre @ factors.queries @ factors.paths
    )
    predictor = Blend(
        mean + offset,
        np.hstack([radial.landmarks.T, directions]).astype(embeddings.dtype),
        np.vstack([weights[0] * radial.coefficients, paths]),
        radial.bandwidth,
        len(radial.landmarks),
    )
    details = {
        "bandwidth": radial.bandwidth,
        "noise": radial.noise,
        "sharing": radial.sharing,
        "errors": errors,
    }
    return (
        predictor,
        mean + left_out,
        {**details, "weights": dict(zip(PARTS, weights.tolist(), strict=True))},
    )


def _knn(
    embeddings: np.ndarray,
    table: np.ndarray,
    mean: np.ndarray,
    path_ids: list[str],
    groups: np.ndarray,
    seed: int,
) -> Fit:
    del mean, path_ids
    return _tuned(
        [{"k": k} for k in NEIGHBOURS if k < 0.8 * len(table)] or [{"k": 1}],
        Neighbours,
        embeddings,
        table,
        groups,
        seed,
    )


def _cluster(
    embeddings: np.ndarray,
    table: np.ndarray,
    mean: np.ndarray,
    path_ids: list[str],
    groups: np.ndarray,
    seed: int,
) -> Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, n_clusters: int) -> ClusterMeans:
        from sklearn.cluster import KMeans

        found = KMeans(min(n_clusters, len(np.unique(x, axis=0))), n_init=3, random_state=seed).fit(
            x
        )
        member = np.eye(found.n_clusters)[found.labels_]
        shrunk = (member.T @ y + PRIOR_OUTCOMES * y.mean(axis=0)) / (
            member.sum(axis=0)[:, None] + PRIOR_OUTCOMES
        )
        return ClusterMeans(found.cluster_centers_, shrunk)

    candidates = [{"n_clusters": n} for n in CLUSTERS if n <= len(table) // 4] or [
        {"n_clusters": 1}
    ]
    return _tuned(candidates, fit, embeddings, table, groups, seed)


def _factorised(
    embeddings: np.ndarray,
    table: np.ndarray,
    mean: np.ndarray,
    path_ids: list[str],
    groups: np.ndarray,
    seed: int,
) -> Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, rank: int, ridge: float) -> LowRank:
        centred, centre = x - x.mean(axis=0), x.mean(axis=0)
        u, s, vt = np.linalg.svd(centred, full_matrices=False)
        weights = (vt.T * (s / (s**2 + ridge / 10))) @ (u.T @ (y - y.mean(axis=0)))
        paths = _leading(centred @ weights, rank)
        return LowRank(y.mean(axis=0), centre, weights @ paths.T, paths)

    return _tuned(
        [{"rank": r, "ridge": a} for r in RANKS for a in RIDGES],
        fit,
        embeddings,
        table,
        groups,
        seed,
    )


def _ridge(
    embeddings: np.ndarray,
    table: np.ndarray,
    mean: np.ndarray,
    path_ids: list[str],
    groups: np.ndarray,
    seed: int,
) -> Fit:
    del mean, path_ids

    def fit(x: np.ndarray, y: np.ndarray, ridge: float) -> LowRank:
        centred, centre = x - x.mean(axis=0), x.mean(axis=0)
        u, s, vt = np.linalg.svd(centred, full_matrices=False)
        return LowRank(
            y.mean(axis=0), centre, vt.T * (s / (s**2 + ridge / 10)), u.T @ (y - y.mean(axis=0))
        )

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
    Centre and weights of the features (see `ecollm_lab.policies.pairs.Gate`); the confidence in
    each answer, from other queries, shape (queries, paths); the errors of the candidates tried.

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
    centre, weights = next(
        (c, w) for ridge, c, w in fit(np.ones(len(target), dtype=bool)) if ridge == best
    )
    confidence = np.tile(mean, (len(quality), 1))
    confidence[rows, columns] += told[best]
    return centre, weights, confidence, {"ridge": best, "errors": errors}


def _leading(matrix: np.ndarray, n: int) -> np.ndarray:
    """Return the first `n` right singular vectors, a row each; where many paths are alike, LAPACK's own SVD may not converge."""
    return np.linalg.eigh(matrix.T @ matrix)[1][:, ::-1][:, :n].T


def _folds(groups: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(groups.max() + 1)[groups] % N_FOLDS


def _tuned(
    candidates: list[dict[str, Any]],
    fit: Callable[..., Any],
    embeddings: np.ndarray,
    table: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> Fit:
    """Return the candidate with the least left-out error, centred per query; what it predicts for queries left out; its errors."""
    fold = _folds(groups, seed)
    errors: dict[tuple[Any, ...], float] = {}
    best, left_out = candidates[0], table
    for candidate in candidates:
        predicted = np.broadcast_to(table.mean(axis=0), table.shape).copy()
        for f in np.unique(fold) if len(np.unique(fold)) > 1 else ():
            rest = fold != f
            predicted[~rest] = fit(embeddings[rest], table[rest], **candidate).predict(
                embeddings[~rest]
            )
        wrong = predicted - table
        error = float(np.square(wrong - wrong.mean(axis=1, keepdims=True)).mean())
        if not errors or error < min(errors.values()):
            best, left_out = candidate, predicted
        errors[tuple(candidate.values())] = error
    return fit(embeddings, table, **best), left_out, {**best, "errors": errors}


FITS: dict[str, Callable[..., Fit]] = {
    "ours": _ours,
    "knn": _knn,
    "cluster": _cluster,
    "matrix_factorisation": _factorised,
    "threshold": _ridge,
}
