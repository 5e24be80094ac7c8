"""Queries by cluster."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.cluster import NOISE, Clusters
from ecollm_lab.figures.style import FAINT, PALETTE, SYMBOLS, finish, plain
from ecollm_lab.traces import Trace


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
            customdata=part[["text", "kind"]].map(plain), hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="first principal component")
    figure.update_yaxes(title="second principal component")
    return finish(figure, "What do people ask about?", source)
