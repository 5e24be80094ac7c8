"""Which paths an exploration still considers, which it has set aside, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

# A path less probable than this to be on the front, overall and in every cluster, is set aside.
SET_ASIDE = 0.01


def with_status(
    frame: pd.DataFrame, draws: np.ndarray, path_ids: Sequence[str], given_up: np.ndarray
) -> pd.DataFrame:
    """Return a frame of `Estimates.fronts` with the columns `status` and `because`.

    Parameters
    ----------
    frame
        The fronts.
    draws
        Posterior draws of quality, cost and latency over all queries, shape (draws, paths, 3).
    path_ids, given_up
        The paths, and which of them only ever failed, shape (paths,).

    """
    best = frame.groupby("path_id")["front_probability"].max()
    status = dict.fromkeys(path_ids, "kept")
    because = dict.fromkeys(path_ids, "")
    draws = np.nan_to_num(draws)
    draws[:, given_up] = np.nan  # what only fails dominates nothing
    for column, (path_id, failed) in enumerate(zip(path_ids, given_up, strict=True)):
        if failed:
            status[path_id], because[path_id] = "failed", "every attempt on it failed"
        elif best[path_id] < SET_ASIDE:
            status[path_id] = "set aside"
            because[path_id] = _dominator(draws, column, path_ids)
    return frame.assign(status=frame["path_id"].map(status), because=frame["path_id"].map(because))


def _dominator(draws: np.ndarray, p: int, path_ids: Sequence[str]) -> str:
    """Say which path most probably dominates path `p`."""
    own = draws[:, [p], :]
    sign = np.array([-1.0, 1.0, 1.0])
    worse = (sign * draws <= sign * own).all(axis=2) & (draws != own).any(axis=2)
    probability = worse.mean(axis=0)
    by = int(probability.argmax())
    return (
        f"{path_ids[by]} is at least as good in quality, cost and latency with probability"
        f" {probability[by]:.2f}"
    )
