"""How each learned policy predicts, tuned by the error on queries that are left out: all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ecollm_lab.policies.fitting.bases import RANKS, RIDGES, Basis, Moments
from ecollm_lab.policies.predictors import ClusterMeans, Neighbours, Predictor

PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
NEIGHBOURS = (5, 10, 20, 40, 80, 160)
CLUSTERS = (2, 4, 8, 16, 32, 64)
BANDWIDTHS = (None, 0.1, 0.2, 0.4, 0.8)  # of radial features; None: linear ones
TRUSTED = (0.75, 0.5, 0.25, 0.1)
N_FOLDS = 10  # of the inner validation, by group of queries


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
    wide
        The embeddings and, beside them, characteristics of the texts; None: not to be looked at.
    basis
        The only one that regressions may stand on, if any; all predictors then share its features.

    """

    embeddings: np.ndarray
    groups: np.ndarray
    seed: int = 0
    wide: np.ndarray | None = None
    basis: Basis | None = None

    def bases(self, bandwidths: Sequence[float | None]) -> list[Basis]:
        """Return a basis for each bandwidth, and a linear one of all that may be looked at."""
        if self.basis:
            return [self.basis]
        wide = [] if self.wide is None else [Basis.of(self.wide, None)]
        return [Basis.of(self.embeddings, h) for h in bandwidths] + wide

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

    def left_out(self, table: np.ndarray) -> np.ndarray:
        """Return the path means of the other folds, shape (queries, paths)."""
        out = np.broadcast_to(table.mean(axis=0), table.shape).copy()
        for rest in self.rest:
            out[~rest] = table[rest].mean(axis=0)
        return out


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted predictor.

    Attributes
    ----------
    predictor
        Of one number per path.
    left_out
        The same for each training query from other folds of queries alone, (queries, paths).
    details
        How it was tuned; "errors" has the left-out error of every candidate.
    basis
        Of a regression: the one it chose.

    """

    predictor: Predictor
    left_out: np.ndarray
    details: dict[str, Any]
    basis: Basis | None = None


Learner = Callable[[Queries, np.ndarray, bool], Fit]
"""Fits a table (queries, paths), where True says that only differences between paths matter."""


def squares_of(wrong: np.ndarray, between: bool) -> float:
    """Return the sum of squared errors, of differences between paths alone where asked."""
    return float(np.square(wrong - wrong.mean(axis=1, keepdims=True) * between).sum())


def best_ridge(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Fit the ridge regression with the least error: linear or radial, of few directions or all.

    Of quality, the deviations from the path means are trusted only as far as that serves choices.
    """
    fit = _ridge(queries, table, between, BANDWIDTHS, (None,))
    basis = fit.basis
    if not between or basis is None or not queries.rest:
        return fit
    few = _ridge(replace(queries, basis=basis), table, between, (), RANKS)
    errors = fit.details["errors"] | few.details["errors"]
    if min(few.details["errors"].values()) < min(fit.details["errors"].values()):
        fit = few
    flat = queries.left_out(table)
    trust = trusted(fit.left_out, flat, table)
    details = fit.details | {"trust": trust, "errors": errors}
    which = (details["ridge"],), (details["rank"],)
    _, mean, weights = next(Moments.of(basis.coordinates, table).fits(*which))
    predictor = basis.predictor(mean, trust * weights)
    return Fit(predictor, flat + trust * (fit.left_out - flat), details, basis)


def linear(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Fit a linear function of the embedding."""
    return _ridge(queries, table, between, (None,), (None,))


def factors(queries: Queries, table: np.ndarray, between: bool) -> Fit:
    """Fit a linear function of the embedding through few directions."""
    return _ridge(queries, table, between, (None,), RANKS)


def _ridge(
    queries: Queries,
    table: np.ndarray,
    between: bool,
    bandwidths: Sequence[float | None],
    ranks: tuple[int | None, ...],
) -> Fit:
    """Fit the ridge regression that has the least left-out error."""
    bases = queries.bases(bandwidths)
    errors: dict[tuple[Any, ...], float] = {}
    for i, basis in enumerate(bases):
        for _, wrong, found in _left_out(queries, basis, table, RIDGES, ranks):
            key = i, *found
            errors[key] = errors.get(key, 0.0) + squares_of(wrong, between) / table.size
    at, ridge, rank = min(errors, key=errors.__getitem__, default=(0, RIDGES[-1], ranks[0]))
    basis, left_out = bases[at], queries.left_out(table)
    for rest, wrong, _ in _left_out(queries, basis, table, (ridge,), (rank,)):
        left_out[~rest] = table[~rest] + wrong
    _, mean, weights = next(Moments.of(basis.coordinates, table).fits((ridge,), (rank,)))
    named = {(*bases[i].kind, *found): error for (i, *found), error in errors.items()}
    names = ("reads", "bandwidth", "ridge", "rank")
    details = dict(zip(names, (*basis.kind, ridge, rank), strict=True)) | {"errors": named}
    return Fit(basis.predictor(mean, weights), left_out, details, basis)


def _left_out(
    queries: Queries,
    basis: Basis,
    table: np.ndarray,
    ridges: tuple[float, ...],
    ranks: tuple[int | None, ...],
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[float, int | None]]]:
    """Yield the rest of a fold, the errors of those left out, and their ridge and rank."""
    everything = Moments.of(basis.coordinates, table)
    for rest in queries.rest:
        x, y = basis.coordinates[~rest], table[~rest]
        for found, mean, weights in (everything - Moments.of(x, y)).fits(ridges, ranks):
            yield rest, x @ weights + mean - y, found


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


def _tuned(
    candidates: list[dict[str, Any]],
    fit: Callable[..., Predictor],
    queries: Queries,
    table: np.ndarray,
    between: bool,
) -> Fit:
    """Return the candidate with the least left-out error."""
    x = queries.embeddings
    errors: dict[tuple[Any, ...], float] = {}
    best, left_out = candidates[0], queries.left_out(table)
    for candidate in candidates:
        predicted = queries.left_out(table)
        for rest in queries.rest:
            predicted[~rest] = fit(x[rest], table[rest], **candidate).predict(x[~rest])
        error = squares_of(predicted - table, between) / table.size
        if not errors or error < min(errors.values()):
            best, left_out = candidate, predicted
        errors[tuple(candidate.values())] = error
    return Fit(fit(x, table, **best), left_out, {**best, "errors": errors})
