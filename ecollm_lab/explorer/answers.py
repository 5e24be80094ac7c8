"""What the screen asks a kernel for: the queries behind a path, and what a policy would choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.explorer.labels import where_of
from ecollm_lab.explorer.policy_marks import WORDS, PolicyMarks, from_json, number, over
from ecollm_lab.explorer.resampling import FRONT
from ecollm_lab.explorer.views import FILTERS, Board, View
from ecollm_lab.records import SLO, STAGES, LabError

MOST_QUERIES = 60
MOST_PATHS = 20  # whose queries a page takes along
LONGEST = 400  # characters of a text, answer or reference


def answer(board: Board, key: str, marks: PolicyMarks | None) -> dict[str, Any]:
    """Return what the screen asks for, as JSON; where that fails, {"error": why}.

    Parameters
    ----------
    board
        The trace.
    key
        `queries|PATH|SPLIT|KIND|CLUSTER` or `replay|SLO as JSON|SPLIT|KIND|CLUSTER`.
    marks
        The policy that was given to the explorer, and what it is compared with.

    """
    kind, _, rest = key.partition("|")
    asked, *where = rest.rsplit("|", len(FILTERS))
    try:
        view = board.view(*where_of("|".join(where)))
        if kind == "queries":
            return queries(board, view, asked)
        if marks is None:
            raise LabError("No policy was given to the explorer: explore(trace, policy).")
        return replay(view, marks, from_json(asked))
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
                "cost": number(one["cost_usd"]),
                "latency": number(one["latency_s"]),
                "stages": {s[:-2]: float(one[s]) for s in stages if not pd.isna(one[s])},
            }
        )
    return {"total": len(rows), "rows": found}


def _text(value: object) -> str:
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def replay(view: View, marks: PolicyMarks, slo: SLO) -> dict[str, Any]:
    """Return what a policy chooses by kind as JSON, and what its competitors do over all kinds."""
    name, (_, what) = marks.policy.name, marks.rows(view)
    made = marks.replayed(view, slo)
    parts = [*made[name].groupby("kind", sort=True), ("all", made.pop(name))]
    parts += [(f"all, by {WORDS[other]}", frame) for other, frame in made.items()]
    return {"what": f"{name} on {what}", "rows": [_row(str(kind), part) for kind, part in parts]}


def _row(name: str, part: pd.DataFrame) -> dict[str, Any]:
    most = part["path_id"].value_counts()
    columns = {"quality": "quality", "cost": "cost_usd", "latency": "latency_s"}
    return {
        "name": name,
        "n": len(part),
        "placement": part["placement"].value_counts(normalize=True).to_dict(),
        "path": str(most.index[0]),
        "often": float(most.iloc[0] / len(part)),
        **{key: number(part[column].mean()) for key, column in columns.items()},
        **over(part),
    }
