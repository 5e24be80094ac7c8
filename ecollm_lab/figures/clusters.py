"""Queries by cluster: what people ask about, and which path answers each cluster best."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.domains.clusters import NOISE, Clusters
from ecollm_lab.figures.style import (
    FAINT,
    INK,
    PALETTE,
    SYMBOLS,
    aside,
    finish,
    plain,
    require_rows,
    split_model,
)
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, path_ids
from ecollm_lab.traces.intervals import bootstrap_counts, interval, resampled_means


def compute_cluster_map(trace: Trace, embeddings: np.ndarray, clusters: Clusters) -> pd.DataFrame:
    """Return the queries with their cluster (-1 = noise), two principal components of their embeddings and who represents a cluster."""
    from sklearn.decomposition import PCA

    _require_fit(trace, embeddings, clusters)
    xy = PCA(2, random_state=0).fit_transform(embeddings)
    represents = np.isin(np.arange(len(xy)), clusters.representatives)
    return trace.queries.assign(
        cluster=clusters.labels, x=xy[:, 0], y=xy[:, 1], representative=represents
    )


def plot_cluster_map(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw queries as points, coloured by cluster and named by its representative; noise as crosses. Hover shows text and kind."""
    figure = go.Figure()
    for label in sorted(frame["cluster"].unique()):
        part = frame[frame["cluster"] == label]
        noise = label == NOISE
        texts = part.loc[part["representative"], "text"]
        name = "noise" if noise else plain(texts.iloc[0], 36) if len(texts) else f"cluster {label}"
        figure.add_scatter(
            x=part["x"],
            y=part["y"],
            mode="markers",
            name=f"{name} ({len(part)})",
            marker={
                "color": FAINT if noise else PALETTE[label % len(PALETTE)],
                "size": 6 if noise else 9,
                "symbol": "x" if noise else SYMBOLS[(label + label // len(SYMBOLS)) % len(SYMBOLS)],
            },
            customdata=part[["text", "kind"]].map(plain),
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    figure.update_xaxes(
        title="first principal component of the embeddings (no unit)", zeroline=False
    )
    figure.update_yaxes(title="second principal component (no unit)", zeroline=False)
    height = max(470, 180 + 20 * frame["cluster"].nunique())  # all of the legend
    return aside(finish(figure, "What do people ask about?", source, height=height))


def compute_cluster_winners(
    trace: Trace,
    embeddings: np.ndarray,
    clusters: Clusters,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return, per cluster, what each cluster's winner and the best path overall lose to that cluster's own winner.

    Parameters
    ----------
    trace
        Outcomes of the queries that were clustered.
    embeddings
        Their unit embeddings, shape (queries, dimension). Noise queries count with their nearest
        cluster.
    clusters
        Of these queries.
    n_resamples, seed
        Of the paired bootstrap over the queries of a cluster.

    Returns
    -------
    One row per cluster and path: cluster, representative (its text), path_id, quality, regret
    (quality lost to the cluster's winner; lower is better) with its 95 % paired interval (`_low`,
    `_high`), winner, overall_best, n (queries of the cluster).

    Notes
    -----
    The winner has the best mean quality; of equals the cheapest, then the fastest. It is picked on
    the queries it is scored on, so regrets are optimistic: an interval that touches 0 is no
    difference.

    """
    _require_fit(trace, embeddings, clusters)
    quality = trace.array("quality")
    cost, latency = (
        np.nan_to_num(trace.array(c), nan=np.inf).mean(axis=0) for c in ("cost_usd", "latency_s")
    )
    nearest = clusters.assign(embeddings)
    labels = [label for label in range(len(clusters)) if (nearest == label).any()]

    def best(rows: np.ndarray) -> int:
        means = resampled_means(quality[rows], np.ones((1, int(rows.sum()))))[0]
        return int(np.lexsort((latency, cost, -np.nan_to_num(means, nan=-1.0).round(12)))[0])

    overall = best(np.ones(len(quality), dtype=bool))
    winners = {label: best(nearest == label) for label in labels}
    columns = list(dict.fromkeys([overall, *winners.values()]))
    texts = trace.queries["text"].to_numpy()
    out = []
    for label in labels:
        part = quality[nearest == label]
        counts = bootstrap_counts(len(part), n_resamples, seed)
        lost = part[:, [winners[label]]] - part[:, columns]
        low, high = interval(resampled_means(lost, counts))
        whole = np.ones((1, len(part)))
        out.append(
            pd.DataFrame(
                {
                    "cluster": label,
                    "representative": texts[clusters.representatives[label]],
                    "path_id": np.array(trace.path_ids)[columns],
                    "quality": resampled_means(part[:, columns], whole)[0],
                    "regret": resampled_means(lost, whole)[0],
                    "regret_low": low,
                    "regret_high": high,
                    "winner": np.array(columns) == winners[label],
                    "overall_best": np.array(columns) == overall,
                    "n": len(part),
                }
            )
        )
    return pd.concat(out, ignore_index=True)


def plot_cluster_winners(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw regret as a heat map, clusters by the paths that win one; a star marks the winner, bold a regret whose interval is above 0."""
    require_rows(frame, "no query is in a cluster")
    wide = frame.pivot_table(index="cluster", columns="path_id", values="regret")
    weights = frame.drop_duplicates("cluster").set_index("cluster")["n"]
    order = (
        (wide.mul(weights, axis=0).sum() / weights.sum()).sort_values(kind="stable").index.tolist()
    )
    wide = wide[order]
    cells = frame.set_index(["cluster", "path_id"])
    overall = frame.loc[frame["overall_best"], "path_id"].iloc[0]
    names = {
        r.cluster: f"{plain(r.representative, 44)} ({r.n})"
        for r in frame.drop_duplicates("cluster").itertuples()
    }
    text, cards = [], []
    for cluster in wide.index:
        rows = [cells.loc[(cluster, path)] for path in order]
        text.append(
            [
                (
                    "★"
                    if r["winner"]
                    else (
                        f"<b>{r['regret']:.2f}</b>" if r["regret_low"] > 0 else f"{r['regret']:.2f}"
                    )
                )
                for r in rows
            ]
        )
        cards.append(
            [
                f"<b>{plain(path)}</b><br>cluster {cluster}, {r['n']}"
                f" queries<br>{plain(r['representative'])}<br>quality {r['quality']:.3f}<br>regret"
                f" {r['regret']:.3f} [{r['regret_low']:.3f}, {r['regret_high']:.3f}]"
                for path, r in zip(order, rows, strict=True)
            ]
        )
    figure = go.Figure()
    figure.add_heatmap(
        x=list(range(len(order))),
        y=[names[cluster] for cluster in wide.index],
        z=wide.to_numpy(),
        text=text,
        texttemplate="%{text}",
        customdata=cards,
        hovertemplate="%{customdata}<extra></extra>",
        colorscale=[[0, "#FFFFFF"], [1, PALETTE[3]]],
        zmin=0,
        zmax=max(0.1, float(wide.max(axis=None))),
        xgap=2,
        ygap=2,
        textfont={"color": INK},
        colorbar={"title": "regret<br>(quality lost)", "thickness": 12, "outlinewidth": 0},
    )
    parts = [
        [*stages, *filter(None, split_model(model))]
        for *stages, model in map(path_ids.parts, order)
    ]
    ticks = [
        "<br>".join(map(plain, slugs)) + ("<br><b>best of all</b>" if path == overall else "")
        for path, slugs in zip(order, parts, strict=True)
    ]
    figure.update_xaxes(
        tickvals=list(range(len(order))),
        ticktext=ticks,
        tickangle=0,
        tickfont={"size": 10},
        showgrid=False,
        zeroline=False,
        title=(
            "path: rewrite, retrieve, refine, generate (★ = wins the cluster; bold = regret whose"
            " 95 % interval is above 0)"
        ),
    )
    figure.update_yaxes(
        autorange="reversed", automargin=True, showgrid=False, title="cluster (queries)"
    )
    title = "Which path answers each cluster best, and what do the others lose there?"
    return finish(figure, title, source, height=max(394, 284 + 30 * len(wide)), foot=142)


def _require_fit(trace: Trace, embeddings: np.ndarray, clusters: Clusters) -> None:
    n = len(trace.query_ids)
    if len(embeddings) != n or len(clusters.labels) != n:
        raise LabError(
            f"embeddings and clusters must be of the trace's own {n} queries; got {len(embeddings)}"
            f" embeddings and {len(clusters.labels)} labels. Split all three alike."
        )
