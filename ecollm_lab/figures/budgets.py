"""The Emulator: what it knows after how many outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import (
    PER_1K,
    error_bars,
    lifted,
    log_axis,
    mark_zero,
    quality_range,
    time_unit,
)
from ecollm_lab.figures.style import (
    BLUE,
    CHOSEN,
    FAINT,
    PALETTE,
    RED,
    SYMBOLS,
    finish,
    legend_aside,
)
from ecollm_lab.records import require_choice

METRICS = {
    "hypervolume_ratio": "hypervolume of the recommended paths<br>over the true front's",
    "slo_loss": "quality lost to the best path within<br>25 SLOs (lower is better)",
    "answers_kept": "quality of held-out answers within the limits,<br>over that of a full fit",
    "heldout_kept": "held-out quality of paths within the limits,<br>over that of a full fit",
}
QUESTIONS = {
    "hypervolume_ratio": "How much of the true front does each method find for its budget?",
    "slo_loss": "How much quality does picking paths by each method's estimates lose?",
    "answers_kept": "How good is a policy fitted to what each method measured?",
    "heldout_kept": "How good is a policy whose paths must keep the limits in 95 % of answers?",
}


def compute_budget(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the median of a metric over seeds, per trace, method and budget share.

    Also its quartiles (`low`, `high`) and the number of seeds.

    Parameters
    ----------
    records
        What `python -m benchmarks.emulator` measured: trace, method, budget_share, seed and
        metrics.
    metric
        "hypervolume_ratio", "slo_loss", "answers_kept" or "heldout_kept".

    """
    require_choice("metric", metric, tuple(METRICS))
    grouped = records.dropna(subset=[metric]).groupby(["trace", "method", "budget_share"])[metric]
    quartiles = {
        name: grouped.quantile(q) for name, q in (("low", 0.25), ("median", 0.5), ("high", 0.75))
    }
    return pd.DataFrame({**quartiles, "seeds": grouped.count(), "metric": metric}).reset_index()


def plot_budget(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw the median over seeds against the budget: a panel a trace, a line a method.

    Ours has bars to its quartiles. Beside each name stands the mean over the panels at the middle
    budget, which the legend's title names.
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
            ends = {"median_low": part["low"], "median_high": part["high"]}
            band = error_bars(part.assign(**ends), "median")
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
    return legend_aside(figure).update_layout(
        legend_title={"text": f"method (at {100 * middle:g} %)", "font": {"size": 12}}
    )


def plot_samples(fronts: pd.DataFrame, source: str) -> go.Figure:
    """Draw estimated quality against cost, a point a path, the larger the more outcomes it has.

    `fronts` is what `Emulator.fronts` returns; drawn are the rows of scope "all", with their 90 %
    intervals. Filled: on the estimated front; grey: set aside.
    """
    whole = fronts[fronts["scope"] == "all"]
    kept, front = whole["status"] == "kept", whole["on_front"]
    kinds = (
        ("on the front", front, CHOSEN, "circle"),
        ("still in question", ~front & kept, BLUE, "circle-open"),
        ("set aside", whole["status"] == "set aside", FAINT, "x"),
        ("failed", whole["status"] == "failed", RED, "square"),
    )
    figure = make_subplots(1, 1)
    spent = 1000 * whole["cost_usd"]
    costs, zero = lifted(spent)
    if zero is not None:
        mark_zero(figure, zero, 1)
    whole = whole.assign(spent=spent, at=costs)
    card = (
        f"<b>%{{customdata[0]}}</b><br>quality %{{y:.3f}}<br>%{{customdata[4]:.4g}} {PER_1K}"
        "<br>%{customdata[1]} outcomes<br>on the front with probability"
        " %{customdata[2]:.2f}<br>%{customdata[3]}<extra></extra>"
    )
    columns = ["path_id", "n", "front_probability", "because", "spent"]
    for name, mask, colour, symbol in kinds:
        part = whole[mask]
        if part.empty:
            continue
        size = 5 + 2.5 * np.sqrt(part["n"])
        figure.add_scatter(
            x=part["at"],
            y=part["quality"],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"width": 2}},
            error_y=error_bars(part, "quality", thickness=0.7),
            customdata=part[columns].to_numpy(),
            hovertemplate=card,
        )
    figure.update_xaxes(log_axis(costs, f"cost ({PER_1K}, log)", zero))
    shown = quality_range(whole["quality"], whole["quality_low"], whole["quality_high"])
    figure.update_yaxes(title="estimated quality, 90 % interval", range=shown)
    return finish(figure, "Where did the outcomes go? (larger = more)", source)


def plot_tightening(fronts: pd.DataFrame, source: str) -> go.Figure:
    """Draw the estimated front after several budgets, a panel each: quality against latency.

    `fronts` is made of frames of `Emulator.fronts`, each with a column `outcomes`: how many the
    Emulator had seen. Bars are 90 % intervals.
    """
    counts = sorted(fronts["outcomes"].unique())
    titles = [f"{n:,} outcomes" for n in counts]
    columns = len(counts)
    figure = make_subplots(
        1, columns, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03
    )
    shown = fronts[(fronts["scope"] == "all") & fronts["on_front"]].sort_values("latency_s")
    factor, unit = time_unit(shown["latency_s"])
    for column, n in enumerate(counts, start=1):
        part = shown[shown["outcomes"] == n]
        figure.add_scatter(
            x=factor * part["latency_s"],
            y=part["quality"],
            mode="lines+markers",
            name="estimated front",
            showlegend=column == 1,
            line={"shape": "hv", "color": CHOSEN},
            marker={"size": 9, "color": CHOSEN},
            customdata=part["path_id"],
            text=part["n"],
            error_y=error_bars(part, "quality"),
            hovertemplate=(
                f"<b>%{{customdata}}</b><br>quality %{{y:.3f}}<br>%{{x:.4g}} {unit}<br>%{{text}}"
                " outcomes<extra></extra>"
            ),
            row=1,
            col=column,
        )
    axis = log_axis(factor * shown["latency_s"], f"mean latency ({unit}, log)")
    figure.update_xaxes(axis, matches="x")
    ends = quality_range(shown["quality"], shown["quality_low"], shown["quality_high"])
    figure.update_yaxes(title="estimated quality, 90 % interval", range=ends, row=1, col=1)
    return finish(figure, "How does the front tighten as outcomes come in?", source)
