"""Latency: its tail, the declared network share in it, and the stages it is spent in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.figures.fronts import compute_front
from ecollm_lab.figures.style import (
    FAINT,
    LOOKS,
    QUALITY,
    STAGE_COLOURS,
    add_keys,
    decades,
    finish,
    plain,
    require_rows,
)
from ecollm_lab.records import STAGES, LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import declared_delays

NETWORK = "network (declared)"
COLOURS = {**STAGE_COLOURS, NETWORK: FAINT}


def compute_latency(trace: Trace) -> pd.DataFrame:
    """Return quality and the median, mean and 95th percentile of latency per path, with the declared network delay in it.

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
    """Draw quality against the median latency with a tail to the 95th percentile; left of the median, shaded, the declared network delay.

    Without the network a path would be at the left end of its shade. Beside each name: the median
    over the paths.
    """
    require_rows(frame, "no path has a latency")
    figure = go.Figure()
    for placement, colour, symbol in LOOKS:
        part = frame[frame["placement"] == placement]
        if part.empty:
            continue
        tails = np.stack(
            [part["latency_p50_s"], part["latency_p95_s"], np.full(len(part), np.nan)], axis=1
        ).ravel()
        network = np.stack(
            [
                part["latency_p50_s"] - part["network_s"],
                part["latency_p50_s"],
                np.full(len(part), np.nan),
            ],
            axis=1,
        )
        if (part["network_s"] > 0).any():
            figure.add_scatter(
                x=network.ravel(),
                y=np.repeat(part["quality"], 3),
                mode="lines",
                line={"color": colour, "width": 9},
                opacity=0.14,
                hoverinfo="skip",
                name=f"{placement}, declared network",
                legendgroup=placement,
                showlegend=False,
            )
        figure.add_scatter(
            x=tails,
            y=np.repeat(part["quality"], 3),
            mode="lines",
            line={"color": colour, "width": 1},
            opacity=0.35,
            hoverinfo="skip",
            legendgroup=placement,
            showlegend=False,
            name=f"{placement}, tail",
        )
        figure.add_scatter(
            x=part["latency_p50_s"],
            y=part["quality"],
            mode="markers",
            legendgroup=placement,
            name=placement,
            showlegend=False,
            customdata=part["path_id"],
            text=_cards(part),
            hovertemplate="%{text}<extra></extra>",
            marker={
                "color": colour,
                "size": np.where(part["on_front"], 11, 7),
                "opacity": np.where(part["on_front"], 1, 0.6),
                "symbol": np.where(part["on_front"], symbol, f"{symbol}-open"),
            },
        )
    add_keys(
        figure, {str(place): _name(str(place), part) for place, part in frame.groupby("placement")}
    )
    shade = (
        ", shade = declared network delay in the median" if (frame["network_s"] > 0).any() else ""
    )
    spread = pd.concat([frame["latency_p50_s"], frame["latency_p95_s"]])
    low, high = np.log10(spread[spread > 0].min()), np.log10(spread.max())
    figure.update_xaxes(
        decades(spread),
        title=f"latency (s, log): dot = median, tail = to the 95th percentile{shade}",
        range=[low - 0.1, high + 0.1],
    )
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03])
    return finish(
        figure, "How slow are the slowest answers, and how much of it is network?", source
    )


def _name(placement: str, part: pd.DataFrame) -> str:
    """Return a placement with what its paths take in the middle, and how much of it is declared."""
    network = part["network_share"].median()
    declared = f", {network:.0%} of it network" if network > 0 else ""
    return f"{placement} ({1000 * part['latency_p50_s'].median():.0f} ms{declared})"


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
    """Return the mean seconds each path spends in each stage, in long form, with the declared network delay as a stage of its own.

    Columns: path_id, placement, on_front (of three objectives), quality, latency_s, stage, seconds,
    share (of latency_s), n. Rows: paths by rising latency, in each the stages in order. Seconds sum
    to latency_s.
    """
    columns = [f"{stage}_s" for stage in STAGES]
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
    stages = [*STAGES, NETWORK]
    out = (
        frame[["path_id", "placement", "on_front", "quality", "latency_s", "n"]]
        .loc[frame.index.repeat(len(stages))]
        .reset_index(drop=True)
    )
    out["stage"], out["seconds"] = np.tile(stages, len(frame)), seconds.ravel()
    out["share"] = out["seconds"] / out["latency_s"]
    return out[
        [
            "path_id",
            "placement",
            "on_front",
            "quality",
            "latency_s",
            "stage",
            "seconds",
            "share",
            "n",
        ]
    ]


def plot_stage_latency(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw stacked bars of mean seconds per stage, the fastest path on top; what is declared is hatched.

    Drawn are the paths on the front and, where no such path runs there, the best path at each
    placement, marked as dominated.
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
    for stage in dict.fromkeys(part["stage"]):
        rows = part[part["stage"] == stage]
        total = rows["seconds"].sum() / rows["latency_s"].sum()
        figure.add_bar(
            y=rows["label"],
            x=rows["seconds"],
            orientation="h",
            name=f"{stage} ({total:.0%})",
            marker={
                "color": COLOURS[stage],
                "pattern": {
                    "shape": "/" if stage == NETWORK else "",
                    "fgcolor": "white",
                    "size": 6,
                },
            },
            customdata=np.stack(
                [1000 * rows["seconds"], rows["share"], rows["n"], rows["quality"]], axis=1
            ),
            hovertemplate=(
                f"<b>%{{y}}</b><br>{stage}: %{{customdata[0]:.2f}} ms, %{{customdata[1]:.1%}} of"
                " the mean latency<br>%{customdata[2]} queries, quality"
                " %{customdata[3]:.3f}<extra></extra>"
            ),
        )
    n_paths = part["path_id"].nunique()
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title="mean latency (s)")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return finish(
        figure,
        "Where does the time go on the paths worth having?",
        source,
        height=max(320, 210 + 26 * n_paths),
    )
