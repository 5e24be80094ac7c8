"""The explorer's figure: quality against cost and its twin against latency, built once; a move of a slider changes a few short lists."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.explorer.shown.canvas import MOST_POINTS, Canvas
from ecollm_lab.explorer.shown.words import HALO, LIT, LOOKS, cut, hover_cards, short
from ecollm_lab.explorer.verdicts.changes import limits
from ecollm_lab.explorer.verdicts.front_states import AMBIGUOUS, DOMINATED, FRONT
from ecollm_lab.explorer.verdicts.verdicts import Moment
from ecollm_lab.figures.style import INK

PALE, VEIL = "rgba(130,130,130,0.35)", "rgba(254,254,254,0.6)"
GRID = "rgba(128,128,128,0.15)"
WIDTHS = (0.0, 0.54, 0.6, 1.0)  # domains of the two panels


def still(c: Canvas, source: str) -> list[dict[str, Any]]:
    """Return the properties of every trace that sliders leave alone, in order."""
    view = c.view
    cards = np.array(hover_cards(view, source), dtype=object)
    big, small = 11, 6
    size = np.where(view.state == FRONT, big, np.where(view.state == AMBIGUOUS, 8, small))
    out = []
    for panel in range(2):
        x = c.x[panel]
        out.append(_density(c, panel))
        for place in c.places:
            rows = _rows(c, place)
            colour, _, symbol = LOOKS[place]
            out.append(
                {
                    "text": cards[rows],
                    "customdata": np.asarray(view.path_ids, dtype=object)[rows],
                    "marker": {
                        "symbol": f"{symbol}-open",
                        "size": size[rows],
                        "color": colour,
                        "opacity": 0.6,
                        "line": {"width": 1},
                    },
                }
            )
        front = np.flatnonzero(view.state == FRONT)
        out.append(
            {
                "x": x[front],
                "y": c.y[front],
                "error_y": dict(zip(("array", "arrayminus"), _bars(c, front), strict=True)),
            }
        )
        out.append({})
        for place in c.places:
            rows = _rows(c, place)
            colour, _, symbol = LOOKS[place]
            ring = view.state[rows] == AMBIGUOUS
            out.append(
                {
                    "x": x[rows],
                    "marker": {
                        "symbol": np.where(ring, f"{symbol}-open", symbol),
                        "size": size[rows],
                        "color": colour,
                        "opacity": np.where(view.state[rows] == DOMINATED, 0.4, 1.0),
                        "line": {"width": np.where(ring, 2, 0)},
                    },
                }
            )
        partial = c.drawn[view.n[c.drawn] < view.n_queries]
        out.append({"x": x[partial], "y": c.y[partial], "text": ["◌"] * len(partial)})
        labelled, sides = c.labels[panel]
        out.append(
            {
                "x": x[labelled],
                "text": [cut(short(view.path_ids[i]), 40) for i in labelled],
                "textposition": sides,
            }
        )
        out += [{}, {}, {}, {}]
    return out


def moving(
    c: Canvas, moment: Moment, pins: Sequence[int], lit: int | None, show: Sequence[str]
) -> tuple[dict[int, dict[str, Any]], list]:
    """Return what a slider moves: x and y by trace number, both, so that one message carries all; and the shapes of both panels.

    `show` names what is drawn beside the front: "dominated", "beyond". Outlines are the points that
    can be pointed at and clicked, so they are hidden one by one.
    """
    view = c.view
    traces: dict[int, dict[str, Any]] = {}
    shown = (view.state != DOMINATED) | ("dominated" in show)
    outlines = np.where(shown & (moment.within | ("beyond" in show)), c.y, np.nan)
    y = np.where(shown & moment.within, c.y, np.nan).astype(np.float32)
    for panel in range(2):
        x = c.x[panel]
        for place in c.places:
            rows = _rows(c, place)
            traces[c.names[f"cloud {place}", panel]] = {"x": x[rows], "y": outlines[rows]}
            traces[c.names[f"within {place}", panel]] = {
                "x": x[rows].astype(np.float32),
                "y": y[rows],
            }
        steps = _stairs(x, view.quality, moment.within)
        traces[c.names["stairs", panel]] = {
            "x": np.append(x[steps], c.span[panel][1])[: len(steps) + 1 if len(steps) else 0],
            "y": np.append(c.y[steps], c.y[steps[-1:]]),
        }
        labelled = c.labels[panel][0]
        traces[c.names["labels", panel]] = {
            "x": x[labelled],
            "y": np.where(moment.within[labelled], c.y[labelled], np.nan),
        }
        traces[c.names["pins", panel]] = {
            "x": x[list(pins)],
            "y": c.y[list(pins)],
            "text": [str(k + 1) for k in range(len(pins))],
        }
        traces[c.names["bars", panel]] = _uprights(c, x, (moment.chosen, lit))
        traces[c.names["lit", panel]] = _spot(c, x, lit)
        traces[c.names["chosen", panel]] = _spot(c, x, moment.chosen)
    return traces, _shapes(c, moment)


def _spot(c: Canvas, x: np.ndarray, i: int | None) -> dict[str, Any]:
    shown = i is not None and not np.isnan(c.y[i])
    return {"x": [float(x[i])] if shown else [], "y": [float(c.y[i])] if shown else []}


def _uprights(c: Canvas, x: np.ndarray, paths: Sequence[int | None]) -> dict[str, Any]:
    """Return the intervals of some paths as one broken line."""
    at = np.array(
        [i for i in dict.fromkeys(paths) if i is not None and not np.isnan(c.y[i])], dtype=int
    )
    up, down = _bars(c, at)
    gap = np.full(len(at), np.nan)
    return {
        "x": np.stack([x[at], x[at], gap], axis=1).ravel(),
        "y": np.stack([c.y[at] - down, c.y[at] + up, gap], axis=1).ravel(),
    }


def _bars(c: Canvas, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the intervals reach above and below; a path in the strip at the foot has none, it is not to scale."""
    scaled = c.y[rows] == c.view.quality[rows]
    quality = c.view.quality[rows]
    return np.where(scaled, c.view.high[rows] - quality, 0.0), np.where(
        scaled, quality - c.view.low[rows], 0.0
    )


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
    x, y = np.log10(c.x[panel]), c.y
    ok = np.isfinite(x) & np.isfinite(y)
    counts, edges_x, edges_y = np.histogram2d(x[ok], y[ok], bins=(48, 40))
    with np.errstate(divide="ignore"):
        z = np.where(counts > 0, np.log10(counts), np.nan).T
    return {
        "x": 10 ** ((edges_x[1:] + edges_x[:-1]) / 2),
        "y": (edges_y[1:] + edges_y[:-1]) / 2,
        "z": z,
    }


