"""Verdicts in words and HTML, units in every number. All text that comes from a trace is escaped and cut."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from ecollm_lab.explorer.verdicts.changes import limits, nearest_feasible, reach
from ecollm_lab.explorer.verdicts.front_states import FEW, STATES
from ecollm_lab.explorer.verdicts.verdicts import Moment, Verdict
from ecollm_lab.explorer.verdicts.views import View
from ecollm_lab.figures.style import CHOSEN, PALETTE, PLACEMENTS
from ecollm_lab.records import SLO

HALO, LIT = CHOSEN, PALETTE[5]
MOST_KINDS = 7  # that a line for each has room
_MARKS = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲"}
LOOKS = {
    place: (colour, _MARKS[symbol], symbol) for place, (colour, symbol, _) in PLACEMENTS.items()
}  # by placement: colour, in text, in plotly
STATE_WORDS = {
    "front": "on the front",
    "ambiguous": "perhaps on the front",
    "dominated": "dominated",
    "unknown": "not fully recorded",
}
WORDS = {"max_latency_s": "latency", "max_cost_usd": "cost", "min_quality": "quality floor"}
LIMIT_WORDS = {
    name: word if name == "min_quality" else f"{word} limit" for name, word in WORDS.items()
}


def cut(text: object, length: int = 300) -> str:
    """Return text that is safe in HTML and in plotly's labels, and not longer than a card can bear."""
    shown = str(text)
    return escape(shown if len(shown) <= length else shown[: length - 1] + "…")


def number(value: float, sign: str = "") -> str:
    """Return a number with three digits, or all before the point; `sign` "+" shows that of a positive one."""
    return f"{value:{sign}.3g}" if abs(value) < 999.5 else f"{value:{sign},.0f}"


def seconds(value: float) -> str:
    """Return a latency with its unit: ms below one second."""
    if np.isnan(value):
        return "latency not recorded"
    return f"{number(1000 * value)} ms" if value < 0.9995 else f"{number(value)} s"


def usd(value: float) -> str:
    """Return a cost per 1,000 queries with its unit."""
    return "cost not recorded" if np.isnan(value) else f"{number(1000 * value)} USD/1k"


def short(path_id: str) -> str:
    """Return a path id without its empty stages, for labels."""
    parts = [part for part in str(path_id).split("/") if part != "none"]
    return " · ".join(parts) or str(path_id)


def spell(slo: SLO) -> str:
    """Return an SLO in words."""
    parts = []
    if slo.max_latency_s is not None:
        parts.append(f"latency ≤ {seconds(slo.max_latency_s)}")
    if slo.max_cost_usd is not None:
        parts.append(f"cost ≤ {usd(slo.max_cost_usd)}")
    if slo.min_quality is not None:
        parts.append(f"quality ≥ {slo.min_quality:.3g}")
    return ", ".join(parts) or "no limits"


def changes(before: SLO, after: SLO) -> str:
    """Return what differs between two SLOs, in words; a limit just short of a value is "below" it."""
    parts = []
    for name, was, now in zip(WORDS, limits(before), limits(after), strict=True):
        if was == now:
            continue
        word = WORDS[name]
        if name == "min_quality":
            parts.append(f"{word} {'off' if now == 0 else f'{now:.3f}'}")
        elif np.isinf(now):
            parts.append(f"no {word} limit")
        else:
            rounded = (
                now if now > was else np.nextafter(now, np.inf)
            )  # a limit that shuts a path out ends just short of it
            value = seconds(rounded) if name == "max_latency_s" else usd(rounded)
            parts.append(f"{word} limit {value if now > was else f'below {value}'}")
    return " and ".join(parts)


def compared(moment: Moment, i: int, j: int, what: str) -> str:
    """Return how path i compares with path j: sign, percent and "better" or "worse", never colour alone."""
    view = moment.view
    parts = []
    for name, values, scale, unit, better in (
        ("quality", view.quality, 1, "", 1),
        ("cost", view.cost, 1000, " USD/1k", -1),
        ("latency", view.latency, 1000, " ms", -1),
    ):
        delta = values[i] - values[j]
        if np.isnan(delta):
            continue
        word = "same" if delta == 0 else "better" if delta * better > 0 else "worse"
        if name == "quality" and word != "same" and not view.separable(j)[i]:
            word = "not separable"
        percent = f" ({delta / values[j]:+.0%})" if values[j] else ""
        change = f"{delta:+.3f}" if name == "quality" else number(scale * delta, "+")
        parts.append(f"{name} {change}{unit}{percent} {word}")
    return f"against {what}: " + ", ".join(parts) if parts else ""


