"""Queries by cluster: what people ask about, and which path answers each cluster best."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.domains.clusters import NOISE, Clusters, cluster_name
from ecollm_lab.figures.style import (
    FAINT,
    INK,
    PALETTE,
    RED,
    SYMBOLS,
    finish,
    legend_aside,
    plain,
    require_rows,
    split_model,
)
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, path_ids
from ecollm_lab.traces.intervals import bootstrap_counts, interval, resampled_means


def compute_cluster_map(trace: Trace, embeddings: np.ndarray, clusters: Clusters) -> pd.DataFrame:
    """Return the queries with their cluster, and two principal components of their embeddings.

    Columns beside those of the queries: cluster (-1 is noise), x, y, representative (whether the
    query represents its cluster).
    """
    from sklearn.decomposition import PCA

    _require_fit(trace, embeddings, clusters)
    xy = PCA(2, random_state=0).fit_transform(embeddings)
    represents = np.isin(np.arange(len(xy)), clusters.representatives)
    return trace.queries.assign(
        cluster=clusters.labels, x=xy[:, 0], y=xy[:, 1], representative=represents
    )


def plot_cluster_map(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw queries as points, coloured by cluster and named by its representative.

    Noise is drawn as crosses; hover shows text and kind.
    """
    figure = go.Figure()
    for label in sorted(frame["cluster"].unique()):
        part = frame[frame["cluster"] == label]
        texts = part.loc[part["representative"], "text"]
        name = f"{label:02d} · {plain(texts.iloc[0], 36)}" if len(texts) else cluster_name(label)
        symbol = SYMBOLS[(label + label // len(SYMBOLS)) % len(SYMBOLS)]
        marks = {"color": PALETTE[label % len(PALETTE)], "size": 9, "symbol": symbol}
        if label == NOISE:
            name, marks = "noise", {"color": FAINT, "size": 6, "symbol": "x"}
        figure.add_scatter(
            x=part["x"],
            y=part["y"],
            mode="markers",
            name=f"{name} ({len(part)})",
            marker=marks,
            customdata=part[["text", "kind"]].map(plain),
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    figure.update_xaxes(
        title="first principal component of the embeddings (no unit)", zeroline=False
    )
    figure.update_yaxes(title="second principal component (no unit)", zeroline=False)
    height = max(470, 180 + 20 * frame["cluster"].nunique())  # all of the legend
    return legend_aside(finish(figure, "What do people ask about?", source, height=height))


def compute_cluster_winners(
    trace: Trace,
    embeddings: np.ndarray,
    clusters: Clusters,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return, per cluster, what the winners of all clusters lose to that cluster's own winner.

    The best path over all queries is compared too.

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
    nearest = clusters.assign(embeddings)
    labels = [label for label in range(len(clusters)) if (nearest == label).any()]
    means = (np.nan_to_num(trace.array(f), nan=np.inf) for f in ("latency_s", "cost_usd"))
    spent = [table.mean(axis=0) for table in means]
    overall = _best(quality, spent)
    winners = {label: _best(quality[nearest == label], spent) for label in labels}
    columns = list(dict.fromkeys([overall, *winners.values()]))
    paths = np.array(trace.path_ids)[columns]
    texts = trace.queries["text"].to_numpy()
    out = []
    for label, winner in winners.items():
        part = quality[nearest == label]
        counts = bootstrap_counts(len(part), n_resamples, seed)
        rows = _regrets(part[:, columns], columns.index(winner), counts)
        out.append(rows.assign(cluster=label, path_id=paths, n=len(part)))
        out[-1]["representative"] = texts[clusters.representatives[label]]
    frame = pd.concat(out, ignore_index=True)
    frame["overall_best"] = frame["path_id"] == trace.path_ids[overall]
    first = ["cluster", "representative", "path_id"]
    return frame[[*first, *frame.columns.drop([*first, "n"]), "n"]]


def _regrets(quality: np.ndarray, winner: int, counts: np.ndarray) -> pd.DataFrame:
    """Return, per path, mean quality and what it loses to the winner, with its interval."""
    lost = quality[:, [winner]] - quality
    low, high = interval(resampled_means(lost, counts))
    whole = np.ones((1, len(quality)))
    means = {
        "quality": resampled_means(quality, whole)[0],
        "regret": resampled_means(lost, whole)[0],
    }
    frame = pd.DataFrame(means | {"regret_low": low, "regret_high": high})
    return frame.assign(winner=np.arange(len(frame)) == winner)


def _best(quality: np.ndarray, spent: list[np.ndarray]) -> int:
    """Return the path of best mean quality (queries, paths); of equals the cheapest, fastest.

    `spent` has the mean latency and cost of each path, the latter counts first.
    """
    means = resampled_means(quality, np.ones((1, len(quality))))[0]
    return int(np.lexsort((*spent, -np.nan_to_num(means, nan=-1.0).round(12)))[0])


MOST_NUMBERS = 30  # columns that have room for a number in each cell
NOTHING = "none"  # the component of a stage that does nothing
# pixels of a letter of a tick, at most and in a long name; those that all columns share at 1,200;
# letters of a turned name
_LETTER, _NARROW, _ROOM, _LONGEST = 5.6, 4.8, 740, 60


def plot_cluster_winners(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw regret as a heat map, clusters by the paths that win one.

    A star marks the winner; bold is a regret whose interval is above 0. Where there are too many
    paths to read a number in each cell, only stars and the bold ones are written.
    """
    require_rows(frame, "no query is in a cluster")
    wide = frame.pivot_table(index="cluster", columns="path_id", values="regret")
    weights = frame.drop_duplicates("cluster").set_index("cluster")["n"]
    mean = wide.mul(weights, axis=0).sum() / weights.sum()
    wide = wide[mean.sort_values(kind="stable").index]
    order = wide.columns.tolist()
    cells = frame.assign(text=_cell_texts(frame, len(order)), card=_cards(frame))
    text, cards = (
        cells.pivot_table(index="cluster", columns="path_id", values=name, aggfunc="first")[order]
        for name in ("text", "card")
    )
    names = {
        r.cluster: f"{r.cluster:02d} · {plain(r.representative, 40)} ({r.n})"
        for r in frame.drop_duplicates("cluster").itertuples()
    }
    figure = go.Figure()
    figure.add_heatmap(
        x=list(range(len(order))),
        y=[names[cluster] for cluster in wide.index],
        z=wide.to_numpy(),
        text=text.to_numpy(),
        texttemplate="%{text}",
        customdata=cards.to_numpy(),
        hovertemplate="%{customdata}<extra></extra>",
        colorscale=[[0, "#FFFFFF"], [1, RED]],
        zmin=0,
        zmax=max(0.1, float(wide.max(axis=None))),
        xgap=2,
        ygap=2,
        textfont={"color": INK, "size": 10},
        colorbar={"title": "regret<br>(quality lost)", "thickness": 12, "outlinewidth": 0},
    )
    overall = frame.loc[frame["overall_best"], "path_id"].iloc[0]
    ticks, foot = _ticks(order, overall)
    title = "path: stage by stage (★ wins the cluster; bold: 95 % above 0)"
    figure.update_xaxes(ticks, showgrid=False, zeroline=False, title=title)
    figure.update_yaxes(
        autorange="reversed", automargin=True, showgrid=False, title="cluster (queries)"
    )
    title = "Which path answers each cluster best, and what do the others lose there?"
    return finish(figure, title, source, height=max(252, 142 + 30 * len(wide)) + foot, foot=foot)


def _cell_texts(frame: pd.DataFrame, n_columns: int) -> list[str]:
    """Return what is written in each cell."""
    texts = []
    for row in frame.itertuples():
        number = (
            f".{round(100 * row.regret):02d}" if 0 <= row.regret < 0.995 else f"{row.regret:.1f}"
        )
        sure = row.regret_low > 0
        rest = number if n_columns <= MOST_NUMBERS else ""
        texts.append("★" if row.winner else f"<b>{number}</b>" if sure else rest)
    return texts


def _cards(frame: pd.DataFrame) -> list[str]:
    return [
        f"<b>{plain(r.path_id)}</b><br>{cluster_name(r.cluster)}, {r.n}"
        f" queries<br>{plain(r.representative)}<br>quality {r.quality:.3f}<br>regret"
        f" {r.regret:.3f} [{r.regret_low:.3f}, {r.regret_high:.3f}]"
        for r in frame.itertuples()
    ]


def _ticks(paths: list[str], overall: str) -> tuple[dict[str, Any], int]:
    """Return how paths are named below their columns, and the pixels that this takes.

    A name is upright, a stage a line, where its longest stage is no wider than a column, and else
    turned, a line without the stages that do nothing.
    """
    lines = [_lines(path) for path in paths]
    widest = max(len(part) for part in itertools.chain(*lines))
    upright = _LETTER * widest * len(paths) <= _ROOM
    if upright:
        text, foot = ["<br>".join(parts) for parts in lines], 78 + 16 * max(map(len, lines))
    else:
        names = [" · ".join(p for p in parts if p != NOTHING) or NOTHING for parts in lines]
        text = [plain(name, _LONGEST) for name in names]
        foot = 62 + int(_NARROW * (max(map(len, text)) + len(" (best of all)")))
    best = "<br><b>best of all</b>" if upright else " <b>(best of all)</b>"
    text = [one + best * (path == overall) for one, path in zip(text, paths, strict=True)]
    return {
        "tickvals": list(range(len(paths))),
        "ticktext": text,
        "tickangle": 0 if upright else -90,
        "tickfont": {"size": 10},
    }, foot


def _lines(path: str) -> list[str]:
    """Return the stages of a path, the model's file type apart."""
    *stages, model = path_ids.parts(path)
    return [plain(part) for part in (*stages, *filter(None, split_model(model)))]


def _require_fit(trace: Trace, embeddings: np.ndarray, clusters: Clusters) -> None:
    n = len(trace.query_ids)
    if len(embeddings) != n or len(clusters.labels) != n:
        raise LabError(
            f"embeddings and clusters must be of the trace's own {n} queries; got {len(embeddings)}"
            f" embeddings and {len(clusters.labels)} labels. Split all three alike."
        )
