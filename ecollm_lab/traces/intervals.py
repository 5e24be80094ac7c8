"""Means and percentiles over queries, and their 95 % intervals by resampling queries."""

from __future__ import annotations

import numpy as np

BOUNDS = (0.025, 0.975)


def drawn_rows(n_queries: int, n_resamples: int, seed: int) -> np.ndarray:
    """Return the queries of each resample, shape (n_resamples, n_queries), for any statistic.

    The same rows for two policies make their difference a paired one. `bootstrap_counts` needs
    less memory where the statistic is a mean.
    """
    return np.random.default_rng(seed).integers(0, n_queries, (n_resamples, n_queries))


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
    """Return the mean of each column of (queries, paths) in each resample.

    Only what is recorded counts; NaN where nothing recorded was drawn.
    """
    recorded = ~np.isnan(values)
    weights = counts.sum(axis=1, keepdims=True) if recorded.all() else counts @ recorded
    with np.errstate(invalid="ignore"):
        return counts @ np.where(recorded, values, 0.0) / np.where(weights > 0, weights, np.nan)


def means(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the means along an axis over what is recorded; NaN where nothing is."""
    recorded = ~np.isnan(values)
    n = recorded.sum(axis=axis)
    total = np.where(recorded, values, 0.0).sum(axis=axis)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def percentiles(values: np.ndarray, q: float, axis: int = 0) -> np.ndarray:
    """Return the q-quantiles along an axis over what is recorded, interpolated.

    NaN where nothing is recorded.

    Examples
    --------
    >>> percentiles(np.array([[1.0, np.nan], [3.0, 5.0]]), 0.5).tolist()
    [2.0, 5.0]

    """
    ordered = np.sort(np.moveaxis(np.asarray(values, dtype=float), axis, -1))  # NaN comes last
    n = (~np.isnan(ordered)).sum(axis=-1)
    at = q * np.maximum(n - 1, 0)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, np.maximum(n - 1, 0))
    low, high = (
        np.take_along_axis(ordered, place[..., None], axis=-1)[..., 0] for place in (below, above)
    )
    return low + (at - below) * (high - low)


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5th and 97.5th percentiles over resamples, the first axis.

    Resamples without a value (NaN) do not count; NaN only where every resample is.
    """
    resampled = np.asarray(resampled, dtype=float)
    if np.isnan(resampled).any():
        low, high = (percentiles(resampled, q) for q in BOUNDS)
    else:
        low, high = np.quantile(resampled, BOUNDS, axis=0)
    return low, high
