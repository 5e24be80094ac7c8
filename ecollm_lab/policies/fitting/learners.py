"""How each learned policy predicts, tuned by the error on queries that are left out: all alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ecollm_lab.policies.fitting.radial import BANDWIDTHS, RIDGES, Basis
from ecollm_lab.policies.predictors import (
    ClusterMeans,
    LowRank,
    Neighbours,
    Predictor,
)

PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
CLUSTERS = (2, 4, 8, 16, 32, 64)
RANKS = (1, 2, 4, 8)
LINEAR_RIDGES = (0.1, 1.0, 10.0, 100.0)
FLAT = 1e12  # the ridge under which only path means are left
TRUSTED = (0.75, 0.5, 0.25, 0.1)
N_FOLDS = 5  # of the inner validation, by group of queries


@dataclass(frozen=True, eq=False)
class Queries:
    """Training queries.

    Attributes
    ----------
    embeddings
        Unit rows, shape (queries, dimension).
    groups
        Shape (queries,), numbered from 0: queries of one group are left out together.
    seed
        Of folds and of k-means.

    """

    embeddings: np.ndarray
    groups: np.ndarray
    seed: int = 0

    @cached_property
    def bases(self) -> list[Basis]:
        """Radial features, one basis a bandwidth."""
        return [Basis.of(self.embeddings, self.groups, bandwidth) for bandwidth in BANDWIDTHS]

    def on(self, basis: Basis | None) -> Queries:
        """Return the same queries with one basis, so that all predictors share its features."""
        if basis is None:
            return self
        same = Queries(self.embeddings, self.groups, self.seed)
        same.__dict__["bases"] = [basis]
        return same

    @cached_property
    def folds(self) -> np.ndarray:
        """The fold of each query, shape (queries,)."""
        rng = np.random.default_rng(self.seed)
        return rng.permutation(self.groups.max() + 1)[self.groups] % N_FOLDS


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted predictor.

    Attributes
    ----------
    predictor
        Of one number per path.
    left_out
        The same for each training query from other groups of queries alone, (queries, paths).
    details
        How it was tuned; "errors" has the left-out error of every candidate.
    basis
        Of a radial regression: the one it chose.

    """

    predictor: Predictor
    left_out: np.ndarray
    details: dict[str, Any]
    basis: Basis | None = None


Learner = Callable[[Queries, np.ndarray, bool], Fit]
"""Fits a table (queries, paths), where True says that only differences between paths matter."""


def error_of(wrong: np.ndarray, between: bool) -> float:
    """Return the mean squared error, of differences between paths alone where asked."""
    if between:
        wrong = wrong - wrong.mean(axis=1, keepdims=True)
    return float(np.square(wrong).mean())


