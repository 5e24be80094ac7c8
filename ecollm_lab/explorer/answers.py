"""What the screen asks a kernel for: the queries behind a path, and what a policy would choose."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.explorer.resampling import FRONT
from ecollm_lab.explorer.views import Board, View
from ecollm_lab.policies import Policy
from ecollm_lab.policies.choosing import oracle_choice
from ecollm_lab.records import SLO, STAGES, LabError

MOST_QUERIES = 60
MOST_PATHS = 20  # whose queries a page takes along
LONGEST = 400  # characters of a text, answer or reference


def answer(
    board: Board, key: str, policy: Policy | None, embeddings: np.ndarray | None
) -> dict[str, Any]:
    """Return what the screen asks for, as JSON; where that fails, {"error": why}.

    Parameters
    ----------
    board
        The trace.
    key
        `queries|PATH|SPLIT|KIND|CLUSTER` or `replay|SLO as JSON|SPLIT|KIND|CLUSTER`.
    policy, embeddings
        What was given to the explorer.

    """
    kind, *middle, split, of_kind, cluster = key.split("|")
    try:
        view, asked = board.view(split, of_kind, cluster), "|".join(middle)
        if kind == "queries":
            return queries(board, view, asked)
        if policy is None:
            raise LabError("No policy was given to the explorer: explore(trace, policy).")
        return replay(board, view, policy, SLO(**json.loads(asked)), embeddings)
    except LabError as error:
        return {"error": str(error)}


def of_the_front(board: Board, view: View, first: list[str], where: str) -> dict[str, Any]:
    """Return the worst queries behind some paths and the front, for a page without a kernel."""
    front = [board.path_ids[i] for i in np.flatnonzero(view.state["mean"] == FRONT).tolist()]
    names = list(dict.fromkeys([*first, *front]))[:MOST_PATHS]
    return {f"queries|{name}|{where}": queries(board, view, name, most=12) for name in names}


def behind(board: Board, view: View, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the selected queries behind path i, worst regret first, and their regret.

    Regret is the best quality any path has on the query minus this path's; 0 is best. Equal regret:
    the slower first.

    Returns
    -------
    Indices into the trace's queries, and regret in [0, 1], both shape (outcomes,).

    """
    rows = view.rows[~np.isnan(board.quality[i, view.rows])]
    quality = board.quality[:, rows]
    best = np.fmax.reduce(quality, axis=0) if len(rows) else np.zeros(0)
    regret = best - quality[i]
    order = np.lexsort((-np.nan_to_num(board.latency[i, rows]), -regret))
    return rows[order], regret[order]


def queries(board: Board, view: View, path_id: str, most: int = MOST_QUERIES) -> dict[str, Any]:
    """Return the queries behind a path as JSON: texts, numbers and the time of each stage."""
    rows, regret = behind(board, view, board.path_ids.index(path_id))
    asked = board.trace.queries.iloc[rows[:most]].set_index("query_id")
    mine = board.trace.of_path(path_id).set_index("query_id")
    table = asked.join(mine.drop(columns=asked.columns.intersection(mine.columns)), how="left")
    stages = [f"{stage}_s" for stage in STAGES if f"{stage}_s" in mine]
    found = []
    for one, lost in zip(table.reset_index().to_dict("records"), regret[:most], strict=True):
        found.append(
            {
                "id": str(one["query_id"]),
                **{key: _text(one.get(key)) for key in ("text", "answer", "reference")},
                "kind": str(one["kind"]),
                "split": str(one["split"]),
                "quality": float(one["quality"]),
                "regret": float(lost),
                "cost": _number(one["cost_usd"]),
                "latency": _number(one["latency_s"]),
                "stages": {s[:-2]: float(one[s]) for s in stages if not pd.isna(one[s])},
            }
        )
    return {"total": len(rows), "rows": found}


def _text(value: object) -> str:
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def choices(
    board: Board, view: View, policy: Policy, slo: SLO, embeddings: np.ndarray | None = None
) -> pd.DataFrame:
    """Return one row per held-out query of the view (per query of the view if none is held out).

    Columns: kind, path_id, placement, quality, cost_usd, latency_s, kept. An infeasible SLO is
    served by the path that violates it least, as the policy does when asked to.
    """
    rows = _heldout(board, view)
    texts = board.trace.queries["text"].iloc[rows].tolist()
    with warnings.catch_warnings():
        # that the SLO is infeasible is said above the figure
        warnings.simplefilter("ignore", UserWarning)
        given = None if policy.reads_text else embeddings
        asked = texts if given is None else np.asarray(given)[rows]
        chosen = policy.select(asked, slo, infeasible="least_violating")
    return _outcomes(board, rows, list(chosen), slo)


def _heldout(board: Board, view: View) -> np.ndarray:
    rows = view.rows[board.labels["split"][view.rows] == "heldout"]
    return rows if len(rows) else view.rows


def _outcomes(board: Board, rows: np.ndarray, chosen: list[str], slo: SLO) -> pd.DataFrame:
    columns = pd.Index(board.path_ids).get_indexer(pd.Index(chosen))
    if (columns < 0).any():
        raise LabError(
            f"The policy chose {chosen[int((columns < 0).argmax())]}, a path this trace does not"
            " have; fit it to the same paths."
        )
    cost, latency = board.cost[columns, rows], board.latency[columns, rows]
    return pd.DataFrame(
        {
            "kind": board.labels["kind"][rows],
            "path_id": chosen,
            "placement": board.placement[columns],
            "quality": board.quality[columns, rows],
            "cost_usd": cost,
            "latency_s": latency,
            "kept": slo.keeps(cost, latency),
        }
    )


def replay(
    board: Board, view: View, policy: Policy, slo: SLO, embeddings: np.ndarray | None = None
) -> dict[str, Any]:
    """Return `choices` by kind as JSON, and points of policy and oracle for the plots.

    The oracle chooses, for each query, the path that is truly best under the SLO.
    """
    made = choices(board, view, policy, slo, embeddings)
    rows = _heldout(board, view)
    best = _outcomes(board, rows, oracle_choice(board.trace, slo)[rows].tolist(), slo)
    heldout = bool((board.labels["split"][view.rows] == "heldout").any())
    what = f"{policy.name} on {len(made)} {'held-out ' if heldout else ''}queries"
    parts = [*made.groupby("kind", sort=True), ("all", made), ("all, by the oracle", best)]
    points = [
        {"name": name, "symbol": symbol, **_means(part)}
        for name, symbol, part in (("policy", "star", made), ("oracle", "star-open", best))
    ]
    return {
        "what": what,
        "rows": [_row(str(name), part) for name, part in parts],
        "points": [point for point in points if None not in point.values()],
    }


def _means(part: pd.DataFrame) -> dict[str, float | None]:
    columns = {"quality": "quality", "cost": "cost_usd", "latency": "latency_s"}
    return {name: _number(part[column].mean()) for name, column in columns.items()}


def _row(name: str, part: pd.DataFrame) -> dict[str, Any]:
    most = part["path_id"].value_counts()
    return {
        "name": name,
        "n": len(part),
        "placement": part["placement"].value_counts(normalize=True).to_dict(),
        "path": str(most.index[0]),
        "often": float(most.iloc[0] / len(part)),
        **_means(part),
        "over": float(1 - part["kept"].mean()),
    }
