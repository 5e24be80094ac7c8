"""What each stage contributes to quality, cost and latency, and which choices go together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import error_bars, log_axis, quality_range
from ecollm_lab.figures.decomposition import component_effects, explained_shares
from ecollm_lab.figures.style import (
    FAINT,
    QUALITY,
    STAGES,
    add_model_keys,
    finish,
    ink_on,
    model_looks,
    require_rows,
    split_model,
)
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.intervals import bootstrap_counts, interval, resampled_means
from ecollm_lab.traces.path_ids import stage_slugs

REST = "together"  # what the stages do only in combination
COLOURS = {**STAGES, REST: FAINT}
UNITS = {
    "quality": "quality, difference (higher is better)",
    "cost_usd": "cost, factor (×, log)",
    "latency_s": "latency, factor (×, log)",
}


def compute_contribution(trace: Trace, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return how much of the differences between paths each stage makes, and each component's part.

    Parameters
    ----------
    trace
        Outcomes on paths with one component per stage.
    n_resamples, seed
        Of the paired bootstrap over queries.

    Returns
    -------
    One row per metric ("quality", "cost_usd", "latency_s"), stage and component: effect,
    effect_low, effect_high, share, share_low, share_high, n (queries), n_paths (with the
    component). The last stage of each metric is "together", with a share only.

    Notes
    -----
    The mean of each path, for cost and latency its logarithm, is fitted by least squares as a sum
    of one term per component. Terms are centred within their stage over the components; for cost
    and latency they are shown as factors. `share` splits the fit's R² among the stages, averaged
    over the orders in which they can enter (Lindeman, Merenda and Gold 1980), so that it does not
    depend on the order although the space is not a full grid; what is left is "together":
    interactions. A metric without values is left out, a path that costs nothing in any resample
    leaves cost out.

    """
    slugs = stage_slugs(trace.path_ids)
    varied = [stage for stage in slugs if len(set(slugs[stage])) > 1]
    if not varied:
        raise LabError(
            f"All {len(slugs)} paths of the trace have the same components, so no stage can"
            " contribute to a difference."
        )
    dummies = {
        stage: pd.get_dummies(slugs[stage])[list(dict.fromkeys(slugs[stage]))].astype(float)
        for stage in varied
    }
    n = len(trace.query_ids)
    counts = np.vstack([np.ones((1, n)), bootstrap_counts(n, n_resamples, seed)])
    parts = []
    for metric in UNITS:
        means = resampled_means(trace.array(metric), counts).T  # (paths, 1 + resamples)
        kept = ~np.isnan(means).any(axis=1)
        if (metric != "quality" and (means[kept] <= 0).any()) or kept.sum() <= len(varied):
            continue
        values = means[kept] if metric == "quality" else np.log(means[kept])
        part = _contributions({stage: table[kept] for stage, table in dummies.items()}, values)
        ends = ["effect", "effect_low", "effect_high"]
        if metric != "quality":
            part[ends] = np.exp(part[ends])
        parts.append(part.assign(metric=metric, n=n))
    if not parts:
        raise LabError(
            "No metric of the trace has a mean for enough paths to tell what a stage contributes."
        )
    whole = pd.concat(parts, ignore_index=True)
    return whole[["metric", *whole.columns.drop("metric")]]


def _contributions(dummies: dict[str, pd.DataFrame], values: np.ndarray) -> pd.DataFrame:
    """Return a row per stage and component; the first column of `values` is the point estimate."""
    parts = {stage: table.to_numpy() for stage, table in dummies.items()}
    shares, effects = explained_shares(parts, values), component_effects(parts, values)
    rows = []
    for stage, table in dummies.items():
        low, high = interval(effects[stage][:, 1:].T)
        about = {"stage": stage} | _estimate("share", shares[stage])
        for i, component in enumerate(table):
            effect = {
                "component": component,
                "effect": effects[stage][i, 0],
                "effect_low": low[i],
                "effect_high": high[i],
            }
            rows.append(about | effect | {"n_paths": int(table[component].sum())})
    rest = _estimate("share", 1 - np.sum(list(shares.values()), axis=0))
    rows.append({"stage": REST, "component": "", "n_paths": len(values)} | rest)
    names = ["effect", "effect_low", "effect_high", "share", "share_low", "share_high", "n_paths"]
    return pd.DataFrame(rows)[["stage", "component", *names]]


