"""What all figures share: colours and marks, words, the layout, the source line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple
from zlib import crc32

import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.records import LabError


class Look(NamedTuple):
    """How a thing is drawn; the mark tells it apart for readers who do not see the colour."""

    colour: str
    symbol: str = "circle"
    dash: str = "solid"


# The colours of Okabe and Ito, two of Paul Tol's, and greys.
BLUE, GREEN, RED, PINK, SKY, ORANGE = (
    "#0072B2",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
)
WINE, TEAL, BLACK, INK, GREY, FAINT = (
    "#882255",
    "#44AA99",
    "#000000",
    "#333333",
    "#777777",
    "#BBBBBB",
)
CHOSEN = PINK
PALETTE = (PINK, GREEN, BLUE, RED, SKY, ORANGE, "#999999", BLACK, WINE, TEAL)
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
PLACEMENTS = {
    "edge": Look(BLUE, "circle"),
    "mixed": Look(GREEN, "square"),
    "cloud": Look(RED, "diamond"),
    "not stated": Look(GREY, "triangle-up"),
}
# Policies that look at the query have a colour, those that do not are grey, and the two that bound
# the others are lines.
POLICIES = {
    "ours": Look(PINK, "star"),
    "knn": Look(BLUE, "circle"),
    "cluster": Look(GREEN, "square"),
    "matrix_factorisation": Look(ORANGE, "triangle-up"),
    "threshold": Look(SKY, "triangle-down"),
    "cascade": Look(RED, "diamond"),
    "raser": Look(RED, "triangle-left"),
    "carrot": Look(TEAL, "hourglass"),
    "brane": Look(BLACK, "hexagon"),
    "pareto_bandit": Look(WINE, "pentagon"),
    "best_single": Look(INK, "x"),
    "cloud_only": Look(GREY, "diamond"),
    "cheapest": Look(GREY, "cross"),
    "fastest": Look(GREY, "hourglass"),
    "oracle": Look(GREEN, "star-diamond", "dash"),
    "random": Look(FAINT, "circle-open", "dot"),
}
STAGES = {
    "rewrite": SKY,
    "retrieve": BLUE,
    "refine": GREEN,
    "instruct": PINK,
    "generate": ORANGE,
}
CONFIG = {"displaylogo": False, "showSendToCloud": False}
NO_UPLOAD = ["sendChartToCloud"]  # plotly's button that would upload the figure
QUALITY = "quality (share of facts stated, higher is better)"
FOOT = 58  # pixels between the lowest axis and the source line
SMALL, SMALLEST = 11, 9  # the size of small text, and of the smallest
_FILE_TYPE = re.compile(r"[-.](bf16|f16|f32|i?q\d\w*)$", re.IGNORECASE)


def plain(text: object, longest: int = 120) -> str:
    """Return text that is safe in plotly's pseudo-HTML and short enough for a hover card."""
    shown = " ".join(str(text).split())
    shown = shown if len(shown) <= longest else shown[: longest - 1] + "…"
    return escape(shown, quote=False)


def policy_look(name: str) -> Look:
    """Return the look of a policy, the same in every figure."""
    return POLICIES.get(name) or _spare(name)


