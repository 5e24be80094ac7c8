"""What the screen of an explorer asks its kernel for."""

from __future__ import annotations

import json
from threading import RLock
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as t

from ecollm_lab.explorer import answers
from ecollm_lab.explorer.labels import key_of, where_of
from ecollm_lab.explorer.policy_marks import PolicyMarks, add, from_json
from ecollm_lab.explorer.views import ANY, FILTERS, Board
from ecollm_lab.records import LabError

if TYPE_CHECKING:
    from ecollm_lab.explorer.comparing import Against
    from ecollm_lab.explorer.growth import Growth

WHOLE = key_of(*[ANY] * len(FILTERS))
MOST_BYTES, MOST_ANSWERS = 12_000_000, 40  # of tables and answers that the browser keeps


class Answering(anywidget.AnyWidget):
    """A widget that computes what its screen asks for.

    Attributes
    ----------
    views, answers, marks
        Tables of selected queries, answers to single questions, and replays of policies, each by
        what was asked; the screen keeps what it was sent.

    """

    views = t.Dict().tag(sync=True)
    answers = t.Dict().tag(sync=True)
    marks = t.Dict().tag(sync=True)
    board: Board
    policy_marks: PolicyMarks | None
    against: Against | None
    growth: Growth | None
    updating: RLock  # held while what was asked is computed and kept, or the trace grows

    def _hear(self, content: dict[str, Any]) -> None:
        if "ask" in content:
            self._answer(str(content["ask"]))
        elif "measure" in content and self.growth is not None:
            self.growth.hear(content["measure"])

    def _answer(self, key: str) -> None:
        """Compute what a key names and hand it to the screen: tables of queries, or an answer."""
        what, _, rest = key.partition("|")
        keep = {"view": self._keep_view, "marks": self._keep_marks}.get(what)
        with self.updating:
            try:
                if keep is not None:
                    keep(rest)
                    return
                found = answers.answer(self.board, key, self.policy_marks)
            except LabError as error:
                found = {"error": str(error)}
            kept = dict(list(self.answers.items())[-MOST_ANSWERS + 1 :])
            self.answers = {**kept, key: found}

    def tables(self, key: str) -> dict[str, Any]:
        """Return what the screen needs of some queries: "SPLIT|KIND|CLUSTER"."""
        where = where_of(key)
        tables = self.board.view(*where).tables()
        return tables if self.against is None else {**tables, "other": self.against.tables(*where)}

    def _keep_view(self, key: str) -> None:
        new = self.tables(key)
        room = MOST_BYTES // max((len(new["replicates"]) + len(new.get("raw", b""))) * 2, 1)
        others = [k for k in self.views if k not in (WHOLE, key)]
        others = others[max(len(others) - max(room - 2, 0), 0) :]
        self.views = {k: self.views[k] for k in (WHOLE, *others)} | {key: new}

    def _keep_marks(self, key: str) -> None:
        if self.policy_marks is None:
            raise LabError("No policy was given to the explorer: explore(trace, policy).")
        asked, *named = key.rsplit("|", len(FILTERS))
        where = "|".join(named)
        view, slo = self.board.view(*where_of(where)), from_json(asked)
        entry = [json.loads(asked), self.policy_marks.at(view, slo)]
        self.marks = add(self.marks, where, self.policy_marks.rows(view)[1], [entry])
