"""What an SLO makes of a view: who wins, who is tied, why not another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecollm_lab.explorer.verdicts.changes import limits, may_win, mean_within, smallest_change
from ecollm_lab.explorer.verdicts.front_states import DOMINATED, FEW
from ecollm_lab.explorer.verdicts.views import View
from ecollm_lab.policies.choosing import choose
from ecollm_lab.records import SLO

WINS = {
    "quality": "Of the paths that keep all limits it has the best quality.",
    "cost": "Of the paths that keep all limits and are good enough it is the cheapest.",
    "latency": "Of the paths that keep all limits and are good enough it is the fastest.",
}


@dataclass(frozen=True, eq=False)
class Moment:
    """A view under an SLO.

    Attributes
    ----------
    within
        Paths that keep all limits and have enough queries to win (`View.able`), shape (paths,).
    chosen
        Index of the path that wins, None if none keeps the limits.
    tied
        Paths that keep the limits and whose quality cannot be told from the winner's, itself left
        out.
    by_kind
        Index of the path that wins for each kind of query by the means of that kind, -1 where none
        keeps the limits.

    """

    view: View
    slo: SLO
    within: np.ndarray
    chosen: int | None
    tied: np.ndarray
    by_kind: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """Why a path is not the winner: a short `reason`, a sentence `because`, and the least change of the SLO that lets it win, if any."""

    reason: str
    because: str
    change: SLO | None = None


def judge(view: View, slo: SLO) -> Moment:
    """Return which paths keep an SLO and which one wins; costs microseconds per hundred paths."""
    within = may_win(view, slo)
    chosen = (
        int(choose(np.nan_to_num(view.quality)[None], within, view.cost, view.latency, slo)[0])
        if within.any()
        else None
    )
    tied = np.zeros(len(within), dtype=bool)
    if chosen is not None:
        tied = within & ~view.separable(chosen)
        tied[chosen] = False
    kept = mean_within(view.kind_quality, view.kind_cost, view.kind_latency, slo) & within
    kinds = choose(
        np.nan_to_num(view.kind_quality),
        kept,
        np.nan_to_num(view.kind_cost),
        np.nan_to_num(view.kind_latency),
        slo,
    )
    return Moment(view, slo, within, chosen, tied, np.where(kept.any(axis=1), kinds, -1))


def breaking(latency: np.ndarray, cost: np.ndarray, slo: SLO) -> float:
    """Return the share of some queries' recorded outcomes that break a limit; NaN if there are none."""
    seen = ~np.isnan(latency) | ~np.isnan(cost)
    over = (latency > limits(slo)[0]) | (cost > limits(slo)[1])
    return float(over.sum() / seen.sum()) if seen.any() else float("nan")


def why_not(moment: Moment, i: int, latency: np.ndarray, *, change: bool = True) -> Verdict:
    """Say why path i does not win: the first reason in the order limits, dominance, preference, and the least change that lets it win.

    Parameters
    ----------
    moment
        A view under an SLO.
    i
        Index of the path.
    latency
        Its latencies on the selected queries, shape (queries,).
    change
        Whether to look for the least change as well.

    """
    view, slo, chosen = moment.view, moment.slo, moment.chosen
    if view.n[i] == 0 or np.isnan(view.quality[i]):
        return Verdict("never evaluated", "No outcome of it was recorded on these queries.")
    if i == chosen:
        return Verdict("chosen", WINS[slo.prefer])
    reason, because = _broken(moment, i, latency) or _beaten(
        moment, i, i if chosen is None else chosen
    )
    return Verdict(reason, because, smallest_change(view, slo, i) if change else None)


def _broken(moment: Moment, i: int, latency: np.ndarray) -> tuple[str, str] | None:
    """Return the first limit that path i does not keep, in words."""
    view, slo = moment.view, moment.slo
    max_latency, max_cost, floor = limits(slo)
    what = {"mean": "mean", "p95": "95th percentile"}[view.statistic]
    for name, values, limit in (
        ("latency", view.latency, max_latency),
        ("cost", view.cost, max_cost),
    ):
        if np.isnan(values[i]) and np.isfinite(limit):
            return (
                f"no {name} recorded",
                f"Its {name} was not recorded, so no limit on it can be shown to hold.",
            )
    if view.latency[i] > max_latency:
        share = float(np.mean(latency[~np.isnan(latency)] > max_latency))
        return (
            "breaks latency",
            (
                f"Its {what} latency is {view.latency[i] - max_latency:.3g} s over; {share:.0%} of"
                " queries break it."
            ),
        )
    if view.cost[i] > max_cost:
        return (
            "breaks cost",
            (
                f"Its {what} cost is {1000 * (view.cost[i] - max_cost):.3g} USD per 1,000 queries"
                " over the limit."
            ),
        )
    if view.quality[i] < floor:
        return (
            "below the floor",
            f"Its quality {view.quality[i]:.3f} is {floor - view.quality[i]:.3f} below the floor.",
        )
    if not view.able[i]:
        return (
            "too few queries",
            (
                f"It has {view.n[i]} of {view.n_queries} queries; {FEW} are needed to win against"
                " paths that have them."
            ),
        )
    return None


def _beaten(moment: Moment, i: int, chosen: int) -> tuple[str, str]:
    """Return why path i does not win although it keeps all limits, in words."""
    view, prefer = moment.view, moment.slo.prefer
    gap, low, high = view.difference(i, chosen)
    unlike = (
        ""
        if view.n[i] == view.n[chosen]
        else " Not on the same queries: the interval is of the difference query by query."
    )
    if view.state[i] == DOMINATED:
        by = int(view.dominator[i])
        parts = [f"quality {view.quality[i] - view.quality[by]:+.3f}"]
        for name, values, unit, scale in (
            ("cost", view.cost, "USD/1k", 1000),
            ("latency", view.latency, "s", 1),
        ):
            parts.append(f"{name} {scale * (values[i] - values[by]):+.3g} {unit}")
        return (
            "dominated",
            (
                f"{view.path_ids[by]} is no worse in all three and better: against it this has"
                f" {', '.join(parts)}."
            ),
        )
    if moment.tied[i]:
        pick = (
            f"has the better mean ({-gap:+.3f})"
            if gap < 0 and prefer == "quality"
            else "is faster"
            if prefer == "latency"
            else "is cheaper"
        )
        pick = (
            "is as cheap and no slower"
            if prefer != "latency" and view.cost[i] == view.cost[chosen] and gap >= 0
            else pick
        )
        return (
            "not separable",
            (
                f"Its quality cannot be told from the winner's ({gap:+.3f} [{low:+.3f},"
                f" {high:+.3f}]); the winner {pick}.{unlike}"
            ),
        )
    if prefer == "quality" or gap < 0:
        return (
            "lower quality",
            (
                f"Its quality is lower than the winner's by {-gap:.3f} [{-high:.3f},"
                f" {-low:.3f}].{unlike}"
            ),
        )
    name = {"cost": "costs more", "latency": "takes longer"}[prefer]
    return (
        f"{prefer} is preferred",
        f"It is good enough, but {name} than the winner (quality {gap:+.3f}).",
    )