def _spare(name: str) -> Look:
    place = crc32(name.encode())
    return Look(PALETTE[4 + place % 6], SYMBOLS[place // 6 % len(SYMBOLS)])


def split_model(name: str) -> tuple[str, str]:
    """Return the name of a model without its file type, and that type ("" if it names none).

    Examples
    --------
    >>> split_model("llama-3-q8_0"), split_model("gpt-4o-mini")
    (('llama-3', 'q8_0'), ('gpt-4o-mini', ''))

    """
    found = _FILE_TYPE.search(name)
    return (name[: found.start()], found[1]) if found else (name, "")


def model_looks(models: Sequence[str]) -> dict[str, Look]:
    """Return the look of each model: colour and mark tell models apart, the dash their file types.

    A model's name decides its colour and mark, so that it looks the same in every figure; only
    where two names of one figure would share a colour, the later one takes the next that is free.
    """
    colours = (BLUE, SKY, RED, ORANGE, GREEN, PINK, *PALETTE[6:])
    symbols = ("circle", "square", "diamond", "x", *SYMBOLS[4:])
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    parts = {model: split_model(model) for model in models}
    places: dict[str, int] = {}
    for name in sorted({name for name, _ in parts.values()}):
        wanted = crc32(name.encode())
        turns = [(wanted + turn) % len(colours) for turn in range(len(colours))]
        places[name] = next((p for p in turns if p not in places.values()), turns[0])
    types = sorted({kind for _, kind in parts.values() if kind})
    looks = {}
    for model, (name, kind) in parts.items():
        place = places[name]
        dash = dashes[types.index(kind) % len(dashes)] if kind else "solid"
        looks[model] = Look(colours[place], symbols[place % len(symbols)], dash)
    return looks


def add_model_keys(figure: go.Figure, looks: Mapping[str, Look]) -> None:
    """Add a legend entry per model, and one per file type if there are several."""
    parts = {model: split_model(model) for model in looks}
    for name in dict.fromkeys(name for name, _ in parts.values()):
        look = next(look for model, look in looks.items() if parts[model][0] == name)
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            line={"color": look.colour},
            marker={"symbol": look.symbol, "size": 8},
        )
    types = dict.fromkeys(kind for _, kind in parts.values() if kind)
    for kind in types if len(types) > 1 else ():
        dash = next(look.dash for model, look in looks.items() if parts[model][1] == kind)
        line = {"color": GREY, "dash": dash}
        figure.add_scatter(x=[None], y=[None], mode="lines", name=kind, line=line)


def ink_on(colour: str) -> str:
    """Return "white" or black, whichever stands out more from a colour, as WCAG 2 defines contrast.

    Examples
    --------
    >>> ink_on(BLUE), ink_on(FAINT)
    ('white', '#000000')

    """
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]
    light = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "white" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else BLACK


def require_rows(frame: pd.DataFrame, what: str) -> None:
    """Raise a `LabError` that says what is missing if a figure would be empty."""
    if frame.empty:
        raise LabError(f"There is nothing to draw: {what}.")


def add_placement_keys(figure: go.Figure, names: Mapping[str, str]) -> None:
    """Add a legend entry per placement; `names` maps those that are drawn to their legend text.

    An entry of the points themselves would be as pale as most of them are.
    """
    for placement, look in PLACEMENTS.items():
        if placement in names:
            figure.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=names[placement],
                legendgroup=placement,
                marker={"color": look.colour, "symbol": look.symbol, "size": 10},
            )


def finish(
    figure: go.Figure, title: str, source: str, *, height: int = 470, foot: int = FOOT
) -> go.Figure:
    """Give a figure its title, its source line `foot` pixels below the axes, and the layout."""
    panels = any(note.yanchor == "bottom" and note.y == 1 for note in figure.layout.annotations)
    # pixels over the axes; and the legend's among them, below plotly's own buttons
    head, above = (100, 30) if panels else (74, 6)
    heading = {"text": title, "x": 0.01, "y": 1, "yref": "container", "yanchor": "top"}
    figure.update_layout(
        title=heading | {"pad": {"t": 14}, "font": {"size": 18}},
        template="plotly_white",
        height=height,
        margin={"l": 70, "r": 20, "t": head, "b": foot + 32},
        uirevision="keep",
        uniformtext={"minsize": SMALLEST, "mode": "hide"},  # no smaller text inside bars: none
        modebar={"remove": NO_UPLOAD},
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
        font={"size": SMALL, "color": GREY},
    )
    return figure


def legend_aside(figure: go.Figure) -> go.Figure:
    """Move the legend to the right of the axes, for more entries than a line holds."""
    aside = {"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yref": "paper"}
    return figure.update_layout(legend=aside | {"yanchor": "top"})
