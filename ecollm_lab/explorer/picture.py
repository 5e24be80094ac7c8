"""The explorer's figure: quality against cost and its twin against latency, built once; a move of a slider changes a few short lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.explorer.verdicts import Moment, limits
from ecollm_lab.explorer.views import AMBIGUOUS, DOMINATED, FRONT, View
from ecollm_lab.explorer.words import LOOKS, cut, hover_cards, short

MOST_POINTS = 800  # beyond so many paths the cloud becomes a density, and only the paths nearest the front are points
MOST_LABELS = 8
HALO, INK, PALE, VEIL = "#CC79A7", "#333333", "rgba(130,130,130,0.35)", "rgba(254,254,254,0.72)"
WIDTHS = (0.0, 0.54, 0.6, 1.0)  # domains of the two panels
SHAPES = ("line", "veil")  # per panel; then the floor's line and veil per panel, then the strip of free paths


@dataclass(frozen=True, eq=False)
class Canvas:
    """What stays while sliders move: which paths are points, where they lie, and the order of the traces.

    Attributes
    ----------
    drawn
        Indices of the paths that are points, best quality first.
    x
        Cost per 1,000 queries and latency of every path as drawn, shape (2, paths): a cost of zero stands in a strip left of the axis.
    free
        Where that strip is, (left, right), or None.
    span
        Ranges of the axes, (low, high) each.
    labels
        Per panel, the paths that bear a label and on which side of them it stands.
    names
        Trace number by (what, panel).

    """

    view: View
    drawn: np.ndarray
    x: np.ndarray
    free: tuple[float, float] | None
    span: tuple[tuple[float, float], tuple[float, float]]
    labels: tuple[tuple[np.ndarray, list[str]], ...]
    names: dict[tuple[str, int], int]
    places: tuple[str, ...]


def canvas(view: View, places: Sequence[str]) -> Canvas:
    """Return what does not move while sliders do.

    Parameters
    ----------
    view
        Tables of the selected queries.
    places
        Placements that occur in the whole trace: each has its traces, whether or not it has points.

    """
    known = ~np.isnan(view.quality)
    order = np.flatnonzero(known)
    order = order[np.argsort(-view.quality[order], kind="stable")]
    if len(order) > MOST_POINTS:
        urgent = {FRONT: 0, AMBIGUOUS: 1, DOMINATED: 2}
        rank = np.array([urgent.get(int(s), 3) for s in view.state[order]])
        order = np.sort(np.argsort(rank, kind="stable")[:MOST_POINTS]).astype(int)
        order = np.flatnonzero(known)[np.argsort(-view.quality[known], kind="stable")][order]
    x = np.stack([1000 * view.cost, view.latency])
    spans, free = [], None
    for k in range(2):
        some = x[k][(x[k] > 0) & np.isfinite(x[k]) & known]
        low, high = (some.min(), some.max()) if len(some) else (0.1, 10.0)
        pad = max((high / low) ** 0.06, 1.15)
        low, high = low / pad, high * pad
        if k == 0 and (x[k][known] == 0).any():
            strip = max((high / low) ** 0.08, 1.5)
            free = (low / strip, low)
            x[k] = np.where(x[k] == 0, low / strip**0.5, x[k])
            low = low / strip
        spans.append((float(low), float(high)))
    kinds = ("density", *(f"cloud {p}" for p in places), "intervals", "stairs", *(f"within {p}" for p in places), "partial", "labels",
             "pins", "lit", "chosen")  # fmt: skip
    names = {(kind, panel): k + panel * len(kinds) for panel in range(2) for k, kind in enumerate(kinds)}
    labels = tuple(_labels(view, x[panel], spans[panel], panel) for panel in range(2))
    return Canvas(view, order, x, free, (spans[0], spans[1]), labels, names, tuple(places))


def still(c: Canvas, source: str) -> list[dict[str, Any]]:
    """Return the properties of every trace that sliders leave alone, in order."""
    view = c.view
    cards = np.array(hover_cards(view, source), dtype=object) if len(view.path_ids) <= MOST_POINTS else None
    if cards is None:
        cards = np.full(len(view.path_ids), "", dtype=object)
        subset = hover_cards(view, source)
        cards[c.drawn] = np.array(subset, dtype=object)[c.drawn]
    big, small = 11, 6
    size = np.where(view.state == FRONT, big, np.where(view.state == AMBIGUOUS, 8, small))
    out = []
    for panel in range(2):
        x = c.x[panel]
        out.append(_density(c, panel))
        for place in c.places:
            rows = _rows(c, place)
            colour, _, symbol = LOOKS[place]
            out.append({
                "x": x[rows], "y": view.quality[rows], "text": cards[rows], "customdata": np.asarray(view.path_ids, dtype=object)[rows],
                "marker": {"symbol": f"{symbol}-open", "size": size[rows], "color": colour, "opacity": 0.25, "line": {"width": 1}},
            })  # fmt: skip
        front = np.flatnonzero(view.state == FRONT)
        out.append({
            "x": x[front], "y": view.quality[front],
            "error_y": {"array": view.high[front] - view.quality[front], "arrayminus": view.quality[front] - view.low[front]},
        })  # fmt: skip
        out.append({})
        for place in c.places:
            rows = _rows(c, place)
            colour, _, symbol = LOOKS[place]
            ring = view.state[rows] == AMBIGUOUS
            out.append({
                "x": x[rows],
                "marker": {
                    "symbol": np.where(ring, f"{symbol}-open", symbol), "size": size[rows], "color": colour,
                    "opacity": np.where(view.state[rows] == DOMINATED, 0.4, 1.0), "line": {"width": np.where(ring, 2, 0)},
                },
            })  # fmt: skip
        partial = c.drawn[view.n[c.drawn] < view.n_queries]
        out.append({"x": x[partial], "y": view.quality[partial], "text": ["◌"] * len(partial)})
        labelled, sides = c.labels[panel]
        out.append({"x": x[labelled], "text": [cut(short(view.path_ids[i]), 40) for i in labelled], "textposition": sides})
        out += [{}, {}, {}]
    return out


def moving(c: Canvas, moment: Moment, pins: Sequence[int], lit: int | None, show: Sequence[str]) -> tuple[dict[int, dict[str, Any]], list]:
    """Return what a slider moves: properties by trace number, and the shapes of both panels.

    `show` names what is drawn beside the front: "dominated", "beyond".
    """
    view, traces = c.view, {}
    shown = moment.within & ((view.state != DOMINATED) | ("dominated" in show))
    y = np.where(shown, view.quality, np.nan).astype(np.float32)
    for panel in range(2):
        x = c.x[panel]
        for place in c.places:
            traces[c.names[f"within {place}", panel]] = {"y": y[_rows(c, place)]}
        steps = _stairs(x, view.quality, moment.within)
        traces[c.names["stairs", panel]] = {"x": np.append(x[steps], c.span[panel][1])[: len(steps) + 1 if len(steps) else 0],
                                            "y": np.append(view.quality[steps], view.quality[steps[-1:]])}  # fmt: skip
        labelled = c.labels[panel][0]
        traces[c.names["labels", panel]] = {"y": np.where(moment.within[labelled], view.quality[labelled], np.nan)}
        traces[c.names["pins", panel]] = {"x": x[list(pins)], "y": view.quality[list(pins)], "text": [str(k + 1) for k in range(len(pins))]}
        traces[c.names["lit", panel]] = _spot(x, view, lit)
        traces[c.names["chosen", panel]] = _spot(x, view, moment.chosen)
    return traces, _shapes(c, moment)


def _spot(x: np.ndarray, view: View, i: int | None) -> dict[str, Any]:
    if i is None or np.isnan(view.quality[i]):
        return {"x": [], "y": [], "error_y.array": [], "error_y.arrayminus": []}
    quality = float(view.quality[i])
    return {"x": [float(x[i])], "y": [quality], "error_y.array": [float(view.high[i]) - quality],
            "error_y.arrayminus": [quality - float(view.low[i])]}  # fmt: skip


def _rows(c: Canvas, place: str) -> np.ndarray:
    return c.drawn[c.view.placement[c.drawn] == place]


def _stairs(x: np.ndarray, quality: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the paths under a mask that none beats in both quality and x, by rising x."""
    rows = np.flatnonzero(mask & ~np.isnan(x))
    rows = rows[np.lexsort((-quality[rows], x[rows]))]
    running = np.maximum.accumulate(quality[rows]) if len(rows) else quality[:0]
    return rows[np.append(True, running[1:] > running[:-1])[: len(rows)]]