def _estimate(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the first of some values, and the 95 % interval of the others."""
    low, high = interval(values[1:, None])
    return {name: float(values[0]), f"{name}_low": float(low[0]), f"{name}_high": float(high[0])}


def plot_contribution(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw, per metric, the shares of the stages as one bar, and the effect of each component.

    Effects have their 95 % intervals.
    """
    metrics = [metric for metric in UNITS if metric in set(frame["metric"])]
    require_rows(frame, "the frame has no metric")
    figure = make_subplots(
        2,
        len(metrics),
        shared_yaxes=True,
        row_heights=[0.1, 0.9],
        vertical_spacing=0.05,
        horizontal_spacing=0.04,
        subplot_titles=[f"{metric.split('_')[0]}: differences between paths" for metric in metrics],
    )
    for column, metric in enumerate(metrics, start=1):
        part = frame[frame["metric"] == metric]
        _add_shares(figure, part, column)
        part = part[part["stage"] != REST]
        _add_effects(figure, part, column)
        still = 0 if metric == "quality" else 1
        figure.add_vline(x=still, line={"color": FAINT, "width": 1}, row=2, col=column)
        ends = pd.concat([part["effect_low"], part["effect_high"]])
        axis = {"title": UNITS[metric]} if metric == "quality" else log_axis(ends, UNITS[metric])
        figure.update_xaxes(axis, zeroline=False, row=2, col=column)
    hidden = {"showticklabels": False, "showgrid": False}
    figure.update_xaxes(hidden, range=[0, 100], zeroline=False, row=1)
    figure.update_yaxes(hidden, row=1)
    figure.update_yaxes(autorange="reversed", row=2)
    figure.update_yaxes(automargin=True, row=2, col=1)
    figure.update_layout(barmode="stack")
    n = frame[frame["stage"] != REST].drop_duplicates(["stage", "component"]).shape[0]
    return finish(figure, "Which stage makes the difference?", source, height=300 + 22 * n)


def _add_shares(figure: go.Figure, part: pd.DataFrame, column: int) -> None:
    for stage, share in part.drop_duplicates("stage").set_index("stage").iterrows():
        figure.add_bar(
            x=[100 * share["share"]],
            y=["share"],
            orientation="h",
            name=stage,
            legendgroup=stage,
            showlegend=column == 1,
            marker={"color": COLOURS[stage]},
            text=[f"{share['share']:.0%}" if share["share"] >= 0.06 else ""],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": ink_on(COLOURS[stage])},
            hovertemplate=(
                f"{stage}: {share['share']:.1%} [{share['share_low']:.1%},"
                f" {share['share_high']:.1%}] of the differences<br>{share['n']}"
                " queries<extra></extra>"
            ),
            row=1,
            col=column,
        )


def _add_effects(figure: go.Figure, part: pd.DataFrame, column: int) -> None:
    facts = ["component", "effect_low", "effect_high", "n_paths", "n"]
    for stage, rows in part.groupby("stage", sort=False):
        figure.add_scatter(
            x=rows["effect"],
            y=[[stage] * len(rows), rows["component"].tolist()],
            mode="markers",
            name=stage,
            legendgroup=stage,
            showlegend=False,
            marker={"color": COLOURS[stage], "size": 9},
            error_x=error_bars(rows, "effect", thickness=1.5, width=3),
            customdata=rows[facts].to_numpy(),
            hovertemplate=(
                f"<b>{stage}: %{{customdata[0]}}</b><br>%{{x:.3f}} [%{{customdata[1]:.3f}},"
                " %{customdata[2]:.3f}]<br>%{customdata[3]} paths, %{customdata[4]}"
                " queries<extra></extra>"
            ),
            row=2,
            col=column,
        )


def compute_passages(trace: Trace) -> pd.DataFrame:
    """Return mean quality by kind of query, model, and number of passages that the model reads.

    Over paths with any retrieval, but without rewriting or refinement. Columns: kind, model,
    passages, mean, count (outcomes).
    """
    frame = trace.outcomes.merge(trace.queries[["query_id", "kind"]], on="query_id")
    slugs = stage_slugs(trace.path_ids).loc[frame["path_id"]].reset_index(drop=True)
    frame["model"] = slugs["generate"]
    found = slugs["retrieve"].str.extract(r"-(\d+)$", expand=False)
    frame["passages"] = found.fillna("0").astype(int)
    frame = frame[(slugs["refine"] == "none") & (slugs["rewrite"] == "none")]
    groups = frame.groupby(["kind", "model", "passages"], sort=False)["quality"]
    return groups.agg(["mean", "count"]).reset_index()


def plot_passages(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality over the number of passages, a panel per kind of query, a line per model.

    The file types of a model share a colour and differ in the dash.
    """
    kinds = list(dict.fromkeys(frame["kind"]))
    figure = make_subplots(
        1, len(kinds), shared_yaxes=True, subplot_titles=kinds, horizontal_spacing=0.02
    )
    looks = model_looks(list(dict.fromkeys(frame["model"])))
    for model, look in looks.items():
        for column, kind in enumerate(kinds, start=1):
            mine = (frame["model"] == model) & (frame["kind"] == kind)
            part = frame[mine].sort_values("passages")
            figure.add_scatter(
                x=part["passages"],
                y=part["mean"],
                mode="lines+markers",
                name=model,
                legendgroup=split_model(model)[0],
                showlegend=False,
                line={"color": look.colour, "dash": look.dash},
                marker={"symbol": look.symbol, "size": 8},
                customdata=part["count"],
                row=1,
                col=column,
                hovertemplate=(
                    f"{model}, {kind}<br>%{{x}} passages: %{{y:.3f}}<br>%{{customdata}}"
                    " outcomes<extra></extra>"
                ),
            )
    add_model_keys(figure, looks)
    figure.update_xaxes(title="passages", tickvals=sorted(set(frame["passages"])))
    figure.update_yaxes(title=QUALITY, range=quality_range(frame["mean"]), row=1, col=1)
    title = "How do model size, passages and the kind of query play together?"
    return finish(figure, title, source)
