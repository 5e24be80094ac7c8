"""The explorer: what happens when a control moves, a point is clicked, a step is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path as FilePath
from typing import Any

import ipywidgets as w
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab import figures
from ecollm_lab.explorer import exports, page, picture, policy_replay, queries, states, verdicts, words
from ecollm_lab.explorer.views import AMBIGUOUS, ANY, FRONT, Board, View
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from ecollm_lab.widgets.controls import HIDDEN, SHOWN, TABS, Controls, rounded, span

PAUSE_S = 0.25  # this long after the last move, what is too slow for every move is brought up to date
MOST_PINS = 3
FILTERS = ("split", "kind", "cluster", "statistic")


class Explorer(w.VBox):
    """Limits on latency, cost and quality over the paths of a trace: what is feasible, what wins, why not another, on which queries.

    Nothing is evaluated while sliders move: means, tails, resamples and front states are computed once per selection of queries.

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
        self, trace: Trace, policy: Policy | None = None, *, embeddings: np.ndarray | None = None, state: Mapping[str, Any] | None = None
    ) -> None:
        self.trace, self.policy, self.embeddings = trace, policy, embeddings
        self.board = Board(trace, embeddings)
        self.view: View = self.board.view()
        self._places = tuple(dict.fromkeys(self.board.placement))
        self._canvas = picture.canvas(self.view, self._places)
        self._selected: int | None = None
        self._lit: int | None = None
        self._pins: list[int] = []
        self._query_page = 0
        self._behind: tuple[np.ndarray, np.ndarray] = (np.zeros(0, dtype=int), np.zeros(0))
        self._verdict: verdicts.Verdict | None = None
        self._journey = states.Journey()
        self._quiet = 0
        self._timer: Any = None
        self.forgotten: list[str] = []
        v = self.view
        self.controls = c = Controls(
            {"latency": [v.latency_s, v.latency_p95_s], "cost": [1000 * v.cost_usd, 1000 * v.cost_p95_usd]},
            {"latency": v.latency_s[v.state == FRONT], "cost": 1000 * v.cost_usd[v.state == FRONT]}, self.board.choices,
        )  # fmt: skip
        self.latency, self.cost, self.min_quality, self.prefer, self.statistic = c.latency, c.cost, c.min_quality, c.prefer, c.statistic
        self.split, self.kind, self.cluster, self.path, self.sentence = c.split, c.kind, c.cluster, c.path, c.sentence
        self.moment = verdicts.judge(self.view, self.slo)
        self.figure = go.FigureWidget(picture.draw(self._canvas, self.moment, trace.source_line))
        self.figure._config = {**figures.CONFIG, "responsive": True}
        acts = {
            "◀ previous": ("queries this path does worse on", lambda: self._turn(-1)), "next ▶": ("further queries", lambda: self._turn(1)),
            "↶": ("undo", self.undo), "↷": ("redo", self.redo), "start": ("back to the start", self.reset),
            "pin": ("pin the selected path or the winner; again to unpin; up to three", self.pin),
        }  # fmt: skip
        super().__init__(c.arrange(self.figure, words.legend(self._places), words.table_head(), acts))
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
            c.typed[name].observe(lambda change, name=name: self._type(name, change["new"]), "value")
        c.prefer.observe(lambda _: self._moved("prefer"), "value")
        for box in (c.show_dominated, c.show_beyond):
            box.observe(lambda _: self._moved("show"), "value")
        for name in FILTERS:
            getattr(c, name).observe(lambda _, name=name: self._filter(name), "value")
        c.path.observe(lambda change: self._pick(change["new"]), "value")
        c.tabs.observe(lambda _: self._later(), "selected_index")
        for k, offer in enumerate(c.offers):
            offer.on_click(lambda _, k=k: self.apply(verdicts.nearest_feasible(self.view, self.slo)[1][k]))
        c.win.on_click(lambda _: self._verdict and self._verdict.change and self.apply(self._verdict.change))
        for trace in self.figure.data:
            if str(trace.name).startswith("cloud"):
                trace.on_click(lambda t, points, _: self._point(t, points, self._pick))
                trace.on_hover(lambda t, points, _: self._point(t, points, self._light))
                trace.on_unhover(lambda t, points, _: self._point(t, points, lambda _: self._light(None)))

    @staticmethod
    def _point(trace: Any, points: Any, act: Any) -> None:
        if points.point_inds:
            act(str(trace.customdata[points.point_inds[0]]))

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let several controls change as one."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    # --- what moves

    def _type(self, name: str, value: float) -> None:
        slider = self.controls.sliders[name]
        if not self._quiet and value != rounded(slider.value):
            slider.value = value

    def _moved(self, what: str) -> None:
        c = self.controls
        if what in c.sliders:
            with self._held():
                c.typed[what].value = rounded(c.sliders[what].value)
        if not self._quiet:
            self._update()
            self._journey.step(what, self.state, self._name(what))
            self._later()

    def _name(self, what: str) -> str:
        if what in states.LIMIT:
            one = SLO(**{states.LIMIT[what]: getattr(self.slo, states.LIMIT[what])})
            return f"no limit on {what}" if one == SLO() else words.spell(one)
        return f"show {', '.join(self._show) or 'nothing else'}" if what == "show" else f"{what}: {getattr(self.controls, what).value}"

    def _filter(self, name: str) -> None:
        if self._quiet:
            return
        values = [getattr(self.controls, f).value for f in FILTERS]
        try:
            self._look(self.board.view(*values))
        except LabError as error:  # two filters without a query in common: say so, and leave the figure as it was
            self.sentence.value = f"<b>No such queries:</b> {words.cut(error)}"
            return
        self._update()
        self._journey.step(name, self.state, self._name(name))
        self.settle()

    def _look(self, view: View) -> None:
        """Show another selection of queries: everything is drawn anew in place, zoom and sliders stay."""
        self.view, self._canvas = view, picture.canvas(view, self._places)
        fresh = picture.draw(self._canvas, verdicts.judge(view, self.slo), self.trace.source_line)
        with self.figure.batch_update():
            for now, new in zip(self.figure.data, fresh.data, strict=True):
                now.update(new.to_plotly_json(), overwrite=False)
            self.figure.layout.annotations = fresh.layout.annotations
            self.figure.layout.shapes = fresh.layout.shapes
            for axis in ("xaxis", "xaxis2", "yaxis"):
                self.figure.layout[axis].title = fresh.layout[axis].title
                self.figure.layout[axis].range = fresh.layout[axis].range
        self._fill_table()

    def _update(self) -> None:
        """Bring everything that moves with a slider up to date: all that runs while one is dragged."""
        c = self.controls
        self.moment = moment = verdicts.judge(self.view, self.slo)
        c.sentence.value = words.sentence(moment, *self._over(), self._pins)
        for name, slider in c.sliders.items():
            c.strips[name].value = words.strip(moment, states.LIMIT[name], *span(slider))
        c.mix.value = words.mix(moment)
        self._show_card()
        self._redraw()
        infeasible = moment.chosen is None
        offers = verdicts.nearest_feasible(self.view, self.slo)[1] if infeasible else []
        (c.sentence.add_class if infeasible else c.sentence.remove_class)("ecl-infeasible")
        for k, offer in enumerate(c.offers):
            offer.layout.display = SHOWN if k < len(offers) else HIDDEN
            if k < len(offers):
                offer.description = f"→ {words.changes(self.slo, offers[k])}"

    def _redraw(self) -> None:
        lit = self._selected if self._lit is None else self._lit
        traces, shapes = picture.moving(self._canvas, self.moment, self._pins, lit, self._show)
        with self.figure.batch_update():
            for number, properties in traces.items():
                self.figure.data[number].update({}, **properties)
            for shape, place in zip(self.figure.layout.shapes, shapes, strict=False):
                shape.update(place)

    def _over(self) -> tuple[float, int, str]:
        """Return how many of the winner's outcomes on held-out queries break the SLO; on the selected ones where none are held out."""
        rows, where = self.board.heldout(self.kind.value, self.cluster.value), "held-out "
        if not len(rows):
            rows, where = self.view.rows, ""
        if self.moment.chosen is None:
            return float("nan"), len(rows), where
        i = self.moment.chosen
        return verdicts.breaking(self.board.latency[i, rows], self.board.cost[i, rows], self.slo), len(rows), where

    def _show_card(self, change: bool = False) -> None:
        """Say what the lit or selected path is and why it does not win; what would let it win is looked for once things are at rest."""
        i = self._selected if self._lit is None else self._lit
        self._verdict = None
        if i is not None:
            self._verdict = verdicts.why_not(self.moment, i, self.board.latency[i, self.view.rows], change=change)
        self.controls.card.value = words.card(self.moment, i, self._verdict, self._pins)
        able = self._verdict is not None and self._verdict.change is not None
        self.controls.win.layout.display = SHOWN if able else HIDDEN
        if able and self._verdict and self._verdict.change:
            self.controls.win.description = f"wins with {words.changes(self.slo, self._verdict.change)}"

    # --- what follows once things are at rest

    def _later(self) -> None:
        """Settle a moment after the last move; where no event loop runs, when asked to."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        with suppress(RuntimeError):
            self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self.settle)

    def settle(self) -> None:
        """Bring up to date what is too slow for every move of a slider: the way to win, queries, policy replay, journey, code."""
        c, self._timer = self.controls, None
        self._show_card(change=True)
        tab = TABS[c.tabs.selected_index or 0]
        c.journey.value = words.journey(self._journey.names, self._journey.at)
        c.code.value = self.code
        self._show_queries()
        if tab == "policy replay":
            c.policy.value = policy_replay.table(self.board, self.view, self.policy, self.slo, self.embeddings)

    def _show_queries(self) -> None:
        c, i = self.controls, self._selected if self._selected is not None else self.moment.chosen
        if i is None:
            c.queries_head.value, c.queries.value = "", "<div class='ecl-dim'>No path selected, none feasible.</div>"
            return
        rows, regret = queries.behind(self.board, self.view, i)
        pages = max(-(-len(rows) // queries.PER_PAGE), 1)
        self._query_page = min(self._query_page, pages - 1)
        c.queries_head.value = (
            f"<b>{words.cut(self.view.path_ids[i], 90)}</b> · {len(rows)} queries, worst regret first · page {self._query_page + 1} of {pages}"
        )
        c.queries.value = queries.page(self.board, i, rows, regret, self._query_page)

    def _turn(self, by: int) -> None:
        self._query_page = max(self._query_page + by, 0)
        self._show_queries()

    def _fill_table(self) -> None:
        rows = self._canvas.drawn
        with self._held():
            self.path.options = [(words.table_row(self.view, i), str(self.view.path_ids[i])) for i in rows]
            self.path.value = None if self._selected not in rows else str(self.view.path_ids[self._selected])
