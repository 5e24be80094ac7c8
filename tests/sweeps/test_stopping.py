"""A sweep that is asked to stop says so, whoever notices it first."""

import threading
from threading import Event

from ecollm_lab.sweeps import Ended, run, sweep
from tests.paths.test_pipeline import Echo
from tests.sweeps.test_sweep import MARKS, SPACE


def test_a_sweep_stops_on_request_and_says_so(rig):
    queries, pipeline, models, store = rig
    stop, seen = Event(), []

    class Held(Echo):
        def reply(self, prompt):
            if self.calls == 6:
                stop.wait(
                    60
                )  # the device would else be through before the fifth outcome is committed
            return super().reply(prompt)

    models["s"] = Held({})

    def look(progress):
        seen.append(progress.latest.path_id)
        if progress.done == 5:
            stop.set()

    progress = sweep(pipeline, queries, SPACE.paths, store, MARKS, stop=stop, on_progress=look)
    assert progress.ended is Ended.REQUEST
    assert 5 <= progress.done < progress.total
    assert seen[:5] == [path.id for path in SPACE.paths[:5]]
    rest = sweep(pipeline, queries, SPACE.paths, store, MARKS)
    assert (rest.done, rest.ended) == (rest.total, None)


class OnlyBeside(Event):
    """While it is `hidden`, the calling thread does not see that it is set."""

    hidden = False

    def is_set(self):
        seen = threading.current_thread() is not threading.main_thread() or not self.hidden
        return seen and super().is_set()


def test_a_stop_that_only_the_stages_notice_is_told_as_well(rig, monkeypatch):
    queries, pipeline, _, store = rig
    collect, stop = run.Run._collect, OnlyBeside()
    stop.set()

    def unseen(self):
        stop.hidden = True
        collect(self)
        stop.hidden = False

    monkeypatch.setattr(run.Run, "_collect", unseen)
    progress = sweep(pipeline, queries, SPACE.paths, store, MARKS, stop=stop)
    assert (progress.ended, progress.stopped) == (Ended.REQUEST, "stopped on request")
    assert progress.done == 0
