"""What policies predict with: one number of each path for a query, from the query's embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np


@dataclass(frozen=True, eq=False)
class Predictor(ABC):
    """One number of each path for a query: its quality, or the logarithm of its cost or latency.

    `quality` has the paths on its last axis, as the arrays named in `weights` have.
    """

    weights: ClassVar[tuple[str, ...]] = ()
    quality: np.ndarray

    @abstractmethod
    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the expected number, shape (queries, paths)."""

    def restricted(
        self, columns: np.ndarray, less: np.ndarray | float, scale: np.ndarray | float = 1.0
    ) -> Self:
        """Return a predictor of (number − less) × scale for some paths, in the order given."""
        changed = {name: getattr(self, name)[..., columns] * scale for name in self.weights}
        changed["quality"] = (self.quality[..., columns] - less) * scale
        if self.weights:  # what is left are small differences, for which single precision will do
            changed = {
                name: np.ascontiguousarray(value, np.float32) for name, value in changed.items()
            }
        return replace(self, **changed)


@dataclass(frozen=True, eq=False)
class Means(Predictor):
    """The path means, whatever the query."""

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the path means for each query, shape (queries, paths)."""
        return np.broadcast_to(self.quality, (len(embeddings), len(self.quality)))


@dataclass(frozen=True, eq=False)
class Neighbours(Predictor):
    """The mean over the nearest training queries by cosine (arXiv 2505.12601)."""

    embeddings: np.ndarray
    k: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the expected number, shape (queries, paths)."""
        nearest = np.argpartition(-(embeddings @ self.embeddings.T), self.k - 1, axis=1)
        out = np.zeros((len(embeddings), self.quality.shape[1]))
        for column in nearest[:, : self.k].T:
            out += self.quality[column]
        return out / self.k


@dataclass(frozen=True, eq=False)
class ClusterMeans(Predictor):
    """The mean of each query cluster, shrunk to the path means: k-means as in Avengers-Pro."""

    centroids: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the means of each query's nearest cluster, shape (queries, paths)."""
        nearness = embeddings @ self.centroids.T - 0.5 * np.square(self.centroids).sum(axis=1)
        return self.quality[np.argmax(nearness, axis=1)]


@dataclass(frozen=True, eq=False)
class Blend(Predictor):
    """A linear function of the embedding; quality has the shape (paths,)."""

    weights = ("coefficients",)
    projections: np.ndarray  # directions as columns, (dimension, directions)
    coefficients: np.ndarray  # (directions, paths)

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        return embeddings @ self.projections @ self.coefficients + self.quality


def joined(predictors: Sequence[Predictor]) -> Predictor | None:
    """Return one predictor of all columns side by side, None unless all share their features."""
    blends = [one for one in predictors if isinstance(one, Blend)]
    shared = (np.array_equal(one.projections, blends[0].projections) for one in blends)
    if len(blends) < len(predictors) or not all(shared):
        return None
    return replace(
        blends[0],
        quality=np.concatenate([one.quality for one in blends]),
        coefficients=np.hstack([one.coefficients for one in blends]),
    )
