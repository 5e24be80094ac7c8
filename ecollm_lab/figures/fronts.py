"""Fronts: which paths are worth their cost and time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import (
    CHOSEN,
    COST,
    FAINT,
    INK,
    LATENCY,
    LOG,
    LOOKS,
    QUALITY,
    add_keys,
    finish,
    lifted,
    mark_zero,
    plain,
)
from ecollm_lab.records import SLO
from ecollm_lab.traces import OBJECTIVES, Trace, is_on_front, pareto_front
from ecollm_lab.traces.intervals import bootstrap_counts, interval, resampled_means
from ecollm_lab.traces.path_ids import path_placements

PANELS = ("usd_per_1k", "latency_s")


def compute_front(trace: Trace, *, n_resamples: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return `pareto_front` with where each path runs ("edge", "mixed", "cloud"; see `path_placements`) and its cost per 1,000 queries.

    Parameters
    ----------
    trace
        Outcomes; missing ones are left out of the means.
    n_resamples
        Of a paired bootstrap over queries; 0: no intervals.
    seed
        Of the bootstrap.

    Returns
    -------
    One row per path, best quality first. With resamples also `quality_low`, `quality_high`, the
    same for usd_per_1k and latency_s (95 % percentile intervals), and `front_probability`: the
    share of resamples in which the path is on the front of three objectives.

    """
    frame = pareto_front(trace)
    frame["placement"] = frame["path_id"].map(
        dict(zip(trace.path_ids, path_placements(trace), strict=True))
    )
    frame["usd_per_1k"] = 1000 * frame["cost_usd"]
    if n_resamples:
        counts = bootstrap_counts(len(trace.query_ids), n_resamples, seed)
        order = pd.Index(trace.path_ids).get_indexer(pd.Index(frame["path_id"]))
        means = np.stack(
            [resampled_means(trace.array(name)[:, order], counts) for name in OBJECTIVES], axis=2
        )
        for i, (name, factor) in enumerate(
            {"quality": 1, "usd_per_1k": 1000, "latency_s": 1}.items()
        ):
            frame[f"{name}_low"], frame[f"{name}_high"] = interval(factor * means[:, :, i])
        frame["front_probability"] = np.mean([is_on_front(points) for points in means], axis=0)
    return frame


