"""Differences between paths split among the stages: the arithmetic of `compute_contribution`."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np


def explained_shares(parts: dict[str, np.ndarray], values: np.ndarray) -> dict[str, np.ndarray]:
    """Return each stage's share of the variance between paths, shape (columns of values,).

    It is averaged over the orders in which the stages can enter.
    """
    centred = values - values.mean(axis=0)
    total = np.square(centred).sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    stages, explained = list(parts), {}
    for size in range(len(stages) + 1):
        for subset in combinations(stages, size):
            design = np.column_stack([np.ones(len(values)), *(parts[stage] for stage in subset)])
            u, s, _ = np.linalg.svd(design, full_matrices=False)
            fitted = u[:, s > 1e-9 * s[0]].T @ centred
            explained[frozenset(subset)] = np.square(fitted).sum(axis=0) / total
    shares = {}
    for stage in stages:
        others = [other for other in stages if other != stage]
        shares[stage] = sum(
            (explained[frozenset((*subset, stage))] - explained[frozenset(subset)])
            * factorial(size)
            * factorial(len(others) - size)
            / factorial(len(stages))
            for size in range(len(others) + 1)
            for subset in combinations(others, size)
        )
    return shares


def component_effects(parts: dict[str, np.ndarray], values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the least-squares term of each component, centred within its stage.

    Shape (components, columns of values).
    """
    design = np.column_stack([np.ones(len(values)), *parts.values()])
    terms = np.linalg.lstsq(design, values, rcond=None)[0][1:]
    out, start = {}, 0
    for stage, part in parts.items():
        mine = np.where(
            np.atleast_2d(part.any(axis=0)).T, terms[start : start + part.shape[1]], np.nan
        )
        out[stage] = mine - np.nanmean(mine, axis=0)
        start += part.shape[1]
    return out