def sentence(
    moment: Moment, over: float, over_n: int, over_where: str, pinned: Sequence[int] = ()
) -> str:
    """Return the one sentence on top: what wins and what it delivers, a tie called a tie, or why nothing is feasible.

    Parameters
    ----------
    over, over_n, over_where
        Share of the winner's outcomes that break a limit, on how many queries, and which
        ("held-out").

    """
    view, slo = moment.view, moment.slo
    if moment.chosen is None:
        binding, nearest = nearest_feasible(view, slo)
        if np.isnan(view.quality).all():
            return "<b>Nothing to choose from:</b> no quality was recorded on these queries."
        because = " and ".join(WORDS[name] for name in binding)
        if len(nearest) > 1 or len(binding) == 1:
            why = f"giving up the {because.replace(' and ', ' or the ')} limit alone would help".replace(
                "floor limit", "floor"
            )
        else:
            why = f"no single limit is to blame; {because} must move together"
        return (
            f"<b>Infeasible:</b> no path keeps {spell(slo)}; {why}. Nearest:"
            f" {cut('; '.join(changes(slo, s) for s in nearest))}."
        )
    i = moment.chosen
    interval = f" [{view.low[i]:.3f}, {view.high[i]:.3f}]"
    parts = [
        f"<b class='ecl-path'>{cut(view.path_ids[i], 90)}</b> wins: quality"
        f" {view.quality[i]:.3f}{interval}, {usd(view.cost_usd[i])}, p95 latency"
        f" {seconds(view.latency_p95_s[i])}"
    ]
    if not np.isnan(over) and spell(slo) != "no limits":
        parts.append(f"{over:.0%} of {over_n} {over_where}queries over the SLO")
    if moment.within.sum() == 1:
        tie = "it is the only feasible path"
    elif view.n[i] < FEW:
        tie = f"on {view.n[i]} queries no path can be told from another"
    elif moment.tied.any():
        tie = (
            f"<b>tied</b> in quality with {int(moment.tied.sum())} of"
            f" {int(moment.within.sum()) - 1} other feasible paths"
        )
    else:
        tie = f"better in quality than all {int(moment.within.sum()) - 1} other feasible paths"
        if view.quality[moment.within].max() > view.quality[i]:
            tie = (
                f"told apart in quality from all {int(moment.within.sum()) - 1} other feasible"
                " paths"
            )
    parts.append(tie)
    text = "; ".join(parts) + "."
    if view.n[i] < view.n_queries:
        text += (
            f" <span class='ecl-warn'>◌ evaluated on {view.n[i]} of {view.n_queries} queries</span>"
        )
    if len(pinned) and pinned[-1] != i:
        text += (
            "<br><span"
            f" class='ecl-dim'>{cut(compared(moment, i, pinned[-1], f'pin {len(pinned)}'))}</span>"
        )
    return text


