"""What is shown and how it follows the controls: all in place, what is slow only once things are at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ipywidgets as w
import numpy as np
import plotly.graph_objects as go

from ecollm_lab.explorer import states
from ecollm_lab.explorer.controls import HIDDEN, SHOWN, TABS, Controls, read, span, spelt
from ecollm_lab.explorer.saved import exports
from ecollm_lab.explorer.shown import picture, policy_replay, queries, words
from ecollm_lab.explorer.shown.canvas import Canvas, canvas
from ecollm_lab.explorer.verdicts import changes, verdicts
from ecollm_lab.explorer.verdicts.views import Board, View
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace

PAUSE_S = (
    0.25  # this long after the last move, what is too slow for every move is brought up to date
)
FILTERS = ("split", "kind", "cluster", "statistic")


class Display(w.VBox):
    """The part of the explorer that only shows."""

    trace: Trace
    policy: Policy | None
    embeddings: np.ndarray | None
    board: Board
    view: View
    moment: verdicts.Moment
    figure: go.FigureWidget
    controls: Controls
    _canvas: Canvas
    _places: tuple[str, ...]
    _journey: states.Journey
    _selected: int | None
    _lit: int | None
    _pins: list[int]
    _query_page: int
    _verdict: verdicts.Verdict | None
    forgotten: list[str]
    _quiet: int
    _timer: Any
    _set_cost: tuple[
        float, float
    ]  # what the slider was set to, and the limit in USD per query it stands for, to the last bit
    _sent: dict[tuple[Any, str], Any]

    @property
    def slo(self) -> SLO:
        """The SLO the controls spell; a slider at its right end sets no limit."""
        c = self.controls
        latency, cost = (
            None if s.disabled or s.value >= 10**s.max * (1 - 1e-9) else float(s.value)
            for s in (c.latency, c.cost)
        )
        if cost is not None:
            cost = self._set_cost[1] if cost == self._set_cost[0] else cost / 1000
        return SLO(latency, cost, c.min_quality.value or None, c.prefer.value)

    @property
    def chosen(self) -> str | None:
        """Path id that wins, None if the SLO is infeasible."""
        return None if self.moment.chosen is None else str(self.view.path_ids[self.moment.chosen])

    @property
    def state(self) -> dict[str, Any]:
        """Everything set and selected, as small JSON; `explore(trace, state=…)` restores it."""
        c, slo, names = self.controls, self.slo, self.view.path_ids
        return {
            "version": states.VERSION,
            "max_latency_s": slo.max_latency_s,
            "max_cost_usd": slo.max_cost_usd,
            "min_quality": slo.min_quality,
            "prefer": slo.prefer,
            **{name: getattr(c, name).value for name in FILTERS},
            "show": self._show,
            "selected": None if self._selected is None else str(names[self._selected]),
            "pins": [str(names[i]) for i in self._pins],
            "query_page": self._query_page,
        }

    @property
    def code(self) -> str:
        """Lines that give the same SLO, the same choice and the same explorer again."""
        return exports.code(self.slo, self.state, self.chosen)

    @property
    def _show(self) -> list[str]:
        boxes = {"dominated": self.controls.show_dominated, "beyond": self.controls.show_beyond}
        return [name for name, box in boxes.items() if box.value]

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let several controls change as one."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    # --- what moves

    def _type(self, name: str, text: str) -> None:
        slider, box = self.controls.sliders[name], self.controls.typed[name]
        if not self._quiet and text != spelt(slider.value):
            slider.value = read(text, slider)
            box.value = spelt(slider.value)

    def _moved(self, what: str) -> None:
        c = self.controls
        if what in c.sliders:
            with self._held():
                c.typed[what].value = spelt(c.sliders[what].value)
        if not self._quiet:
            self._update()
            self._journey.step(what, self.state, self._name(what))
            self._later()

    def _name(self, what: str) -> str:
        if what in states.LIMIT:
            one = SLO(**{states.LIMIT[what]: getattr(self.slo, states.LIMIT[what])})
            return f"no limit on {what}" if one == SLO() else words.spell(one)
        return (
            f"show {', '.join(self._show) or 'nothing else'}"
            if what == "show"
            else f"{what}: {getattr(self.controls, what).value}"
        )

    def _filter(self, name: str) -> None:
        if self._quiet:
            return
        values = [getattr(self.controls, f).value for f in FILTERS]
        try:
            self._look(self.board.view(*values))
        except (
            LabError
        ) as error:  # two filters without a query in common: say so, and leave the figure as it was
            self.sentence.value = f"<b>No such queries:</b> {words.cut(error)}"
            return
        self._update()
        self._journey.step(name, self.state, self._name(name))
        self.settle()

    def _look(self, view: View) -> None:
        """Show another selection of queries: everything is drawn anew in place, zoom and sliders stay."""
        self.view, self._canvas = view, canvas(view, self._places)
        self.moment = verdicts.judge(view, self.slo)
        fresh = self._draw()
        new = {
            (n, key): value
            for n, trace in enumerate(fresh.data)
            for key, value in _flat(trace.to_plotly_json())
            if key != "type"
        }
        self._move(new, {})
        with self.figure.batch_update():
            self.figure.layout.annotations = fresh.layout.annotations
            self.figure.layout.shapes = fresh.layout.shapes
            for axis in ("xaxis", "xaxis2", "yaxis"):
                self.figure.layout[axis].title = fresh.layout[axis].title
                self.figure.layout[axis].range = fresh.layout[axis].range
        self._fill_table()

    def _draw(self) -> go.Figure:
        """Return the figure of the present moment, anew, and note what it shows."""
        self._sent = _parts(*picture.moving(self._canvas, self.moment, [], None, self._show))
        return picture.draw(self._canvas, self.moment, self.trace.source_line, show=self._show)

    def _refresh(self) -> None:
        """Hand the browser the whole figure as it is: what moved before there was a view to move may not have reached it."""
        self.figure._repr_mimebundle_()  # which does so where a FigureWidget is shown by itself

    def _update(self) -> None:
        """Bring everything that moves with a slider up to date: all that runs while one is dragged."""
        c = self.controls
        self.moment = moment = verdicts.judge(self.view, self.slo)
        lost = (
            f" {words.misfits(self.forgotten)}"
            if self.forgotten and len(self._journey.names) < 2
            else ""
        )
        c.sentence.value = words.sentence(moment, *self._over(), self._pins) + lost
        for name, slider in c.sliders.items():
            c.strips[name].value = words.strip(moment, states.LIMIT[name], *span(slider))
        c.mix.value = words.mix(moment)
        self._show_card()
        self._redraw()
        infeasible = moment.chosen is None
        offers = changes.nearest_feasible(self.view, self.slo)[1] if infeasible else []
        (c.sentence.add_class if infeasible else c.sentence.remove_class)("ecl-infeasible")
        for k, offer in enumerate(c.offers):
            offer.layout.display = SHOWN if k < len(offers) else HIDDEN
            if k < len(offers):
                offer.description = f"→ {words.changes(self.slo, offers[k])}"

    def _redraw(self) -> None:
        lit = self._selected if self._lit is None else self._lit
        parts = _parts(*picture.moving(self._canvas, self.moment, self._pins, lit, self._show))
        moved = {
            at: value
            for at, value in parts.items()
            if at not in self._sent or not _same(value, self._sent[at])
        }
        self._sent = parts
        for number in {at[0] for at in moved if at[1] in ("x", "y") and isinstance(at[0], int)}:
            moved |= {
                (number, both): parts[number, both] for both in ("x", "y")
            }  # the same properties of all: one message, one drawing
        places = {
            f"{where}.{key}": value
            for (where, key), value in moved.items()
            if not isinstance(where, int)
        }
        inside = {at: value for at, value in moved.items() if isinstance(at[0], int)}
        self._move(inside, places)

    def _move(self, inside: dict[tuple[Any, str], Any], places: dict[str, Any]) -> None:
        """Send properties of traces, by (number, key), and of the layout: a message for each set of keys, each value handled once.

        One message for all would need a value that leaves a property as it is. The browser's copy
        of the figure has none: `Undefined`, which `batch_update` sends, deletes there.
        """
        keys: dict[int, tuple[str, ...]] = {}
        for number, key in inside:
            keys[number] = (*keys.get(number, ()), key)
        for some in dict.fromkeys(keys.values()):
            numbers = [number for number, its in keys.items() if its == some]
            self.figure.plotly_update(
                {key: [inside[n, key] for n in numbers] for key in some},
                places,
                trace_indexes=numbers,
            )
            places = {}
        if places:
            self.figure.plotly_relayout(places)

    def _over(self) -> tuple[float, int, str]:
        """Return how many of the winner's outcomes on held-out queries break the SLO; on the selected ones where none are held out."""
        rows, where = self.board.heldout(self.kind.value, self.cluster.value), "held-out "
        if not len(rows):
            rows, where = self.view.rows, ""
        if self.moment.chosen is None:
            return float("nan"), len(rows), where
        i = self.moment.chosen
        return (
            verdicts.breaking(self.board.latency[i, rows], self.board.cost[i, rows], self.slo),
            len(rows),
            where,
        )

    def _show_card(self, change: bool = False) -> None:
        """Say what the lit or selected path is and why it does not win; what would let it win is looked for once things are at rest."""
        i = next(
            (one for one in (self._lit, self._selected, self.moment.chosen) if one is not None),
            None,
        )
        self._verdict = None
        if i is not None:
            self._verdict = verdicts.why_not(
                self.moment, i, self.board.latency[i, self.view.rows], change=change
            )
        self.controls.card.value = words.card(self.moment, i, self._verdict, self._pins)
        able = self._verdict is not None and self._verdict.change is not None
        self.controls.win.layout.display = SHOWN if able else HIDDEN
        if able and self._verdict and self._verdict.change:
            self.controls.win.description = (
                f"wins with {words.changes(self.slo, self._verdict.change)}"
            )

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
            c.policy.value = policy_replay.table(
                self.board, self.view, self.policy, self.slo, self.embeddings
            )

    def _show_queries(self) -> None:
        c, i = self.controls, self._selected if self._selected is not None else self.moment.chosen
        if i is None:
            c.queries_head.value, c.queries.value = (
                "",
                "<div class='ecl-dim'>No path selected, none feasible.</div>",
            )
            return
        rows, regret = queries.behind(self.board, self.view, i)
        pages = max(-(-len(rows) // queries.PER_PAGE), 1)
        self._query_page = min(self._query_page, pages - 1)
        page = f"page {self._query_page + 1} of {pages}"
        c.queries_head.value = (
            f"<b>{words.cut(self.view.path_ids[i], 90)}</b> · {len(rows)} queries, worst regret"
            f" first · {page}"
        )
        c.queries.value = queries.page(self.board, i, rows, regret, self._query_page)

    def _turn(self, by: int) -> None:
        self._query_page = max(self._query_page + by, 0)
        self._show_queries()

    def _fill_table(self) -> None:
        rows = self._canvas.drawn
        with self._held():
            self.path.options = [
                (words.table_row(self.view, i), str(self.view.path_ids[i])) for i in rows
            ]
            chosen = None if self._selected is None else str(self.view.path_ids[self._selected])
            self.path.value = chosen if self._selected in rows else None


def _parts(
    traces: dict[int, dict[str, Any]], shapes: list[dict[str, Any]]
) -> dict[tuple[Any, str], Any]:
    """Return properties by (trace number or path in the layout, name)."""
    parts: dict[tuple[Any, str], Any] = {
        (number, key): value for number, part in traces.items() for key, value in part.items()
    }
    return parts | {
        (f"shapes[{number}]", key): value
        for number, part in enumerate(shapes)
        for key, value in part.items()
    }


def _flat(nested: dict[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ("error_y.array", …) from {"error_y": {"array": …}}."""
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{under}{key}.")
        else:
            yield under + key, value


def _same(one: Any, other: Any) -> bool:
    """Tell whether two properties of a trace are equal, NaN being equal to NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and bool(
            np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    return bool(type(one) is type(other) and one == other)
