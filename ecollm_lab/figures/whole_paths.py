"""What choosing whole paths buys, over one path for all, only the model, or stage by stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import PER_1K, log_axis, quality_range, time_unit
from ecollm_lab.figures.choices import BY_KIND, GREEDY, MODEL_ONLY, SINGLE, WHOLE, Choices
from ecollm_lab.figures.style import (
    FAINT,
    GREEN,
    INK,
    ORANGE,
    QUALITY,
    SKY,
    SMALL,
    Look,
    finish,
    require_rows,
)
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace

ALL = "all queries"
LIMITS = ("cost_usd", "latency_s")
CHOICES = {
    GREEDY: Look("#999999", "x", "dot"),
    SINGLE: Look(INK, "circle"),
    BY_KIND: Look(ORANGE, "square"),
    MODEL_ONLY: Look(SKY, "diamond", "dash"),
    WHOLE: Look(GREEN, "star", "dash"),
}


def compute_whole_paths(trace: Trace, *, n_budgets: int = 80) -> pd.DataFrame:
    """Return the quality that each way of choosing reaches within a mean cost or latency.

    Parameters
    ----------
    trace
        All outcomes of paths with one component per stage, with cost, latency or both.
    n_budgets
        Budgets between the least and the largest mean of a path, evenly spaced in the logarithm.

    Returns
    -------
    One row per kind of query (and "all queries"), limit ("cost_usd", "latency_s"), budget and
    choice: quality (NaN if no choice keeps the budget), the path or pipeline chosen where there is
    one, n (queries), and `equal`: True in the rows whose budget is what the best path without any
    limit takes, so that all choices stand there at equal cost or equal latency.

    Raises
    ------
    LabError
        If outcomes are missing, path ids have not one part per stage, or neither cost nor latency
        is recorded.

    Notes
    -----
    A budget b bounds the mean, over the queries, of what the choices take.

    - "best path": the path of best mean quality among those whose mean keeps b; the one that takes
      less of equals.
    - "stage by stage, greedily": coordinate search. It starts from the path that takes least; stage
      by stage it moves to the path of best mean quality that differs in that stage alone and keeps
      b; it ends when no stage can be improved: a local optimum.
    - "best path per kind": one path for each kind, under one mean over all queries.
    - "model per query (oracle)": rewrite, retrieve and refine are the same for all queries and the
      best such pipeline is taken; only the model varies from query to query, as in a model router.
    - "path per query (oracle)": any path for any query.

    All are found in hindsight, on the outcomes they are scored on. The oracles know every answer's
    grade beforehand: upper bounds that no policy reaches. The last three are multiple-choice
    knapsacks, solved as linear programmes (see `knapsack`). At most one query (or kind) is
    then mixed at random from two paths; an oracle is less than 1/n above the best unmixed choice.

    """
    quality = trace.array("quality")
    limits = [limit for limit in LIMITS if not np.isnan(trace.array(limit)).any()]
    if np.isnan(quality).any() or not limits:
        raise LabError(
            "The trace lacks outcomes, or both cost_usd and latency_s of some; choices are compared"
            " on a complete trace."
        )
    kinds = trace.queries["kind"].to_numpy()
    out: list[pd.DataFrame] = []
    for limit in limits:
        choices = Choices(trace, trace.array(limit))
        for kind in (ALL, *sorted(set(kinds))):
            mask = np.full(len(kinds), True) if kind == ALL else kinds == kind
            rows = choices.within(mask, choices.budgets(mask, n_budgets), by_kind=kind == ALL)
            out.append(rows.assign(kind=kind, limit=limit, n=int(mask.sum())))
    columns = ["kind", "limit", "choice", "budget", "equal", "quality", "path_id", "n"]
    return pd.concat(out, ignore_index=True)[columns]


def compute_oracles(trace: Trace) -> pd.DataFrame:
    """Return the quality of the best path, of a model per query and of a path per query.

    Without any budget, found in hindsight on the outcomes they are scored on; see
    `compute_whole_paths`. Index: choice. Columns: quality, path_id (the path, or the pipeline whose
    model varies).
    """
    choices = Choices(trace, np.zeros_like(trace.array("quality")))
    rows = choices.within(np.full(len(trace.query_ids), True), np.zeros(1), by_kind=False)
    found = rows.set_index("choice")[["quality", "path_id"]]
    return found.loc[[SINGLE, MODEL_ONLY, WHOLE]]


def plot_whole_paths(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality over the budget for all queries and, below, each kind at its best path's budget.

    The number beside a star is how many points of quality the oracle over paths stands above the
    best path, then above the oracle over models.
    """
    require_rows(frame, "the frame has no budgets")
    limits = [limit for limit in LIMITS if limit in set(frame["limit"])]
    words = {limit: limit.split("_")[0] for limit in limits}
    titles = [f"all queries, within a mean {words[limit]}" for limit in limits]
    titles += [
        f"per kind, at the {words[limit]} of its best path (points over it / the model oracle)"
        for limit in limits
    ]
    figure = make_subplots(
        2,
        len(limits),
        shared_yaxes=True,
        vertical_spacing=0.17,
        horizontal_spacing=0.04,
        row_heights=[0.45, 0.55],
        subplot_titles=titles,
    )
    figure.update_annotations(font_size=14)
    kinds = list(dict.fromkeys(frame["kind"]))
    for column, limit in enumerate(limits, start=1):
        part = frame[frame["limit"] == limit]
        factor, unit = (1000.0, PER_1K) if limit == "cost_usd" else time_unit(part["budget"])
        part = part.assign(budget=factor * part["budget"], unit=unit)
        _add_choices(figure, part, column)
        _add_gains(figure, part, kinds, column)
        title = f"mean {words[limit]} at most ({unit}, log)"
        figure.update_xaxes(log_axis(part["budget"], title), row=1, col=column)
    everywhere = frame.loc[frame["kind"] == ALL, "quality"]
    title = QUALITY.replace(", ", ",<br>")
    figure.update_yaxes(title=title, range=quality_range(everywhere), row=1, col=1)
    low = frame.loc[frame["equal"], "quality"].min() - 0.04
    tenths = {"tickvals": np.arange(0, 11) / 10, "zeroline": False}
    figure.update_xaxes(title=QUALITY, range=[low, 1.12], **tenths, row=2)
    whole = [-0.6, len(kinds) - 0.4]  # left to itself, plotly cuts off the rows at the top
    order = {"categoryorder": "array", "categoryarray": kinds[::-1]}
    figure.update_yaxes(range=whole, automargin=True, row=2, **order)
    title = "What does choosing whole paths buy?"
    return finish(figure, title, source, height=520 + 34 * len(kinds))