def radial(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Fit a ridge regression on radial features of the embedding."""
    errors: dict[tuple[Any, ...], float] = {}
    best, left_out = (queries.bases[0], RIDGES[0]), table
    for basis in queries.bases:
        for ridge in RIDGES:
            predicted = basis.left_out(table, ridge)
            error = error_of(predicted - table, between)
            if not errors or error < min(errors.values()):
                best, left_out = (basis, ridge), predicted
            errors[basis.bandwidth, ridge] = error
    basis, ridge = best
    details = {"bandwidth": basis.bandwidth, "ridge": ridge, "trust": 1.0, "errors": errors}
    if not between:
        return Fit(basis.predictor(table, ridge), left_out, details, basis)
    mean, flat = table.mean(axis=0), basis.left_out(table, FLAT)
    details["trust"] = trust = trusted(left_out, flat, table)
    fitted = basis.predictor(mean + trust * (table - mean), ridge)
    return Fit(fitted, flat + trust * (left_out - flat), details, basis)


def trusted(left_out: np.ndarray, flat: np.ndarray, table: np.ndarray) -> float:
    """Return which share of the predicted deviations from the path means to trust.

    The ridge with the least error over all paths can be too bold among the few best ones, which
    differ less. Less is trusted where the choices for queries left out are then better, by more
    than two standard errors. The means, `flat`, leave the query out as well.
    """
    rows = np.arange(len(table))
    plain, best, most = table[rows, left_out.argmax(axis=1)], 1.0, 0.0
    for share in TRUSTED:
        gain = table[rows, (flat + share * (left_out - flat)).argmax(axis=1)] - plain
        if gain.mean() > max(most, 2 * gain.std() / len(gain) ** 0.5):
            best, most = share, float(gain.mean())
    return best


def neighbours(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Take the mean over the nearest queries."""
    candidates = [{"k": k} for k in NEIGHBOURS if k < 0.8 * len(table)] or [{"k": 1}]

    def fit(x: np.ndarray, y: np.ndarray, k: int) -> Neighbours:
        return Neighbours(quality=y, embeddings=x, k=k)

    return _tuned(candidates, fit, queries, table, between)


def clusters(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Take the means of clusters of queries."""

    def fit(x: np.ndarray, y: np.ndarray, n_clusters: int) -> ClusterMeans:
        from sklearn.cluster import KMeans

        most = min(n_clusters, len(np.unique(x, axis=0)))
        found = KMeans(most, n_init=3, random_state=queries.seed).fit(x)
        member = np.eye(found.n_clusters)[found.labels_]
        total = member.T @ y + PRIOR_OUTCOMES * y.mean(axis=0)
        shrunk = total / (member.sum(axis=0)[:, None] + PRIOR_OUTCOMES)
        return ClusterMeans(quality=shrunk, centroids=found.cluster_centers_)

    candidates = [{"n_clusters": n} for n in CLUSTERS if n <= len(table) // 4]
    return _tuned(candidates or [{"n_clusters": 1}], fit, queries, table, between)


def factors(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Fit a linear function of the embedding through few directions."""
    candidates = [{"ridge": ridge, "rank": rank} for rank in RANKS for ridge in LINEAR_RIDGES]
    return _tuned(candidates, _linear, queries, table, between)


def linear(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Fit a linear function of the embedding."""
    return _tuned([{"ridge": ridge} for ridge in LINEAR_RIDGES], _linear, queries, table, between)


def _linear(x: np.ndarray, y: np.ndarray, ridge: float, rank: int | None = None) -> LowRank:
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd(x - centre, full_matrices=False)
    weights = (vt.T * (s / (s**2 + ridge))) @ (u.T @ (y - mean))
    if rank is None:
        return LowRank(mean - centre @ weights, weights, np.eye(len(mean)))
    fitted = (x - centre) @ weights
    # where many paths are alike, LAPACK's own SVD of this may not converge
    paths = np.linalg.eigh(fitted.T @ fitted)[1][:, ::-1][:, :rank].T
    queries = weights @ paths.T
    return LowRank(mean - centre @ queries @ paths, queries, paths)


def _tuned(
    candidates: list[dict[str, Any]],
    fit: Callable[..., Predictor],
    queries: Queries,
    table: np.ndarray,
    between: bool,
) -> Fit:
    """Return the candidate with the least left-out error."""
    fold, x = queries.folds, queries.embeddings
    errors: dict[tuple[Any, ...], float] = {}
    best, left_out = candidates[0], table
    for candidate in candidates:
        predicted = np.broadcast_to(table.mean(axis=0), table.shape).copy()
        for f in np.unique(fold) if len(np.unique(fold)) > 1 else ():
            rest = fold != f
            predicted[~rest] = fit(x[rest], table[rest], **candidate).predict(x[~rest])
        error = error_of(predicted - table, between)
        if not errors or error < min(errors.values()):
            best, left_out = candidate, predicted
        errors[tuple(candidate.values())] = error
    return Fit(fit(x, table, **best), left_out, {**best, "errors": errors})
