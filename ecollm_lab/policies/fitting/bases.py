"""Directions of an embedding, and ridge regressions on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
RANKS = (1, 2, 4, 8)
MOST = 128  # directions, for decision time
KIND = 4.0  # weight of how much a query resembles a kind, 0 to 1, beside an embedding
KIND_RIDGE = 1.0
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """The directions in which the embeddings of training queries vary most, at most `MOST`."""

    projections: np.ndarray  # from embeddings to coordinates, (dimension, directions)
    coordinates: np.ndarray  # of the training queries along the directions, (queries, directions)
    # where directions depend on more than embeddings: for each fold, the coordinates of the
    # queries outside and inside of it, along directions that are found without the fold
    folds: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    @classmethod
    def of(cls, embeddings: np.ndarray) -> Basis:
        """Return the basis of rows of shape (queries, dimension)."""
        x = embeddings.astype(np.float64)
        turn = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:MOST].T
        return cls(np.ascontiguousarray(turn, dtype=np.float32), x @ turn)

    def beside(self, kinds: np.ndarray, rest: Sequence[np.ndarray]) -> Basis:
        """Return these directions and, beside them, how much a query resembles each kind.

        That is what a ridge regression on the kinds of the training queries says; of a training
        query, what one on the other folds says, as of a new query that it has not seen. `kinds` are
        1 for the kind that a training query is of, else 0, shape (queries, kinds); `rest` are the
        queries outside each fold, shape (queries,) each.
        """
        x, every = self.coordinates, np.ones(len(kinds), dtype=bool)
        slopes, scores = _resembling(x, kinds, every, rest)
        folds = []
        for one in rest:
            fold_slopes, seen = _resembling(x, kinds, one, rest)
            unseen = x[~one]
            folds.append(
                (np.hstack([x[one], seen[one]]), np.hstack([unseen, unseen @ fold_slopes]))
            )
        turn = np.hstack([np.eye(x.shape[1]), slopes])
        projections = np.ascontiguousarray(self.projections @ turn, dtype=np.float32)
        return Basis(projections, np.hstack([x, scores]), tuple(folds))


@dataclass(frozen=True, eq=False)
class Moments:
    """All that a ridge regression needs to know of x (queries, directions) and y (queries, paths).

    Those of some queries less those of others are those of the rest.
    """

    n: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> Moments:
        """Sum over queries."""
        return cls(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def fits(
        self, ridges: tuple[float, ...], ranks: tuple[int | None, ...] = (None,)
    ) -> Iterator[tuple[tuple[float, int | None], np.ndarray, np.ndarray]]:
        """Fit y to x with every ridge and rank.

        Yields ridge and rank; the means at x = 0, shape (paths,); weights, (directions, paths). A
        rank keeps the directions of the fitted values that vary most (reduced-rank regression);
        None keeps all.
        """
        centre, mean = self.x / self.n, self.y / self.n
        squares, turn = np.linalg.eigh(self.xx - self.n * np.outer(centre, centre))
        squares = np.maximum(squares, _SMALL)
        product = turn.T @ (self.xy - self.n * np.outer(centre, mean))
        for ridge in ridges:
            weights = product / (squares + ridge)[:, None]
            fitted = np.sqrt(squares)[:, None] * weights
            shared = np.linalg.eigh(fitted @ fitted.T)[1][:, ::-1] if any(ranks) else turn
            for rank in ranks:
                kept = weights
                if rank is not None:
                    some = shared[:, :rank]
                    kept = (some @ (some.T @ fitted)) / np.sqrt(squares)[:, None]
                slopes = turn @ kept
                yield (ridge, rank), mean - centre @ slopes, slopes


def _resembling(
    x: np.ndarray, kinds: np.ndarray, known: np.ndarray, rest: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes that are fitted to the kinds of known queries, and what they say of these.

    Of each it is said by slopes that are fitted to the other folds of the known; times `KIND`.
    """
    whole = Moments.of(x[known], kinds[known])
    _, mean, slopes = next(whole.fits((KIND_RIDGE,)))
    scores = x @ slopes
    for one in rest:
        out = known & ~one
        if out.any() and not out[known].all():
            _, at_zero, some = next((whole - Moments.of(x[out], kinds[out])).fits((KIND_RIDGE,)))
            scores[out] = x[out] @ some + at_zero - mean
    return KIND * slopes, KIND * scores
