"""Frames → plotly figures, pure: every `plot_x` draws the frame its twin `compute_x` returns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.choices import placements
from ecollm_lab.cluster import NOISE, Clusters
from ecollm_lab.pareto import pareto_front
from ecollm_lab.records import SLO, require_choice
from ecollm_lab.traces import Trace

# Okabe-Ito colours and two of Tol's; shape is the second coding, for readers without colour.
EDGE, CLOUD, CHOSEN, INK, FAINT = "#0072B2", "#D55E00", "#CC79A7", "#333333", "#BBBBBB"
LOOKS = (("edge", EDGE, "circle"), ("cloud", CLOUD, "diamond"), ("not stated", INK, "square"))
PALETTE = (CHOSEN, "#009E73", EDGE, CLOUD, "#56B4E9", "#E69F00", "#999999", "#000000", "#882255", "#44AA99")
SYMBOLS = ("star", "square", "circle", "diamond", "triangle-down", "triangle-up", "x", "cross", "pentagon", "hourglass")
LOG = {"type": "log", "exponentformat": "power", "dtick": 1}
CONFIG = {"displaylogo": False, "showSendToCloud": False}  # nothing leaves the notebook
QUALITY = "quality (share of facts stated, higher is better)"
COST = "cost (USD per 1,000 queries, log)"
LATENCY = "latency (s, mean, log)"


def compute_front(trace: Trace) -> pd.DataFrame:
    """Return `pareto_front` with the placement of each path's model and its cost per 1,000 queries."""
    frame = pareto_front(trace)
    frame["placement"] = frame["path_id"].map(dict(zip(trace.path_ids, placements(trace), strict=True)))
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
    return _finish(figure, "Which paths are worth their cost and time?", source)


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


def compute_interplay(trace: Trace) -> pd.DataFrame:
    """Return mean quality by kind of query, model, and number of passages read (retrieval by any method, no refinement)."""
    frame = trace.outcomes.merge(trace.queries[["query_id", "kind"]], on="query_id")
    parts = frame["path_id"].str.split("/", expand=True)
    frame["model"] = parts[3]
    frame["passages"] = parts[1].str.extract(r"-(\d+)$", expand=False).fillna("0").astype(int)
    frame = frame[parts[2] == "none"]
    return frame.groupby(["kind", "model", "passages"], sort=False)["quality"].agg(["mean", "count"]).reset_index()