def _add_choices(figure: go.Figure, part: pd.DataFrame, column: int) -> None:
    """Draw each way of choosing: a curve over the budget, and points per kind."""
    card = (
        "<b>%{customdata[0]}</b>, %{customdata[1]}<br>quality %{customdata[2]:.3f} within"
        " %{customdata[3]:.4g} %{customdata[4]}<br>%{customdata[5]}<br>%{customdata[6]}"
        " queries<extra></extra>"
    )
    part = part.assign(path_id=part["path_id"].replace("", "–"))
    columns = ["choice", "kind", "quality", "budget", "unit", "path_id", "n"]
    for choice, look in CHOICES.items():
        mine = part[part["choice"] == choice]
        curve, points = mine[(mine["kind"] == ALL) & ~mine["equal"]], mine[mine["equal"]]
        facts: dict[str, Any] = {"hovertemplate": card, "name": choice, "legendgroup": choice}
        shape = "hv" if choice in (GREEDY, SINGLE) else "linear"
        figure.add_scatter(
            x=curve["budget"],
            y=curve["quality"],
            mode="lines",
            customdata=curve[columns].to_numpy(),
            showlegend=False,
            line={"color": look.colour, "dash": look.dash, "width": 2, "shape": shape},
            row=1,
            col=column,
            **facts,
        )
        size = 15 if choice == WHOLE else 10
        figure.add_scatter(
            x=points["quality"],
            y=points["kind"],
            mode="markers",
            customdata=points[columns].to_numpy(),
            showlegend=column == 1,
            marker={"color": look.colour, "symbol": look.symbol, "size": size},
            row=2,
            col=column,
            **facts,
        )


def _add_gains(figure: go.Figure, part: pd.DataFrame, kinds: list[str], column: int) -> None:
    """Draw, per kind, a line from the least to the best choice and what the oracle gains."""
    equal = part[part["equal"]]
    wide = equal.pivot_table(index="kind", columns="choice", values="quality").reindex(kinds)
    for kind, row in wide.iterrows():
        figure.add_shape(
            type="line",
            x0=row.min(),
            x1=row.max(),
            y0=kind,
            y1=kind,
            layer="below",
            line={"color": FAINT, "width": 2},
            row=2,
            col=column,
        )
        points = [100 * (row[WHOLE] - row[other]) for other in (SINGLE, MODEL_ONLY)]
        gains = [f"{round(one):+d}".replace("-", "−") for one in points]
        figure.add_annotation(
            text=" / ".join(gains),
            x=row[WHOLE],
            y=kind,
            xanchor="left",
            xshift=10,
            showarrow=False,
            font={"size": SMALL, "color": INK},
            row=2,
            col=column,
        )
    at = equal[equal["kind"] == ALL]["budget"].iloc[0]
    figure.add_vline(x=at, line={"color": FAINT, "width": 1, "dash": "dot"}, row=1, col=column)
