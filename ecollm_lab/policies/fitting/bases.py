"""Directions of an embedding, and ridge regressions on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from ecollm_lab.policies.predictors import Blend

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
RANKS = (1, 2, 4, 8)
MOST = 128  # directions, for decision time
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Scores:
    """Linear functions of embeddings that were fitted to something else than paths.

    Attributes
    ----------
    slopes
        Shape (dimension, scores).
    left_out
        Of the training queries, each by slopes fitted to others; shape (queries, scores).

    """

    slopes: np.ndarray
    left_out: np.ndarray


@dataclass(frozen=True, eq=False)
class Basis:
    """The directions in which the embeddings of training queries vary most, at most `MOST`.

    Attributes
    ----------
    projections
        From embeddings to coordinates, shape (dimension, directions).
    coordinates
        Of the training queries along the directions, shape (queries, directions).

    """

    projections: np.ndarray
    coordinates: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray, scores: Scores | None = None) -> Basis:
        """Return the basis of rows of shape (queries, dimension), and of scores beside them."""
        x = embeddings.astype(np.float64)
        more = scores or Scores(np.empty((x.shape[1], 0)), np.empty((len(x), 0)))
        x = np.hstack([x, more.left_out])
        turn = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:MOST].T
        n = len(more.slopes)
        projections = turn[:n] + more.slopes @ turn[n:]
        return cls(np.ascontiguousarray(projections, dtype=np.float32), x @ turn)

    def predictor(self, mean: np.ndarray, weights: np.ndarray) -> Blend:
        """Return the predictor of coordinates @ weights + mean."""
        return Blend(mean, self.projections, weights, bandwidth=1.0, n_landmarks=0)


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

        Yields
        ------
        The ridge and the rank; the means at x = 0, shape (paths,); weights, (directions, paths). A
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
