"""Dominance, fronts and hypervolume, by moocore.

Quality is better the higher it is, cost and latency the lower.
"""

from __future__ import annotations

import moocore
import numpy as np
import pandas as pd

from ecollm_lab.records import LabError
from ecollm_lab.traces.trace import Trace, require_trace

OBJECTIVES = ("quality", "cost_usd", "latency_s")
_MAXIMISE = (True, False, False)


def is_on_front(points: np.ndarray) -> np.ndarray:
    """Tell which points no other dominates.

    Parameters
    ----------
    points
        Shape (n, 3): quality, cost_usd, latency_s.

    Returns
    -------
    Mask of shape (n,). A point dominates another if it is at least as good in all three and better
    in one; equal points do not dominate each other. Points with NaN are never on the front and
    dominate nothing. O(n log n).

    Examples
    --------
    >>> is_on_front(np.array([[0.9, 2.0, 1.0], [0.8, 1.0, 1.0], [0.8, 2.0, 1.0]])).tolist()
    [True, True, False]

    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 3:
        raise LabError(
            f"points must have the shape (n, 3): quality, cost_usd, latency_s; got {points.shape}."
        )
    mask = ~np.isnan(points).any(axis=1)
    if mask.any():
        mask[mask] = moocore.is_nondominated(points[mask], maximise=_MAXIMISE, keep_weakly=True)
    return mask


def pareto_front(trace: Trace, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Return one row per path with its means and whether it is on the front; best quality first.

    Columns: path_id, quality, cost_usd, latency_s, latency_p95_s, n (outcomes), on_front. An
    objective that was recorded of no path (cost or latency) does not count; a path that lacks one
    that was recorded of others is not on the front. With the number of a group for each query,
    its cluster for example, shape (queries,), there is a front of each: its rows stand together,
    and `group` is their first column. Raises `LabError` if `trace` is no Trace.
    """
    require_trace(trace)
    frame = trace.summary(groups)
    points = frame[list(OBJECTIVES)].to_numpy(copy=True)
    group = np.zeros(len(frame), dtype=int) if groups is None else frame["group"].to_numpy()
    on_front = np.zeros(len(frame), dtype=bool)
    for label in np.unique(group):
        part = points[group == label]
        part[:, np.isnan(part).all(axis=0)] = 0.0
        on_front[group == label] = is_on_front(part)
    frame["on_front"] = on_front
    by = [*(["group"] if groups is not None else []), "quality", "cost_usd"]
    return frame.sort_values(by, ascending=[name != "quality" for name in by], ignore_index=True)


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that points dominate, down to a reference; larger is better.

    Parameters
    ----------
    points
        Shape (n, 3): quality, cost_usd, latency_s. Rows with NaN are left out.
    reference
        Shape (3,): the worst quality, cost and latency that count; no better than any point.

    Examples
    --------
    >>> hypervolume(np.array([[0.5, 1.0, 1.0]]), np.array([0.0, 2.0, 3.0]))
    1.0

    """
    points = np.asarray(points, dtype=float)
    points = points[~np.isnan(points).any(axis=1)]
    return (
        float(moocore.hypervolume(points, ref=reference, maximise=_MAXIMISE))
        if len(points)
        else 0.0
    )
