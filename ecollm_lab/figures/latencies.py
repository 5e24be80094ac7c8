"""Latency: its tail, the declared network share in it, and the stages it is spent in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.figures.axes import QualityAxis, log_axis, time_unit
from ecollm_lab.figures.fronts import compute_front
from ecollm_lab.figures.style import (
    FAINT,
    PLACEMENTS,
    QUALITY,
    STAGES,
    add_placement_keys,
    finish,
    plain,
    require_rows,
)
from ecollm_lab.records import STAGES as IN_ORDER
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import declared_delays

NETWORK = "network (declared)"
COLOURS = {**STAGES, NETWORK: FAINT}


def compute_latency(trace: Trace) -> pd.DataFrame:
    """Return quality, and the median, mean and 95th percentile of latency, per path.

    With the declared network delay that is part of the latency.

    Columns: path_id, placement, on_front (of three objectives), quality, latency_p50_s, latency_s,
    latency_p95_s, network_s (NaN where none is declared), network_share (of the median), n. Lower
    latency is better. Best quality first.
    """
    frame = compute_front(trace)
    latency = trace.array("latency_s")
    if np.isnan(latency).all():
        raise LabError(
            "The trace has no latency_s, so there is no latency to draw; measure it or import a"
            " trace that records it."
        )
    order = pd.Index(trace.path_ids).get_indexer(pd.Index(frame["path_id"]))
    kept = ~np.isnan(latency).all(axis=0)[order]
    frame, order = frame[kept].reset_index(drop=True), order[kept]
    frame["latency_p50_s"] = np.nanmedian(latency[:, order], axis=0)
    frame["network_s"] = declared_delays(trace)[order]
    frame["network_share"] = frame["network_s"] / frame["latency_p50_s"]
    columns = [
        "path_id",
        "placement",
        "on_front",
        "quality",
        "latency_p50_s",
        "latency_s",
        "latency_p95_s",
        "network_s",
        "network_share",
    ]
    return frame[[*columns, "n"]]


def plot_latency(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality against the median latency, with a tail to the 95th percentile.

    Left of the median the declared network delay is shaded: without the network a path would be at
    the left end of its shade. Beside each name stands the median over the paths.
    """
    require_rows(frame, "no path has a latency")
    figure = go.Figure()
    factor, unit = time_unit(frame["latency_p50_s"])
    axis = QualityAxis.over(frame["quality"])
    heights = axis.placed(frame).assign(card=_cards(frame))
    for placement in PLACEMENTS:
        part = heights[heights["placement"] == placement]
        if len(part):
            _add_placement(figure, part, placement, factor)
    names = {
        str(place): _name(str(place), part, factor, unit)
        for place, part in frame.groupby("placement")
    }
    add_placement_keys(figure, names)
    networked = (frame["network_s"] > 0).any()
    shade = ", shade = declared network delay in the median" if networked else ""
    spread = factor * pd.concat([frame["latency_p50_s"], frame["latency_p95_s"]])
    low, high = np.log10(spread[spread > 0].min()), np.log10(spread.max())
    title = f"latency ({unit}, log): dot = median, tail = to the 95th percentile{shade}"
    figure.update_xaxes(log_axis(spread, title), range=[low - 0.1, high + 0.1])
    axis.set(figure, frame, QUALITY)
    title = "How slow are the slowest answers, and how much of it is network?"
    return finish(figure, title, source)


def _add_placement(figure: go.Figure, part: pd.DataFrame, placement: str, factor: float) -> None:
    """Draw the paths of a placement: shades, tails, then points."""
    look = PLACEMENTS[placement]
    median, tail = factor * part["latency_p50_s"], factor * part["latency_p95_s"]
    network = factor * part["network_s"]
    common = {"legendgroup": placement, "showlegend": False}
    lines = {"y": np.repeat(part["quality"], 3), "mode": "lines", "hoverinfo": "skip", **common}
    if (network > 0).any():
        figure.add_scatter(
            x=_segments(median - network, median),
            line={"color": look.colour, "width": 9},
            opacity=0.14,
            name=f"{placement}, declared network",
            **lines,
        )
    figure.add_scatter(
        x=_segments(median, tail),
        line={"color": look.colour, "width": 1},
        opacity=0.35,
        name=f"{placement}, tail",
        **lines,
    )
    figure.add_scatter(
        x=median,
        y=part["quality"],
        mode="markers",
        name=placement,
        customdata=part["path_id"],
        text=part["card"],
        hovertemplate="%{text}<extra></extra>",
        marker={
            "color": look.colour,
            "size": np.where(part["on_front"], 11, 7),
            "opacity": np.where(part["on_front"], 1, 0.6),
            "symbol": np.where(part["on_front"], look.symbol, f"{look.symbol}-open"),
        },
        **common,
    )


def _segments(start: pd.Series, end: pd.Series) -> np.ndarray:
    """Return line segments as plotly takes them: start, end, a gap, and so on."""
    return np.stack([start, end, np.full(len(start), np.nan)], axis=1).ravel()


