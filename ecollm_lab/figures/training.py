"""Accuracy over training tokens, by model size: how far the pocket models came, and whether more training would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import PALETTE, SYMBOLS, decades, finish, require_rows
from ecollm_lab.records import LabError


def compute_training(logs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the accuracy that each model had reached after so many training tokens; higher is better.

    Parameters
    ----------
    logs
        The contents of `data/models/*.training.json`: name, parameters, tokens, steps, grown_from, and a log whose rows have step, loss,
        accuracy by number of passages, and tokens and seconds where they were recorded.

    Returns
    -------
    One row per model, log row and number of passages, smallest model first: model, parameters, step, tokens, seconds, loss, passages,
    accuracy (share of exactly right answers on fresh questions).

    Raises
    ------
    LabError
        If a log lacks what is drawn, or was grown from a model without one.

    Notes
    -----
    The tokens of a model grown from another add to its parent's. A row without tokens is given its share of the run's by its step: every
    step reads about as many.

    """
    known = {str(log.get("name")): log for log in logs}
    rows = []
    try:
        for log in known.values():
            before, parent = 0, log.get("grown_from")
            while parent:
                before, parent = before + known[parent]["tokens"], known[parent].get("grown_from")
            for row in log["log"]:
                tokens = row.get("tokens", log["tokens"] * row["step"] / log["steps"])
                about = {"model": log["name"], "parameters": log["parameters"], "step": row["step"], "tokens": before + tokens}
                about |= {"seconds": row.get("seconds"), "loss": row["loss"]}
                rows += [{**about, "passages": int(k), "accuracy": by["all"]} for k, by in row["accuracy"].items()]
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(
            f"A training log lacks {error}; give all of data/models/*.training.json, as scripts.pocket.train writes them."
        ) from error
    return pd.DataFrame(rows).sort_values(["parameters", "model", "passages", "tokens"], ignore_index=True) if rows else pd.DataFrame()


def plot_training(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw accuracy over training tokens, one panel per number of passages, one line per model."""
    require_rows(frame, "there is no training log")
    counts = sorted(set(frame["passages"]))
    figure = make_subplots(
        1, len(counts), shared_yaxes=True, horizontal_spacing=0.02,
        subplot_titles=[f"{k} passage{'s' * (k != 1)} to choose from" if k else "no passage" for k in counts],
    )  # fmt: skip
    for (model, size), colour, symbol in zip(
        frame[["model", "parameters"]].drop_duplicates().itertuples(index=False), cycle(PALETTE[1:]), cycle(SYMBOLS[1:]), strict=False
    ):
        for column, k in enumerate(counts, start=1):
            part = frame[(frame["model"] == model) & (frame["passages"] == k)]
            figure.add_scatter(
                x=part["tokens"] / 1e6, y=part["accuracy"], mode="lines+markers", name=f"{model} ({size / 1e6:.1f} M parameters)",
                legendgroup=model, showlegend=column == 1, line={"color": colour, "width": 2}, marker={"symbol": symbol, "size": 7},
                customdata=part[["step", "loss"]].to_numpy(), row=1, col=column,
                hovertemplate=f"<b>{model}</b>, {k} passages<br>%{{y:.3f}} after %{{x:.3g}} million tokens<br>step %{{customdata[0]}}, "
                "loss %{customdata[1]:.3f}<extra></extra>",
            )  # fmt: skip
    figure.update_xaxes(decades(frame["tokens"] / 1e6), title="training tokens (millions, log)")
    figure.update_yaxes(title="accuracy (share of right answers, higher is better)", range=[-0.03, 1.03], row=1, col=1)
    return finish(figure, "How accurate does each size become over training tokens?", source)
