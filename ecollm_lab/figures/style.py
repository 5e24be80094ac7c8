"""What all figures share: colours, second codings, axis titles, the layout, the source line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.records import LabError

# Okabe-Ito colours and two of Tol's; shape is the second coding, for readers without colour.
EDGE, MIXED, CLOUD, CHOSEN, INK, FAINT = (
    "#0072B2",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#333333",
    "#BBBBBB",
)
PALETTE = (
    CHOSEN,
    MIXED,
    EDGE,
    CLOUD,
    "#56B4E9",
    "#E69F00",
    "#999999",
    "#000000",
    "#882255",
    "#44AA99",
)
SYMBOLS = (
    "star",
    "square",
    "circle",
    "diamond",
    "triangle-down",
    "triangle-up",
    "x",
    "cross",
    "pentagon",
    "hourglass",
)
LOOKS = (
    ("edge", EDGE, "circle"),
    ("mixed", MIXED, "square"),
    ("cloud", CLOUD, "diamond"),
    ("not stated", "#777777", "triangle-up"),
)
STAGE_COLOURS = {"rewrite": "#56B4E9", "retrieve": EDGE, "refine": MIXED, "generate": "#E69F00"}
LOG = {"type": "log", "exponentformat": "power", "dtick": 1}
CONFIG = {"displaylogo": False, "showSendToCloud": False}  # nothing leaves the notebook
QUALITY = "quality (share of facts stated, higher is better)"
COST = "cost (USD per 1,000 queries, log)"
LATENCY = "latency (s, mean, log)"
_FILE_TYPE = re.compile(
    r"[-.](bf16|f16|f32|i?q\d\w*)$", re.IGNORECASE
)  # of a GGUF, at the end of a model's name
FOOT = 58  # pixels between the lowest axis and the source line


def plain(text: object, longest: int = 120) -> str:
    """Make text safe for plotly's pseudo-HTML and short enough for a hover card."""
    shown = " ".join(str(text).split())
    shown = shown if len(shown) <= longest else shown[: longest - 1] + "…"
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def decades(values: pd.Series) -> dict:
    """Return the settings of a logarithmic axis over some values, with ticks at 1, 2 and 5 where it spans less than two decades."""
    known = values[(values > 0) & np.isfinite(values)]
    if known.empty or known.max() >= 1e4 * known.min():
        return LOG
    steps = (1, 2, 5) if known.max() < 100 * known.min() else (1,)
    powers = range(int(np.floor(np.log10(known.min()))), int(np.ceil(np.log10(known.max()))) + 1)
    ticks = [float(f"{m}e{power}") for power in powers for m in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def lifted(values: pd.Series) -> tuple[pd.Series, float | None]:
    """Return values for a logarithmic axis, zeros at a quarter of the least other value, and that place; None if there is no zero."""
    if not (values == 0).any():
        return values, None
    others = values[(values > 0) & np.isfinite(values)]
    at = float(others.min()) / 4 if len(others) else 1e-3
    return values.replace(0.0, at), at


def mark_zero(figure: go.Figure, at: float, column: int) -> None:
    """Mark the strip of a logarithmic axis where `lifted` put the zeros."""
    figure.add_vrect(
        x0=at / 1.5,
        x1=at * 1.5,
        fillcolor=FAINT,
        opacity=0.25,
        line_width=0,
        layer="below",
        row=1,
        col=column,
    )
    axis = str(column) if column > 1 else ""
    figure.add_annotation(
        text="0",
        x=np.log10(at),
        y=0.01,
        xref=f"x{axis}",
        yref=f"y{axis} domain",
        showarrow=False,
        yanchor="bottom",
        font={"size": 11, "color": "#666666"},
    )


def split_model(name: str) -> tuple[str, str]:
    """Return a model's name without its file type, and that type ("" if it names none).

    Examples
    --------
    >>> split_model("pocket-s-q8_0"), split_model("gpt-4o-mini")
    (('pocket-s', 'q8_0'), ('gpt-4o-mini', ''))

    """
    found = _FILE_TYPE.search(name)
    return (name[: found.start()], found[1]) if found else (name, "")


def model_looks(models: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return colour, symbol and dash of each model: colour and symbol tell models apart, the dash the file types of one."""
    names, types = (
        list(dict.fromkeys(part)) for part in zip(*map(split_model, models), strict=True)
    )
    types = [kind for kind in types if kind]
    colours = (EDGE, "#56B4E9", CLOUD, "#E69F00", MIXED, CHOSEN, *PALETTE[6:])
    symbols = ("circle", "square", "diamond", "x", *SYMBOLS[4:])
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    looks = {}
    for model in models:
        name, kind = split_model(model)
        i, dash = names.index(name), dashes[types.index(kind) % len(dashes)] if kind else "solid"
        looks[model] = (colours[i % len(colours)], symbols[i % len(symbols)], dash)
    return looks


def add_model_keys(figure: go.Figure, looks: Mapping[str, tuple[str, str, str]]) -> None:
    """Add a legend entry per model, whatever its file types, and one per file type if there are several."""
    parts = {model: split_model(model) for model in looks}
    for name in dict.fromkeys(name for name, _ in parts.values()):
        colour, symbol, _ = next(look for model, look in looks.items() if parts[model][0] == name)
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            line={"color": colour},
            marker={"symbol": symbol, "size": 8},
        )
    types = dict.fromkeys(kind for _, kind in parts.values() if kind)
    for kind in types if len(types) > 1 else ():
        dash = next(look[2] for model, look in looks.items() if parts[model][1] == kind)
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name=kind, line={"color": "#777777", "dash": dash}
        )


def require_rows(frame: pd.DataFrame, what: str) -> None:
    """Raise a `LabError` that says what is missing if a figure would be empty."""
    if frame.empty:
        raise LabError(f"There is nothing to draw: {what}.")


def add_keys(figure: go.Figure, names: Mapping[str, str]) -> None:
    """Add a legend entry per placement, drawn full: an entry of the points themselves would be as pale as most of them are.

    `names` maps each placement that is drawn to what the legend calls it.
    """
    for placement, colour, symbol in LOOKS:
        if placement in names:
            figure.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=names[placement],
                legendgroup=placement,
                marker={"color": colour, "symbol": symbol, "size": 10},
            )


def finish(
    figure: go.Figure, title: str, source: str, *, height: int = 470, foot: int = FOOT
) -> go.Figure:
    """Give a figure its title, its source line `foot` pixels below the axes, and the house layout."""
    panels = any(
        annotation.yanchor == "bottom" and annotation.y == 1
        for annotation in figure.layout.annotations
    )
    head, above = (
        (100, 30) if panels else (74, 6)
    )  # pixels over the axes; and the legend's among them, below plotly's own buttons
    figure.update_layout(
        title={
            "text": title,
            "x": 0.01,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14},
            "font": {"size": 18},
        },
        template="plotly_white",
        height=height,
        margin={"l": 70, "r": 20, "t": head, "b": foot + 32},
        uirevision="keep",
        legend={
            "orientation": "h",
            "y": 1 + above / (height - head - foot - 32),
            "x": 1,
            "yanchor": "bottom",
            "xanchor": "right",
            "traceorder": "normal",
        },
    )
    figure.add_annotation(
        text=f"Source: {plain(source, 200)}",
        xref="paper",
        yref="paper",
        x=0,
        y=0,
        yanchor="top",
        xanchor="left",
        yshift=-foot,
        showarrow=False,
        font={"size": 11, "color": "#666666"},
    )
    return figure


def aside(figure: go.Figure) -> go.Figure:
    """Move the legend to the right of the axes, for more entries than a line holds."""
    return figure.update_layout(
        legend={
            "orientation": "v",
            "x": 1.01,
            "xanchor": "left",
            "y": 1,
            "yref": "paper",
            "yanchor": "top",
        }
    )
