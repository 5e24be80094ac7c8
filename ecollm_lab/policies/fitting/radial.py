"""Ridge regression on radial features of the embedding; queries are left out in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecollm_lab.policies.predictors import Blend

BANDWIDTHS = (0.1, 0.2, 0.4, 0.8)
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
MOST_LANDMARKS = 128  # for decision time
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """Orthonormal directions of the centred radial features of training queries.

    A query's features are exp((cosine - 1) / bandwidth) to landmarks. Up to `MOST_LANDMARKS`
    queries are their own landmarks, and the regression is then kernel ridge regression; more are
    represented by so many, chosen greedily (Nyström, by pivoted Cholesky).

    Attributes
    ----------
    bandwidth, landmarks
        Of the features.
    vectors, values
        Directions over the queries, shape (queries, rank), and squares of their singular values.
    lift, centre
        From directions to weights of the features, shape (landmarks, rank), and their means.
    members
        Rows of each group of several queries.

    """

    bandwidth: float
    landmarks: np.ndarray
    vectors: np.ndarray
    values: np.ndarray
    lift: np.ndarray
    centre: np.ndarray
    members: list[np.ndarray]

    @cached_property
    def projections(self) -> np.ndarray:
        """The landmarks as columns; one array for all predictors, which can then share features."""
        return np.ascontiguousarray(self.landmarks.T, dtype=np.float32)

    @classmethod
    def of(cls, embeddings: np.ndarray, groups: np.ndarray, bandwidth: float) -> Basis:
        """Return the basis of unit rows of shape (queries, dimension), in groups (queries,)."""
        few = len(embeddings) <= MOST_LANDMARKS
        landmarks = embeddings if few else embeddings[_spread(embeddings, bandwidth)]
        values, vectors = np.linalg.eigh(_radial(landmarks, landmarks, bandwidth))
        keep = values > _SMALL * values[-1]
        root = vectors[:, keep] / np.sqrt(values[keep])
        near = _radial(embeddings, landmarks, bandwidth)
        centre = near.mean(axis=0)
        u, s, vt = np.linalg.svd((near - centre) @ root, full_matrices=False)
        members = [np.flatnonzero(groups == g) for g in np.flatnonzero(np.bincount(groups) > 1)]
        return cls(bandwidth, landmarks, u, s**2, root @ (vt.T * s), centre, members)

    def left_out(self, table: np.ndarray, ridge: float) -> np.ndarray:
        """Predict each query from the other groups: y - (I - H_gg)^-1 (y - H y)."""
        n = len(table)
        gain = self.values / (self.values + ridge)
        mean = table.mean(axis=0)
        wrong = table - mean - self.vectors @ (gain[:, None] * (self.vectors.T @ table))
        hat = np.square(self.vectors) @ gain + 1 / n
        out = wrong / np.maximum(1 - hat, _SMALL)[:, None]
        for rows in (
            self.members if len(self.members) > 1 or n > sum(map(len, self.members)) else ()
        ):
            part = self.vectors[rows]
            block = np.eye(len(rows)) - (part * gain) @ part.T - 1 / n
            out[rows] = np.linalg.solve(block, wrong[rows])
        return table - out

    def predictor(self, table: np.ndarray, ridge: float) -> Blend:
        """Fit to all queries."""
        slopes = self.lift @ ((self.vectors.T @ table) / (self.values + ridge)[:, None])
        return Blend(
            table.mean(axis=0) - self.centre @ slopes,
            self.projections,
            slopes,
            self.bandwidth,
            len(self.landmarks),
        )


def _radial(a: np.ndarray, b: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return exp((cosine - 1) / bandwidth) between unit rows, shape (len(a), len(b))."""
    return np.exp((a @ b.T - 1.0) / bandwidth, dtype=np.float64)


def _spread(embeddings: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return rows that represent the rest best, one after the other: pivoted Cholesky."""
    left = np.ones(len(embeddings))
    factor = np.zeros((len(embeddings), MOST_LANDMARKS))
    rows = []
    for i in range(MOST_LANDMARKS):
        row = int(left.argmax())
        rows.append(row)
        column = _radial(embeddings, embeddings[[row]], bandwidth)[:, 0] - factor @ factor[row]
        factor[:, i] = column / np.sqrt(max(left[row], _SMALL))
        left = np.maximum(left - factor[:, i] ** 2, 0.0)
    return np.array(rows)
