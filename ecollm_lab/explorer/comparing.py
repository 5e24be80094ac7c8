"""Comparing: another trace, or the same one under another SLO, as the other side of an explorer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ecollm_lab.explorer import page
from ecollm_lab.explorer.decision import Decision, decide
from ecollm_lab.explorer.policy_marks import as_json
from ecollm_lab.explorer.states import slo_of
from ecollm_lab.explorer.views import ANY, FILTERS, Board, View
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace


class Against:
    """The other side of a comparison, B.

    Parameters
    ----------
    board
        The trace of the explorer, A.
    other
        Another trace: of another domain, with other prices, another machine or another day. Or an
        SLO: then B is the same trace under this SLO, whatever the sliders say.

    Raises
    ------
    LabError
        If `other` is neither, or the two traces have no path in common.

    """

    def __init__(self, board: Board, other: Trace | SLO) -> None:
        self.slo = other if isinstance(other, SLO) else None
        if self.slo is not None:
            self.board = board
            return
        if not isinstance(other, Trace):
            raise LabError(
                "Beside a trace the explorer shows a fitted policy, another Trace or an SLO; got"
                f" {type(other).__name__}."
            )
        self.board = Board(other)
        if not set(board.path_ids) & set(self.board.path_ids):
            raise LabError(
                "The two traces have no path in common, so there is nothing to compare path by"
                f" path: one has for example {board.path_ids[0]}, the other"
                f" {self.board.path_ids[0]}. Give traces whose path ids agree."
            )

    def fixed(self) -> dict[str, Any]:
        """Return what the screen needs of it and no filter changes."""
        named = self.board.trace.provenance.get("domain")
        return {
            "name": f"B, {page.spell(self.slo)}" if self.slo else f"B ({named})" if named else "B",
            "slo": None if self.slo is None else as_json(self.slo),
            "paths": list(self.board.path_ids),
            "placement": [str(place) for place in self.board.placement],
            "stages": self.board.stages,
            "parts": [list(part) for part in self.board.parts],
            "source": self.board.trace.source_line,
        }

    def view(self, where: Mapping[str, str]) -> tuple[View, list[str]]:
        """Return the tables of B for the filters of A, and the filters that do not count there.

        Those are what B does not know and, where no query of B is in all of the others at once, as
        many of them, from the last on, as leave one.
        """
        choices, set_in_a = self.board.choices, [name for name in FILTERS if where[name] != ANY]
        known = {name: where[name] for name in set_in_a if where[name] in choices[name]}
        while True:
            left_out = [name for name in set_in_a if name not in known]
            try:
                return self.board.view(**known), left_out
            except LabError:
                known.popitem()

    def tables(self, *where: str) -> dict[str, Any]:
        """Return `view` as the screen needs it."""
        view, unknown = self.view(dict(zip(FILTERS, where, strict=True)))
        return {**view.tables(), "unknown": unknown}

    def decision(self, state: Mapping[str, Any], stages: list[str]) -> tuple[View, Decision]:
        """Return B's tables, and what holds in B; components are dropped where stages agree."""
        view, _ = self.view(state)
        dropped = state["dropped"] if stages == self.board.stages else {}
        return view, decide(view, self.slo or slo_of(state), state["statistic"], dropped)


def compared(sides: Mapping[str, tuple[View, Decision]]) -> pd.DataFrame:
    """Return one row per side: what wins there, and what it delivers; NaN where it is infeasible.

    The columns are side, path_id, quality, quality_low, quality_high, cost_usd, latency_s,
    latency_p95_s and n_feasible.
    """
    rows = []
    for side, (view, decision) in sides.items():
        row: dict[str, Any] = {"side": side, "path_id": None}
        if decision.chosen is not None:
            i = decision.chosen
            row |= {
                "path_id": view.path_ids[i],
                "quality": view.quality[i],
                "quality_low": view.low[i],
                "quality_high": view.high[i],
                "cost_usd": view.cost["mean"][i],
                "latency_s": view.latency["mean"][i],
                "latency_p95_s": view.latency["p95"][i],
            }
        rows.append({**row, "n_feasible": int(decision.within.sum())})
    columns = ["quality", "quality_low", "quality_high", "cost_usd", "latency_s", "latency_p95_s"]
    return pd.DataFrame(rows, columns=["side", "path_id", *columns, "n_feasible"])
