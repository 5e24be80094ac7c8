"""What each stage contributes to quality, cost and latency, and how stages play together."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import FAINT, STAGE_COLOURS, decades, finish, require_rows
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.intervals import bootstrap_counts, interval, resampled_means
from ecollm_lab.traces.path_ids import stage_slugs

REST = "together"  # what the stages do only in combination
COLOURS = {**STAGE_COLOURS, REST: FAINT}
UNITS = {
    "quality": "quality, difference (higher is better)",
    "cost_usd": "cost, factor (×, log)",
    "latency_s": "latency, factor (×, log)",
}


def compute_contribution(trace: Trace, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return how much of the differences between paths each stage makes, and what each component does to quality, cost and latency.

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
    counts = np.vstack(
        [
            np.ones((1, len(trace.query_ids))),
            bootstrap_counts(len(trace.query_ids), n_resamples, seed),
        ]
    )
    out = []
    for metric in UNITS:
        means = resampled_means(trace.array(metric), counts).T  # (paths, 1 + resamples)
        kept = ~np.isnan(means).any(axis=1)
        if (metric != "quality" and (means[kept] <= 0).any()) or kept.sum() <= len(varied):
            continue
        values = means[kept] if metric == "quality" else np.log(means[kept])
        parts = {stage: dummies[stage].to_numpy()[kept] for stage in varied}
        shares, effects = _shares(parts, values), _effects(parts, values)
        for stage in varied:
            low, high = interval(effects[stage][:, 1:].T)
            terms = np.column_stack([effects[stage][:, 0], low, high])
            for i, component in enumerate(dummies[stage]):
                term = terms[i] if metric == "quality" else np.exp(terms[i])
                out.append(
                    [
                        metric,
                        stage,
                        component,
                        *term,
                        *_estimate(shares[stage]),
                        int(dummies[stage].to_numpy()[kept, i].sum()),
                    ]
                )
        rest = 1 - np.sum(list(shares.values()), axis=0)
        out.append([metric, REST, "", *[np.nan] * 3, *_estimate(rest), int(kept.sum())])
    if not out:
        raise LabError(
            "No metric of the trace has a mean for enough paths to tell what a stage contributes."
        )
    names = [
        "metric",
        "stage",
        "component",
        "effect",
        "effect_low",
        "effect_high",
        "share",
        "share_low",
        "share_high",
        "n_paths",
    ]
    return pd.DataFrame(out, columns=names).assign(n=len(trace.query_ids))


def _estimate(values: np.ndarray) -> tuple[float, float, float]:
    """Return the first of some values, and the 95 % interval of the others."""
    low, high = interval(values[1:, None])
    return float(values[0]), float(low[0]), float(high[0])


def _shares(parts: dict[str, np.ndarray], values: np.ndarray) -> dict[str, np.ndarray]:
    """Return each stage's share of the variance between paths, shape (columns of values,), averaged over the orders of entry."""
    centred = values - values.mean(axis=0)
    total = np.square(centred).sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    stages, explained = list(parts), {}
    for size in range(len(stages) + 1):
        for subset in combinations(stages, size):
            design = np.column_stack([np.ones(len(values)), *(parts[stage] for stage in subset)])
            u, s, _ = np.linalg.svd(design, full_matrices=False)
            fitted = u[:, s > 1e-9 * s[0]].T @ centred
            explained[frozenset(subset)] = np.square(fitted).sum(axis=0) / total
    shares = {}
    for stage in stages:
        others = [other for other in stages if other != stage]
        shares[stage] = sum(
            (explained[frozenset((*subset, stage))] - explained[frozenset(subset)])
            * factorial(size)
            * factorial(len(others) - size)
            / factorial(len(stages))
            for size in range(len(others) + 1)
            for subset in combinations(others, size)
        )
    return shares


def _effects(parts: dict[str, np.ndarray], values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the least-squares term of each component, centred within its stage, shape (components, columns of values)."""
    design = np.column_stack([np.ones(len(values)), *parts.values()])
    terms = np.linalg.lstsq(design, values, rcond=None)[0][1:]
    out, start = {}, 0
    for stage, part in parts.items():
        mine = np.where(
            np.atleast_2d(part.any(axis=0)).T, terms[start : start + part.shape[1]], np.nan
        )
        out[stage] = mine - np.nanmean(mine, axis=0)
        start += part.shape[1]
    return out


def plot_contribution(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw, per metric, the share of each stage as one stacked bar, and below it the effect of each component with 95 % intervals."""
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
                textfont={"color": "white"},
                hovertemplate=(
                    f"{stage}: {share['share']:.1%} [{share['share_low']:.1%},"
                    f" {share['share_high']:.1%}] of the differences<br>{share['n']}"
                    " queries<extra></extra>"
                ),
                row=1,
                col=column,
            )
        part = part[part["stage"] != REST]
        for stage, rows in part.groupby("stage", sort=False):
            figure.add_scatter(
                x=rows["effect"],
                y=[[stage] * len(rows), rows["component"].tolist()],
                mode="markers",
                name=stage,
                legendgroup=stage,
                showlegend=False,
                marker={"color": COLOURS[stage], "size": 9},
                error_x={
                    "type": "data",
                    "array": rows["effect_high"] - rows["effect"],
                    "thickness": 1.5,
                    "width": 3,
                    "arrayminus": rows["effect"] - rows["effect_low"],
                },
                customdata=rows[
                    ["component", "effect_low", "effect_high", "n_paths", "n"]
                ].to_numpy(),
                hovertemplate=(
                    f"<b>{stage}: %{{customdata[0]}}</b><br>%{{x:.3f}} [%{{customdata[1]:.3f}},"
                    " %{customdata[2]:.3f}]<br>%{customdata[3]} paths, %{customdata[4]}"
                    " queries<extra></extra>"
                ),
                row=2,
                col=column,
            )
        still = 0 if metric == "quality" else 1
        figure.add_vline(x=still, line={"color": FAINT, "width": 1}, row=2, col=column)
        scale = (
            {"type": "linear"}
            if metric == "quality"
            else decades(pd.concat([part["effect_low"], part["effect_high"]]))
        )
        figure.update_xaxes(scale, title=UNITS[metric], zeroline=False, row=2, col=column)
        figure.update_xaxes(
            range=[0, 100], showticklabels=False, showgrid=False, zeroline=False, row=1, col=column
        )
    figure.update_yaxes(showticklabels=False, showgrid=False, row=1)
    figure.update_yaxes(autorange="reversed", row=2)
    figure.update_yaxes(automargin=True, row=2, col=1)
    figure.update_layout(barmode="stack")
    n = frame[frame["stage"] != REST].drop_duplicates(["stage", "component"]).shape[0]
    return finish(figure, "Which stage makes the difference?", source, height=300 + 22 * n)