def plot_front(
    frame: pd.DataFrame, source: str, slo: SLO | None = None, chosen: str | None = None
) -> go.Figure:
    """Draw quality against cost and against latency.

    Filled points are on the three-objective front, rings are dominated, faint points break a limit
    of `slo`, whose forbidden side is shaded; the halo marks the chosen path. The staircase joins
    the front of the two objectives shown. Bars are the 95 % intervals of the paths on the front,
    where the frame has them. What costs nothing stands in a marked strip at the left of the
    logarithmic axis. Trace order: staircase, intervals, paths, halo, per panel; last the legend's
    entries.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    free = {}  # where a logarithmic axis shows 0
    for x in PANELS:
        shown_at, free[x] = lifted(frame[x])
        frame = frame.assign(**{x: shown_at})
    for column, x in enumerate(PANELS, start=1):
        steps = staircase(frame, x)
        figure.add_scatter(
            x=steps[x],
            y=steps["quality"],
            mode="lines",
            line={"shape": "hv", "color": FAINT, "width": 7},
            name="front of the two shown",
            opacity=0.6,
            hoverinfo="skip",
            showlegend=column == 1,
            row=1,
            col=column,
        )
        if "quality_low" in frame:
            part = frame[frame["on_front"]]
            figure.add_scatter(
                x=part[x],
                y=part["quality"],
                mode="markers",
                name="95 % interval",
                marker={"size": 1, "color": INK},
                hoverinfo="skip",
                error_x=bars(part, x),
                error_y=bars(part, "quality"),
                showlegend=False,
                row=1,
                col=column,
            )
        for placement, colour, symbol in LOOKS:
            part = frame[frame["placement"] == placement]
            if part.empty:
                continue
            figure.add_scatter(
                x=part[x],
                y=part["quality"],
                mode="markers",
                name=placement,
                legendgroup=placement,
                showlegend=False,
                marker=marker_style(part, colour, symbol, slo),
                customdata=part["path_id"],
                text=hover(part),
                hovertemplate="%{text}<extra></extra>",
                row=1,
                col=column,
            )
        picked = frame[frame["path_id"] == chosen]
        left = bool(
            (picked[x] ** 2 < frame[x].min() * frame[x].max()).any()
        )  # of the axis: the label points to where there is room
        figure.add_scatter(
            x=picked[x],
            y=picked["quality"],
            mode="markers+text",
            name="chosen",
            textposition="top right" if left else "top left",
            text=picked["path_id"].map(plain) if column == 1 else None,
            showlegend=column == 1 and chosen is not None,
            hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 22, "color": CHOSEN, "line": {"width": 4}},
            row=1,
            col=column,
        )
    add_keys(figure, {place: place for place in frame["placement"].unique()})
    for column, (limit, x) in enumerate(zip(slo_limits(slo), PANELS, strict=True), start=1):
        shown = bool(np.isfinite(limit))
        at = limit if shown else float(frame[x].max())  # a browser cannot read infinity
        figure.add_vline(
            x=at, line={"dash": "dash", "color": INK}, visible=shown, row=1, col=column
        )
    for column, x in enumerate(PANELS, start=1):
        zero = free[x]
        if zero is not None:
            mark_zero(figure, zero, column)
        elif frame[x].isna().all():
            figure.add_annotation(
                text="not recorded",
                x=0.5,
                y=0.5,
                xref=f"x{column if column > 1 else ''} domain",
                yref="y domain",
                showarrow=False,
                font={"size": 12, "color": "#666666"},
            )
    for column, (title, limit, x) in enumerate(
        zip((COST, LATENCY), slo_limits(slo), PANELS, strict=True), start=1
    ):
        figure.update_xaxes(LOG, title=title, row=1, col=column)
        if np.isfinite(limit):
            beyond = 10 * max(limit, float(frame[x].max()))
            figure.add_vrect(
                x0=limit,
                x1=beyond,
                fillcolor=INK,
                opacity=0.06,
                line_width=0,
                layer="below",
                row=1,
                col=column,
            )
            known = frame[x][frame[x] > 0]
            low, high = (
                np.log10([min(known.min(), limit), max(known.max(), limit)])
                if len(known)
                else (0, 1)
            )
            figure.update_xaxes(
                range=[low - 0.06 * (high - low + 1), high + 0.06 * (high - low + 1)],
                row=1,
                col=column,
            )
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03], row=1, col=1)
    return finish(figure, "Which paths are worth their cost and time?", source)


def bars(part: pd.DataFrame, name: str) -> dict:
    """Return plotly error bars from the columns `<name>_low` and `<name>_high`."""
    above, below = part[f"{name}_high"] - part[name], part[name] - part[f"{name}_low"]
    return {
        "type": "data",
        "array": above,
        "arrayminus": below,
        "thickness": 1,
        "width": 0,
        "color": "#888888",
    }


def staircase(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the rows that no path beats in both quality and `x`, by rising `x`."""
    ordered = frame.sort_values([x, "quality"], ascending=[True, False])
    return ordered[ordered["quality"] > ordered["quality"].cummax().shift(fill_value=-1)]


def slo_limits(slo: SLO | None) -> tuple[float, float]:
    """Return the cost limit per 1,000 queries and the latency limit; infinite where there is none."""
    values = {limit.column: limit.value for limit in slo.limits} if slo else {}
    return 1000 * values.get("cost_usd", np.inf), values.get("latency_s", np.inf)


def marker_style(part: pd.DataFrame, colour: str, symbol: str, slo: SLO | None) -> dict:
    """Return plotly markers: filled = on the front, ring = dominated, faint = beyond a limit."""
    cost, latency = slo_limits(slo)
    within = (part["usd_per_1k"] <= cost) & (part["latency_s"] <= latency)
    return {
        "color": colour,
        "size": np.where(part["on_front"], 11, 7),
        "symbol": np.where(part["on_front"], symbol, f"{symbol}-open"),
        "opacity": np.where(within, np.where(part["on_front"], 1.0, 0.6), 0.12),
    }


def hover(part: pd.DataFrame) -> list[str]:
    """Return one card per path, with units and the number of queries."""
    cards = []
    for r in part.itertuples():
        quality = (
            f"{r.quality:.3f} [{r.quality_low:.3f}, {r.quality_high:.3f}]"
            if "quality_low" in part
            else f"{r.quality:.3f}"
        )
        sure = f" ({r.front_probability:.0%} of resamples)" if "front_probability" in part else ""
        cards.append(
            f"<b>{plain(r.path_id)}</b><br>quality {quality} on {r.n} queries<br>{r.usd_per_1k:.4g}"
            f" USD per 1,000 queries<br>{1000 * r.latency_s:.0f} ms mean,"
            f" {1000 * r.latency_p95_s:.0f} ms"
            f" p95<br>{'on the front' if r.on_front else 'dominated'}{sure}"
        )
    return cards
