"""What each stage contributes."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import CLOUD, EDGE, QUALITY, finish
from ecollm_lab.traces import Trace


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
    return finish(figure, "How do model size, passages and the kind of query play together?", source)