def _density(c: Canvas, panel: int) -> dict[str, Any]:
    """Return how many paths lie where, as a heat map on a log axis, if there are too many for points."""
    if len(c.view.path_ids) <= MOST_POINTS:
        return {"x": [], "y": [], "z": []}
    x, y = np.log10(c.x[panel]), c.view.quality
    ok = np.isfinite(x) & np.isfinite(y)
    counts, edges_x, edges_y = np.histogram2d(x[ok], y[ok], bins=(48, 40))
    with np.errstate(divide="ignore"):
        z = np.where(counts > 0, np.log10(counts), np.nan).T
    return {"x": 10 ** ((edges_x[1:] + edges_x[:-1]) / 2), "y": (edges_y[1:] + edges_y[:-1]) / 2, "z": z}


def _labels(view: View, x: np.ndarray, span: tuple[float, float], panel: int) -> tuple[np.ndarray, list[str]]:
    """Return which paths of the front bear a label, and on which side: greedy, best quality first, none over another or over a point."""
    front = np.flatnonzero((view.state == FRONT) & ~np.isnan(x))
    front = front[np.argsort(-view.quality[front], kind="stable")]
    low, high = np.log(span)
    bottom, top = _quality_range(view)
    width, height = (330.0, 300.0) if panel == 0 else (260.0, 300.0)  # pixels of a panel in a narrow cell
    at = np.stack([(np.log(x[front]) - low) / (high - low) * width, (view.quality[front] - bottom) / (top - bottom) * height], axis=1)
    taken = [(px - 6, py - 6, px + 6, py + 6) for px, py in at]
    chosen, sides = [], []
    for i, (px, py) in zip(front, at, strict=True):
        wide = 6.0 * min(len(short(view.path_ids[i])), 40)
        for side, box in (
            ("top left", (px - wide, py + 7, px - 2, py + 20)), ("bottom right", (px + 2, py - 20, px + wide, py - 7)),
            ("top right", (px + 2, py + 7, px + wide, py + 20)), ("bottom left", (px - wide, py - 20, px - 2, py - 7)),
        ):  # fmt: skip
            inside = box[0] >= 0 and box[2] <= width
            if inside and not any(box[0] < t[2] and box[2] > t[0] and box[1] < t[3] and box[3] > t[1] for t in taken):
                taken.append(box)
                chosen.append(i)
                sides.append(side)
                break
        if len(chosen) == MOST_LABELS:
            break
    return np.array(chosen, dtype=int), sides


