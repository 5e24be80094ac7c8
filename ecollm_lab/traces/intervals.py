"""Means over queries and their bootstrap intervals."""

from __future__ import annotations

import numpy as np


def bootstrap_counts(n_queries: int, n_resamples: int, seed: int) -> np.ndarray:
    """Return how often each query is drawn in each resample, shape (n_resamples, n_queries).

    Means of every path and objective under the same counts make a paired bootstrap: what is hard
    about the drawn queries cancels.
    """
    return (
        np.random.default_rng(seed)
        .multinomial(n_queries, np.full(n_queries, 1 / n_queries), n_resamples)
        .astype(float)
    )


def resampled_means(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of each column of (queries, paths) in each resample, over what is recorded; NaN where nothing was drawn."""
    known = ~np.isnan(values)
    weights = counts.sum(axis=1, keepdims=True) if known.all() else counts @ known
    with np.errstate(invalid="ignore"):
        return counts @ np.where(known, values, 0.0) / np.where(weights > 0, weights, np.nan)


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5th and 97.5th percentiles over resamples, the first axis; NaN only where every resample is."""
    bounds = np.quantile(resampled, [0.025, 0.975], axis=0)
    patchy = np.isnan(bounds[0]) & ~np.isnan(resampled).all(axis=0)
    if patchy.any():
        bounds[:, patchy] = np.nanquantile(resampled[:, patchy], [0.025, 0.975], axis=0)
    return bounds[0], bounds[1]
