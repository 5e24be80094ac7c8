"""What an SLO makes of a view: who wins, who is tied, why not another, what is within reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from ecollm_lab.choices import TOLERANCE, choose
from ecollm_lab.explorer.views import DOMINATED, FEW, View
from ecollm_lab.records import SLO

LIMITS = ("max_latency_s", "max_cost_usd", "min_quality")


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
        Paths that keep the limits and whose quality cannot be told from the winner's, itself left out.
    by_kind
        Index of the path that wins for each kind of query by the means of that kind, -1 where none keeps the limits.

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
    within = _kept(view, slo)
    chosen = int(choose(np.nan_to_num(view.quality)[None], within, view.cost, view.latency, slo)[0]) if within.any() else None
    tied = np.zeros(len(within), dtype=bool)
    if chosen is not None:
        tied = within & ~view.separable(chosen)
        tied[chosen] = False
    kept = _within(view.kind_quality, view.kind_cost, view.kind_latency, slo) & within
    kinds = choose(np.nan_to_num(view.kind_quality), kept, np.nan_to_num(view.kind_cost), np.nan_to_num(view.kind_latency), slo)
    return Moment(view, slo, within, chosen, tied, np.where(kept.any(axis=1), kinds, -1))


def limits(slo: SLO) -> tuple[float, float, float]:
    """Return the limits on latency and cost and the floor of quality, infinite or zero where there is none."""
    latency, cost = (np.inf if x is None else x for x in (slo.max_latency_s, slo.max_cost_usd))
    return latency, cost, slo.min_quality or 0.0


def _with(slo: SLO, name: str, value: float | None) -> SLO:
    """Return an SLO with one limit changed."""
    return SLO(**{**asdict(slo), name: value})


def _kept(view: View, slo: SLO) -> np.ndarray:
    """Tell which paths may win under an SLO."""
    return _within(view.quality, view.cost, view.latency, slo) & view.able


def _within(quality: np.ndarray, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> np.ndarray:
    """Tell which means keep an SLO; what was not recorded keeps no limit."""
    within = quality >= (slo.min_quality or 0.0)
    if slo.max_latency_s is not None:
        within = within & (latency <= slo.max_latency_s)
    if slo.max_cost_usd is not None:
        within = within & (cost <= slo.max_cost_usd)
    return within


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
        return Verdict("chosen", "It wins under this SLO.")
    reason, because = _broken(moment, i, latency) or _beaten(moment, i, i if chosen is None else chosen)
    return Verdict(reason, because, smallest_change(view, slo, i) if change else None)


def _broken(moment: Moment, i: int, latency: np.ndarray) -> tuple[str, str] | None:
    """Return the first limit that path i does not keep, in words."""
    view, slo = moment.view, moment.slo
    max_latency, max_cost, floor = limits(slo)
    what = {"mean": "mean", "p95": "95th percentile"}[view.statistic]
    for name, values, limit in (("latency", view.latency, max_latency), ("cost", view.cost, max_cost)):
        if np.isnan(values[i]) and np.isfinite(limit):
            return f"no {name} recorded", f"Its {name} was not recorded, so no limit on it can be shown to hold."
    if view.latency[i] > max_latency:
        share = float(np.mean(latency[~np.isnan(latency)] > max_latency))
        return "breaks latency", f"Its {what} latency is {view.latency[i] - max_latency:.3g} s over; {share:.0%} of queries break it."
    if view.cost[i] > max_cost:
        return "breaks cost", f"Its {what} cost is {1000 * (view.cost[i] - max_cost):.3g} USD per 1,000 queries over the limit."
    if view.quality[i] < floor:
        return "below the floor", f"Its quality {view.quality[i]:.3f} is {floor - view.quality[i]:.3f} below the floor."
    if not view.able[i]:
        return "too few queries", f"It has {view.n[i]} of {view.n_queries} queries; {FEW} are needed to win against paths that have them."
    return None


def _beaten(moment: Moment, i: int, chosen: int) -> tuple[str, str]:
    """Return why path i does not win although it keeps all limits, in words."""
    view, prefer = moment.view, moment.slo.prefer
    gap, low, high = view.difference(i, chosen)
    if view.state[i] == DOMINATED:
        by = int(view.dominator[i])
        parts = [f"quality {view.quality[i] - view.quality[by]:+.3f}"]
        for name, values, unit, scale in (("cost", view.cost, "USD/1k", 1000), ("latency", view.latency, "s", 1)):
            parts.append(f"{name} {scale * (values[i] - values[by]):+.3g} {unit}")
        return "dominated", f"{view.path_ids[by]} is no worse in all three and better: against it this has {', '.join(parts)}."
    if moment.tied[i]:
        pick = (
            f"has the better mean ({-gap:+.3f})"
            if gap < 0 and prefer == "quality"
            else "is faster"
            if prefer == "latency"
            else "is cheaper"
        )
        pick = "is as cheap and no slower" if prefer != "latency" and view.cost[i] == view.cost[chosen] and gap >= 0 else pick
        return "not separable", f"Its quality cannot be told from the winner's ({gap:+.3f} [{low:+.3f}, {high:+.3f}]); the winner {pick}."
    if prefer == "quality" or gap < 0:
        return "lower quality", f"Its quality is lower than the winner's by {-gap:.3f} [{-high:.3f}, {-low:.3f}]."
    name = {"cost": "costs more", "latency": "takes longer"}[prefer]
    return f"{prefer} is preferred", f"It is good enough, but {name} than the winner (quality {gap:+.3f})."


def smallest_change(view: View, slo: SLO, i: int) -> SLO | None:
    """Return the SLO nearest to `slo` under which path i wins; None if it cannot, whatever the limits.

    Nearest: the fewest limits changed, then the least change, in logarithms of latency and cost and in quality for the floor. A limit that
    must exclude another path ends just short of that path. Exact: the winner changes only at the paths' own values; all pairs
    of a latency and a cost limit among them are tried, each with the floor as it is, without one, and at the values that matter. O(paths²).
    """
    best: tuple[int, float, SLO] | None = None
    if not view.able[i]:
        return None
    for latency, cost, floor in _winning_limits(view, slo, i):
        latency_or_none, cost_or_none = (None if np.isinf(x) else x for x in (latency, cost))
        changed = replace(slo, max_latency_s=latency_or_none, max_cost_usd=cost_or_none, min_quality=floor)
        size = _size(slo, changed)
        if best is None or size < best[:2]:
            best = (*size, changed)
    return best[2] if best else None


def _size(slo: SLO, changed: SLO) -> tuple[int, float]:
    before, after = limits(slo), limits(changed)
    moved = [k for k in range(3) if before[k] != after[k]]
    size = 0.0
    for k in moved:
        if k == 2:
            size += abs(after[k] - before[k])
        else:
            size += 1e3 if np.isinf(before[k]) or np.isinf(after[k]) else abs(np.log(after[k] / before[k]))
    return len(moved), float(size)


def _winning_limits(view: View, slo: SLO, i: int) -> Iterator[tuple[float, float, float | None]]:
    """Yield limits on latency and cost and a floor under which path i wins: for each, the nearest to the SLO's own.

    Paths are ordered as `choose` breaks ties, so running maxima tell the winner within every limit on the preferred of latency and cost.
    """
    max_latency, max_cost, floor = limits(slo)
    by_latency = slo.prefer == "latency"
    outer_now, inner_now = (max_cost, max_latency) if by_latency else (max_latency, max_cost)
    outer, inner = (view.cost, view.latency) if by_latency else (view.latency, view.cost)
    first, second = (np.nan_to_num(x, nan=np.finfo(float).max) for x in (inner, outer))
    ranked = np.lexsort((np.arange(len(first)), second, first))
    quality = np.where(view.able, view.quality, np.nan)
    mine = float(quality[i])
    floors = {None, slo.min_quality} if mine >= floor else {None, mine}
    floor = min(floor, mine)
    for limit in _candidates(outer, outer_now, outer[i]):
        kept = ranked if np.isinf(limit) else ranked[outer[ranked] <= limit]
        found = [(m, high, f) for f in floors for m, high in _wins(quality, first, kept, i, f, slo.prefer)]
        at = int(np.flatnonzero(kept == i)[0])
        ahead = quality[kept[:at]]
        ahead = ahead[~np.isnan(ahead) & (ahead >= floor)]
        if slo.prefer != "quality" and (ahead.max() if len(ahead) else 0.0) < mine:
            least = float(np.nextafter(ahead.max(), 1.0)) if len(ahead) else float(quality[quality > 0].min())
            found.append((first[i], np.inf, max(least, floor)))
        for low, high, needed in found:
            nearest = _nearest(low if low < np.finfo(float).max else np.inf, high, inner_now)
            yield (nearest, limit, needed) if by_latency else (limit, nearest, needed)


def _wins(quality: np.ndarray, first: np.ndarray, kept: np.ndarray, i: int, floor: float | None, prefer: str) -> list[tuple[float, float]]:
    """Return the ranges [low, high) of a limit on `first` in which path i wins among the paths kept."""
    kept = kept[quality[kept] >= (floor or 0.0)]
    at = int(np.flatnonzero(kept == i)[0])
    values, running = first[kept], np.maximum.accumulate(quality[kept])
    given_up = running - TOLERANCE if floor is None else np.minimum(running, floor)
    threshold = running if prefer == "quality" else given_up
    wins = threshold - 1e-12 <= quality[i]
    wins &= (running[at - 1] if at else -np.inf) < threshold - 1e-12
    wins[:at] = False
    wins &= np.append(values[1:] != values[:-1], True)  # a limit lets in all of equal value
    ends = np.append(values[1:], np.inf)
    return [(float(values[m]), float(ends[m])) for m in np.flatnonzero(wins)]


def _nearest(low: float, high: float, now: float) -> float:
    """Return the value in [low, high) nearest to `now`; a limit of zero stands for the smallest there is."""
    if high < np.inf and now >= high:
        return max(float(np.nextafter(high, -np.inf)), np.finfo(float).tiny)
    return max(now, float(low), np.finfo(float).tiny)


def _candidates(values: np.ndarray, now: float, needed: float) -> list[float]:
    """Return one limit per set of paths it can let in, each as near to `now` as it can be; all let `needed` in."""
    if np.isnan(needed):
        return [np.inf]
    steps = np.unique(values[values >= needed])
    found = [_nearest(low, high, now) for low, high in zip(steps, [*steps[1:], np.inf], strict=True)]
    return [*found, np.inf] if np.isnan(values).any() else found


def nearest_feasible(view: View, slo: SLO) -> tuple[tuple[str, ...], list[SLO]]:
    """Return which limits bind when no path keeps an SLO, and up to two nearest SLOs that some path keeps.

    A limit binds if giving it up alone would help; the SLOs then change it alone, the least change first. If no limit helps alone, the
    one SLO returned is the nearest that changes several.
    """
    now = limits(slo)
    options = []
    for k, name in enumerate(LIMITS):
        free = _with(slo, name, None)
        kept = _kept(view, free)
        values = (view.latency, view.cost, view.quality)[k][kept]
        values = values[~np.isnan(values)]
        if (slo.max_latency_s, slo.max_cost_usd, slo.min_quality)[k] is None or not len(values):
            continue
        value = float(values.max() if k == 2 else values.min())
        options.append((_size(slo, changed := _with(slo, name, max(value, np.finfo(float).tiny))), name, changed))
    if options:
        options.sort(key=lambda option: option[0])
        return tuple(name for _, name, _ in options), [changed for _, _, changed in options[:2]]
    nearest = [replace(slo, max_latency_s=None, max_cost_usd=None, min_quality=None)]
    known = np.flatnonzero(view.able & ~np.isnan(view.quality) & ~np.isnan(view.latency) & ~np.isnan(view.cost))
    if len(known):
        cost, latency, quality = np.maximum(view.cost[known], now[1]), np.maximum(view.latency[known], now[0]), view.quality[known]
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.nan_to_num(np.log(latency / now[0])) + np.nan_to_num(np.log(cost / now[1])) + np.maximum(now[2] - quality, 0)
        b = int(size.argmin())
        nearest = [
            replace(
                slo, max_latency_s=slo.max_latency_s and float(latency[b]), max_cost_usd=slo.max_cost_usd and float(cost[b]),
                min_quality=slo.min_quality and min(now[2], float(quality[b])),
            )
        ]  # fmt: skip
    return tuple(name for k, name in enumerate(LIMITS) if (slo.max_latency_s, slo.max_cost_usd, slo.min_quality)[k] is not None), nearest


def reach(view: View, slo: SLO, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what one control can reach under the other limits: its values from which another best path is feasible, and that quality.

    For "max_latency_s" and "max_cost_usd": rising limits and the best quality within each; below the first no path is feasible. For
    "min_quality": the highest quality that is feasible, alone.
    """
    kept = _kept(view, _with(slo, name, None))
    if name == "min_quality":
        best = np.max(view.quality[kept], keepdims=True) if kept.any() else np.zeros(0)
        return best, best
    values = (view.latency if name == "max_latency_s" else view.cost)[kept]
    order = np.argsort(values, kind="stable")
    order = order[~np.isnan(values[order])]
    running = np.maximum.accumulate(view.quality[kept][order]) if len(order) else np.zeros(0)
    rises = np.append(True, running[1:] > running[:-1])[: len(order)]
    return values[order][rises], running[rises]