def _shapes(c: Canvas, moment: Moment) -> list[dict[str, Any]]:
    """Return, per panel, the limit's line and the veil over what lies beyond; then the floor's; positions only."""
    latency, cost, floor = limits(moment.slo)
    out = []
    for panel, limit in enumerate((1000 * cost, latency)):
        top = c.span[panel][1]
        at = float(min(max(limit, c.span[panel][0]), top * 1.001))
        visible = bool(np.isfinite(limit))
        out += [
            {"x0": at, "x1": at, "visible": visible},
            {"x0": at, "x1": top * 1.001, "visible": visible},
        ]
    at = max(floor, c.heights[0])
    if c.sunk and floor < c.sunk[1]:
        at = c.sunk[1] if floor > c.view.quality[c.y != c.view.quality].max() else c.sunk[0]
    for _ in range(2):
        out += [
            {"y0": at, "y1": at, "visible": floor > 0},
            {"y0": c.heights[0], "y1": at, "visible": floor > 0},
        ]
    return out


def draw(
    c: Canvas,
    moment: Moment,
    source: str,
    *,
    pins: Sequence[int] = (),
    lit: int | None = None,
    show: Sequence[str] = ("dominated", "beyond"),
) -> go.Figure:
    """Return the whole figure; titles, units and the source line are in it."""
    figure = make_subplots(1, 2, shared_yaxes=True)
    traces, shapes = moving(c, moment, pins, lit, show)
    kinds = [kind for kind, panel in c.names if panel == 0]
    for k, properties in enumerate(still(c, source)):
        panel = k // len(kinds)
        figure.add_trace(
            _dress(kinds[k % len(kinds)], _nest({**properties, **traces.get(k, {})})),
            row=1,
            col=panel + 1,
        )
    figure.update_layout(
        shapes=[_line(c, n, shape) for n, shape in enumerate(shapes)] + _strips(c),
        annotations=_notes(c, source),
    )
    what = {"mean": "mean", "p95": "95th percentile"}[c.view.statistic]
    axis = {
        "type": "log",
        "exponentformat": "power",
        "gridcolor": GRID,
        "zeroline": False,
        "minor": {"ticks": "outside"},
    }
    for k, title in enumerate(
        (f"← cheaper · USD per 1,000 queries ({what}, log)", f"← faster · latency (s, {what}, log)")
    ):
        figure.update_xaxes(
            axis,
            title={"text": title, "standoff": 2, "font": {"size": 11}},
            tickfont={"size": 9},  # powers are drawn larger
            dtick=1 if c.span[k][1] > 30 * c.span[k][0] else "D2",
            range=list(np.log10(c.span[k])),
            domain=WIDTHS[2 * k : 2 * k + 2],
            row=1,
            col=k + 1,
        )
    figure.update_yaxes(
        {"gridcolor": GRID, "zeroline": False, "range": list(c.heights), "tickvals": _ticks(c)},
        row=1,
        col=1,
        title={"text": "quality (0–1) · better →", "standoff": 4},
    )
    figure.update_yaxes(
        {
            "gridcolor": GRID,
            "zeroline": False,
            "showticklabels": False,
            "ticks": "",
            "matches": "y",
        },
        row=1,
        col=2,
    )
    return figure.update_layout(
        template="none",
        height=372,
        margin={"l": 48, "r": 6, "t": 6, "b": 64},
        uirevision="keep",
        showlegend=False,
        hovermode="closest",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 11, "color": INK},
        dragmode="zoom",
        autosize=True,
        modebar={
            "bgcolor": "rgba(0,0,0,0)",
            "color": "#999999",
            "activecolor": INK,
            "remove": ["lasso2d", "select2d", "zoomIn2d", "zoomOut2d"],
        },
        hoverlabel={"align": "left", "bgcolor": "#FFFFFF", "font": {"color": INK, "size": 11}},
    )


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


