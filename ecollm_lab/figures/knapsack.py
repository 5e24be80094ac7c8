"""Multiple-choice knapsacks as linear programmes: one choice per row within a mean budget.

Each row moves along the upper hull of its own quality over cost, steepest steps first, until the
budget is spent (Sinha and Zoltners, Operations Research 27, 1979).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

Frontier = tuple[np.ndarray, np.ndarray]


class Hulls:
    """The upper hull of each row's quality over what is taken: its start, and its steps.

    Parameters
    ----------
    quality, taken
        Shape (rows, choices).

    """

    def __init__(self, quality: np.ndarray, taken: np.ndarray) -> None:
        starts, steps = [], []
        for row, (q, r) in enumerate(zip(quality.tolist(), taken.tolist(), strict=True)):
            hull: list[tuple[float, float]] = []
            for x, y in sorted(zip(r, q, strict=True), key=lambda point: (point[0], -point[1])):
                if hull and y <= hull[-1][1]:
                    continue
                while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], (x, y)):
                    hull.pop()
                hull.append((x, y))
            starts.append(hull[0])
            steps += [(row, b[0] - a[0], b[1] - a[1]) for a, b in pairwise(hull)]
        self._starts = np.array(starts)
        self._steps = np.array(steps).reshape(-1, 3)

    def frontier(self, weights: np.ndarray) -> Frontier:
        """Return mean taken and mean quality as the budget grows.

        Rows are weighed by `weights`, shape (rows,), which sum to 1.
        """
        rows, dr, dq = self._steps[:, 0].astype(int), self._steps[:, 1], self._steps[:, 2]
        kept = weights[rows] > 0
        order = np.argsort(-dq[kept] / dr[kept], kind="stable")
        steps = np.stack([dr[kept], dq[kept]], axis=1)[order] * weights[rows[kept]][order, None]
        points = np.vstack(
            [weights @ self._starts, weights @ self._starts + np.cumsum(steps, axis=0)]
        )
        return points[:, 0], points[:, 1]


def _slope(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])
