"""How each learned policy predicts, tuned by the error on queries that are left out: all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ecollm_lab.policies.fitting.bases import RANKS, RIDGES, Basis, Moments
from ecollm_lab.policies.predictors import Blend, ClusterMeans, Neighbours, Predictor

PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
CLUSTERS = (2, 4, 8, 16, 32, 64)
N_FOLDS = 10  # of the inner validation, by group of queries


@dataclass(frozen=True, eq=False)
class Queries:
    """Training queries; what is None is not to be looked at."""

    embeddings: np.ndarray  # unit rows, (queries, dimension)
    groups: np.ndarray  # (queries,), numbered from 0: those of one group are left out together
    seed: int = 0  # of folds and of k-means
    wide: np.ndarray | None = None  # the embeddings and, beside them, characteristics of the texts
    # 1 for the kind that a query is of, else 0, (queries, kinds): a wide embedding resembles them
    kinds: np.ndarray | None = None
    basis: Basis | None = None  # the only one for regressions, so that predictors share features

    def bases(self) -> dict[str, Basis]:
        """Return the bases that a regression may stand on, each by the last that it looks at."""
        if self.basis:
            return {"given": self.basis}
        found = {"embeddings": Basis.of(self.embeddings)}
        if self.wide is not None:
            wide = found["characteristics"] = Basis.of(self.wide)
            if self.kinds is not None:
                found["kinds"] = wide.beside(self.kinds, self.rest)
        return found

    @cached_property
    def rest(self) -> list[np.ndarray]:
        """The queries outside each fold, shape (queries,) each; folds are of about equal size."""
        size = np.bincount(self.groups)
        order = np.random.default_rng(self.seed).permutation(len(size))
        fold, filled = np.zeros(len(size), dtype=int), np.zeros(min(N_FOLDS, len(size)))
        for group in order[np.argsort(-size[order], kind="stable")]:
            fold[group] = filled.argmin()
            filled[fold[group]] += size[group]
        return [fold[self.groups] != f for f in range(len(filled)) if len(filled) > 1]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted predictor."""

    predictor: Predictor  # of one number per path
    left_out: np.ndarray  # what other folds of queries say of each training query, (queries, paths)
    details: dict[str, Any]  # how it was tuned: "errors" has the left-out error of every candidate
    basis: Basis | None = None  # of a regression: the one it chose


Learner = Callable[[Queries, np.ndarray, bool], Fit]
"""Fits a table (queries, paths), where True says that only differences between paths matter."""


def squares_of(wrong: np.ndarray, between: bool) -> float:
    """Return the sum of squared errors, of differences between paths alone where asked."""
    return float(np.square(wrong - wrong.mean(axis=1, keepdims=True) * between).sum())


def _ridge(
    queries: Queries, table: np.ndarray, between: bool, ranks: tuple[int | None, ...]
) -> Fit:
    """Fit the ridge regression that has the least left-out error."""
    bases = queries.bases()
    errors: dict[tuple[Any, ...], float] = {}
    for name, basis in bases.items():
        for _, wrong, found in _left_out(queries, basis, table, RIDGES, ranks):
            key = name, *found
            errors[key] = errors.get(key, 0.0) + squares_of(wrong, between) / table.size
    first = next(iter(bases)), RIDGES[-1], ranks[0]
    reads, ridge, rank = min(errors, key=errors.__getitem__, default=first)
    basis, left_out = bases[reads], np.tile(table.mean(axis=0), (len(table), 1))
    for rest, wrong, _ in _left_out(queries, basis, table, (ridge,), (rank,)):
        left_out[~rest] = table[~rest] + wrong
    _, mean, weights = next(Moments.of(basis.coordinates, table).fits((ridge,), (rank,)))
    details = {"reads": reads, "ridge": ridge, "rank": rank, "errors": errors}
    return Fit(Blend(mean, basis.projections, weights), left_out, details, basis)


linear = partial(_ridge, ranks=(None,))  # of what is known of the query
factors = partial(_ridge, ranks=RANKS)  # the same through few directions


def _left_out(
    queries: Queries,
    basis: Basis,
    table: np.ndarray,
    ridges: tuple[float, ...],
    ranks: tuple[int | None, ...],
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[float, int | None]]]:
    """Yield the rest of a fold, the errors of those left out, and their ridge and rank."""
    everything = Moments.of(basis.coordinates, table)
    for i, rest in enumerate(queries.rest):
        x, y = basis.coordinates[~rest], table[~rest]
        if basis.folds:
            seen, x = basis.folds[i]
            moments = Moments.of(seen, table[rest])
        else:
            moments = everything - Moments.of(x, y)
        for found, mean, weights in moments.fits(ridges, ranks):
            yield rest, x @ weights + mean - y, found


def neighbours(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Take the mean over the nearest queries."""
    fewest = min((int(rest.sum()) for rest in queries.rest), default=len(table))
    ks = [k for k in NEIGHBOURS if k <= fewest] or [1]
    return _tuned("k", ks, lambda x, y, k: Neighbours(y, x, k), queries, table, between)


def clusters(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Take the means of clusters of queries."""

    def fit(x: np.ndarray, y: np.ndarray, n_clusters: int) -> ClusterMeans:
        from sklearn.cluster import KMeans

        most = min(n_clusters, len(np.unique(x, axis=0)))
        found = KMeans(most, n_init=3, random_state=queries.seed).fit(x)
        member = np.eye(found.n_clusters)[found.labels_]
        total = member.T @ y + PRIOR_OUTCOMES * y.mean(axis=0)
        shrunk = total / (member.sum(axis=0)[:, None] + PRIOR_OUTCOMES)
        return ClusterMeans(shrunk, found.cluster_centers_)

    numbers = [n for n in CLUSTERS if n <= len(table) // 4] or [1]
    return _tuned("n_clusters", numbers, fit, queries, table, between)


def _tuned(
    name: str,
    candidates: list[int],
    fit: Callable[[np.ndarray, np.ndarray, int], Predictor],
    queries: Queries,
    table: np.ndarray,
    between: bool,
) -> Fit:
    """Fit with the number, of some, that has the least left-out error."""
    x, best, left_out = queries.embeddings, candidates[0], table
    errors: dict[tuple[int], float] = {}
    for one in candidates:
        predicted = np.tile(table.mean(axis=0), (len(table), 1))
        for rest in queries.rest:
            predicted[~rest] = fit(x[rest], table[rest], one).predict(x[~rest])
        error = squares_of(predicted - table, between) / table.size
        if not errors or error < min(errors.values()):
            best, left_out = one, predicted
        errors[(one,)] = error
    return Fit(fit(x, table, best), left_out, {name: best, "errors": errors})
