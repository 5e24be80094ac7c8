"""What policies predict with: one number of each path for a query, from the query's embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np


class Predictor(Protocol):
    """One number of each path for a query: its quality, or the logarithm of its cost or latency."""

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the expected number, shape (queries, paths)."""
        ...

    def restricted(
        self, columns: np.ndarray, less: np.ndarray, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        ...


@dataclass(frozen=True, eq=False)
class Means:
    """The path means, whatever the query."""

    quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the path means for each query, shape (queries, paths)."""
        return np.broadcast_to(self.quality, (len(embeddings), len(self.quality)))

    def restricted(
        self, columns: np.ndarray, less: np.ndarray, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        return replace(self, quality=(self.quality[columns] - less) * scale)


@dataclass(frozen=True, eq=False)
class LowRank:
    """A linear function of the embedding, through few directions that all paths share.

    Attributes
    ----------
    quality
        What is predicted of an embedding of zeros, shape (paths,).
    queries, paths
        The directions, shape (dimension, rank), and each path's weights, shape (rank, paths).

    """

    quality: np.ndarray
    queries: np.ndarray
    paths: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the expected number, shape (queries, paths)."""
        out = embeddings @ self.queries @ self.paths
        out += self.quality
        return out

    def restricted(
        self, columns: np.ndarray, less: np.ndarray, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        return replace(
            self,
            quality=((self.quality[columns] - less) * scale).astype(np.float32),
            queries=self.queries.astype(np.float32),
            paths=np.ascontiguousarray(self.paths[:, columns] * scale, dtype=np.float32),
        )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The mean over the nearest training queries by cosine (arXiv 2505.12601)."""

    embeddings: np.ndarray
    quality: np.ndarray
    k: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the expected number, shape (queries, paths)."""
        nearest = np.argpartition(-(embeddings @ self.embeddings.T), self.k - 1, axis=1)
        out = np.zeros((len(embeddings), self.quality.shape[1]))
        for column in nearest[:, : self.k].T:
            out += self.quality[column]
        return out / self.k

    def restricted(
        self, columns: np.ndarray, less: np.ndarray, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        return replace(self, quality=(self.quality[:, columns] - less) * scale)


@dataclass(frozen=True, eq=False)
class ClusterMeans:
    """The mean of each query cluster, shrunk to the path means: k-means as in Avengers-Pro."""

    centroids: np.ndarray
    quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the means of each query's nearest cluster, shape (queries, paths)."""
        nearness = embeddings @ self.centroids.T - 0.5 * np.square(self.centroids).sum(axis=1)
        return self.quality[np.argmax(nearness, axis=1)]

    def restricted(
        self, columns: np.ndarray, less: np.ndarray, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        return replace(self, quality=(self.quality[:, columns] - less) * scale)


@dataclass(frozen=True, eq=False)
class Blend:
    """A radial and a linear function of the embedding, added up: what version 2 of the files holds.

    Attributes
    ----------
    quality
        Shape (paths,).
    projections
        Landmarks of the radial kernel, then directions of the linear part, as columns; shape
        (dimension, landmarks + directions).
    coefficients
        Shape (landmarks + directions, paths).
    bandwidth, n_landmarks
        Of the radial kernel, exp((cosine - 1) / bandwidth).

    """

    quality: np.ndarray
    projections: np.ndarray
    coefficients: np.ndarray
    bandwidth: float
    n_landmarks: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        seen = embeddings @ self.projections
        near = seen[:, : self.n_landmarks]
        np.exp((near - 1.0) / self.bandwidth, out=near)
        return seen @ self.coefficients + self.quality

    def restricted(
        self, columns: np.ndarray, less: np.ndarray, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        return replace(
            self,
            quality=(self.quality[columns] - less) * scale,
            coefficients=self.coefficients[:, columns] * scale,
        )
