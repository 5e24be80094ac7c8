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


def pareto_front(trace: Trace) -> pd.DataFrame:
    """Return one row per path with its means and whether it is on the front; best quality first.

    Columns: path_id, quality, cost_usd, latency_s, latency_p95_s, n (outcomes), on_front. An
    objective that was recorded of no path (cost or latency) does not count; a path that lacks one
    that was recorded of others is not on the front. Raises `LabError` if `trace` is no Trace.
    """
    require_trace(trace)
    frame = trace.summary()
    points = frame[list(OBJECTIVES)].to_numpy(copy=True)
    points[:, np.isnan(points).all(axis=0)] = 0.0
    frame["on_front"] = is_on_front(points)
    return frame.sort_values(["quality", "cost_usd"], ascending=[False, True], ignore_index=True)


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
