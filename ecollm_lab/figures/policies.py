"""Policies: what each delivers on queries it has not seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import COST, LOG, PALETTE, QUALITY, SYMBOLS, finish


def compute_policies(replays: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack tables of `replay_all`, given by preference, into one frame with the columns `prefer` and `policy`."""
    return pd.concat({name: table.reset_index() for name, table in replays.items()}, names=["prefer"]).reset_index(level="prefer")


def plot_policies(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw each policy's quality on held-out queries against its cost, with 95 % intervals; one panel per preference."""
    names = list(dict.fromkeys(frame["prefer"]))
    titles = [name.replace("_", " = ") for name in names]
    figure = make_subplots(1, len(names), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=titles)
    for i, policy in enumerate(dict.fromkeys(frame["policy"])):
        for column, name in enumerate(names, start=1):
            part = frame[(frame["prefer"] == name) & (frame["policy"] == policy)]
            figure.add_scatter(
                x=1000 * part["cost_usd"], y=part["quality"], mode="markers", name=policy, legendgroup=policy, showlegend=column == 1,
                marker={"size": 15 if policy == "ours" else 10, "color": PALETTE[i % len(PALETTE)], "symbol": SYMBOLS[i % len(SYMBOLS)]},
                error_y={"type": "data", "array": part["quality_high"] - part["quality"],
                         "arrayminus": part["quality"] - part["quality_low"], "thickness": 1},
                customdata=np.stack([part["latency_s"], part["slo_violation_rate"], part["regret"]], axis=1),
                hovertemplate=f"{policy}<br>quality %{{y:.3f}}<br>%{{x:.4g}} USD per 1,000 queries<br>%{{customdata[0]:.3f}} s mean"
                "<br>violations %{customdata[1]:.1%}<br>regret %{customdata[2]:.3f}<extra></extra>", row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(LOG, title=COST)
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03], row=1, col=1)
    finish(figure, "What does each policy deliver on queries it has not seen?", source)
    return figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
