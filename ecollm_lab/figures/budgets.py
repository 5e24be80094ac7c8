"""The Emulator: what it knows after how many outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import (
    CHOSEN,
    CLOUD,
    COST,
    EDGE,
    FAINT,
    LATENCY,
    LOG,
    PALETTE,
    SYMBOLS,
    aside,
    finish,
    lifted,
    mark_zero,
)
from ecollm_lab.records import require_choice

METRICS = {
    "hypervolume_ratio": "hypervolume of the recommended paths<br>over the true front's",
    "slo_loss": "quality lost to the best path within<br>25 SLOs (lower is better)",
    "heldout_kept": "held-out quality of the policy, over<br>that of one fitted on everything",
}
QUESTIONS = {
    "hypervolume_ratio": "How much of the true front does each method find for its budget?",
    "slo_loss": "How much quality does picking paths by each method's estimates lose?",
    "heldout_kept": "How good is a policy fitted to what each method measured?",
}


def compute_budget(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return, per trace, method and budget_share, the median of a metric over seeds, its quartiles and the number of seeds.

    Parameters
    ----------
    records
        What `python -m benchmarks.emulator` measured: trace, method, budget_share, seed and
        metrics.
    metric
        "hypervolume_ratio", "slo_loss" or "heldout_kept".

    """
    require_choice("metric", metric, tuple(METRICS))
    grouped = records.dropna(subset=[metric]).groupby(["trace", "method", "budget_share"])[metric]
    quartiles = {
        name: grouped.quantile(q) for name, q in (("low", 0.25), ("median", 0.5), ("high", 0.75))
    }
    return pd.DataFrame({**quartiles, "seeds": grouped.count(), "metric": metric}).reset_index()