def _shapes(c: Canvas, moment: Moment) -> list[dict[str, Any]]:
    """Return, per panel, the limit's line and the veil over what lies beyond; then the floor's; positions only."""
    latency, cost, floor = limits(moment.slo)
    out = []
    for panel, limit in enumerate((1000 * cost, latency)):
        top = c.span[panel][1]
        at = float(min(max(limit, c.span[panel][0]), top * 1.001))
        visible = bool(np.isfinite(limit))
        out += [{"x0": at, "x1": at, "visible": visible}, {"x0": at, "x1": top * 1.001, "visible": visible}]
    for _ in range(2):
        out += [{"y0": floor, "y1": floor, "visible": floor > 0}, {"y0": -1.0, "y1": floor, "visible": floor > 0}]
    return out


def draw(c: Canvas, moment: Moment, source: str, *, pins: Sequence[int] = (), lit: int | None = None,
         show: Sequence[str] = ("dominated", "beyond")) -> go.Figure:  # fmt: skip
    """Return the whole figure; titles, units and the source line are in it."""
    figure = make_subplots(1, 2, shared_yaxes=True)
    traces, shapes = moving(c, moment, pins, lit, show)
    kinds = [kind for kind, panel in c.names if panel == 0]
    for k, properties in enumerate(still(c, source)):
        panel = k // len(kinds)
        figure.add_trace(_dress(kinds[k % len(kinds)], _nest({**properties, **traces.get(k, {})}), show), row=1, col=panel + 1)
    figure.update_layout(shapes=[_line(c, n, shape) for n, shape in enumerate(shapes)] + _free_strip(c), annotations=_notes(c, source))
    what = {"mean": "mean", "p95": "95th percentile"}[c.view.statistic]
    axis = {
        "type": "log",
        "exponentformat": "power",
        "gridcolor": "rgba(128,128,128,0.15)",
        "zeroline": False,
        "minor": {"ticks": "outside"},
    }
    for k, title in enumerate((f"← cheaper · cost (USD per 1,000 queries, {what}, log)", f"← faster · latency (s, {what}, log)")):
        figure.update_xaxes(
            axis, title={"text": title, "standoff": 6}, range=list(np.log10(c.span[k])), domain=WIDTHS[2 * k : 2 * k + 2], row=1, col=k + 1
        )
    figure.update_yaxes(
        {"gridcolor": "rgba(128,128,128,0.15)", "zeroline": False, "range": _quality_range(c.view)}, row=1, col=1,
        title={"text": "quality (0–1) · better →", "standoff": 4},
    )  # fmt: skip
    figure.update_yaxes({"gridcolor": "rgba(128,128,128,0.15)", "zeroline": False, "showticklabels": False, "matches": "y"}, row=1, col=2)
    return figure.update_layout(
        template="none", height=388, margin={"l": 52, "r": 8, "t": 8, "b": 62}, uirevision="keep", showlegend=False, hovermode="closest",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"size": 11, "color": INK}, dragmode="zoom", autosize=True,
        hoverlabel={"align": "left", "bgcolor": "#FFFFFF", "font": {"color": INK, "size": 11}},
    )  # fmt: skip


