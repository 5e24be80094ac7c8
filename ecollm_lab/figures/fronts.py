"""Fronts: which paths are worth their cost and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import (
    PER_1K,
    QualityAxis,
    error_bars,
    lifted,
    log_axis,
    mark_zero,
    time_unit,
)
from ecollm_lab.figures.style import (
    CHOSEN,
    FAINT,
    GREY,
    INK,
    PLACEMENTS,
    QUALITY,
    add_placement_keys,
    finish,
    plain,
)
from ecollm_lab.records import SLO
from ecollm_lab.traces import OBJECTIVES, Trace, is_on_front, pareto_front
from ecollm_lab.traces.intervals import bootstrap_counts, interval, resampled_means
from ecollm_lab.traces.path_ids import path_placements

ENDS = ("low", "high")


def compute_front(trace: Trace, *, n_resamples: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return `pareto_front` with where each path runs and what 1,000 queries cost on it.

    Where a path runs is "edge", "mixed" or "cloud"; see `path_placements`.

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
        # an objective that was recorded of no path does not count
        counted = np.where(np.isnan(means).all(axis=(0, 1)), 0.0, means)
        frame["front_probability"] = np.mean([is_on_front(points) for points in counted], axis=0)
    return frame


@dataclass(frozen=True)
class _Panel:
    """One panel of the figure: what its x axis shows."""

    column: int
    x: str
    title: str
    factor: float  # from the frame's unit to the axis's
    limit: float  # in the axis's unit, infinite where the SLO has none
    zero: float | None  # where a logarithmic axis shows 0


def plot_front(
    frame: pd.DataFrame, source: str, slo: SLO | None = None, chosen: str | None = None
) -> go.Figure:
    """Draw quality against cost and against latency.

    Filled points are on the three-objective front, rings are dominated, faint points break a limit
    of `slo`, whose forbidden side is shaded; the halo marks the chosen path. The staircase joins
    the front of the two objectives shown. Bars are the 95 % intervals of the paths on the front,
    where the frame has them. What costs nothing stands in a marked strip at the left of the
    logarithmic axis, what is far below most paths in one at the foot. Trace order: staircase,
    intervals, paths, halo, per panel; last the legend's entries.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    cards = pd.Series(_cards(frame), index=frame.index)
    looks = _markers(frame, slo)
    ends = [frame.loc[frame["on_front"], name] for name in _ends(frame)]
    axis = QualityAxis.over(frame["quality"], *ends)
    room = 0.06 * (axis.range[1] - axis.range[0])  # for the name above the chosen path
    heights = axis.placed(frame)
    factor, unit = time_unit(frame["latency_s"])
    cost, latency = _slo_limits(slo)
    axes = [
        ("usd_per_1k", f"cost ({PER_1K}, log)", 1.0, cost),
        ("latency_s", f"mean latency ({unit}, log)", factor, factor * latency),
    ]
    for column, (x, title, scale, limit) in enumerate(axes, start=1):
        shown_at, zero = lifted(scale * frame[x])
        panel = _Panel(column, x, title, scale, limit, zero)
        moved = heights.assign(at=shown_at, card=cards, **looks)
        _add_paths(figure, moved, panel)
        _add_halo(figure, moved[moved["path_id"] == chosen], panel, moved["at"])
        _set_axis(figure, moved["at"], panel)
    add_placement_keys(figure, {place: place for place in frame["placement"].unique()})
    axis.set(figure, frame, QUALITY, columns=2)
    figure.update_yaxes(range=[axis.range[0], axis.range[1] + room], row=1, col=1)
    return finish(figure, "Which paths are worth their cost and time?", source)


def _ends(frame: pd.DataFrame) -> list[str]:
    """Return the columns of the ends of quality's interval, none if the frame has none."""
    return [name for name in ("quality_low", "quality_high") if name in frame]


def _add_paths(figure: go.Figure, frame: pd.DataFrame, panel: _Panel) -> None:
    place = {"row": 1, "col": panel.column}
    steps = _staircase(frame, "at")
    figure.add_scatter(
        x=steps["at"],
        y=steps["quality"],
        mode="lines",
        line={"shape": "hv", "color": FAINT, "width": 7},
        name="front of the two shown",
        opacity=0.6,
        hoverinfo="skip",
        showlegend=panel.column == 1,
        **place,
    )
    if "quality_low" in frame:
        front = frame[frame["on_front"]]
        ends = {f"{panel.x}_{end}": panel.factor * front[f"{panel.x}_{end}"] for end in ENDS}
        bars = {"width": 0, "color": "#888888"}
        figure.add_scatter(
            x=front["at"],
            y=front["quality"],
            mode="markers",
            name="95 % interval",
            marker={"size": 1, "color": INK},
            hoverinfo="skip",
            error_x=error_bars(front.assign(**ends, **{panel.x: front["at"]}), panel.x, **bars),
            error_y=error_bars(front, "quality", **bars),
            showlegend=False,
            **place,
        )
    for placement, look in PLACEMENTS.items():
        part = frame[frame["placement"] == placement]
        if part.empty:
            continue
        ring = f"{look.symbol}-open"
        marks = {"size": part["size"], "opacity": part["opacity"], "color": look.colour}
        figure.add_scatter(
            x=part["at"],
            y=part["quality"],
            mode="markers",
            name=placement,
            legendgroup=placement,
            showlegend=False,
            marker=marks | {"symbol": np.where(part["on_front"], look.symbol, ring)},
            customdata=part["path_id"],
            text=part["card"],
            hovertemplate="%{text}<extra></extra>",
            **place,
        )


