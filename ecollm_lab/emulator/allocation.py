"""Which paths deserve the next outcomes and which are set aside, from posterior draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecollm_lab.traces import is_on_front

# SLOs in each posterior draw that paths compete for; each limit is the cost or latency of a random
# path.
N_BOXES = 25
# Paths with less than this share of what each would have if all were asked evenly are asked first.
# A path's standard error is then at most 1.41 times as large, however wrong the posterior is.
EVEN = 0.5
# A path less probable than this to be on the front, overall and in every cluster, is set aside.
SET_ASIDE = 0.01


def share(draws: np.ndarray, left_out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each path's share of the next questions, shape (paths,), sum 1.

    It is the path's votes times the standard deviation of its quality: where it matters and is not
    known yet. `draws` are of mean quality, cost and latency, shape (draws, paths, 3), NaN where
    cost or latency is not recorded at all. Paths `left_out`, shape (paths,), get nothing and take
    no votes from others. `rng` draws the SLOs.
    """
    kept, weight = draws[:, ~left_out], np.zeros(draws.shape[1])
    weight[~left_out] = votes(np.nan_to_num(kept), rng) * kept[:, :, 0].std(axis=0)
    return weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))


def votes(draws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return votes for paths on the front and for those that serve an SLO best, shape (paths,).

    Each of the two kinds has half of the votes, which sum to 1.
    """
    masks = np.array([is_on_front(draw) for draw in draws])
    front = (masks / masks.sum(axis=1, keepdims=True)).sum(axis=0)
    served = np.zeros(draws.shape[1])
    for draw, mask in zip(draws, masks, strict=True):
        at = rng.integers(draws.shape[1], size=(2, N_BOXES))
        limits = draw[at[0], 1], draw[at[1], 2]
        best = np.flatnonzero(mask)  # what another path dominates serves no SLO best
        kept = (draw[best, 1] <= limits[0][:, None]) & (draw[best, 2] <= limits[1][:, None])
        picks = np.where(kept, draw[best, 0], -1.0).argmax(axis=1)[kept.any(axis=1)]
        served += np.bincount(best[picks], minlength=len(served))
    return (front / front.sum() + served / max(served.sum(), 1)) / 2


def with_status(
    frame: pd.DataFrame, draws: np.ndarray, path_ids: Sequence[str], given_up: np.ndarray
) -> pd.DataFrame:
    """Return a frame of `Estimates.fronts` with the columns `status` and `because`.

    `draws` are of quality, cost and latency over all queries, shape (draws, paths, 3); `given_up`
    says which paths only ever failed, shape (paths,).
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
