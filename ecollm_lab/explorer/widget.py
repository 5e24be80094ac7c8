"""The explorer in a notebook: data, statistics, policy and state are here; `front/` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import traitlets as t

from ecollm_lab import files
from ecollm_lab.explorer import exports, page, states
from ecollm_lab.explorer.answering import WHOLE, Answering
from ecollm_lab.explorer.comparing import Against, compared
from ecollm_lab.explorer.decision import Decision, decide
from ecollm_lab.explorer.growth import Growth
from ecollm_lab.explorer.library import shared_library
from ecollm_lab.explorer.policy_marks import PolicyMarks
from ecollm_lab.explorer.views import FILTERS, Board, View
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace

if TYPE_CHECKING:
    from ecollm_lab.emulator import Measuring
    from ecollm_lab.sweeps import Progress
    from ecollm_lab.sweeps.job import Job


class Explorer(Answering):
    """Limits on latency, cost and quality over the paths of a trace: what wins, and why.

    The browser decides and draws by itself; Python agrees with it (see `decision`). Nothing is
    evaluated while sliders move: means, tails, resamples and front states are computed once per
    selection of queries.

    Attributes
    ----------
    state
        Everything set and selected, as small JSON; set it to change what the screen shows.
    journey
        The steps taken, each with its name; see `states`.
    forgotten
        What of a restored state does not fit this trace, in words.

    """

    _esm = page.module()
    _css = page.read("style.css")
    state = t.Dict().tag(sync=True)
    journey = t.Dict().tag(sync=True)
    forgotten: Any = t.List().tag(sync=True)
    fixed = t.Dict().tag(sync=True)
    measuring = t.Dict().tag(sync=True)
    library = t.Unicode().tag(sync=True)
    own = t.Unicode().tag(sync=True)

    def __init__(
        self,
        trace: Trace,
        policy: Policy | None = None,
        *,
        against: Trace | SLO | None = None,
        measure: Measuring | None = None,
        embeddings: np.ndarray | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        trace = trace if measure is None else measure.prepared(trace)
        self.trace, self.policy, self.updating = trace, policy, RLock()
        self.board = Board(trace, embeddings)
        self.policy_marks = None if policy is None else PolicyMarks(self.board, policy, embeddings)
        self.against = None if against is None else Against(self.board, against)
        self.growth = None if measure is None else Growth(self, measure)
        whole = self.board.view()
        start = states.starting(whole)
        self.journey = {"at": 0, "steps": [["start", start]]}
        self.state = start
        looks = None if self.policy_marks is None else self.policy_marks.looks()
        name = None if policy is None else policy.name
        other = None if self.against is None else self.against.fixed()
        named = {"policy": name, "policies": looks, "other": other, "measure": measure is not None}
        super().__init__(
            fixed={**self.board.fixed(), **page.constants(), **named},
            views={WHOLE: self.tables(WHOLE)},
            library=f"IPY_MODEL_{shared_library().model_id}",
        )
        self.own = f"IPY_MODEL_{self.model_id}"
        self.on_msg(lambda _widget, content, _buffers: self._hear(content))
        if state is not None:
            said = states.check(state)
            fits, self.forgotten = states.fitting(self.board, said, measures=measure is not None)
            self.state = {**start, **fits}
            self.journey = states.add_step(self.journey, self.state, "restored state")

    # --- to read

    @property
    def slo(self) -> SLO:
        """The SLO that is set."""
        return states.slo_of(self.state)

    @property
    def view(self) -> View:
        """The tables of the selected queries."""
        return self.board.view(*(self.state[name] for name in FILTERS))

    @property
    def decision(self) -> Decision:
        """What holds now: which paths keep the SLO, which wins, which are tied with it."""
        return decide(self.view, self.slo, self.state["statistic"], self.state["dropped"])

    @property
    def chosen(self) -> str | None:
        """Path id that wins, None if the SLO is infeasible."""
        i = self.decision.chosen
        return None if i is None else self.board.path_ids[i]

    @property
    def frame(self) -> pd.DataFrame:
        """One row per path for the selected queries, best quality first."""
        return self.view.frame(self.state["statistic"])

    @property
    def selection(self) -> pd.DataFrame:
        """The paths that keep the SLO: `frame` with the columns `chosen` and `tied`."""
        decision, ids = self.decision, self.board.path_ids
        tied = {ids[i]: bool(decision.tied[i]) for i in np.flatnonzero(decision.within).tolist()}
        frame = self.frame[self.frame["path_id"].isin(tied)].reset_index(drop=True)
        chosen = frame["path_id"] == self.chosen
        return frame.assign(chosen=chosen, tied=frame["path_id"].map(tied).astype(bool))

    @property
    def comparison(self) -> pd.DataFrame:
        """What wins on either side of `explore(a, b)`, a row each; see `comparing.compared`."""
        sides = {"A": (self.view, self.decision)}
        if self.against is not None:
            sides["B"] = self.against.decision(self.state, self.board.stages)
        return compared(sides)

    @property
    def code(self) -> str:
        """Lines that give the same SLO, the same choice and the same explorer again."""
        return exports.code(self.slo, self.state, self.chosen)

    # --- to do

    def apply(self, slo: SLO) -> None:
        """Set all limits and the preference of an SLO at once, exactly as they are."""
        limits = {name: getattr(slo, name) for name in ("max_latency_s", "max_cost_usd")}
        floor = {"min_quality": slo.min_quality or None, "prefer": slo.prefer}
        self._step(page.spell(slo), **limits, **floor)

    def select(self, path_id: str | None) -> None:
        """Select a path: its card, its queries, its place in the table. None: nothing selected.

        Raises `LabError` if the trace has no such path.
        """
        self._require(path_id)
        name = "nothing selected" if path_id is None else f"selected {path_id}"
        self._step(name, selected=path_id, query_page=0)

    def pin(self, path_id: str | None = None) -> None:
        """Pin a path to compare others with, or unpin it; of four pins the oldest goes.

        Default: the selected path, else the winner. Raises `LabError` if there is neither.
        """
        self._require(path_id)
        path_id = path_id or self.state["selected"] or self.chosen
        if path_id is None:
            raise LabError(
                "There is nothing to pin: no path is selected and none keeps the SLO. Select one"
                " first."
            )
        pins = [pin for pin in self.state["pins"] if pin != path_id]
        pinned = len(pins) == len(self.state["pins"])
        pins = [*pins, path_id][-states.MOST_PINS :] if pinned else pins
        self._step(f"{'pinned' if pinned else 'unpinned'} {path_id}", pins=pins)

    def measure(self, n: int = 20, scope: str = "emulator") -> Job[Progress]:
        """Measure the next `n` outcomes in a thread, as the tab "measure" does; see `Growth.among`.

        Call `result()` on what is returned to wait for the end, `stop()` to end it early: what was
        measured is kept, in `trace` too. Raises `LabError` if nothing can be measured.
        """
        if self.growth is None:
            raise LabError("Nothing measures for this explorer: explore(trace, measure=…).")
        self.growth.offer(n, scope)
        return self.growth.start()

    def undo(self) -> None:
        """Go back one step; at the start nothing happens."""
        self._go(self.journey["at"] - 1)

    def redo(self) -> None:
        """Go forward again; at the last step nothing happens."""
        self._go(self.journey["at"] + 1)

    def reset(self) -> None:
        """Go to where it started; that too can be undone."""
        self._step("back to the start", **states.back(self.state, self.journey["steps"][0][1]))

    def _step(self, name: str, **changed: Any) -> None:
        with self.hold_sync():
            self.state = {**self.state, **changed}
            self.journey = states.add_step(self.journey, self.state, name)

    def _go(self, to: int) -> None:
        if 0 <= to < len(self.journey["steps"]):
            with self.hold_sync():
                self.state = states.back(self.state, states.state_at(self.journey, to))
                self.journey = {**self.journey, "at": to}

    @t.validate("state")
    def _check_state(self, proposal: Any) -> dict[str, Any]:
        return {**states.State().model_dump(), **states.check(proposal["value"])}

    def _require(self, path_id: str | None) -> None:
        if path_id is not None and path_id not in self.board.path_ids:
            raise LabError(
                f"The trace has no path {path_id!r}; explorer.frame lists its"
                f" {len(self.board.path_ids)} paths."
            )

    # --- what leaves it

    def to_csv(self, file: FilePath | str) -> FilePath:
        """Write `selection` as CSV."""
        return files.write(exports.written(self, "csv"), file)

    def to_toml(self, file: FilePath | str) -> FilePath:
        """Write SLO, chosen path, what is expected of it and provenance as TOML, for serving."""
        return files.write(exports.written(self, "toml"), file)

    def to_html(self, file: FilePath | str) -> FilePath:
        """Write one file that works offline: the same screen, with what was computed so far."""
        return files.write(exports.written(self, "html"), file)

    def _hear(self, content: dict[str, Any]) -> None:
        if "file" not in content:
            super()._hear(content)
            return
        try:
            found = {"text": exports.written(self, content["file"].split("#")[0])}
        except LabError as error:
            found = {"error": str(error)}
        self.send({"file": content["file"], **found})

    def fallback(self) -> str:
        """Return the moment as HTML without scripts."""
        statistic = self.state["statistic"]
        return page.fallback(self.view, self.slo, self.decision, self.trace.source_line, statistic)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and for where no widgets run a picture and a table of the moment."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self.fallback()
            winner = self.chosen or "infeasible"
            data["text/plain"] = f"Explorer: {page.spell(self.slo)} → {winner} ({self.trace})"
        return bundle
