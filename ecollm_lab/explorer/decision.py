"""What holds under an SLO: which paths keep it, which one wins, which are tied with it.

This is the one decision function of the explorer. It is written twice, here for code and in
`front/decide.js` for the screen, and both are tested by the same table of cases
(`tests/explorer/cases.json`). The specification:

1.  Every path has, on the selected queries, a number of outcomes `n`, a mean `quality`, and a
    `cost` (US dollars per query) and a `latency` (seconds): means, or 95th percentiles if the state
    says so. A number that was not recorded is NaN (null in JSON).
2.  A path is *able* if `n >= FEW`; if no path has so many, every path is.
3.  A path is *within* the SLO if it is able, is not dropped, its quality is recorded and at least
    `min_quality` (0 if not set), and its latency and its cost are at most `max_latency_s` and
    `max_cost_usd`. A number that was not recorded keeps no limit that is set. A path is dropped if
    its component at some stage is named under that stage in `dropped`.
4.  Of the paths within, let `best` be the highest quality. A path is *good* if its quality is at
    least `floor - 1e-12`, where `floor` is `best` if quality is preferred; otherwise
    `min(best, min_quality)` if `min_quality` is set, and `best - TOLERANCE` if it is not.
5.  The *chosen* path is the good one that is cheapest, then fastest (if latency is preferred:
    fastest, then cheapest), then first in the trace's order. What was not recorded counts as the
    largest number there is. If no path is within, the SLO is infeasible and nothing is chosen.
6.  Two paths are *separable* if each has at least `FEW` outcomes and their resampled qualities
    differ, in at least 97.5 % of the `REPLICATES` resamples, the way their mean qualities do; two
    of equal mean quality never are. Resampled qualities are integers, 1/32767 each, so that both
    languages compare the same numbers; a resample in which one of the two has no outcome counts for
    neither way.
7.  A path is *tied* if it is within, is not the chosen one and is not separable from it.

All arithmetic is IEEE double precision, in the order written, so both agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecollm_lab.explorer.resampling import FEW, MISSING, SEPARABLE
from ecollm_lab.policies.choosing import choose
from ecollm_lab.records import SLO

if TYPE_CHECKING:
    from ecollm_lab.explorer.views import View


@dataclass(frozen=True, eq=False)
class Decision:
    """What a decision says about every path.

    Attributes
    ----------
    within
        Paths that keep the SLO and may win, shape (paths,).
    chosen
        Index of the path that wins; None if the SLO is infeasible.
    tied
        Paths within whose quality cannot be told from the winner's, the winner left out.

    """

    within: np.ndarray
    chosen: int | None
    tied: np.ndarray


def decide(
    view: View,
    slo: SLO,
    statistic: str = "mean",
    dropped: Mapping[str, list[str]] | None = None,
) -> Decision:
    """Return which paths keep an SLO, which one wins and which are tied with it.

    Parameters
    ----------
    view
        Tables of the selected queries.
    slo
        The limits and the preference.
    statistic
        What limits are compared with: "mean" or "p95".
    dropped
        Components that are not wanted, by the number of their stage: {"0": ["hyde"]}.

    """
    cost, latency = view.cost[statistic], view.latency[statistic]
    able = view.n >= FEW
    within = able if able.any() else np.ones(len(able), dtype=bool)
    within = within & (view.quality >= (slo.min_quality or 0.0)) & slo.keeps(cost, latency)
    for stage, slugs in (dropped or {}).items():
        within &= np.array([part[int(stage)] not in slugs for part in view.parts])
    if not within.any():
        return Decision(within, None, np.zeros(len(within), dtype=bool))
    quality = np.nan_to_num(view.quality)[None]
    chosen = int(choose(quality, within, cost, latency, slo)[0])
    tied = within & ~separable(view, chosen)
    tied[chosen] = False
    return Decision(within, chosen, tied)


def separable(view: View, i: int) -> np.ndarray:
    """Tell which paths differ from path i in quality beyond doubt, shape (paths,).

    Where outcomes are missing, resamples may say the opposite of the means: that is no difference.
    """
    own, mean = view.replicates[:, [i]], view.quality[i]
    recorded = (view.replicates != MISSING) & (own != MISSING)
    higher = ((view.replicates > own) & recorded).mean(axis=0)
    lower = ((view.replicates < own) & recorded).mean(axis=0)
    agree = np.where(view.quality > mean, higher, np.where(view.quality < mean, lower, 0.0))
    return (agree >= SEPARABLE) & (view.n >= FEW) & bool(view.n[i] >= FEW)