def _nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Turn {"error_y.array": …} into {"error_y": {"array": …}}."""
    out: dict[str, Any] = {}
    for key, value in flat.items():
        head, _, tail = key.partition(".")
        if tail:
            out.setdefault(head, {})[tail] = value
        else:
            out[head] = value
    return out


def _dress(kind: str, properties: dict[str, Any], show: Sequence[str]) -> Any:
    """Return a trace with the looks of its kind."""
    what = kind.split(" ", maxsplit=1)[0]
    if what == "density":
        return go.Heatmap(**properties, name=kind, colorscale=[[0, "#E5E5E5"], [1, "#8C8C8C"]], showscale=False, hoverinfo="skip")
    if what == "cloud":
        return go.Scatter(**properties, name=kind, mode="markers", visible="beyond" in show, hovertemplate="%{text}<extra></extra>")
    quiet: dict[str, Any] = {"name": kind, "hoverinfo": "skip"}
    bars = {"error_y": {"type": "data", "thickness": 1, "width": 0, "color": INK, **properties.pop("error_y", {})}}
    if what == "intervals":
        bars["error_y"]["color"] = "rgba(110,110,110,0.6)"
        return go.Scatter(**properties, **bars, **quiet, mode="markers", marker={"size": 0.1, "opacity": 0})
    if what == "stairs":
        return go.Scatter(**properties, **quiet, mode="lines", line={"shape": "hv", "color": PALE, "width": 6})
    if what == "within":
        return go.Scatter(**properties, **quiet, mode="markers")
    if what == "partial":
        return go.Scatter(**properties, **quiet, mode="text", textfont={"size": 22, "color": "#777777"})
    if what == "labels":
        return go.Scatter(**properties, **quiet, mode="text", textfont={"size": 10, "color": "#555555"})
    if what == "pins":
        return go.Scatter(
            **properties, **quiet, mode="markers+text", textposition="middle center", textfont={"size": 10, "color": "#FFFFFF"},
            marker={"symbol": "square", "size": 15, "color": "#000000", "line": {"width": 1, "color": "#FFFFFF"}},
        )  # fmt: skip
    size, colour, width = (26, HALO, 4) if what == "chosen" else (18, "#E69F00", 3)
    return go.Scatter(**properties, **bars, **quiet, mode="markers", marker={
        "symbol": "circle-open", "size": size, "color": colour, "line": {"width": width, "color": colour}})  # fmt: skip


def _line(c: Canvas, number: int, place: dict[str, Any]) -> dict[str, Any]:
    panel = (number // 2) % 2
    is_veil, is_floor = number % 2 == 1, number >= 4
    axis = "" if panel == 0 else "2"
    across = {"xref": f"x{axis} domain", "x0": 0, "x1": 1, "yref": "y"} if is_floor else {
        "xref": f"x{axis}", "yref": f"y{axis} domain", "y0": 0, "y1": 1}  # fmt: skip
    looks = {"type": "rect", "fillcolor": VEIL, "line": {"width": 0}} if is_veil else {
        "type": "line", "line": {"color": INK, "width": 1.5, "dash": "dash"}}  # fmt: skip
    return {**across, **looks, **place, "layer": "above"}


def _free_strip(c: Canvas) -> list[dict[str, Any]]:
    if c.free is None:
        return []
    return [{"type": "rect", "xref": "x", "yref": "y domain", "x0": c.free[0], "x1": c.free[1], "y0": 0, "y1": 1, "layer": "below",
             "fillcolor": "rgba(128,128,128,0.13)", "line": {"width": 0}}]  # fmt: skip


def _notes(c: Canvas, source: str) -> list[dict[str, Any]]:
    text = f"Source: {cut(source, 150)}"
    lost = [f"{int(n)} paths without {name}" for name, n in zip(("cost", "latency"), np.isnan(c.x).sum(axis=1), strict=True) if n]
    if lost:
        text += f" · not drawn: {', '.join(lost)} (they are in the table)"
    if len(c.view.path_ids) > MOST_POINTS:
        text += f"<br>{len(c.view.path_ids):,} paths: grey shows how many lie where; points are the {len(c.drawn)} nearest the front"
    base = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 10, "color": "#777777"}}
    notes = [{**base, "text": text, "x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "yshift": -38, "align": "left"}]
    if c.free:
        middle = float(np.log10(c.free[0] * c.free[1]) / 2)
        notes.append({**base, "text": "free", "xref": "x", "x": middle, "y": 0, "yanchor": "bottom", "xanchor": "center"})
    return notes


def _quality_range(view: View) -> list[float]:
    known = view.quality[~np.isnan(view.quality)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    high = max(high, float(np.nanmax(view.high[view.state == FRONT], initial=high)))
    pad = max(0.08 * (high - low), 0.02)
    return [float(low - pad), float(high + pad)]
