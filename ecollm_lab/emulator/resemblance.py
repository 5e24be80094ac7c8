"""Which paths have the same spread and the same tail, learned stage by stage."""

from __future__ import annotations

import numpy as np

from ecollm_lab.emulator.design import Design
from ecollm_lab.traces import require_memory

# A path with nothing in common in a stage counts exp(-a) as much, for one of these a a stage.
APART = (0.0, 1.0, 2.0, 4.0)
START = 1.0
EDGES = (0.25, 0.5, 0.75, 0.9, 0.95)  # quantiles of all values; distributions are compared between


class Resemblance:
    """Says how much the values of a path tell of the distribution of another one's.

    Paths resemble each other less for every stage in which they differ, and how much less is
    learned: a prompt and a model may shape a tail that no retriever changes. Chosen is what makes
    each value likeliest, given all others by their weights; goes on from what was learned last.
    """

    def __init__(self, design: Design) -> None:
        stages = [design.slopes[:, design.slope_group == s] for s in np.unique(design.slope_group)]
        n_paths = design.slopes.shape[0]
        require_memory(
            4 * (2 * len(stages) + 3) * n_paths**2,
            f"Comparing how widely cost and latency are spread on {n_paths:,} paths",
            "Explore fewer paths at a time.",
        )
        same = [(one @ one.T).toarray() / one.sum(axis=1).max() for one in stages]
        self._distances = [(1 - each).astype(np.float32) for each in same]
        self._apart = [START] * len(stages)

    def learn(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the weights of paths for each other, shape (paths, paths), 1 on the diagonal.

        Parameters
        ----------
        columns
            Path of each value, shape (values,).
        values
            What is compared, each from the level of its path, shape (values,).

        """
        bins = np.searchsorted(np.quantile(values, EDGES), values)
        counts = np.zeros((len(self._distances[0]), len(EDGES) + 1), dtype=np.float32)
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


def _likelihood(weights: np.ndarray, counts: np.ndarray) -> float:
    """Return the log-likelihood of every value, given the weighted others and their overall share.

    `counts` are values between edges, shape (paths, bins).
    """
    share = counts.sum(axis=0) / counts.sum()
    known = weights @ counts
    chance = (known - 1 + share) / known.sum(axis=1, keepdims=True)  # without the value itself
    return float((counts * np.log(np.maximum(chance, 1e-9))).sum(dtype=float))
