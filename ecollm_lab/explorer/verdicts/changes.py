"""How an SLO would have to change: least change that lets a path win, nearest feasible values, what a slider can reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np

from ecollm_lab.explorer.verdicts.views import View
from ecollm_lab.policies.limits import TOLERANCE
from ecollm_lab.records import SLO

LIMITS = ("max_latency_s", "max_cost_usd", "min_quality")


def limits(slo: SLO) -> tuple[float, float, float]:
    """Return the limits on latency and cost and the floor of quality, infinite or zero where there is none."""
    latency, cost = (np.inf if x is None else x for x in (slo.max_latency_s, slo.max_cost_usd))
    return latency, cost, slo.min_quality or 0.0


def may_win(view: View, slo: SLO) -> np.ndarray:
    """Tell which paths may win under an SLO."""
    return mean_within(view.quality, view.cost, view.latency, slo) & view.able


def mean_within(quality: np.ndarray, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> np.ndarray:
    """Tell which means keep an SLO; what was not recorded keeps no limit."""
    within = quality >= (slo.min_quality or 0.0)
    if slo.max_latency_s is not None:
        within = within & (latency <= slo.max_latency_s)
    if slo.max_cost_usd is not None:
        within = within & (cost <= slo.max_cost_usd)
    return within


def _with(slo: SLO, name: str, value: float | None) -> SLO:
    """Return an SLO with one limit changed."""
    return SLO(**{**asdict(slo), name: value})


def smallest_change(view: View, slo: SLO, i: int) -> SLO | None:
    """Return the SLO nearest to `slo` under which path i wins; None if it cannot, whatever the limits.

    Nearest: the fewest limits changed, then the least change, in logarithms of latency and cost and
    in quality for the floor. A limit that must exclude another path ends just short of that path.
    Exact: the winner changes only at the paths' own values; all pairs of a latency and a cost limit
    among them are tried, each with the floor as it is, without one, and at the values that matter.
    O(paths²).
    """
    best: tuple[int, float, SLO] | None = None
    if not view.able[i]:
        return None
    for latency, cost, floor in _winning_limits(view, slo, i):
        latency_or_none, cost_or_none = (None if np.isinf(x) else x for x in (latency, cost))
        changed = replace(
            slo, max_latency_s=latency_or_none, max_cost_usd=cost_or_none, min_quality=floor
        )
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
            size += (
                1e3
                if np.isinf(before[k]) or np.isinf(after[k])
                else abs(np.log(after[k] / before[k]))
            )
    return len(moved), float(size)


def _winning_limits(view: View, slo: SLO, i: int) -> Iterator[tuple[float, float, float | None]]:
    """Yield limits on latency and cost and a floor under which path i wins: for each, the nearest to the SLO's own.

    Paths are ordered as `choose` breaks ties, so running maxima tell the winner within every limit
    on the preferred of latency and cost.
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
        found = [
            (m, high, f)
            for f in floors
            for m, high in _wins(quality, first, kept, i, f, slo.prefer)
        ]
        at = int(np.flatnonzero(kept == i)[0])
        ahead = quality[kept[:at]]
        ahead = ahead[~np.isnan(ahead) & (ahead >= floor)]
        if slo.prefer != "quality" and (ahead.max() if len(ahead) else 0.0) < mine:
            least = (
                float(np.nextafter(ahead.max(), 1.0))
                if len(ahead)
                else float(quality[quality > 0].min())
            )
            found.append((first[i], np.inf, max(least, floor)))
        for low, high, needed in found:
            nearest = _nearest(low if low < np.finfo(float).max else np.inf, high, inner_now)
            yield (nearest, limit, needed) if by_latency else (limit, nearest, needed)


def _wins(
    quality: np.ndarray,
    first: np.ndarray,
    kept: np.ndarray,
    i: int,
    floor: float | None,
    prefer: str,
) -> list[tuple[float, float]]:
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
    found = [
        _nearest(low, high, now) for low, high in zip(steps, [*steps[1:], np.inf], strict=True)
    ]
    return [*found, np.inf] if np.isnan(values).any() else found


def nearest_feasible(view: View, slo: SLO) -> tuple[tuple[str, ...], list[SLO]]:
    """Return which limits bind when no path keeps an SLO, and up to two nearest SLOs that some path keeps.

    A limit binds if giving it up alone would help; the SLOs then change it alone, the least change
    first. If no limit helps alone, the one SLO returned is the nearest that changes several.
    """
    now = limits(slo)
    options = []
    for k, name in enumerate(LIMITS):
        free = _with(slo, name, None)
        kept = may_win(view, free)
        values = (view.latency, view.cost, view.quality)[k][kept]
        values = values[~np.isnan(values)]
        if (slo.max_latency_s, slo.max_cost_usd, slo.min_quality)[k] is None or not len(values):
            continue
        value = float(values.max() if k == 2 else values.min())
        options.append(
            (
                _size(slo, changed := _with(slo, name, max(value, np.finfo(float).tiny))),
                name,
                changed,
            )
        )
    if options:
        options.sort(key=lambda option: option[0])
        return tuple(name for _, name, _ in options), [changed for _, _, changed in options[:2]]
    nearest = [replace(slo, max_latency_s=None, max_cost_usd=None, min_quality=None)]
    known = np.flatnonzero(
        view.able & ~np.isnan(view.quality) & ~np.isnan(view.latency) & ~np.isnan(view.cost)
    )
    if len(known):
        cost, latency, quality = (
            np.maximum(view.cost[known], now[1]),
            np.maximum(view.latency[known], now[0]),
            view.quality[known],
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            size = (
                np.nan_to_num(np.log(latency / now[0]))
                + np.nan_to_num(np.log(cost / now[1]))
                + np.maximum(now[2] - quality, 0)
            )
        b = int(size.argmin())
        nearest = [
            replace(
                slo,
                max_latency_s=slo.max_latency_s and float(latency[b]),
                max_cost_usd=slo.max_cost_usd and float(cost[b]),
                min_quality=slo.min_quality and min(now[2], float(quality[b])),
            )
        ]
    return (
        tuple(
            name
            for k, name in enumerate(LIMITS)
            if (slo.max_latency_s, slo.max_cost_usd, slo.min_quality)[k] is not None
        ),
        nearest,
    )


def reach(view: View, slo: SLO, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what one control can reach under the other limits: its values from which another best path is feasible, and that quality.

    For "max_latency_s" and "max_cost_usd": rising limits and the best quality within each; below
    the first no path is feasible. For "min_quality": the highest quality that is feasible, alone.
    """
    kept = may_win(view, _with(slo, name, None))
    if name == "min_quality":
        best = np.max(view.quality[kept], keepdims=True) if kept.any() else np.zeros(0)
        return best, best
    values = (view.latency if name == "max_latency_s" else view.cost)[kept]
    order = np.argsort(values, kind="stable")
    order = order[~np.isnan(values[order])]
    running = np.maximum.accumulate(view.quality[kept][order]) if len(order) else np.zeros(0)
    rises = np.append(True, running[1:] > running[:-1])[: len(order)]
    return values[order][rises], running[rises]