def _looks() -> dict[str, dict[str, Any]]:
    """Return how each kind of trace looks."""
    bars: dict[str, Any] = {"type": "data", "thickness": 1, "width": 0, "color": INK}
    quiet: dict[str, Any] = {"hoverinfo": "skip"}
    rings: dict[str, dict[str, Any]] = {
        kind: {
            **quiet,
            "mode": "markers",
            "marker": {
                "symbol": "circle-open",
                "size": size,
                "color": colour,
                "line": {"width": width, "color": colour},
            },
        }
        for kind, size, colour, width in (("chosen", 26, HALO, 4), ("lit", 18, LIT, 3))
    }
    return {
        **rings,
        "density": {**quiet, "colorscale": [[0, "#E5E5E5"], [1, "#8C8C8C"]], "showscale": False},
        "cloud": {"mode": "markers", "hovertemplate": "%{text}<extra></extra>"},
        "intervals": {
            **quiet,
            "mode": "markers",
            "marker": {"size": 0.1, "opacity": 0},
            "error_y": {**bars, "color": "#AAAAAA"},
        },
        "bars": {**quiet, "mode": "lines", "line": {"color": "#888888", "width": 1.5}},
        "stairs": {**quiet, "mode": "lines", "line": {"shape": "hv", "color": PALE, "width": 6}},
        "within": {**quiet, "mode": "markers"},
        "partial": {**quiet, "mode": "text", "textfont": {"size": 22, "color": "#777777"}},
        "labels": {
            **quiet,
            "mode": "markers+text",
            "marker": {"size": 13, "opacity": 0},
            "textfont": {"size": 10, "color": "#555555"},
        },
        "pins": {
            **quiet,
            "mode": "markers+text",
            "textposition": "middle center",
            "textfont": {"size": 10, "color": "#FFFFFF"},
            "marker": {
                "symbol": "square",
                "size": 15,
                "color": "#000000",
                "line": {"width": 1, "color": "#FFFFFF"},
            },
        },
    }


