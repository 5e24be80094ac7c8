"""What learned policies predict with: expected quality of each path for a query, from its embedding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np


@dataclass(frozen=True, eq=False)
class Means:
    """The path means, whatever the query."""

    quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the path means for each query, shape (queries, paths)."""
        return np.broadcast_to(self.quality, (len(embeddings), len(self.quality)))

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[columns] - less)


@dataclass(frozen=True, eq=False)
class Blend:
    """Path means plus a radial and a linear part, stacked: both projections are one product, both sums another.

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
        near -= 1.0
        near /= self.bandwidth
        np.exp(near, out=near)
        out = seen @ self.coefficients
        out += self.quality
        return out

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        coefficients = np.ascontiguousarray(self.coefficients[:, columns], dtype=np.float32)
        return replace(
            self,
            quality=(self.quality[columns] - less).astype(np.float32),
            coefficients=coefficients,
        )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Mean quality over the nearest training queries by cosine (arXiv 2505.12601)."""

    embeddings: np.ndarray
    quality: np.ndarray
    k: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        nearest = np.argpartition(-(embeddings @ self.embeddings.T), self.k - 1, axis=1)[
            :, : self.k
        ]
        out = np.zeros((len(embeddings), self.quality.shape[1]))
        for column in nearest.T:
            out += self.quality[column]
        return out / self.k

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[:, columns] - less)


@dataclass(frozen=True, eq=False)
class ClusterMeans:
    """Quality per query cluster, shrunk to the path means: k-means as in Avengers-Pro, on whole paths."""

    centroids: np.ndarray
    quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the means of each query's nearest cluster, shape (queries, paths)."""
        return self.quality[
            np.argmax(
                embeddings @ self.centroids.T - 0.5 * np.square(self.centroids).sum(axis=1), axis=1
            )
        ]

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[:, columns] - less)


@dataclass(frozen=True, eq=False)
class LowRank:
    """Path means plus a bilinear form of few dimensions between embedding and path, as in RouteLLM's matrix factorisation."""

    quality: np.ndarray
    centre: np.ndarray
    queries: np.ndarray
    paths: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        return self.quality + (embeddings - self.centre) @ self.queries @ self.paths

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same for some paths, with some quality taken off."""
        return replace(self, quality=self.quality[columns] - less, paths=self.paths[:, columns])


class Predictor(Protocol):
    """Expected quality of each path for a query, from its embedding."""

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        ...

    def restricted(self, columns: np.ndarray, less: np.ndarray) -> Self:
        """Return the same predictor for some paths, in the order given, expecting so much less of each."""
        ...


@dataclass(frozen=True, eq=False)
class Gate:
    """How good an answer is expected to be, from the embeddings of the query and of the answer: a ridge regression for all paths at once.

    Attributes
    ----------
    quality
        Mean of each path, shape (paths,); what the embeddings say comes on top.
    centre, weights
        Of the features: query, answer, and their product element by element; shape (3 ×
        dimension,).

    """

    quality: np.ndarray
    centre: np.ndarray
    weights: np.ndarray

    def confidence(self, queries: np.ndarray, answers: np.ndarray, path: int) -> np.ndarray:
        """Return the expected quality of one path's answers, shape (queries,)."""
        return self.quality[path] + (gate_features(queries, answers) - self.centre) @ self.weights


def gate_features(queries: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return what the gate looks at, shape (n, 3 × dimension)."""
    return np.hstack([queries, answers, queries * answers * queries.shape[1] ** 0.5])
