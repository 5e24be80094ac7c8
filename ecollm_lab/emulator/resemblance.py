"""Which paths have the same spread and the same tail, learned stage by stage."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ecollm_lab.emulator.design import Design

# A path with nothing in common in a stage counts exp(-a) as much, for one of these a a stage.
APART = (0.0, 1.0, 2.0, 4.0)
START = 1.0
EDGES = (0.25, 0.5, 0.75, 0.9, 0.95)  # quantiles of all values; distributions are compared between
MOST_COMPARED = 2000  # paths; time and memory grow with their square, so of more all count alike


class Resemblance:
    """Says how much the values of a path tell of the distribution of another one's.

    Paths resemble each other less for every stage in which they differ, and how much less is
    learned: a prompt and a model may shape a tail that no retriever changes. Chosen is what makes
    each value likeliest, given all others by their weights; goes on from what was learned last.
    """

    def __init__(self, design: Design) -> None:
        self._n_paths = design.slopes.shape[0]
        stages = np.unique(design.slope_group) if self._n_paths <= MOST_COMPARED else ()
        self._distances = [_distance(design.slopes[:, design.slope_group == s]) for s in stages]
        self._apart = [START] * len(self._distances)

    def learn(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the weights of paths for each other, shape (paths, paths), 1 on the diagonal.

        What is compared are values, each from the level of its path; `columns` are the paths of
        these. Both have the shape (values,).
        """
        if not self._distances:
            return np.broadcast_to(np.float32(1), (self._n_paths, self._n_paths))
        bins = np.searchsorted(np.quantile(values, EDGES), values)
        counts = np.zeros((self._n_paths, len(EDGES) + 1), dtype=np.float32)
        np.add.at(counts, (columns, bins), 1.0)
        for stage, distance in enumerate(self._distances):
            rest = self._weights(leave=stage)
            fits = [
                _likelihood(rest * np.exp(np.float32(-apart) * distance), counts) for apart in APART
            ]
            self._apart[stage] = APART[int(np.argmax(fits))]
        return self._weights()

    def _weights(self, leave: int | None = None) -> np.ndarray:
        """Return the weights as all stages, or all but one, would have them."""
        total = np.zeros_like(self._distances[0])
        for stage, (apart, distance) in enumerate(zip(self._apart, self._distances, strict=True)):
            if stage != leave:
                total += np.float32(apart) * distance
        return np.exp(-total)


def _distance(features: sp.csr_array) -> np.ndarray:
    """Return the share of a stage's features that two paths do not share, (paths, paths)."""
    same = (features @ features.T).toarray().astype(np.float32)
    return 1 - same / same.max()


def _likelihood(weights: np.ndarray, counts: np.ndarray) -> float:
    """Return the log-likelihood of every value, given the weighted others and their overall share.

    `counts` are values between edges, shape (paths, bins).
    """
    share = counts.sum(axis=0) / counts.sum()
    known = weights @ counts
    chance = (known - 1 + share) / known.sum(axis=1, keepdims=True)  # without the value itself
    return float((counts * np.log(np.maximum(chance, 1e-9))).sum(dtype=float))
