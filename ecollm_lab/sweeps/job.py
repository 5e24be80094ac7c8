"""Long work in a thread of its own, which reports how far it is and stops when it is asked to."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Hashable
from dataclasses import replace
from threading import Event, Lock, RLock, Thread
from typing import Generic, Literal, TypeVar

import numpy as np
import pandas as pd

from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps.progress import Progress
from ecollm_lab.traces import OBJECTIVES, is_on_front

T = TypeVar("T")
State = Literal["running", "stopping", "stopped", "done", "failed"]
EVERY_S = 0.2  # watchers are called at most this often, and once more at the end


class Tally:
    """Means per path of the outcomes so far; one thread may read it while another adds."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}
        self._latest: Outcome | None = None
        self._guard = Lock()

    def add(self, outcome: Outcome | None) -> None:
        """Count an outcome in; None and the outcome counted last change nothing."""
        if outcome is None or outcome is self._latest:
            return
        with self._guard:
            self._latest = outcome
            sums = self._sums.setdefault(outcome.path_id, np.zeros(4))
            sums += (1, outcome.quality, outcome.cost_usd, outcome.latency_s)

    def front(self) -> pd.DataFrame:
        """Return the paths that no other dominates, best quality first.

        The columns are path_id, n (outcomes), and the means of quality, cost_usd and latency_s.
        """
        with self._guard:
            rows = [(path, *sums) for path, sums in self._sums.items()]
        frame = pd.DataFrame(rows, columns=["path_id", "n", *OBJECTIVES]).astype({"n": int})
        frame[list(OBJECTIVES)] = frame[list(OBJECTIVES)].div(frame["n"], axis=0)
        front = frame[is_on_front(frame[list(OBJECTIVES)].to_numpy())]
        return front.sort_values(
            ["quality", "cost_usd"], ascending=[False, True], ignore_index=True
        )


class Job(Thread, Generic[T]):
    """One piece of work that runs beside the notebook; it begins at once.

    Parameters
    ----------
    work
        Called in the job's thread with an event and a function. The event is set once the job is
        asked to stop: finish what is in flight and return. The function takes a `Progress` and
        keeps a copy of it.
    key
        What the work occupies, for example a store file; while a job lives, no other can have its
        key. None = nothing.
    asked
        The work in words, to tell whether another asks for the same.
    name
        What to call it.

    Attributes
    ----------
    progress
        The latest report, or None before the first.
    tally
        Means per path of the outcomes reported.
    error
        What ended the work, if anything did.

    Raises
    ------
    LabError
        If a job with this key is running.

    """

    def __init__(
        self,
        work: Callable[[Event, Callable[[Progress], None]], T],
        *,
        key: Hashable = None,
        asked: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.key, self.asked = key, asked
        other = None if key is None else running(key)
        if other:
            raise LabError(
                f"A job on {key} is running, asked for {other.asked}. Wait for its result(), or"
                " stop() it first."
            )
        self.progress: Progress | None = None
        self.tally = Tally()
        self.error: BaseException | None = None
        self._work, self._stop_asked, self._ended = work, Event(), Event()
        self._source: Progress | None = None
        self._result: T
        self._watchers: list[Callable[[], None]] = []
        self._last_notified, self._notifying = 0.0, RLock()
        self.start()

    @property
    def state(self) -> State:
        """Where the job stands; "stopped" means that it was asked to end early and lost nothing."""
        if not self._ended.is_set():
            return "stopping" if self._stop_asked.is_set() else "running"
        if self.error is not None:
            return "failed"
        short = (
            self.progress is None or self.progress.done + self.progress.failed < self.progress.total
        )
        return "stopped" if self._stop_asked.is_set() and short else "done"

    def stop(self) -> None:
        """Ask the work to end: what is in flight is finished and kept. Returns at once."""
        self._stop_asked.set()
        self._notify()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return what the work returned.

        An interrupt ends the waiting, not the work.

        Parameters
        ----------
        timeout
            Seconds to wait at most; None = as long as it takes.

        Raises
        ------
        LabError
            If it is still running after `timeout`. An error of the work is raised as it came.

        """
        self.join(timeout)  # the watchers have been called then, too
        if self.is_alive():
            raise LabError(
                f"The job is still {self.state} after {timeout} s. Wait longer, or stop() it."
            )
        if self.error is not None:
            raise self.error
        return self._result

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` now, whenever something has changed, and at the end.

        It is called in the job's thread, at most five times a second.
        """
        with self._notifying:
            watcher()
            self._watchers.append(watcher)

    def run(self) -> None:
        """Do the work; `Thread` calls this."""
        try:
            self._result = self._work(self._stop_asked, self._report)
        except BaseException as error:  # whoever asks for the result gets it
            self.error = error
        if self._source is not None:
            self.progress = replace(self._source)  # it may have changed after the last report
        self._ended.set()
        self._notify()

    def _report(self, progress: Progress) -> None:
        self._source, self.progress = progress, replace(progress)
        self.tally.add(progress.latest)
        if time.monotonic() - self._last_notified >= EVERY_S:
            self._last_notified = time.monotonic()
            self._notify()

    def _notify(self) -> None:
        with self._notifying:
            for watcher in list(self._watchers):
                try:
                    watcher()
                except Exception as error:  # a broken view must not end a sweep
                    self._watchers.remove(watcher)
                    warnings.warn(
                        f"A view of the job failed and is no longer updated: {error!r}",
                        stacklevel=2,
                    )


def running(key: Hashable) -> Job | None:
    """Return the job that runs under this key in this process, or None."""
    jobs = (
        thread
        for thread in threading.enumerate()
        if isinstance(thread, Job) and not thread._ended.is_set()
    )
    return next((job for job in jobs if job.key == key), None)