def _add_halo(figure: go.Figure, picked: pd.DataFrame, panel: _Panel, at: pd.Series) -> None:
    """Mark the chosen path; its label points to where there is room on the logarithmic axis."""
    left = bool((picked["at"] ** 2 < at.min() * at.max()).any())
    figure.add_scatter(
        x=picked["at"],
        y=picked["quality"],
        mode="markers+text",
        name="chosen",
        textposition="top right" if left else "top left",
        text=picked["path_id"].map(plain) if panel.column == 1 else None,
        showlegend=panel.column == 1 and len(picked) > 0,
        hoverinfo="skip",
        marker={"symbol": "circle-open", "size": 22, "color": CHOSEN, "line": {"width": 4}},
        row=1,
        col=panel.column,
    )


def _set_axis(figure: go.Figure, at: pd.Series, panel: _Panel) -> None:
    """Give a panel its axis, its limit with the forbidden side shaded, and its strip of zeros."""
    place = {"row": 1, "col": panel.column}
    limits = [panel.limit] if np.isfinite(panel.limit) else []
    figure.update_xaxes(log_axis([*at, *limits], panel.title, panel.zero), **place)
    for limit in limits:
        figure.add_vline(x=limit, line={"dash": "dash", "color": INK}, **place)
        shade = {"fillcolor": INK, "opacity": 0.06, "line_width": 0, "layer": "below"}
        figure.add_vrect(x0=limit, x1=10 * max(limit, float(at.max())), **shade, **place)
        known = [*at[at > 0], limit]
        low, high = np.log10([min(known), max(known)])
        room = 0.06 * (high - low + 1)
        figure.update_xaxes(range=[low - room, high + room], **place)
    if panel.zero is not None:
        mark_zero(figure, panel.zero, panel.column)
    elif at.isna().all():
        figure.add_annotation(
            text="not recorded",
            x=0.5,
            y=0.5,
            xref=f"x{panel.column if panel.column > 1 else ''} domain",
            yref="y domain",
            showarrow=False,
            font={"size": 12, "color": GREY},
        )


def _staircase(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the rows that no path beats in both quality and `x`, by rising `x`."""
    ordered = frame.sort_values([x, "quality"], ascending=[True, False])
    return ordered[ordered["quality"] > ordered["quality"].cummax().shift(fill_value=-1)]


def _slo_limits(slo: SLO | None) -> tuple[float, float]:
    """Return the limits of cost per 1,000 queries and of latency; infinite where there is none."""
    values = {limit.column: limit.value for limit in slo.limits} if slo else {}
    return 1000 * values.get("cost_usd", np.inf), values.get("latency_s", np.inf)


def _markers(frame: pd.DataFrame, slo: SLO | None) -> dict[str, np.ndarray]:
    """Return size and opacity of each path: large on the front, faint beyond a limit."""
    cost, latency = _slo_limits(slo)
    beyond = (frame["usd_per_1k"] > cost) | (frame["latency_s"] > latency)
    opacity = np.where(frame["on_front"], 1.0, 0.6)
    return {
        "size": np.where(frame["on_front"], 11, 7),
        "opacity": np.where(beyond, 0.12, opacity),
    }


def _cards(part: pd.DataFrame) -> list[str]:
    """Return one card per path, with units and the number of queries."""
    cards = []
    for r in part.itertuples():
        quality = f"{r.quality:.3f}"
        if "quality_low" in part:
            quality += f" [{r.quality_low:.3f}, {r.quality_high:.3f}]"
        sure = f" ({r.front_probability:.0%} of resamples)" if "front_probability" in part else ""
        cost, mean, tail = r.usd_per_1k, 1000 * r.latency_s, 1000 * r.latency_p95_s
        lines = [
            f"<b>{plain(r.path_id)}</b>",
            f"quality {quality} on {r.n} queries",
            "cost not recorded" if np.isnan(cost) else f"{cost:.4g} {PER_1K}",
            "latency not recorded" if np.isnan(mean) else f"{mean:.0f} ms mean, {tail:.0f} ms p95",
            f"{'on the front' if r.on_front else 'dominated'}{sure}",
        ]
        cards.append("<br>".join(lines))
    return cards
