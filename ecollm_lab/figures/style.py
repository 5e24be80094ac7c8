"""What all figures share: colours, second codings, axis titles, the layout, the source line."""

from __future__ import annotations

import plotly.graph_objects as go

# Okabe-Ito colours and two of Tol's; shape is the second coding, for readers without colour.
EDGE, MIXED, CLOUD, CHOSEN, INK, FAINT = "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#333333", "#BBBBBB"
PALETTE = (CHOSEN, MIXED, EDGE, CLOUD, "#56B4E9", "#E69F00", "#999999", "#000000", "#882255", "#44AA99")
SYMBOLS = ("star", "square", "circle", "diamond", "triangle-down", "triangle-up", "x", "cross", "pentagon", "hourglass")
LOG = {"type": "log", "exponentformat": "power", "dtick": 1}
CONFIG = {"displaylogo": False, "showSendToCloud": False}  # nothing leaves the notebook
QUALITY = "quality (share of facts stated, higher is better)"
COST = "cost (USD per 1,000 queries, log)"
LATENCY = "latency (s, mean, log)"


def plain(text: object) -> str:
    """Make text safe for plotly's pseudo-HTML and short enough for a hover card."""
    shown = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown if len(shown) <= 120 else shown[:119] + "…"


def finish(figure: go.Figure, title: str, source: str) -> go.Figure:
    """Give a figure its title, its source line and the house layout."""
    figure.update_layout(
        title={"text": title, "x": 0.01}, template="plotly_white", height=480, margin={"l": 60, "r": 20, "t": 100, "b": 90},
        legend={"orientation": "h", "y": 1.13, "x": 1, "yanchor": "bottom", "xanchor": "right"}, uirevision="keep",
    )  # fmt: skip
    figure.add_annotation(
        text=f"Source: {plain(source)}",
        xref="paper",
        yref="paper",
        x=0,
        y=-0.2,
        yanchor="top",
        showarrow=False,
        font={"size": 11, "color": "#666666"},
    )
    return figure