def plot_interplay(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality over the number of passages, one panel per kind, one line per model."""
    kinds = list(dict.fromkeys(frame["kind"]))
    figure = make_subplots(1, len(kinds), shared_yaxes=True, subplot_titles=kinds, horizontal_spacing=0.02)
    looks = zip(dict.fromkeys(frame["model"]), (EDGE, "#56B4E9", CLOUD, "#E69F00"), ("circle", "square", "diamond", "x"), strict=False)
    for model, colour, symbol in looks:
        for column, kind in enumerate(kinds, start=1):
            part = frame[(frame["model"] == model) & (frame["kind"] == kind)].sort_values("passages")
            figure.add_scatter(
                x=part["passages"], y=part["mean"], mode="lines+markers", name=model, legendgroup=model, showlegend=column == 1,
                line={"color": colour}, marker={"symbol": symbol, "size": 8}, row=1, col=column,
                hovertemplate=f"{model}, {kind}<br>%{{x}} passages: %{{y:.3f}}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(title="passages retrieved", tickvals=sorted(set(frame["passages"])))
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03], row=1, col=1)
    return _finish(figure, "How do model size, passages and the kind of query play together?", source)


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
    _finish(figure, "What does each policy deliver on queries it has not seen?", source)
    return figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})


def compute_cluster_map(trace: Trace, embeddings: np.ndarray, clusters: Clusters) -> pd.DataFrame:
    """Return the queries with their cluster (-1 = noise) and two principal components of their embeddings."""
    from sklearn.decomposition import PCA

    xy = PCA(2, random_state=0).fit_transform(embeddings)
    return trace.queries.assign(cluster=clusters.labels, x=xy[:, 0], y=xy[:, 1])


def plot_cluster_map(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw queries as points, coloured by cluster; noise as crosses. Hover shows the text and its kind."""
    figure = go.Figure()
    for label in sorted(frame["cluster"].unique()):
        part = frame[frame["cluster"] == label]
        noise = label == NOISE
        figure.add_scatter(
            x=part["x"], y=part["y"], mode="markers", name="noise" if noise else f"cluster {label}",
            marker={"color": FAINT if noise else PALETTE[label % len(PALETTE)], "symbol": "x" if noise else SYMBOLS[label % len(SYMBOLS)]},
            customdata=part[["text", "kind"]].map(_plain), hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="first principal component")
    figure.update_yaxes(title="second principal component")
    return _finish(figure, "What do people ask about?", source)


METRICS = {
    "hypervolume_ratio": "hypervolume of the recommended paths<br>over the true front's",
    "slo_loss": "quality lost to the best path within<br>25 SLOs (lower is better)",
    "heldout_kept": "held-out quality of the policy, over<br>that of one fitted on everything",
}


def compute_budget(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return, per trace, method and budget_share, the median of a metric over seeds, its quartiles and the number of seeds.

    Parameters
    ----------
    records
        What `python -m benchmarks.emulator` measured: trace, method, budget_share, seed and metrics.
    metric
        "hypervolume_ratio", "slo_loss" or "heldout_kept".

    """
    require_choice("metric", metric, tuple(METRICS))
    grouped = records.dropna(subset=[metric]).groupby(["trace", "method", "budget_share"])[metric]
    quartiles = {name: grouped.quantile(q) for name, q in (("low", 0.25), ("median", 0.5), ("high", 0.75))}
    return pd.DataFrame({**quartiles, "seeds": grouped.count(), "metric": metric}).reset_index()


def plot_budget(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw the median over seeds against the budget, one panel a trace, one line a method; ours with its quartiles."""
    traces, metric = list(frame["trace"].unique()), frame["metric"].iloc[0]
    methods = ["ours", *sorted(set(frame["method"]) - {"ours"})]
    figure = make_subplots(1, len(traces), subplot_titles=traces, shared_yaxes=True, horizontal_spacing=0.03)
    for column, trace in enumerate(traces, start=1):
        for i, method in enumerate(methods):
            part = frame[(frame["trace"] == trace) & (frame["method"] == method)].sort_values("budget_share")
            band = {"type": "data", "array": part["high"] - part["median"], "arrayminus": part["median"] - part["low"]}
            figure.add_scatter(
                x=100 * part["budget_share"], y=part["median"], mode="lines+markers", name=method, legendgroup=method,
                showlegend=column == 1, line={"color": PALETTE[i % len(PALETTE)], "width": 4 if method == "ours" else 1.5},
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 9}, error_y=band if method == "ours" else None,
                customdata=part["seeds"],
                hovertemplate=f"{method}<br>%{{x:g}} % of the outcomes<br>%{{y:.3f}}, median of %{{customdata}} seeds<extra></extra>",
                row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(type="log", title="budget (% of outcomes)", tickvals=[1, 2, 5, 10, 20])
    figure.update_yaxes(title=METRICS[metric], row=1, col=1)
    _finish(figure, "How near to the truth does each method come for its budget?", source)
    return figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1.0, "xanchor": "left", "yanchor": "top"})


