"""Measuring further outcomes from an explorer: where the picture is unsure, it tightens."""

from __future__ import annotations

import time
from threading import Event, RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from ecollm_lab.explorer.answering import WHOLE
from ecollm_lab.explorer.labels import key_of
from ecollm_lab.explorer.policy_marks import number
from ecollm_lab.explorer.resampling import AMBIGUOUS, UNKNOWN
from ecollm_lab.explorer.views import FILTERS
from ecollm_lab.records import LabError, Outcome, require_choice
from ecollm_lab.sweeps import Ended
from ecollm_lab.sweeps.job import Job

if TYPE_CHECKING:
    from ecollm_lab.emulator import Measuring, Offer
    from ecollm_lab.explorer.widget import Explorer
    from ecollm_lab.sweeps import Progress

SCOPES = ("emulator", "unsure", "tied", "selected")
MOST_AT_ONCE = 1000
MOST_NAMED = 3  # paths of an offer
# what the winner and its ties depend on
_DECIDED = ("max_latency_s", "max_cost_usd", "min_quality", "prefer", "statistic", "dropped")
PATIENCE = 5  # the picture is drawn anew when that many times the time it took has passed


class Growth:
    """What an explorer measures: an offer with its cost, a job, and a trace that grows.

    Parameters
    ----------
    explorer
        Shows the trace; its trait `measuring` says what is offered, running or done.
    source
        Where outcomes come from.

    """

    def __init__(self, explorer: Explorer, source: Measuring) -> None:
        self.explorer, self.source = explorer, source
        self.job: Job[Progress] | None = None
        self._offer: Offer | None = None
        self._meant: dict[str, Any] = {}  # the parts of the state that the offer is for
        self._fresh: list[Outcome] = []
        self._in_part = False  # drawn with the replays and marks of before, as while a job runs
        self._drawn, self._took, self._speaking = 0.0, 0.0, RLock()

    @property
    def running(self) -> bool:
        """Whether outcomes are being measured."""
        return self.job is not None and self.job.state in ("running", "stopping")

    def among(self, scope: str) -> list[str] | None:
        """Return the paths that a scope is about; None = wherever the Emulator expects most.

        "unsure": open rings, and paths not fully recorded; "tied": the winner and the paths tied
        with it; "selected": the selected path, else the winner.
        """
        require_choice("scope", scope, SCOPES)
        explorer, ids = self.explorer, self.explorer.board.path_ids
        decision, view = explorer.decision, explorer.view
        if scope == "emulator":
            return None
        state = view.state[explorer.state["statistic"]]
        winner = [] if decision.chosen is None else [ids[decision.chosen]]
        named = {
            "unsure": [ids[i] for i in np.flatnonzero(np.isin(state, (AMBIGUOUS, UNKNOWN)))],
            "tied": [*winner, *(ids[i] for i in np.flatnonzero(decision.tied))],
            "selected": [explorer.state["selected"]] if explorer.state["selected"] else winner,
        }[scope]
        explored = set(self.source.emulator.path_ids)
        return [path for path in named if path in explored]

    def offer(self, n: int, scope: str = "emulator") -> Offer:
        """Say what the next `n` outcomes would cost; nothing is measured.

        Raises
        ------
        LabError
            If a job is running, n is out of range, or there is nothing left to measure there.

        """
        if self.running:
            raise LabError("Outcomes are being measured; wait for the end, or stop it first.")
        if not isinstance(n, int) or not 1 <= n <= MOST_AT_ONCE:
            raise LabError(
                f"n, how many outcomes to measure, must be a whole number within 1 and"
                f" {MOST_AT_ONCE}, got {n!r}. Choose another number."
            )
        among = self.among(scope)
        self._withdraw()
        found = None if among == [] else self.source.offer(n, among)
        if found is None or not found.pairs:
            raise LabError(
                "There is nothing left to measure there: every training query was asked on these"
                " paths, or no path is meant. Choose another place."
            )
        self._offer, self._meant = found, self._of_the_state(scope)
        return found

    def _withdraw(self) -> None:
        if self._offer is not None:
            self.source.emulator.withdraw(self._offer.pairs)
            self._offer = None

    def _of_the_state(self, scope: str) -> dict[str, Any]:
        """Return the parts of the state that say which paths a scope is about."""
        state = self.explorer.state
        names: tuple[str, ...] = {
            "emulator": (),
            "unsure": ("statistic", *FILTERS),
            "tied": (*_DECIDED, *FILTERS),
            "selected": ("selected", *(() if state["selected"] else (*_DECIDED, *FILTERS))),
        }[scope]
        return {name: state[name] for name in names}

    def start(self) -> Job[Progress]:
        """Measure what was offered, in a thread beside the notebook.

        Raises
        ------
        LabError
            If nothing was offered, or the limits or the selection that the offer was made for have
            changed since: no money is spent on other paths than those that are meant.

        """
        if self._offer is None:
            raise LabError("Nothing was offered yet; ask what the next outcomes would cost first.")
        if any(self.explorer.state[name] != value for name, value in self._meant.items()):
            self._withdraw()
            raise LabError(
                "The limits or the selection have changed since the offer; ask again what the next"
                " outcomes would cost."
            )
        offer, self._offer = self._offer, None
        self._say(offer=None, error="", job={"state": "running"})

        def work(stop: Event, report: Any) -> Progress:
            return self.source.run(offer, stop, report, self._fresh.extend)

        self.job = Job(work, name="measure", key=id(self), asked="measure from the explorer")
        self.job.watch(self._show)
        return self.job

    def hear(self, asked: dict[str, Any]) -> None:
        """Do what the screen asks: an offer, to start it, or to stop."""
        what = asked.get("do")
        said: dict[str, Any] = {}
        try:
            if what == "offer":
                scope, n = asked["scope"], asked["n"]
                offer = self.offer(n, scope)
                paths = list(dict.fromkeys(path for _, path in offer.pairs))
                numbers = {"cost_usd": number(offer.cost_usd), "seconds": number(offer.seconds)}
                size = {"pairs": len(offer.pairs), "paths": len(paths), "asked": n}
                about = {"names": paths if len(paths) <= MOST_NAMED else [], "meant": self._meant}
                told = {"scope": scope, **size, **numbers, **about}
                said = {"offer": told, "error": "", "job": None}
            elif what == "start":
                self.start()
            elif what == "stop" and self.job is not None:
                self.job.stop()
        except LabError as error:
            said = {"offer": None, "error": str(error)}
        if said:
            self._say(**said)

    def _say(self, **said: Any) -> None:
        with self._speaking:  # the job's thread speaks, too
            self.explorer.measuring = {**self.explorer.measuring, **said}

    def _show(self) -> None:
        """Say how far the job is, and draw the outcomes that came since the last time."""
        job = self.job
        assert job is not None
        p, running = job.progress, job.state in ("running", "stopping")
        numbers = (
            {}
            if p is None
            else {
                "done": p.done,
                "failed": p.failed,
                "total": p.total,
                "cost_usd": p.cost_usd,
                "left_s": number(p.eta_s) if np.isfinite(p.eta_s) else None,
                "why": "" if p.ended is Ended.REQUEST else p.stopped,
            }
        )
        error = "" if job.error is None else str(job.error)
        waited = time.monotonic() - self._drawn >= PATIENCE * self._took
        if (self._fresh and waited) if running else (self._fresh or self._in_part):
            began, count = time.monotonic(), len(self._fresh)
            self.grow(self._fresh[:count], whole=not running)
            self._in_part = running
            del self._fresh[:count]
            self._drawn, self._took = time.monotonic(), time.monotonic() - began
        self._say(job={"state": job.state, **numbers}, error=error)

    def grow(self, outcomes: list[Outcome], *, whole: bool) -> None:
        """Add outcomes to the trace and draw it anew; `whole`: single ones and replays as well."""
        explorer = self.explorer
        with explorer.updating:  # no answer to a question is lost, or older than the trace
            explorer.trace = self.source.grown(explorer.trace, outcomes)
            explorer.board.grow(explorer.trace)
            where = key_of(*(explorer.state[name] for name in FILTERS))
            keys = dict.fromkeys((WHOLE, where))
            explorer.views = {key: explorer.tables(key) for key in keys}
            stale = ("queries|", "replay|") if whole else ("queries|",)
            kept = explorer.answers.items()
            explorer.answers = {k: v for k, v in kept if not k.startswith(stale)}
            if whole:
                if explorer.policy_marks is not None:
                    explorer.policy_marks.forget()
                explorer.marks = {}  # the screen asks again
                explorer.fixed = {**explorer.fixed, **explorer.board.fixed()}