def _short(value: float) -> str:
    """Return a number in three digits, or all of those before its point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _name(placement: str, part: pd.DataFrame, factor: float, unit: str) -> str:
    """Return a placement with what its paths take in the middle, and how much of it is declared."""
    network = part["network_share"].median()
    declared = f", {network:.0%} of it network" if network > 0 else ""
    median = factor * part["latency_p50_s"].median()
    return f"{placement} ({_short(median)} {unit}{declared})"


def _cards(part: pd.DataFrame) -> list[str]:
    """Return one hover card per path."""
    cards = []
    for r in part.itertuples():
        network = (
            f"<br>{1000 * r.network_s:.0f} ms of it declared network delay"
            if r.network_s > 0
            else ""
        )
        cards.append(
            f"<b>{plain(r.path_id)}</b><br>quality {r.quality:.3f} on {r.n}"
            f" queries<br>{1000 * r.latency_p50_s:.0f} ms median, {1000 * r.latency_p95_s:.0f} ms"
            f" p95{network}<br>{'on the front' if r.on_front else 'dominated'}"
        )
    return cards


def compute_stage_latency(trace: Trace) -> pd.DataFrame:
    """Return the mean seconds that each path spends in each stage.

    The declared network delay is a stage of its own. Columns: path_id, placement, on_front (of
    three objectives), quality, latency_s, stage, seconds, share (of latency_s), n. Rows: paths by
    rising latency, in each the stages in order. Seconds sum to latency_s.
    """
    older = "instruct_s" not in trace.outcomes  # measured before the prompt was a stage
    measured = [stage for stage in IN_ORDER if stage != "instruct" or not older]
    columns = [f"{stage}_s" for stage in measured]
    missing = [column for column in columns if column not in trace.outcomes]
    if missing:
        raise LabError(
            f"The trace has no latency by stage (missing: {', '.join(missing)}); a trace this"
            " package measured has it."
        )
    frame = compute_front(trace).sort_values(["latency_s", "path_id"], ignore_index=True)
    frame = frame[frame["latency_s"].notna()]
    order = pd.Index(trace.path_ids).get_indexer(pd.Index(frame["path_id"]))
    seconds = (
        trace.outcomes.groupby("path_id", sort=False)[columns]
        .mean()
        .loc[frame["path_id"]]
        .to_numpy()
    )
    seconds = np.column_stack([seconds, np.nan_to_num(declared_delays(trace)[order])])
    stages = [*measured, NETWORK]
    out = (
        frame[["path_id", "placement", "on_front", "quality", "latency_s", "n"]]
        .loc[frame.index.repeat(len(stages))]
        .reset_index(drop=True)
    )
    out["stage"], out["seconds"] = np.tile(stages, len(frame)), seconds.ravel()
    out["share"] = out["seconds"] / out["latency_s"]
    return out[[*out.columns.drop("n"), "n"]]


def plot_stage_latency(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw stacked bars of mean time per stage, the fastest path on top.

    What is declared is hatched. Drawn are the paths on the front and, where no such path runs
    there, the best path at each placement, marked as dominated.
    """
    require_rows(frame, "no path has a latency")
    best = frame.sort_values("quality", ascending=False, kind="stable").drop_duplicates(
        "placement"
    )["path_id"]
    missing = [
        place
        for place in frame["placement"].unique()
        if not frame.loc[frame["placement"] == place, "on_front"].any()
    ]
    shown = frame["on_front"] | (frame["path_id"].isin(best) & frame["placement"].isin(missing))
    part = frame[shown].assign(
        label=lambda f: (
            f["path_id"] + np.where(f["on_front"], "", " (dominated)") + "  " + f["placement"]
        )
    )
    figure = go.Figure()
    factor, unit = time_unit(part["latency_s"])
    part = part.assign(ms=1000 * part["seconds"])
    for stage in dict.fromkeys(part["stage"]):
        rows = part[part["stage"] == stage]
        total = rows["seconds"].sum() / rows["latency_s"].sum()
        shape = "/" if stage == NETWORK else ""
        figure.add_bar(
            y=rows["label"],
            x=factor * rows["seconds"],
            orientation="h",
            name=f"{stage} ({total:.0%})",
            marker={
                "color": COLOURS[stage],
                "pattern": {"shape": shape, "fgcolor": "white", "size": 6},
            },
            customdata=rows[["ms", "share", "n", "quality"]].to_numpy(),
            hovertemplate=(
                f"<b>%{{y}}</b><br>{stage}: %{{customdata[0]:.2f}} ms, %{{customdata[1]:.1%}} of"
                " the mean latency<br>%{customdata[2]} queries, quality"
                " %{customdata[3]:.3f}<extra></extra>"
            ),
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title=f"mean latency ({unit})")
    figure.update_yaxes(autorange="reversed", automargin=True)
    height = max(320, 210 + 26 * part["path_id"].nunique())
    return finish(
        figure, "Where does the time go on the paths worth having?", source, height=height
    )