def hover_cards(view: View, source: str) -> list[str]:
    """Return one hover card per path, six lines: name, quality, cost, latency, queries and state, provenance."""
    ranks = [_ranks(values) for values in (-view.quality, view.cost_usd, view.latency_s)]
    total = len(view.path_ids)
    place = [[f" · {_ordinal(int(r))} of {total}" if r else "" for r in rank] for rank in ranks]
    source = cut(source, 60)
    return [
        f"<b>{cut(path_id, 60)}</b><br>quality {view.quality[i]:.3f} [{view.low[i]:.3f},"
        f" {view.high[i]:.3f}]{place[0][i]}<br>{usd(view.cost_usd[i])}{place[1][i]}<br>{seconds(view.latency_s[i])}"
        f" mean, {seconds(view.latency_p95_s[i])} p95{place[2][i]}<br>{view.n[i]} of"
        f" {view.n_queries} queries · {STATE_WORDS[STATES[view.state[i]]]}<br>{source}"
        for i, path_id in enumerate(view.path_ids)
    ]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return 1 for the smallest, equal values alike, 0 for NaN."""
    ordered = np.sort(values[~np.isnan(values)])
    return np.where(np.isnan(values), 0, np.searchsorted(ordered, values) + 1)


def _ordinal(rank: int) -> str:
    ending = (
        "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    )
    return "best" if rank == 1 else f"{rank}{ending}"


def card(moment: Moment, i: int | None, verdict: Verdict | None, pins: Sequence[int] = ()) -> str:
    """Return the card of the lit or selected path: stages as chips, numbers, why not, and how it compares."""
    if i is None:
        return (
            "<div class='ecl-dim'>Point at a path, click it, or pick it below: its stages, and why"
            " it does not win.</div>"
        )
    view = moment.view
    colour, mark, _ = LOOKS[str(view.placement[i])]
    chips = "".join(
        f"<span class='ecl-chip'>{cut(part, 40)}</span>"
        for part in str(view.path_ids[i]).split("/")
    )
    partial = (
        f"<br><span class='ecl-warn'>◌ {view.n[i]} of {view.n_queries} queries</span>"
        if view.n[i] < view.n_queries
        else ""
    )
    lines = [
        (
            f"<div><span style='color:{colour}'>{mark}</span> {cut(view.placement[i])} ·"
            f" {STATE_WORDS[STATES[view.state[i]]]}{partial}</div>"
        ),
        f"<div class='ecl-chips'>{chips}</div>",
        (
            f"<div>quality <b>{view.quality[i]:.3f}</b> [{view.low[i]:.3f},"
            f" {view.high[i]:.3f}]<br>{usd(view.cost_usd[i])}<br>{seconds(view.latency_s[i])} mean,"
            f" {seconds(view.latency_p95_s[i])} p95</div>"
        ),
    ]
    if verdict:
        why = (
            "<b>Why this one?</b> "
            if i == moment.chosen
            else f"<b>Why not this one?</b> {cut(verdict.reason)}. "
        )
        lines.append(f"<div class='ecl-why'>{why}{cut(verdict.because)}</div>")
    if moment.chosen is not None and i != moment.chosen:
        lines.append(
            f"<div class='ecl-dim'>{cut(compared(moment, i, moment.chosen, 'the winner'))}</div>"
        )
    lines += [
        f"<div class='ecl-dim'>{cut(compared(moment, i, pin, f'pin {k}'))}</div>"
        for k, pin in enumerate(pins, 1)
        if pin != i
    ]
    return "".join(lines)


def strip(moment: Moment, name: str, low: float, high: float) -> str:
    """Return a slider's band as SVG: hatched where no path is feasible under the other limits, else as high as the quality reachable."""
    view, slo = moment.view, moment.slo
    values = {"max_latency_s": view.latency, "max_cost_usd": view.cost}.get(name)
    if values is not None and not (values > 0).any():
        return _svg(
            "",
            0.0,
            0.0,
            None,
            f"{WORDS[name]} not recorded" if np.isnan(values).all() else "every path is free",
        )
    starts, quality = reach(view, slo, name)
    now = limits(slo)[("max_latency_s", "max_cost_usd", "min_quality").index(name)]
    if not len(starts):
        return _svg("", 0.0, 0.0, None, f"none feasible: no {LIMIT_WORDS[name]} helps alone")
    if name == "min_quality":
        best = float(starts[0])
        return _svg(
            f"M0,16V3H{100 * best:.1f}V16Z",
            100 * best,
            100.0,
            100 * min(now, 1),
            f"feasible up to {best:.3f}",
        )
    span = np.log(high / low)
    at = np.clip(100 * np.log(np.maximum(starts, low) / low) / span, 0, 100)
    if len(at) > 40:
        keep = np.unique(np.linspace(0, len(at) - 1, 40).astype(int))
        at, quality = at[keep], quality[keep]
    top, bottom = float(np.nanmax(view.quality)), float(np.nanmin(view.quality))
    heights = 14 - 11 * (quality - bottom) / max(top - bottom, 1e-9)
    body = (
        f"M{at[0]:.1f},16V{heights[0]:.1f}"
        + "".join(f"H{x:.1f}V{y:.1f}" for x, y in zip(at[1:], heights[1:], strict=True))
        + "H100V16Z"
    )
    here = 100.0 if np.isinf(now) else float(np.clip(100 * np.log(now / low) / span, 0, 100))
    unit = seconds if name == "max_latency_s" else usd
    inside = quality[at <= here + 1e-9]
    reached = f", here quality {inside[-1]:.3f}" if len(inside) else ", here nothing"
    return _svg(body, 0.0, float(at[0]), here, f"feasible from {unit(float(starts[0]))}{reached}")


def _svg(body: str, hatch_from: float, hatch_to: float, here: float | None, label: str) -> str:
    everything = not body
    hatch = (0.0, 100.0) if everything else (hatch_from, hatch_to)
    lines = "".join(f"M{x:.0f},16l3,-13" for x in np.arange(hatch[0], hatch[1] - 2, 4))
    mark = "" if here is None else f"<path class='ecl-here' d='M{here:.1f},0V16'/>"
    return (
        "<svg class='ecl-strip' viewBox='0 0 100 16' preserveAspectRatio='none' role='img'"
        f" aria-label='{escape(label)}'><path class='ecl-hatch' d='{lines}'/><path"
        f" class='ecl-reach' d='{body}'/>{mark}</svg><div"
        f" class='ecl-note'>{escape(label.removeprefix('feasible '))}</div>"
    )


