"""The queries behind a path: what was asked, answered and right, worst regret first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecollm_lab.explorer.shown.words import cut, seconds, usd
from ecollm_lab.explorer.verdicts.views import Board, View
from ecollm_lab.records import STAGES

PER_PAGE = 4
COLUMNS = (("query", 26), ("answer / reference", 32), ("quality", 9), ("cost, latency", 33))


def behind(board: Board, view: View, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the selected queries that path i has outcomes for, worst regret first, and their regret.

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


def outcomes(board: Board, i: int, rows: np.ndarray) -> pd.DataFrame:
    """Return the recorded rows of path i for some queries, in their order, joined with what the queries table knows."""
    trace = board.trace
    mine = trace.of_path(board.path_ids[i]).set_index("query_id")
    asked = trace.queries.iloc[rows].set_index("query_id")
    return asked.join(
        mine.drop(columns=[c for c in asked.columns if c in mine.columns]), how="left"
    ).reset_index()


def page(board: Board, i: int, rows: np.ndarray, regret: np.ndarray, number: int) -> str:
    """Return one page of the queries behind a path as an HTML table, all text escaped and cut."""
    at = slice(number * PER_PAGE, (number + 1) * PER_PAGE)
    table = outcomes(board, i, rows[at])
    if table.empty:
        return "<div class='ecl-dim'>No outcome of this path was recorded on these queries.</div>"
    stages = [stage for stage in STAGES if f"{stage}_s" in table]
    head = "".join(f"<th style='width:{w}%'>{name}</th>" for name, w in COLUMNS)
    lines = [
        _row(one, float(lost), stages)
        for one, lost in zip(table.to_dict("records"), regret[at], strict=True)
    ]
    return f"<table class='ecl-queries'><tr>{head}</tr>{''.join(lines)}</table>"


def _row(one: dict, lost: float, stages: list[str]) -> str:
    answer = (
        f"“{cut(one['answer'])}”"
        if _given(one.get("answer"))
        else "<span class='ecl-dim'>answer not recorded</span>"
    )
    reference = (
        f"<br><span class='ecl-dim'>right: {cut(one['reference'])}</span>"
        if _given(one.get("reference"))
        else ""
    )
    spent = " · ".join(
        f"{stage} {seconds(float(one[f'{stage}_s']))}"
        for stage in stages
        if one[f"{stage}_s"] == one[f"{stage}_s"]
    )
    text = (
        cut(one["text"])
        if _given(one["text"])
        else "<span class='ecl-dim'>text not recorded</span>"
    )
    return (
        f"<tr><td>{text}<br><span class='ecl-dim'>{cut(one['query_id'], 40)} ·"
        f" {cut(one['kind'], 40)} ·"
        f" {cut(one['split'], 20)}</span></td><td>{answer}{reference}</td><td>{one['quality']:.3g}<br>regret"
        f" {lost:.3g}</td><td>{usd(float(one['cost_usd']))},"
        f" {seconds(float(one['latency_s']))}<br><span class='ecl-dim'>{spent}</span></td></tr>"
    )


def _given(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
