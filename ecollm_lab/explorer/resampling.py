"""Means, tails and paired bootstrap over queries, for all paths at once, and front states."""

from __future__ import annotations

import numpy as np

from ecollm_lab.traces import is_on_front

REPLICATES = 200  # bootstrap resamples of the queries, the same for all paths
# Queries are resampled in as many random blocks at most: the variance of a mean is the same, the
# work is not.
BLOCKS = 500
FEW = 20  # a path with fewer queries dominates nothing and is told apart from nothing
CERTAIN = 0.95  # share of resamples from which dominance counts
SEPARABLE = 0.975  # share of resamples, one way, from which two qualities differ
STATES = ("front", "ambiguous", "dominated", "unknown")
FRONT, AMBIGUOUS, DOMINATED, UNKNOWN = range(4)
UNIT, MISSING = 32767, -32768  # resampled qualities as integers: their unit, and "no outcome"


def paths_first(table: np.ndarray) -> np.ndarray:
    """Return (queries, paths) as an array (paths, queries), block by block, which is quicker."""
    turned = np.empty(table.shape[::-1])
    for start in range(0, len(table), 128):
        turned[:, start : start + 128] = table[start : start + 128].T
    return turned


def mean(table: np.ndarray) -> np.ndarray:
    """Return the mean over queries of (paths, queries), NaN where there is none."""
    total = table.sum(axis=1)
    if not np.isnan(total).any():
        return total / table.shape[1]
    seen = ~np.isnan(table)
    count = np.maximum(seen.sum(axis=1), 1)
    return np.where(seen.any(axis=1), np.nansum(table, axis=1) / count, np.nan)


def p95(table: np.ndarray) -> np.ndarray:
    """Return the 95th percentile over queries of (paths, queries), NaN where there is none."""
    n = (~np.isnan(table)).sum(axis=1)
    last = np.maximum(n - 1, 0)
    at = 0.95 * last
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, last)
    whole = bool((n == table.shape[1]).all())
    kth = sorted({int(below[0]), int(above[0])})
    ordered = np.partition(table, kth, axis=1) if whole else np.sort(table, axis=1)  # NaN last
    rows = np.arange(len(table))
    low, high = ordered[rows, below], ordered[rows, above]
    return np.where(n > 0, low + (at - below) * (high - low), np.nan)


def centred(table: np.ndarray) -> np.ndarray:
    """Return outcomes minus their query's mean over the paths that have one."""
    seen = ~np.isnan(table)
    return table - np.nansum(table, axis=0) / np.maximum(seen.sum(axis=0), 1)


def draw_blocks(n_queries: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an order of the queries, where its blocks start, and how often each is drawn.

    The last has the shape (REPLICATES, blocks).
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(n_queries)
    blocks = min(n_queries, BLOCKS)
    starts = np.linspace(0, n_queries, blocks, endpoint=False).astype(int)
    weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=REPLICATES)
    return order, starts, weights.astype(np.float32)


def resample(table: np.ndarray, blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the mean of (paths, queries) in each resample of blocks, shape (REPLICATES, paths)."""
    order, starts, weights = blocks
    shuffled = table[:, order]
    seen = ~np.isnan(shuffled)
    if seen.all():
        sizes = np.diff([*starts, len(order)]).astype(np.float32)
        sums = np.add.reduceat(shuffled, starts, axis=1).astype(np.float32)
        return (weights @ sums.T) / (weights @ sizes)[:, None]
    sums = np.add.reduceat(np.where(seen, shuffled, 0.0), starts, axis=1).astype(np.float32)
    counts = np.add.reduceat(seen, starts, axis=1, dtype=np.float32)
    drawn = weights @ counts.T
    return np.where(drawn > 0, (weights @ sums.T) / np.maximum(drawn, 1), np.nan)


def interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % percentile interval of each column; NaN where a path has no outcomes."""
    ordered = np.sort(replicates, axis=0)  # NaN last: a resample may have none of few outcomes
    n = (~np.isnan(replicates)).sum(axis=0)
    cut = np.round((1 - CERTAIN) / 2 * n).astype(int)
    columns = np.arange(ordered.shape[1])
    return ordered[cut, columns], ordered[np.maximum(n - 1 - cut, 0), columns]


def as_integers(replicates: np.ndarray) -> np.ndarray:
    """Return resampled qualities in units of 1/32767 as int16, `MISSING` where there is none."""
    rounded = np.rint(np.nan_to_num(replicates) * UNIT)
    return np.where(np.isnan(replicates), MISSING, rounded).astype(np.int16)


def states(
    points: list[np.ndarray], replicates: list[np.ndarray], n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the state of each path and the path that beats it most often.

    Parameters
    ----------
    points
        Quality, cost and latency of each path, shape (paths,) each.
    replicates
        The same in each resample, shape (REPLICATES, paths) each.
    n
        Outcomes of each path.

    Returns
    -------
    Index into `STATES`, and index of the dominator (-1 for none), both shape (paths,).

    """
    # an objective nobody recorded tells nothing apart
    points = [np.zeros_like(p) if np.isnan(p).all() else p for p in points]
    table = np.stack(points, axis=1)
    known = ~np.isnan(table).any(axis=1) & (n > 0)
    able = known & (n >= FEW)
    front = is_on_front(np.where(able[:, None], table, np.nan)) if able.any() else able
    quality, cost, latency = table.T
    share, dominator = np.zeros(len(n)), np.full(len(n), -1)
    for i in np.flatnonzero(front):
        no_better = (quality <= quality[i]) & (cost >= cost[i]) & (latency >= latency[i])
        worse = (quality < quality[i]) | (cost > cost[i]) | (latency > latency[i])
        beaten = np.flatnonzero(no_better & worse)
        if not len(beaten):
            continue
        kept = replicates[0][:, [i]] >= replicates[0][:, beaten]
        better = replicates[0][:, [i]] > replicates[0][:, beaten]
        for one in replicates[1:]:
            kept &= ~(one[:, [i]] > one[:, beaten])
            better |= one[:, [i]] < one[:, beaten]
        often = np.maximum((kept & better).mean(axis=0), 1e-9)
        more = often > share[beaten]
        share[beaten[more]], dominator[beaten[more]] = often[more], i
    state = np.where(share >= CERTAIN, DOMINATED, AMBIGUOUS)
    state[~able] = AMBIGUOUS
    state[front] = FRONT
    state[~known] = UNKNOWN
    return state, dominator
