"""Fronts: which paths are worth their cost and time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.paths import path_placements
from ecollm_lab.figures.style import CHOSEN, CLOUD, COST, EDGE, FAINT, INK, LATENCY, LOG, MIXED, QUALITY, finish
from ecollm_lab.pareto import pareto_front
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace

LOOKS = (("edge", EDGE, "circle"), ("mixed", MIXED, "square"), ("cloud", CLOUD, "diamond"), ("not stated", INK, "triangle-up"))


def compute_front(trace: Trace) -> pd.DataFrame:
    """Return `pareto_front` with where each path runs ("edge", "mixed", "cloud"; see `path_placements`) and its cost per 1,000 queries."""
    frame = pareto_front(trace)
    frame["placement"] = frame["path_id"].map(dict(zip(trace.path_ids, path_placements(trace), strict=True)))
    frame["usd_per_1k"] = 1000 * frame["cost_usd"]
    return frame


def plot_front(frame: pd.DataFrame, source: str, slo: SLO | None = None, chosen: str | None = None) -> go.Figure:
    """Draw quality against cost and against latency.

    Filled points are on the three-objective front, rings are dominated, faint points break a limit of `slo`; the halo marks
    the chosen path. The staircase joins the front of the two objectives shown. Trace order: paths, staircase, halo, per panel.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for column, x in enumerate(("usd_per_1k", "latency_s"), start=1):
        steps = staircase(frame, x)
        figure.add_scatter(
            x=steps[x], y=steps["quality"], mode="lines", line={"shape": "hv", "color": FAINT, "width": 5}, name="front of the two shown",
            hoverinfo="skip", showlegend=column == 1, row=1, col=column,
        )  # fmt: skip
        for placement, colour, symbol in LOOKS:
            part = frame[frame["placement"] == placement]
            if part.empty:
                continue
            figure.add_scatter(
                x=part[x], y=part["quality"], mode="markers", name=placement, legendgroup=placement, showlegend=column == 1,
                marker=marker_style(part, colour, symbol, slo), customdata=part["path_id"],
                text=hover(part), hovertemplate="%{text}<extra></extra>", row=1, col=column,
            )  # fmt: skip
        picked = frame[frame["path_id"] == chosen]
        figure.add_scatter(
            x=picked[x], y=picked["quality"], mode="markers", name="chosen", showlegend=column == 1, hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 22, "color": CHOSEN, "line": {"width": 4}}, row=1, col=column,
        )  # fmt: skip
    for column, (limit, x) in enumerate(zip(slo_limits(slo), ("usd_per_1k", "latency_s"), strict=True), start=1):
        shown = bool(np.isfinite(limit))
        at = limit if shown else float(frame[x].max())  # a browser cannot read infinity
        figure.add_vline(x=at, line={"dash": "dash", "color": INK}, visible=shown, row=1, col=column)
    for column, title in enumerate((COST, LATENCY), start=1):
        figure.update_xaxes(LOG, title=title, row=1, col=column)
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03], row=1, col=1)
    return finish(figure, "Which paths are worth their cost and time?", source)


def staircase(frame: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return the rows that no path beats in both quality and `x`, by rising `x`."""
    ordered = frame.sort_values([x, "quality"], ascending=[True, False])
    return ordered[ordered["quality"] > ordered["quality"].cummax().shift(fill_value=-1)]


def slo_limits(slo: SLO | None) -> tuple[float, float]:
    """Return the cost limit per 1,000 queries and the latency limit; infinite where there is none."""
    cost = slo.max_cost_usd if slo else None
    latency = slo.max_latency_s if slo else None
    return (1000 * cost if cost is not None else np.inf, latency if latency is not None else np.inf)


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
    return [
        f"<b>{r.path_id}</b><br>quality {r.quality:.3f} on {r.n} queries<br>{r.usd_per_1k:.4g} USD per 1,000 queries"
        f"<br>{1000 * r.latency_s:.0f} ms mean, {1000 * r.latency_p95_s:.0f} ms p95<br>{'on the front' if r.on_front else 'dominated'}"
        for r in part.itertuples()
    ]
