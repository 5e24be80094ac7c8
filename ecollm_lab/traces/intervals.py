"""Means and percentiles over queries, and 95 % intervals by resampling queries or groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BOUNDS = (0.025, 0.975)
_AT_ONCE = 2**20  # counts drawn


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
    return np.vstack(list(group_counts(np.arange(n_queries), n_resamples, seed)))


def group_counts(groups: np.ndarray, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each query is drawn if whole groups are, (some resamples, n_queries) each.

    `groups` has the number of each query's group, from 0. A resample has as many groups as there
    are, so the numbers of its queries differ.
    """
    rng = np.random.default_rng(seed)
    n, at_once = int(groups.max()) + 1, max(1, _AT_ONCE // len(groups))
    for start in range(0, n_resamples, at_once):
        size = min(at_once, n_resamples - start)
        yield rng.multinomial(n, np.full(n, 1 / n), size)[:, groups].astype(float)


def group_weights(groups: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Return weights of queries that sum to 1, shape (1 + n_resamples, n_queries).

    In the first row all weigh alike; the others are resamples, see `group_counts`.
    """
    every = np.ones((1, len(groups)))
    counts = np.vstack([every, *group_counts(groups, n_resamples, seed)])
    weights: np.ndarray = counts / counts.sum(axis=1, keepdims=True)
    return weights


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


def grouped_means(values: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the mean of each group over what is recorded, shape (n_groups,); else NaN.

    `groups` has the number of each value's group, the shape of `values`, (n,).
    """
    recorded = ~np.isnan(values)
    if not recorded.all():
        values, groups = values[recorded], groups[recorded]
    n = np.bincount(groups, minlength=n_groups)
    return np.where(n > 0, np.bincount(groups, values, n_groups) / np.maximum(n, 1), np.nan)


def grouped_percentiles(
    values: np.ndarray, groups: np.ndarray, sizes: np.ndarray, q: float
) -> np.ndarray:
    """Return the q-quantile of each group over what is recorded, interpolated; else NaN.

    `sizes` are those of the groups, NaN included, shape (groups,).

    Examples
    --------
    >>> grouped_percentiles(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), [2, 1], 0.5).tolist()
    [2.0, 5.0]

    """
    few = len(sizes) < 2**16  # NumPy sorts so short numbers in linear time
    order = np.argsort(groups.astype(np.uint16) if few else groups, kind="stable")
    ordered, out, start = values[order], np.full(len(sizes), np.nan), 0
    for group, size in enumerate(sizes):
        part = ordered[start : start + size]
        start += size
        n = int(size - np.isnan(part).sum())
        if n:
            at = q * (n - 1)
            below, above = int(at), min(int(at) + 1, n - 1)
            part.partition((below, above))  # NaN comes last
            out[group] = part[below] + (at - below) * (part[above] - part[below])
    return out


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


def counted_percentiles(ordered: np.ndarray, counts: np.ndarray, q: float) -> np.ndarray:
    """Return the q-quantile of ordered values, (n,), for each row of (resamples, n) counts.

    A value counts as often as the row says; the quantile is interpolated as if it were repeated.

    Examples
    --------
    >>> counted_percentiles(np.array([1.0, 3.0]), np.array([[1, 1], [3, 0]]), 0.5).tolist()
    [2.0, 1.0]

    """
    until = counts.cumsum(axis=1)
    at = q * (until[:, -1] - 1)
    first = np.floor(at)
    low, high = (ordered[(until > place[:, None]).argmax(axis=1)] for place in (first, np.ceil(at)))
    return low + (at - first) * (high - low)


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
