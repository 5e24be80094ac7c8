"""Why a policy chose a path for a query: in words, from what it knows of each path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.policies.rules import Rule
from ecollm_lab.records import SLO

_SHOWN = ["path_id", "quality", "cost_usd", "latency_s", "violation_share", "score", "reason"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a policy chose a path for a query.

    Attributes
    ----------
    path_id, quality, quality_sd
        The choice, its expected quality, and the standard deviation of its training outcomes around
        what was expected of them.
    cost_usd, cost_p95_usd, latency_s, latency_p95_s
        Mean and 95th percentile of the path in training.
    violation_share, violation_rate
        How probably this path breaks a limit, for this query where cost and latency are forecast
        and else over all, and how often this policy's choices broke one in training. Where broken
        limits are not counted: how probably its 95th percentiles break one, and NaN.
    bound
        The limits that exclude or penalise a path of higher expected quality, and "min_quality" if
        less is expected of the choice; empty if nothing stood in the way.
    paths
        One row per path: path_id, quality, cost_usd, latency_s, violation_share, score (NaN if not
        considered) and `reason`, why it was not chosen; best score first.

    """

    path_id: str
    quality: float
    quality_sd: float
    cost_usd: float
    cost_p95_usd: float
    latency_s: float
    latency_p95_s: float
    violation_share: float
    violation_rate: float
    bound: tuple[str, ...]
    feasible: bool
    paths: pd.DataFrame = field(repr=False)


def explained(
    paths: pd.DataFrame,
    chosen: int,
    slo: SLO,
    rule: Rule,
    *,
    quality_sd: float,
    other_reasons: Mapping[str, str],
) -> Explanation:
    """Give reasons for the choice in row `chosen` of `paths`, whose score is NaN if not considered.

    `other_reasons`, by path_id, are of paths where neither limits nor expected quality decided.
    """
    one = paths.iloc[chosen]
    if rule.price:  # what would have been chosen, were there no price
        spent = rule.price * paths["latency_s" if slo.prefer == "latency" else "cost_usd"]
        unpriced = paths["score"] + spent
        paths = paths.assign(dear=unpriced >= unpriced.iloc[chosen])
    better = (paths["quality"] > one["quality"] + 1e-9) & paths["allowed"]
    bound = tuple(
        limit.name for limit in slo.limits if (better & (paths[limit.tail] > limit.value)).any()
    )
    if slo.min_quality is not None and one["quality"] < slo.min_quality - 1e-9:
        bound += ("min_quality",)
    best = float(np.nanmax(paths["score"]))
    good = best - rule.tolerance if slo.min_quality is None else min(best, slo.min_quality)
    quality = float(one["quality"])
    reasons = [
        other_reasons.get(row["path_id"]) or _reason(row, quality, good, slo, rule)
        for row in paths.to_dict("records")
    ]
    reasons[chosen] = "chosen"
    table = paths.assign(reason=reasons)[_SHOWN].sort_values(
        ["score", "quality"], ascending=False, ignore_index=True
    )
    named = ("quality", "cost_usd", "cost_p95_usd", "latency_s", "latency_p95_s", "violation_share")
    return Explanation(
        path_id=str(one["path_id"]),
        **{name: float(one[name]) for name in named},
        quality_sd=quality_sd,
        violation_rate=rule.violation_rate,
        bound=bound,
        feasible=rule.feasible,
        paths=table,
    )


def _reason(path: dict[str, Any], chosen_quality: float, good: float, slo: SLO, rule: Rule) -> str:
    """Say why a path was not chosen; `good` is the least score that was good enough."""
    if not path["allowed"]:
        return "not among the paths this policy may choose"
    if slo.prefer != "quality" and path["score"] >= good:
        return f"good enough, but not the {'cheapest' if slo.prefer == 'cost' else 'fastest'}"
    better = path["quality"] > chosen_quality
    expected = f"expected quality {path['quality']:.3f}, the chosen path's {chosen_quality:.3f}"
    if better and path.get("dear"):
        return f"{expected}: not worth the {slo.prefer}"
    if slo.limits and (np.isnan(path["score"]) or (better and path["violation_share"] > 0)):
        over = [
            f"{limit.name} {limit.value:.4g} against a 95th percentile of {path[limit.tail]:.4g}"
            for limit in slo.limits
            if path[limit.tail] > limit.value
        ]
        share = f"{path['violation_share']:.0%}"
        if np.isnan(rule.violation_rate):
            said = f"its 95th percentiles break the limits with a probability of {share}"
        elif rule.excess and not np.isnan(path["score"]):
            said = f"breaks the limits on this query with a probability of {share}"
        else:
            breaks = "is expected to break" if path["estimated"] else "breaks"
            said = f"{breaks} the limits in {share} of outcomes"
        return f"{said}: {' and '.join(over)}" if over else said
    return expected
