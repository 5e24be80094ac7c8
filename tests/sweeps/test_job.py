import threading
import time

import pytest

from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Progress
from ecollm_lab.sweeps.job import EVERY_S, Job, Tally, running


def counting(n, pause=0.001):
    def work(stop, report):
        progress = Progress(n)
        for _ in range(n):
            if stop.is_set():
                progress.stopped = "stopped on request"
                break
            time.sleep(pause)
            progress.done += 1
            report(progress)
        report(progress)
        return progress.done

    return work


def test_the_caller_is_free_while_it_runs():
    gate = threading.Event()
    job = Job(lambda stop, report: gate.wait(10) and "done")
    assert job.state == "running"  # and this line runs, though the work has not ended
    gate.set()
    assert (job.result(10), job.state) == ("done", "done")


def test_it_stops_when_asked_and_hands_over_what_it_has():
    job = Job(counting(10_000))
    while not job.progress:
        time.sleep(0.001)
    job.stop()
    assert 0 < job.result(10) < 10_000
    assert (job.state, job.progress.done) == ("stopped", job.result())


def test_progress_is_a_snapshot():
    seen = []
    go_on = threading.Event()

    def work(stop, report):
        progress = Progress(2)
        for _ in range(2):
            progress.done += 1
            report(progress)
            assert go_on.wait(10)

    job = Job(work)
    while not job.progress:
        time.sleep(0.001)
    job.watch(lambda: seen.append((job.progress, job.progress.done)))
    go_on.set()
    job.result(10)
    assert [done for _, done in seen][:1] == [1]
    assert seen[-1][1] == 2
    assert all(
        progress.done == done for progress, done in seen
    )  # what was handed over has not changed since


def test_watchers_are_told_five_times_a_second_at_most_and_at_the_end():
    times, began = [], time.monotonic()
    job = Job(counting(1500))
    job.watch(lambda: times.append(time.monotonic()))
    job.result(30)
    job.join()
    assert len(times) <= (times[-1] - began) / EVERY_S + 3  # at once, the first report, the end


def test_an_error_is_raised_where_the_result_is_asked_for():
    def work(stop, report):
        raise LabError("no such domain")

    job = Job(work)
    with pytest.raises(LabError, match="no such domain"):
        job.result(10)
    assert job.state == "failed"


def test_waiting_can_end_before_the_work():
    gate = threading.Event()
    job = Job(lambda stop, report: gate.wait(10))
    with pytest.raises(LabError, match="still running after"):
        job.result(0.01)
    gate.set()
    assert job.result(10)


def test_one_key_one_job():
    gate = threading.Event()
    job = Job(lambda stop, report: gate.wait(10), key="store", asked="limit=3")
    assert running("store") is job
    assert running("another") is None
    with pytest.raises(LabError, match="on store is running, asked for limit=3"):
        Job(counting(1), key="store")
    gate.set()
    job.result(10)
    job.join()
    assert Job(counting(1), key="store").result(10) == 1


def test_a_broken_view_does_not_end_the_work():
    calls = []

    def broken():
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("gone")

    gate = threading.Event()
    job = Job(lambda stop, report: gate.wait(10))
    job.watch(broken)
    with pytest.warns(UserWarning, match="A view of the job failed"):
        job.stop()
    gate.set()
    assert job.result(10)
    assert len(calls) == 2


def outcome(path_id, quality, cost_usd, latency_s):
    return Outcome("q", path_id, quality, cost_usd, latency_s, 1, 1)


def test_a_tally_knows_the_front_of_what_it_saw():
    tally = Tally()
    assert tally.front().empty
    for one in (
        outcome("a", 1.0, 2.0, 1.0),
        outcome("a", 0.0, 4.0, 3.0),
        outcome("b", 0.4, 1.0, 1.0),
        outcome("c", 0.4, 1.0, 1.5),
    ):
        tally.add(one)
        tally.add(one)  # reported twice, counted once
    tally.add(None)
    assert tally.front().to_dict("list") == {
        "path_id": ["a", "b"],
        "n": [2, 1],
        "quality": [0.5, 0.4],
        "cost_usd": [3.0, 1.0],
        "latency_s": [2.0, 1.0],
    }