def _dress(kind: str, properties: dict[str, Any]) -> Any:
    """Return a trace with the looks of its kind."""
    what = kind.split(" ", maxsplit=1)[0]
    looks = _looks()[what]
    both: dict[str, Any] = {
        key: {**looks[key], **properties[key]}
        for key in ("marker", "error_y")
        if key in looks and key in properties
    }
    dressed: dict[str, Any] = {**looks, **properties, **both, "name": kind}
    return go.Heatmap(dressed) if what == "density" else go.Scatter(dressed)


def _line(c: Canvas, number: int, place: dict[str, Any]) -> dict[str, Any]:
    panel = (number // 2) % 2
    is_veil, is_floor = number % 2 == 1, number >= 4
    axis = "" if panel == 0 else "2"
    across = (
        {"xref": f"x{axis} domain", "x0": 0, "x1": 1, "yref": "y"}
        if is_floor
        else {"xref": f"x{axis}", "yref": f"y{axis} domain", "y0": 0, "y1": 1}
    )
    looks = (
        {"type": "rect", "fillcolor": VEIL, "line": {"width": 0}}
        if is_veil
        else {"type": "line", "line": {"color": INK, "width": 1.5, "dash": "dash"}}
    )
    return {**across, **looks, **place, "layer": "above"}


def _strips(c: Canvas) -> list[dict[str, Any]]:
    looks = {
        "type": "rect",
        "layer": "below",
        "fillcolor": "rgba(128,128,128,0.13)",
        "line": {"width": 0},
    }
    out: list[dict[str, Any]] = []
    if c.free:
        out.append(
            {
                **looks,
                "xref": "x",
                "yref": "y domain",
                "x0": c.free[0],
                "x1": c.free[1],
                "y0": 0,
                "y1": 1,
            }
        )
    if c.sunk:
        out += [
            {
                **looks,
                "xref": f"x{k} domain",
                "yref": "y",
                "x0": 0,
                "x1": 1,
                "y0": c.sunk[0],
                "y1": c.sunk[1],
            }
            for k in ("", "2")
        ]
    return out


def _ticks(c: Canvas) -> list[float]:
    """Return round values of quality along the axis, none in the strip that is not to scale."""
    low, high = (c.sunk[1] if c.sunk else c.heights[0]), c.heights[1]
    step = next((s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 8), 0.5)
    return [
        round(k * step, 2) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)
    ]


def _notes(c: Canvas, source: str) -> list[dict[str, Any]]:
    text = "<br>".join(cut(line, 120) for line in textwrap.wrap(f"Source: {source[:240]}", 104))
    lost = [
        f"{int(n)} paths without {name}"
        for name, n in zip(("cost", "latency"), np.isnan(c.x).sum(axis=1), strict=True)
        if n
    ]
    if lost:
        text += f" · not drawn: {', '.join(lost)} (they are in the table)"
    if len(c.view.path_ids) > MOST_POINTS:
        text += (
            f"<br>{len(c.view.path_ids):,} paths: grey shows how many lie where; points are the"
            f" {len(c.drawn)} nearest the front"
        )
    base = {
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "font": {"size": 9, "color": "#777777"},
    }
    notes = [
        {
            **base,
            "text": text,
            "x": 0,
            "y": 0,
            "xanchor": "left",
            "yanchor": "top",
            "yshift": -38,
            "align": "left",
        }
    ]
    if c.free:
        middle = float(np.log10(c.free[0] * c.free[1]) / 2)
        notes.append(
            {
                **base,
                "text": "free",
                "xref": "x",
                "x": middle,
                "y": 1,
                "yanchor": "top",
                "xanchor": "center",
            }
        )
    if c.sunk:
        far = c.view.quality[c.y != c.view.quality]
        far = far[~np.isnan(far)]
        text = (
            f"{len(far)} paths far below: quality {far.min():.2f} to {far.max():.2f}, not to scale"
        )
        notes.append(
            {
                **base,
                "text": text,
                "yref": "y",
                "x": WIDTHS[1] - 0.01,
                "y": c.sunk[1],
                "xanchor": "right",
                "yanchor": "bottom",
            }
        )
    return notes