def plot_budget(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw the median over seeds against the budget, one panel a trace, one line a method; ours with its quartiles.

    Beside each name: the mean over the panels at the middle budget, which the legend's title names.
    """
    traces, metric = list(frame["trace"].unique()), frame["metric"].iloc[0]
    methods = ["ours", *sorted(set(frame["method"]) - {"ours"})]
    middle = sorted(frame["budget_share"].unique())[frame["budget_share"].nunique() // 2]
    beside = frame[frame["budget_share"] == middle].groupby("method")["median"].mean()
    figure = make_subplots(
        1, len(traces), subplot_titles=traces, shared_yaxes=True, horizontal_spacing=0.03
    )
    for column, trace in enumerate(traces, start=1):
        for i, method in enumerate(methods):
            part = frame[(frame["trace"] == trace) & (frame["method"] == method)].sort_values(
                "budget_share"
            )
            band = {
                "type": "data",
                "array": part["high"] - part["median"],
                "arrayminus": part["median"] - part["low"],
            }
            figure.add_scatter(
                x=100 * part["budget_share"],
                y=part["median"],
                mode="lines+markers",
                legendgroup=method,
                showlegend=column == 1,
                line={"color": PALETTE[i % len(PALETTE)], "width": 4 if method == "ours" else 1.5},
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 9},
                error_y=band if method == "ours" else None,
                customdata=part["seeds"],
                name=f"{method} ({beside.get(method, np.nan):.3f})",
                hovertemplate=(
                    f"{method}<br>%{{x:g}} % of the outcomes<br>%{{y:.3f}}, median of"
                    " %{customdata} seeds<extra></extra>"
                ),
                row=1,
                col=column,
            )
    figure.update_xaxes(type="log", title="budget (% of outcomes)", tickvals=[1, 2, 5, 10, 20])
    figure.update_yaxes(title=METRICS[metric], row=1, col=1)
    finish(figure, QUESTIONS[metric], source)
    return aside(figure).update_layout(
        legend_title={"text": f"method (at {100 * middle:g} %)", "font": {"size": 12}}
    )


def plot_samples(fronts: pd.DataFrame, source: str) -> go.Figure:
    """Draw estimated quality and its 90 % interval against cost, one point a path, as large as it has outcomes.

    `fronts` is what `Emulator.fronts` returns; drawn are the rows of scope "all". Filled: on the
    estimated front; grey: set aside.
    """
    whole = fronts[fronts["scope"] == "all"]
    kinds = (
        ("on the front", whole["on_front"], CHOSEN, "circle"),
        (
            "still in question",
            ~whole["on_front"] & (whole["status"] == "kept"),
            EDGE,
            "circle-open",
        ),
        ("set aside", whole["status"] == "set aside", FAINT, "x"),
        ("failed", whole["status"] == "failed", CLOUD, "square"),
    )
    figure = make_subplots(1, 1)
    costs, zero = lifted(1000 * whole["cost_usd"])
    if zero is not None:
        mark_zero(figure, zero, 1)
    for name, mask, colour, symbol in kinds:
        part = whole[mask]
        if part.empty:
            continue
        figure.add_scatter(
            x=costs[mask],
            y=part["quality"],
            mode="markers",
            name=name,
            marker={
                "color": colour,
                "symbol": symbol,
                "size": 5 + 2.5 * np.sqrt(part["n"]),
                "line": {"width": 2},
            },
            error_y={
                "type": "data",
                "array": part["quality_high"] - part["quality"],
                "arrayminus": part["quality"] - part["quality_low"],
                "thickness": 0.7,
            },
            customdata=np.stack(
                [
                    part["path_id"],
                    part["n"],
                    part["front_probability"],
                    part["because"],
                    1000 * part["cost_usd"],
                ],
                axis=1,
            ),
            hovertemplate=(
                "<b>%{customdata[0]}</b><br>quality %{y:.3f}<br>%{customdata[4]:.4g} USD per 1,000"
                " queries<br>%{customdata[1]} outcomes<br>on the front with probability"
                " %{customdata[2]:.2f}<br>%{customdata[3]}<extra></extra>"
            ),
        )
    figure.update_xaxes(LOG, title=COST)
    figure.update_yaxes(title="estimated quality, 90 % interval", range=[-0.03, 1.03])
    return finish(figure, "Where did the outcomes go? (larger = more)", source)


def plot_tightening(fronts: pd.DataFrame, source: str) -> go.Figure:
    """Draw the estimated front after several budgets, a panel each: quality and its 90 % interval against latency.

    `fronts` is made of frames of `Emulator.fronts`, each with a column `outcomes`: how many had
    been told.
    """
    counts = sorted(fronts["outcomes"].unique())
    figure = make_subplots(
        1,
        len(counts),
        subplot_titles=[f"{n:,} outcomes" for n in counts],
        shared_yaxes=True,
        horizontal_spacing=0.03,
    )
    for column, n in enumerate(counts, start=1):
        part = fronts[
            (fronts["outcomes"] == n) & (fronts["scope"] == "all") & fronts["on_front"]
        ].sort_values("latency_s")
        figure.add_scatter(
            x=part["latency_s"],
            y=part["quality"],
            mode="lines+markers",
            name="estimated front",
            showlegend=column == 1,
            line={"shape": "hv", "color": CHOSEN},
            marker={"size": 9, "color": CHOSEN},
            customdata=part["path_id"],
            text=part["n"],
            error_y={
                "type": "data",
                "array": part["quality_high"] - part["quality"],
                "arrayminus": part["quality"] - part["quality_low"],
            },
            hovertemplate=(
                "<b>%{customdata}</b><br>quality %{y:.3f}<br>%{x:.3f} s<br>%{text}"
                " outcomes<extra></extra>"
            ),
            row=1,
            col=column,
        )
    figure.update_xaxes(LOG, title=LATENCY, matches="x")
    figure.update_yaxes(title="estimated quality, 90 % interval", range=[-0.03, 1.03], row=1, col=1)
    return finish(figure, "How does the front tighten as outcomes come in?", source)