def mix(moment: Moment) -> str:
    """Return, kind by kind, which path wins and where it runs, as a bar of the queries' edge, mixed and cloud shares."""
    view = moment.view
    shares: dict[str, float] = {}
    rows: list[str] = []
    for kind, share, i in zip(view.kinds, view.kind_share, moment.by_kind, strict=True):
        place = "infeasible" if i < 0 else str(view.placement[i])
        shares[place] = shares.get(place, 0.0) + float(share)
        if len(rows) < MOST_KINDS:
            colour, mark, _ = LOOKS.get(place, ("#999999", "∅", ""))
            name = "none keeps the limits" if i < 0 else f"{cut(short(view.path_ids[i]), 27)}"
            rows.append(
                f"<span class='ecl-kind'><b>{cut(kind, 20)}</b> <span"
                f" style='color:{colour}'>{mark}</span> {name}</span>"
            )
    if len(view.kinds) > MOST_KINDS:
        rows.append(f"<span class='ecl-kind'>and {len(view.kinds) - MOST_KINDS} more kinds</span>")
    bars = "".join(
        "<span"
        f" style='width:{100 * shares[place]:.1f}%;background:{LOOKS.get(place, ('#BBBBBB',))[0]}'>{place}"
        f" {shares[place]:.0%}</span>"
        for place in (*LOOKS, "infeasible")
        if place in shares
    )
    return (
        f"<div class='ecl-mix' title='winner per kind of query'>{bars}</div><div"
        f" class='ecl-kinds'>{''.join(rows)}</div>"
    )


def legend(places: Sequence[str]) -> str:
    """Return the legend: colour and shape for placement, filling for state."""
    marks = [
        f"<span style='color:{LOOKS[p][0]}'>{LOOKS[p][1]}</span> {p}"
        for p in LOOKS
        if p in set(places)
    ]
    states = (
        "● front &ensp;○ perhaps on it &ensp;• dominated &ensp;◌ partial data &ensp;faint: beyond"
    )
    halo = (
        f"<span style='color:{HALO}'>◯</span> winner &ensp;<span style='color:{LIT}'>◯</span> lit"
        " &ensp;│ 95 %"
    )
    alt = (
        "Two plots, quality against cost and quality against latency, one point per path; the same"
        " numbers are in the table of paths."
    )
    parts = " &ensp;|&ensp; ".join([" &ensp;".join(marks), states, halo])
    return f"<div class='ecl-legend'><span class='ecl-sr'>{alt}</span>{parts}</div>"


def misfits(lost: Sequence[str]) -> str:
    """Return what of a restored state does not fit this trace."""
    return f"<span class='ecl-warn'>no longer fits: {cut('; '.join(lost))}</span>"


def table_head() -> str:
    """Return the head of the paths table, in the columns of `table_row`."""
    return (
        f"{'path':<42} {'quality [95 %]':>20} {'USD/1k':>9} {'mean':>9} {'p95':>9} {'n':>6}  state"
    )


def table_row(view: View, i: int) -> str:
    """Return one line of the paths table, columns aligned for a monospaced face."""
    interval = f"{view.quality[i]:.3f} [{view.low[i]:.3f}, {view.high[i]:.3f}]"
    name = str(view.path_ids[i])
    name = name if len(name) <= 42 else name[:41] + "…"
    latency, tail = (
        f"{1000 * x:.4g} ms" if x < 1 else f"{1000 * x:,.0f} ms"
        for x in (view.latency_s[i], view.latency_p95_s[i])
    )
    cells = (
        f"{name:<42} {interval:>20} {1000 * view.cost_usd[i]:>9.3g} {latency:>9} {tail:>9}"
        f" {int(view.n[i]):>6}"
    )
    return f"{cells}  {STATE_WORDS[STATES[view.state[i]]]} · {view.placement[i]}".replace(
        " ", "\u00a0"
    )


def journey(names: Sequence[str], at: int) -> str:
    """Return the steps taken as a list, the present one marked."""
    rows = [
        f"<li><b>{cut(name, 120)}</b> ← now</li>" if k == at else f"<li>{cut(name, 120)}</li>"
        for k, name in enumerate(names)
    ]
    return f"<ol start='0' style='margin:0'>{''.join(rows)}</ol>"
