"""What choosing whole paths buys: over one path for all, over choosing only the model, and over searching stage by stage."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import (
    COST,
    FAINT,
    INK,
    LATENCY,
    MIXED,
    QUALITY,
    decades,
    finish,
    require_rows,
)
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import stage_slugs

ALL = "all queries"
GREEDY, SINGLE, BY_KIND, MODEL_ONLY, WHOLE = (
    "stage by stage, greedily",
    "best path",
    "best path per kind",
    "model per query (oracle)",
    "path per query (oracle)",
)
LIMITS = {"cost_usd": COST, "latency_s": LATENCY}
LOOKS = {
    GREEDY: ("#999999", "x", "dot", 1.5),
    SINGLE: (INK, "circle", "solid", 2),
    BY_KIND: ("#E69F00", "square", "solid", 2),
    MODEL_ONLY: ("#56B4E9", "diamond", "dash", 2),
    WHOLE: (MIXED, "star", "dash", 3),
}
SLACK = 1 + 1e-9  # a path keeps a budget that is its own mean
Frontier = tuple[np.ndarray, np.ndarray]


def compute_whole_paths(trace: Trace, *, n_budgets: int = 80) -> pd.DataFrame:
    """Return the quality that each way of choosing reaches within a mean cost and within a mean latency; higher is better.

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
    knapsacks, solved as linear programmes: each query (or kind) moves along the upper hull of its
    own quality over cost, steepest steps first, until the budget is spent (Sinha and Zoltners,
    Operations Research 27, 1979). At most one query (or kind) is then mixed at random from two
    paths; an oracle is less than 1/n above the best unmixed choice.

    """
    slugs = stage_slugs(trace.path_ids)
    quality = trace.array("quality")
    limits = [limit for limit in LIMITS if not np.isnan(trace.array(limit)).any()]
    if np.isnan(quality).any() or not limits:
        raise LabError(
            "The trace lacks outcomes, or both cost_usd and latency_s of some; choices are compared"
            " on a complete trace."
        )
    kinds = trace.queries["kind"].to_numpy()
    pipelines = slugs.iloc[:, :-1].agg("/".join, axis=1).to_numpy()
    out: list[pd.DataFrame] = []
    for limit in limits:
        taken = trace.array(limit)
        whole = _Hulls(quality, taken)
        routed = {
            name: _Hulls(quality[:, pipelines == name], taken[:, pipelines == name])
            for name in dict.fromkeys(pipelines)
        }
        for kind in (ALL, *sorted(set(kinds))):
            mask = np.full(len(kinds), True) if kind == ALL else kinds == kind
            q, r = (
                quality[mask].mean(axis=0).round(12),
                taken[mask].mean(axis=0),
            )  # equals are equal, in whatever order they were added
            best = np.lexsort((r, -q))[0]
            grid = (
                np.geomspace(r[r > 0].min(), r.max(), n_budgets) if (r > 0).any() else np.zeros(1)
            )
            budgets = np.append(grid, r[best])
            found = {
                GREEDY: _greedy(slugs, q, r, budgets),
                SINGLE: [_best(q, r, budget) for budget in budgets],
            }
            rows = [
                _paths(name, [trace.path_ids[i] if i >= 0 else "" for i in paths], q, paths)
                for name, paths in found.items()
            ]
            if kind == ALL:
                groups = [kinds == one for one in dict.fromkeys(kinds)]
                means = [
                    np.stack([part[group].mean(axis=0) for group in groups])
                    for part in (quality, taken)
                ]
                sizes = np.array([group.mean() for group in groups])
                rows.append(_filled(BY_KIND, _Hulls(*means).frontier(sizes), budgets))
            weights = mask / mask.sum()
            choices = [
                _filled(MODEL_ONLY, hulls.frontier(weights), budgets, name)
                for name, hulls in routed.items()
            ]
            top = np.argmax(np.nan_to_num([part["quality"] for part in choices], nan=-1.0), axis=0)
            rows.append(pd.DataFrame([choices[i].iloc[j] for j, i in enumerate(top)]))
            rows.append(_filled(WHOLE, whole.frontier(weights), budgets))
            about = {"kind": kind, "limit": limit, "n": int(mask.sum())}
            equal = np.arange(len(budgets)) == len(budgets) - 1
            out += [part.assign(budget=budgets, equal=equal, **about) for part in rows]
    columns = ["kind", "limit", "choice", "budget", "equal", "quality", "path_id", "n"]
    return pd.concat(out, ignore_index=True)[columns]


class _Hulls:
    """The upper hulls of rows of quality over what is taken: where each row starts, and its steps, ever less steep."""

    def __init__(self, quality: np.ndarray, taken: np.ndarray) -> None:
        starts, steps = [], []
        for row, (q, r) in enumerate(zip(quality.tolist(), taken.tolist(), strict=True)):
            hull: list[tuple[float, float]] = []
            for x, y in sorted(zip(r, q, strict=True), key=lambda point: (point[0], -point[1])):
                if hull and y <= hull[-1][1]:
                    continue
                while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], (x, y)):
                    hull.pop()
                hull.append((x, y))
            starts.append(hull[0])
            steps += [(row, b[0] - a[0], b[1] - a[1]) for a, b in pairwise(hull)]
        self._starts = np.array(starts)
        self._steps = np.array(steps).reshape(-1, 3)

    def frontier(self, weights: np.ndarray) -> Frontier:
        """Return mean taken and mean quality as the budget grows, of rows weighed by `weights`, shape (rows,), which sum to 1."""
        rows, dr, dq = self._steps[:, 0].astype(int), self._steps[:, 1], self._steps[:, 2]
        kept = weights[rows] > 0
        order = np.argsort(-dq[kept] / dr[kept], kind="stable")
        steps = np.stack([dr[kept], dq[kept]], axis=1)[order] * weights[rows[kept]][order, None]
        points = np.vstack(
            [weights @ self._starts, weights @ self._starts + np.cumsum(steps, axis=0)]
        )
        return points[:, 0], points[:, 1]


def _slope(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


def _best(q: np.ndarray, r: np.ndarray, budget: float, among: np.ndarray | None = None) -> int:
    """Return the path of best mean quality within a budget, of equals the one that takes least; -1 if there is none."""
    kept = (
        np.flatnonzero(r <= budget * SLACK) if among is None else among[r[among] <= budget * SLACK]
    )
    return int(kept[np.lexsort((r[kept], -q[kept]))[0]]) if len(kept) else -1


def _greedy(slugs: pd.DataFrame, q: np.ndarray, r: np.ndarray, budgets: np.ndarray) -> list[int]:
    """Return, per budget, the path at which a search stage by stage ends; -1 if no path keeps the budget."""
    codes = np.stack([pd.factorize(slugs[stage])[0] for stage in slugs], axis=1)
    start, out = int(np.lexsort((-q, r))[0]), []
    for budget in budgets:
        path, before = (start if r[start] <= budget * SLACK else -1), -2
        while path not in (before, -1):
            before = path
            for stage in range(codes.shape[1]):
                others = np.delete(np.arange(codes.shape[1]), stage)
                path = _best(
                    q,
                    r,
                    budget,
                    np.flatnonzero((codes[:, others] == codes[path, others]).all(axis=1)),
                )
        out.append(path)
    return out


def _paths(choice: str, names: list[str], q: np.ndarray, paths: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {"choice": choice, "path_id": names, "quality": [q[i] if i >= 0 else np.nan for i in paths]}
    )


def _filled(choice: str, frontier: Frontier, budgets: np.ndarray, name: str = "") -> pd.DataFrame:
    """Return the quality of a knapsack at each budget, NaN where even the least choices take more."""
    x, y = frontier
    quality = np.where(budgets * SLACK >= x[0], np.interp(budgets, x, y), np.nan)
    return pd.DataFrame({"choice": choice, "path_id": name, "quality": quality})


def plot_whole_paths(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality over the budget for all queries, and below, per kind, every choice at the cost or latency of that kind's best path.

    The number beside a star is how many points of quality the oracle over paths stands above the
    best path, then above the oracle over models.
    """
    limits = [limit for limit in LIMITS if limit in set(frame["limit"])]
    require_rows(frame, "the frame has no budgets")
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
    shown = frame.assign(
        budget=np.where(frame["limit"] == "cost_usd", 1000 * frame["budget"], frame["budget"]),
        at=frame["path_id"].replace("", "–"),
        unit=np.where(frame["limit"] == "cost_usd", "USD per 1,000 queries", "s"),
    )
    card = (
        "<b>%{customdata[0]}</b>, %{customdata[1]}<br>quality %{customdata[2]:.3f} within"
        " %{customdata[3]:.4g} %{customdata[4]}"
    )
    card += "<br>%{customdata[5]}<br>%{customdata[6]} queries<extra></extra>"
    for column, limit in enumerate(limits, start=1):
        part = shown[shown["limit"] == limit]
        for choice, (colour, symbol, dash, width) in LOOKS.items():
            mine = part[part["choice"] == choice]
            facts = {"hovertemplate": card, "name": choice, "legendgroup": choice}
            curve, points = mine[(mine["kind"] == ALL) & ~mine["equal"]], mine[mine["equal"]]
            columns = ["choice", "kind", "quality", "budget", "unit", "at", "n"]
            figure.add_scatter(
                x=curve["budget"],
                y=curve["quality"],
                mode="lines",
                customdata=curve[columns].to_numpy(),
                showlegend=False,
                line={
                    "color": colour,
                    "dash": dash,
                    "width": width,
                    "shape": "hv" if choice in (GREEDY, SINGLE) else "linear",
                },
                row=1,
                col=column,
                **facts,
            )
            figure.add_scatter(
                x=points["quality"],
                y=points["kind"],
                mode="markers",
                customdata=points[columns].to_numpy(),
                showlegend=column == 1,
                marker={"color": colour, "symbol": symbol, "size": 15 if choice == WHOLE else 10},
                row=2,
                col=column,
                **facts,
            )
        wide = (
            part[part["equal"]]
            .pivot_table(index="kind", columns="choice", values="quality")
            .reindex(kinds)
        )
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
            gains = [f"+{100 * (row[WHOLE] - row[other]):.0f}" for other in (SINGLE, MODEL_ONLY)]
            figure.add_annotation(
                text=" / ".join(gains),
                x=row[WHOLE],
                y=kind,
                xanchor="left",
                xshift=10,
                showarrow=False,
                font={"size": 11, "color": INK},
                row=2,
                col=column,
            )
        at = part[part["equal"] & (part["kind"] == ALL)]["budget"].iloc[0]
        figure.add_vline(x=at, line={"color": FAINT, "width": 1, "dash": "dot"}, row=1, col=column)
        title = (
            LIMITS[limit]
            .replace(f"{words[limit]} (", f"mean {words[limit]} at most (")
            .replace(", mean", "")
        )
        figure.update_xaxes(decades(part["budget"]), title=title, row=1, col=column)
    figure.update_yaxes(title=QUALITY.replace(", ", ",<br>"), row=1, col=1)
    low = shown.loc[shown["equal"], "quality"].min() - 0.04
    figure.update_xaxes(
        title=QUALITY, range=[low, 1.12], tickvals=np.arange(0, 11) / 10, zeroline=False, row=2
    )
    figure.update_yaxes(categoryorder="array", categoryarray=kinds[::-1], automargin=True, row=2)
    title = "What does choosing whole paths buy?"
    return finish(figure, title, source, height=520 + 34 * len(kinds))
