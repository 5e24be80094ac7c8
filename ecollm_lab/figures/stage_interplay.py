"""Which components of two stages go together."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import QUALITY, add_model_keys, finish, model_looks, split_model
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import stage_slugs


def compute_interplay(trace: Trace) -> pd.DataFrame:
    """Return mean quality by kind of query, model, and number of passages read (any retrieval; no rewriting, no refinement)."""
    frame = trace.outcomes.merge(trace.queries[["query_id", "kind"]], on="query_id")
    slugs = stage_slugs(trace.path_ids).loc[frame["path_id"]].reset_index(drop=True)
    frame["model"] = slugs["generate"]
    frame["passages"] = (
        slugs["retrieve"].str.extract(r"-(\d+)$", expand=False).fillna("0").astype(int)
    )
    frame = frame[(slugs["refine"] == "none") & (slugs["rewrite"] == "none")]
    return (
        frame.groupby(["kind", "model", "passages"], sort=False)["quality"]
        .agg(["mean", "count"])
        .reset_index()
    )


def plot_interplay(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality over the number of passages, one panel per kind, one line per model; the file types of a model share a colour."""
    kinds = list(dict.fromkeys(frame["kind"]))
    figure = make_subplots(
        1, len(kinds), shared_yaxes=True, subplot_titles=kinds, horizontal_spacing=0.02
    )
    looks = model_looks(list(dict.fromkeys(frame["model"])))
    for model, (colour, symbol, dash) in looks.items():
        for column, kind in enumerate(kinds, start=1):
            part = frame[(frame["model"] == model) & (frame["kind"] == kind)].sort_values(
                "passages"
            )
            figure.add_scatter(
                x=part["passages"],
                y=part["mean"],
                mode="lines+markers",
                name=model,
                legendgroup=split_model(model)[0],
                showlegend=False,
                line={"color": colour, "dash": dash},
                marker={"symbol": symbol, "size": 8},
                customdata=part["count"],
                row=1,
                col=column,
                hovertemplate=(
                    f"{model}, {kind}<br>%{{x}} passages: %{{y:.3f}}<br>%{{customdata}}"
                    " outcomes<extra></extra>"
                ),
            )
    add_model_keys(figure, looks)
    figure.update_xaxes(title="passages retrieved", tickvals=sorted(set(frame["passages"])))
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03], row=1, col=1)
    return finish(
        figure, "How do model size, passages and the kind of query play together?", source
    )
