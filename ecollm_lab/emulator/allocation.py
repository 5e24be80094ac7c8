"""Which paths deserve the next outcomes, from posterior draws of what all paths deliver."""

from __future__ import annotations

import numpy as np

from ecollm_lab.traces import is_on_front

# SLOs in each posterior draw that paths compete for; each limit is the cost or latency of a random
# path.
N_BOXES = 25
# Paths with less than this share of what each would have if all were asked evenly are asked first.
# A path's standard error is then at most 1.41 times as large, however wrong the posterior is.
EVEN = 0.5


def share(draws: np.ndarray, left_out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each path's share of the next questions, shape (paths,), sum 1.

    Parameters
    ----------
    draws
        Posterior draws of mean quality, cost and latency, shape (draws, paths, 3); NaN where cost
        or latency is not recorded at all.
    left_out
        Paths that get nothing and take no votes from others, shape (paths,).
    rng
        Draws the SLOs.

    Notes
    -----
    A share is the path's votes times the standard deviation of its quality: where it matters and is
    not known yet.

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