def plot_samples(fronts: pd.DataFrame, source: str) -> go.Figure:
    """Draw estimated quality and its 90 % interval against cost, one point a path, as large as it has outcomes.

    `fronts` is what `Emulator.fronts` returns; drawn are the rows of scope "all". Filled: on the estimated front; grey: set aside.
    """
    whole = fronts[fronts["scope"] == "all"]
    kinds = (
        ("on the front", whole["on_front"], CHOSEN, "circle"),
        ("still in question", ~whole["on_front"] & (whole["status"] == "kept"), EDGE, "circle-open"),
        ("set aside", whole["status"] == "set aside", FAINT, "x"),
        ("failed", whole["status"] == "failed", CLOUD, "square"),
    )
    figure = go.Figure()
    for name, mask, colour, symbol in kinds:
        part = whole[mask]
        if part.empty:
            continue
        figure.add_scatter(
            x=1000 * part["cost_usd"], y=part["quality"], mode="markers", name=name,
            marker={"color": colour, "symbol": symbol, "size": 5 + 2.5 * np.sqrt(part["n"]), "line": {"width": 2}},
            error_y={"type": "data", "array": part["quality_high"] - part["quality"], "arrayminus": part["quality"] - part["quality_low"],
                     "thickness": 0.7},
            customdata=np.stack([part["path_id"], part["n"], part["front_probability"], part["because"]], axis=1),
            hovertemplate="<b>%{customdata[0]}</b><br>quality %{y:.3f}<br>%{x:.4g} USD per 1,000 queries<br>%{customdata[1]} outcomes"
            "<br>on the front with probability %{customdata[2]:.2f}<br>%{customdata[3]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(LOG, title=COST)
    figure.update_yaxes(title="estimated quality, 90 % interval", range=[-0.03, 1.03])
    return _finish(figure, "Where did the outcomes go? (larger = more)", source)


def plot_tightening(fronts: pd.DataFrame, source: str) -> go.Figure:
    """Draw the estimated front after several budgets, a panel each: quality and its 90 % interval against latency.

    `fronts` is made of frames of `Emulator.fronts`, each with a column `outcomes`: how many had been told.
    """
    counts = sorted(fronts["outcomes"].unique())
    figure = make_subplots(1, len(counts), subplot_titles=[f"{n:,} outcomes" for n in counts], shared_yaxes=True, horizontal_spacing=0.03)
    for column, n in enumerate(counts, start=1):
        part = fronts[(fronts["outcomes"] == n) & (fronts["scope"] == "all") & fronts["on_front"]].sort_values("latency_s")
        figure.add_scatter(
            x=part["latency_s"], y=part["quality"], mode="lines+markers", name="estimated front", showlegend=column == 1,
            line={"shape": "hv", "color": CHOSEN}, marker={"size": 9, "color": CHOSEN}, customdata=part["path_id"],
            error_y={"type": "data", "array": part["quality_high"] - part["quality"], "arrayminus": part["quality"] - part["quality_low"]},
            hovertemplate="<b>%{customdata}</b><br>quality %{y:.3f}<br>%{x:.3f} s<extra></extra>", row=1, col=column,
        )  # fmt: skip
    figure.update_xaxes(LOG, title=LATENCY, matches="x")
    figure.update_yaxes(title="estimated quality, 90 % interval", range=[-0.03, 1.03], row=1, col=1)
    return _finish(figure, "How does the front tighten as outcomes come in?", source)


def _plain(text: object) -> str:
    """Make text safe for plotly's pseudo-HTML and short enough for a hover card."""
    shown = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown if len(shown) <= 120 else shown[:119] + "…"


def _finish(figure: go.Figure, title: str, source: str) -> go.Figure:
    """Give a figure its title, its source line and the house layout."""
    figure.update_layout(
        title={"text": title, "x": 0.01}, template="plotly_white", height=480, margin={"l": 60, "r": 20, "t": 100, "b": 90},
        legend={"orientation": "h", "y": 1.13, "x": 1, "yanchor": "bottom", "xanchor": "right"}, uirevision="keep",
    )  # fmt: skip
    figure.add_annotation(
        text=f"Source: {_plain(source)}",
        xref="paper",
        yref="paper",
        x=0,
        y=-0.2,
        yanchor="top",
        showarrow=False,
        font={"size": 11, "color": "#666666"},
    )
    return figure
