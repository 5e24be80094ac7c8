"""Policies: what each delivers on queries it has not seen, and what comes of its forecasts."""

from __future__ import annotations

from collections.abc import Mapping

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
)
from ecollm_lab.figures.style import (
    GREY,
    PALETTE,
    QUALITY,
    SYMBOLS,
    finish,
    legend_aside,
    plain,
    policy_look,
    require_rows,
)

BOUNDS = ("oracle", "random")  # policies that bound the others: drawn as lines across


def compute_policies(replays: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack tables of `replay_all`, given by preference, into one frame.

    It has their columns, and `prefer` and `policy`.
    """
    tables = {name: table.reset_index() for name, table in replays.items()}
    return pd.concat(tables, names=["prefer"]).reset_index(level="prefer")


def plot_policies(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw each policy's quality on unseen queries against its cost, a panel per preference.

    Bars are 95 % intervals. Oracle and random are lines across; policies that do not look at the
    query are grey. Policies far below most others stand in a marked strip at the foot.
    """
    names = list(dict.fromkeys(frame["prefer"]))
    titles = [name.replace("_", " = ") for name in names]
    figure = make_subplots(
        1, len(names), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=titles
    )
    axis = QualityAxis.over(frame["quality"], frame["quality_low"], frame["quality_high"])
    spent = 1000 * frame["cost_usd"]
    said = spent.map("{:.4g} ".format) + PER_1K
    heights = axis.placed(frame).assign(delivered=frame["quality"], spent=spent, said=said)
    for column, name in enumerate(names, start=1):
        panel = heights[heights["prefer"] == name].set_index("policy", drop=False)
        costs, zero = lifted(panel["spent"])
        panel = panel.assign(at=costs)
        if zero is not None:
            mark_zero(figure, zero, column)
        for policy in (policy for policy in BOUNDS if policy in panel.index):
            _add_bound(figure, panel, policy, column)
        for policy in panel.index[~panel.index.isin(BOUNDS)]:
            _add_policy(figure, panel[panel["policy"] == policy], policy, column)
        figure.update_xaxes(log_axis(costs, f"cost ({PER_1K}, log)", zero), row=1, col=column)
    axis.set(figure, frame, QUALITY, columns=len(names))
    title = "What does each policy deliver on queries it has not seen?"
    return legend_aside(finish(figure, title, source))


def _add_bound(figure: go.Figure, panel: pd.DataFrame, policy: str, column: int) -> None:
    look, row = policy_look(policy), panel.loc[policy]
    figure.add_scatter(
        x=panel["at"].agg(["min", "max"]),
        y=[row["quality"]] * 2,
        mode="lines",
        name=policy,
        legendgroup=policy,
        showlegend=column == 1,
        line={"dash": look.dash, "color": look.colour, "width": 1.5},
        row=1,
        col=column,
        hovertemplate=(f"{policy}: quality {row['delivered']:.3f}, {row['said']}<extra></extra>"),
    )


def _add_policy(figure: go.Figure, part: pd.DataFrame, policy: str, column: int) -> None:
    look, size = policy_look(policy), 16 if policy == "ours" else 10
    facts = ["latency_s", "slo_violation_rate", "regret", "said", "delivered"]
    figure.add_scatter(
        x=part["at"],
        y=part["quality"],
        mode="markers",
        name=policy,
        legendgroup=policy,
        showlegend=column == 1,
        marker={"size": size, "color": look.colour, "symbol": look.symbol},
        error_y=error_bars(part, "quality"),
        customdata=part.reindex(columns=facts).to_numpy(),
        hovertemplate=(
            f"{policy}<br>quality %{{customdata[4]:.3f}}<br>%{{customdata[3]}}<br>"
            "%{customdata[0]:.3f} s mean<br>violations %{customdata[1]:.1%}<br>regret"
            " %{customdata[2]:.3f}<extra></extra>"
        ),
        row=1,
        col=column,
    )


def plot_predictions(answers: pd.DataFrame, source: str) -> go.Figure:
    """Draw actual against predicted quality and latency of answers; on the dotted line they agree.

    Latency is drawn answer by answer. A grade is often 0 or 1 where a mean is predicted, so quality
    is drawn as the mean over all answers whose prediction rounds to the same tenth.

    Parameters
    ----------
    answers
        A row an answer: `slo`, `path_id`, `quality`, `predicted_quality`, `latency_s` and
        `predicted_latency_s`; refused questions, which have no path, are left out.
    source
        Where the answers come from.

    """
    given = answers[answers["path_id"].notna()]
    require_rows(given, "no question was answered")
    titles = ["quality (mean)", "latency"]
    figure = make_subplots(1, 2, horizontal_spacing=0.09, subplot_titles=titles)
    tenth = (given["predicted_quality"].astype(float) * 10).round().rename("tenth")
    means = given.groupby(tenth)[["predicted_quality", "quality"]].mean()
    sizes = given.groupby(tenth).size()
    figure.add_scatter(
        x=means["predicted_quality"],
        y=means["quality"],
        text=sizes.map("{:,} answers".format),
        mode="markers",
        marker={"size": 7 + np.sqrt(sizes), "color": GREY},
        name="answers of like prediction",
        hovertemplate="predicted %{x:.3f}<br>actual %{y:.3f}<br>%{text}<extra></extra>",
        row=1,
        col=1,
    )
    for i, (name, part) in enumerate(given.groupby("slo", sort=False)):
        colour, symbol = PALETTE[i % len(PALETTE)], SYMBOLS[(i + 1) % len(SYMBOLS)]
        figure.add_scatter(
            x=part["predicted_latency_s"],
            y=part["latency_s"],
            text=part["path_id"],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.7},
            name=plain(name),
            hovertemplate="%{text}<br>predicted %{x:.3g} s<br>actual %{y:.3g} s<extra></extra>",
            row=1,
            col=2,
        )
    seconds = given[["predicted_latency_s", "latency_s"]].to_numpy(dtype=float)
    for col, ends in ((1, [0.0, 1.0]), (2, [seconds.min(), seconds.max()])):
        line = {"dash": "dot", "color": GREY}
        shown = {"mode": "lines", "line": line, "name": "as predicted", "showlegend": col == 1}
        figure.add_scatter(x=ends, y=ends, hoverinfo="skip", **shown, row=1, col=col)
    whole = [-0.03, 1.03]  # so that no point at an end is cut
    figure.update_xaxes(title="predicted", range=whole, col=1)
    figure.update_yaxes(title="actual", range=whole, col=1)
    axis = log_axis(seconds.ravel(), "predicted (s, log)")
    figure.update_xaxes(axis, col=2)
    figure.update_yaxes(axis | {"title": "actual (s, log)"}, col=2)
    return finish(figure, "Do live answers come as they were predicted?", source)
