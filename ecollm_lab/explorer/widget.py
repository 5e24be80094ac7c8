"""The explorer: its controls put together, what can be done to it, and what leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab import figures, files
from ecollm_lab.explorer import states
from ecollm_lab.explorer.controls import Controls, span
from ecollm_lab.explorer.saved import exports, page
from ecollm_lab.explorer.screen import FILTERS, Display
from ecollm_lab.explorer.shown import words
from ecollm_lab.explorer.shown.canvas import canvas
from ecollm_lab.explorer.verdicts import changes, verdicts
from ecollm_lab.explorer.verdicts.front_states import FRONT
from ecollm_lab.explorer.verdicts.views import Board, View
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace, require_trace

MOST_PINS = 3


class Explorer(Display):
    """Limits on latency, cost and quality over the paths of a trace: what is feasible, what wins, why not another, on which queries.

    Nothing is evaluated while sliders move: means, tails, resamples and front states are computed
    once per selection of queries.

    Attributes
    ----------
    frame
        One row per path for the selected queries, best quality first.
    figure
        A plotly FigureWidget: quality against cost, and against latency.
    forgotten
        What of a restored state no longer fits this trace, in words.

    """

    def __init__(
        self,
        trace: Trace,
        policy: Policy | None = None,
        *,
        embeddings: np.ndarray | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.trace, self.policy, self.embeddings = trace, policy, embeddings
        self.board = Board(trace, embeddings)
        self.view: View = self.board.view()
        self._places = tuple(dict.fromkeys(self.board.placement))
        self._canvas = canvas(self.view, self._places)
        self._selected: int | None = None
        self._lit: int | None = None
        self._pins: list[int] = []
        self._query_page = 0
        self._verdict: verdicts.Verdict | None = None
        self._journey = states.Journey()
        self._quiet = 0
        self._set_cost = (0.0, 0.0)
        self._timer: Any = None
        self.forgotten: list[str] = []
        v = self.view
        self.controls = c = Controls(
            {
                "latency": [v.latency_s, v.latency_p95_s],
                "cost": [1000 * v.cost_usd, 1000 * v.cost_p95_usd],
            },
            {"latency": v.latency_s[v.state == FRONT], "cost": 1000 * v.cost_usd[v.state == FRONT]},
            self.board.choices,
        )
        self.latency, self.cost, self.min_quality, self.prefer, self.statistic = (
            c.latency,
            c.cost,
            c.min_quality,
            c.prefer,
            c.statistic,
        )
        self.split, self.kind, self.cluster, self.path, self.sentence = (
            c.split,
            c.kind,
            c.cluster,
            c.path,
            c.sentence,
        )
        self.moment = verdicts.judge(self.view, self.slo)
        self.figure = go.FigureWidget(self._draw())
        self.figure._config = {**figures.style.CONFIG, "responsive": True}
        acts = {
            "◀ previous": ("queries this path does worse on", lambda: self._turn(-1)),
            "next ▶": ("further queries", lambda: self._turn(1)),
            "↶": ("undo", self.undo),
            "↷": ("redo", self.redo),
            "start": ("back to the start", self.reset),
            "pin": ("pin the selected path or the winner; again to unpin; up to three", self.pin),
        }
        super().__init__(
            c.arrange(self.figure, words.legend(self._places), words.table_head(), acts)
        )
        self.add_class("ecl")
        self._fill_table()
        self._observe()
        self._start = self.state
        if state is not None:
            self._restore(states.check(state))
        self._update()
        self._journey.step("start", self.state, "start" if state is None else "restored state")
        self.settle()

    def _observe(self) -> None:
        c = self.controls
        for name in c.sliders:
            c.sliders[name].observe(lambda _, name=name: self._moved(name), "value")
            c.typed[name].observe(
                lambda change, name=name: self._type(name, change["new"]), "value"
            )
        c.prefer.observe(lambda _: self._moved("prefer"), "value")
        for box in (c.show_dominated, c.show_beyond):
            box.observe(lambda _: self._moved("show"), "value")
        for name in FILTERS:
            getattr(c, name).observe(lambda _, name=name: self._filter(name), "value")
        c.path.observe(lambda change: self._pick(change["new"]), "value")
        c.tabs.observe(lambda _: self._later(), "selected_index")
        for k, offer in enumerate(c.offers):
            offer.on_click(
                lambda _, k=k: self.apply(changes.nearest_feasible(self.view, self.slo)[1][k])
            )
        c.win.on_click(lambda _: self._let_win())
        for trace in self.figure.data:
            if str(trace.name).startswith("cloud"):
                trace.on_click(lambda t, points, _: self._point(t, points, self._pick))
                trace.on_hover(lambda t, points, _: self._point(t, points, self._light))
                trace.on_unhover(
                    lambda t, points, _: self._point(t, points, lambda _: self._light(None))
                )

    @staticmethod
    def _point(trace: Any, points: Any, act: Any) -> None:
        if points.point_inds:
            act(str(trace.customdata[points.point_inds[0]]))

    # --- to read

    @property
    def frame(self) -> pd.DataFrame:
        """One row per path for the selected queries, best quality first."""
        return self.view.frame

    @property
    def selection(self) -> pd.DataFrame:
        """The paths that keep the SLO, best quality first: `frame` with `chosen` and `tied` marked."""
        kept = {
            str(self.view.path_ids[i]): bool(self.moment.tied[i])
            for i in np.flatnonzero(self.moment.within).tolist()
        }
        frame = self.frame[self.frame["path_id"].isin(kept)].reset_index(drop=True)
        return frame.assign(
            chosen=frame["path_id"] == self.chosen, tied=frame["path_id"].map(kept).astype(bool)
        )

    # --- to do

    def select(self, path_id: str | None) -> None:
        """Select a path: its card, its queries, its place in the table. None: nothing selected.

        Raises
        ------
        LabError
            If the trace has no such path.

        """
        self._pick(self._known(path_id))

    def _known(self, path_id: str | None) -> str | None:
        if path_id is not None and path_id not in self.board.path_ids:
            raise LabError(
                f"The trace has no path {path_id!r}; explorer.frame lists its"
                f" {len(self.board.path_ids)} paths."
            )
        return path_id

    def _pick(self, path_id: str | None) -> None:
        if self._quiet:
            return
        self._selected, self._query_page = (
            None if path_id is None else self.board.path_ids.index(path_id),
            0,
        )
        with self._held():
            self.path.value = (
                path_id if path_id in {value for _, value in self.path.options} else None
            )
        self._redraw()
        self._journey.step(
            "select", self.state, "nothing selected" if path_id is None else f"selected {path_id}"
        )
        self.settle()

    def _let_win(self) -> None:
        if self._verdict and self._verdict.change:
            self.apply(self._verdict.change)

    def _light(self, path_id: str | None) -> None:
        """Light a path everywhere while it is pointed at."""
        self._lit = None if path_id is None else self.board.path_ids.index(path_id)
        self._redraw()
        self._show_card()
        if self._lit is None:
            self._later()

    def pin(self, path_id: str | None = None) -> None:
        """Pin a path (default: the selected one, else the winner) to compare others with, or unpin it. Of four the oldest goes."""
        self._known(path_id)
        named = None if path_id is None else self.board.path_ids.index(path_id)
        i = next(
            (one for one in (named, self._selected, self.moment.chosen) if one is not None), None
        )
        if i is None:
            raise LabError(
                "There is nothing to pin: no path is selected and none keeps the SLO. Select one"
                " first."
            )
        self._pins = (
            [p for p in self._pins if p != i] if i in self._pins else [*self._pins, i][-MOST_PINS:]
        )
        self._update()
        self._journey.step(
            f"pin {i}",
            self.state,
            f"{'pinned' if i in self._pins else 'unpinned'} {self.board.path_ids[i]}",
        )
        self.settle()

    def apply(self, slo: SLO) -> None:
        """Set all limits and the preference of an SLO at once; a limit outside a slider's range is set to its nearest end."""
        self._set_slo(slo)
        self._update()
        self._journey.step("apply", self.state, words.spell(slo))
        self.settle()

    def undo(self) -> None:
        """Go back one step."""
        self._go(self._journey.at - 1)

    def redo(self) -> None:
        """Go forward again."""
        self._go(self._journey.at + 1)

    def reset(self) -> None:
        """Go to where it started; that too can be undone."""
        self._restore(self._start)
        self._update()
        self._journey.step("reset", self.state, "back to the start")
        self.settle()

    def _go(self, to: int) -> None:
        state = self._journey.go(to)
        if state is not None:
            self._restore(state)
            self._update()
            self.settle()

    def _set_slo(self, slo: SLO) -> None:
        cost = None if slo.max_cost_usd is None else 1000 * slo.max_cost_usd
        self._set_cost = (cost or 0.0, slo.max_cost_usd or 0.0)
        with self._held():
            for name, value in (
                ("latency", slo.max_latency_s),
                ("cost", cost),
                ("min_quality", slo.min_quality or 0.0),
            ):
                slider = self.controls.sliders[name]
                low, high = span(slider)
                slider.value = high if value is None else min(max(value, low), high)
            self.prefer.value = slo.prefer

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Set everything from a state; what does not fit this trace is left as it is and named in `forgotten`."""
        self.forgotten = lost = []
        now = {**self.state, **state}
        try:
            wanted = SLO(
                now["max_latency_s"], now["max_cost_usd"], now["min_quality"], now["prefer"]
            )
        except (LabError, TypeError) as error:
            lost.append(f"the SLO: {error}")
        else:
            self._set_slo(wanted)
            lost += (
                [f"{words.changes(self.slo, wanted)} (out of this trace's range)"]
                if self.slo != wanted
                else []
            )
        with self._held():
            for name in FILTERS:
                control = getattr(self.controls, name)
                options = [o[1] if isinstance(o, tuple) else o for o in control.options]
                if now[name] in options:
                    control.value = now[name]
                else:
                    lost.append(f"{name} {now[name]!r}")
            self.controls.show_dominated.value, self.controls.show_beyond.value = (
                "dominated" in now["show"],
                "beyond" in now["show"],
            )
        known = {path_id: i for i, path_id in enumerate(self.board.path_ids)}
        lost += [
            f"path {name!r}"
            for name in [*now["pins"], *filter(None, [now["selected"]])]
            if name not in known
        ]
        self._pins = [known[name] for name in now["pins"] if name in known][:MOST_PINS]
        self._selected = known.get(now["selected"])
        self._query_page = int(now["query_page"])
        try:
            view = self.board.view(*[getattr(self.controls, name).value for name in FILTERS])
        except LabError as error:
            lost.append(f"the filters: {error}")
            view = self.view
        if view is not self.view:
            self._look(view)
        with self._held():
            self.path.value = (
                now["selected"]
                if now["selected"] in {value for _, value in self.path.options}
                else None
            )

    # --- what leaves it

    def to_csv(self, file: FilePath | str) -> FilePath:
        """Write `selection` as CSV."""
        return files.write(self.selection.to_csv(index=False), file)

    def to_toml(self, file: FilePath | str) -> FilePath:
        """Write the SLO, the chosen path and what is expected of it, the policy's name and the trace's provenance as TOML, for serving."""
        return files.write(
            exports.toml_of(
                self.moment, self.policy.name if self.policy else None, self.trace.provenance
            ),
            file,
        )

    def to_html(self, file: FilePath | str) -> FilePath:
        """Write one file that works offline, sliders included: the selected queries' tables, plotly.js and a few lines of script."""
        return files.write(
            page.html(self._canvas, self.moment, self.trace.source_line, self._bounds), file
        )

    @property
    def _bounds(self) -> dict[str, tuple[float, float]]:
        return {name: span(slider) for name, slider in self.controls.sliders.items()}

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and for where no widgets run a picture and a table of the present moment."""
        self._refresh()
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = page.fallback(
                self.moment, self.sentence.value, self.trace.source_line
            )
            data["text/plain"] = (
                f"Explorer: {words.spell(self.slo)} → {self.chosen or 'infeasible'}"
                f" ({self.trace.source_line})"
            )
        return bundle


def explore(
    trace: Trace,
    policy: Policy | None = None,
    *,
    embeddings: np.ndarray | None = None,
    state: Mapping[str, Any] | None = None,
) -> Explorer:
    """Show the SLO explorer of a trace; leave it as the last expression of a cell.

    Parameters
    ----------
    trace
        Any trace; outcomes may be missing, latency or cost not recorded.
    policy
        A fitted policy: the tab "policy replay" then shows what it would choose for each kind of
        query.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension): adds a filter
        by cluster; the policy uses them too.
    state
        What `explorer.state` returned: restored exactly; `explorer.forgotten` names what no longer
        fits.

    Raises
    ------
    LabError
        If `trace` is no Trace, the state is no such state, or embeddings do not match the trace.

    """
    require_trace(trace)
    return Explorer(trace, policy, embeddings=embeddings, state=state)
