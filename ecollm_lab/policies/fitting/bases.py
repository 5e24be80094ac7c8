"""Features of an embedding that ridge regressions stand on: linear ones, or radial ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from ecollm_lab.policies.predictors import Blend

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
RANKS = (1, 2, 4, 8)
MOST = 128  # landmarks and directions, for decision time
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """Orthogonal directions of the centred features of training queries.

    Linear features are the embedding itself. Radial ones are exp((cosine - 1) / bandwidth) to
    landmarks, of which there are at most `MOST` (Nyström, chosen by pivoted Cholesky); a ridge
    regression on them is kernel ridge regression.

    Attributes
    ----------
    bandwidth
        Of the radial features; None for the linear ones.
    projections
        What embeddings are multiplied with first, shape (dimension, features).
    lift, centre
        From directions to weights of the features, shape (features, directions), and the features'
        means.
    coordinates
        Of the training queries along the directions, shape (queries, directions).

    """

    bandwidth: float | None
    projections: np.ndarray
    lift: np.ndarray
    centre: np.ndarray
    coordinates: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray, bandwidth: float | None) -> Basis:
        """Return the basis of unit rows of shape (queries, dimension)."""
        x = embeddings.astype(np.float64)
        if bandwidth is None:
            turn = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:MOST].T
            near, root, projections = x @ turn, np.eye(turn.shape[1]), turn
        else:
            landmarks = x if len(x) <= MOST else x[_spread(x, bandwidth)]
            values, vectors = np.linalg.eigh(_radial(landmarks, landmarks, bandwidth))
            keep = values > _SMALL * values[-1]
            root = vectors[:, keep] / np.sqrt(values[keep])
            near, projections = _radial(x, landmarks, bandwidth), landmarks.T
        centre = near.mean(axis=0)
        plain = np.ascontiguousarray(projections, dtype=np.float32)
        return cls(bandwidth, plain, root, centre, (near - centre) @ root)

    @property
    def kind(self) -> tuple[int, float | None]:
        """The width of what it reads, and the bandwidth."""
        return len(self.projections), self.bandwidth

    def predictor(self, mean: np.ndarray, weights: np.ndarray) -> Blend:
        """Return the predictor of coordinates @ weights + mean."""
        slopes = self.lift @ weights
        radial = 0 if self.bandwidth is None else self.projections.shape[1]
        less = mean - self.centre @ slopes
        return Blend(less, self.projections, slopes, self.bandwidth or 1.0, radial)


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


def _radial(a: np.ndarray, b: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return exp((cosine - 1) / bandwidth) between unit rows, shape (len(a), len(b))."""
    return np.exp((a @ b.T - 1.0) / bandwidth)


def _spread(embeddings: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return rows that represent the rest best, one after the other: pivoted Cholesky."""
    left = np.ones(len(embeddings))
    factor = np.zeros((len(embeddings), MOST))
    rows = []
    for i in range(MOST):
        row = int(left.argmax())
        rows.append(row)
        column = _radial(embeddings, embeddings[[row]], bandwidth)[:, 0] - factor @ factor[row]
        factor[:, i] = column / np.sqrt(max(left[row], _SMALL))
        left = np.maximum(left - factor[:, i] ** 2, 0.0)
    return np.array(rows)
