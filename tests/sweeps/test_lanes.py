"""What runs at the same time in a sweep, and what takes turns."""

import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from ecollm_lab.domains import Grading
from ecollm_lab.models import Catalog, Reply
from ecollm_lab.models.cloud.admission import Admission, Persistent
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import Prompt
from ecollm_lab.sweeps import Ended, Store, fingerprints, sweep
from ecollm_lab.sweeps.lanes import Lane, choose_lanes
from tests.conftest import LetterEncoder
from tests.support.endpoint import Endpoint
from tests.support.rig import FAST, Pool, cloud, domain

EDGE = cloud("device", None, placement="edge")
SERVED = cloud("ok:20", None, file=Path("served.gguf"), sha256="0" * 64)


class Device:
    """An edge model that keeps its device busy for 10 ms a call, and notes when."""

    def __init__(self):
        self.busy = []

    def reply(self, prompt):
        began = time.time()
        time.sleep(0.01)
        self.busy.append((began, time.time()))
        return Reply(Prompt.of(prompt).user, 10, 10, 0.01)


@contextmanager
def sweeping(store_file, device, other, address, n, judge=None):
    """Yield what sweeps n queries on the device and on another model behind this address.

    With a judge, which is that other model, the device alone answers.
    """
    catalog = Catalog({m.name: m for m in (other, EDGE)}, 0.01, "2026-01-01", "test", "x")
    home = replace(domain(n), grading=Grading("judge", judge)) if judge else domain(n)
    names = [EDGE.name] if judge else list(catalog.models)

    class Models(Pool):
        def _start(self, model):
            if model.name == EDGE.name:
                return nullcontext(device)
            reached = replace(model, file=None, base_url=address)
            return CloudModel(reached, patience=FAST, admission=Admission(model))

    with Store(store_file) as store, Models(catalog) as models:
        pipeline = Pipeline(home, catalog, LetterEncoder(), models)
        paths = PathSpace.over(list(catalog.models)).select(
            [f"none/none/none/plain/{name}" for name in names]
        )
        marks = fingerprints(home, catalog, "letters", paths)

        def go(**how):
            return sweep(pipeline, home.queries, paths.paths, store, marks, **how)

        go.ids = lambda name: {q for q, _ in store.pairs(marks[f"none/none/none/plain/{name}"])}
        yield go


def test_calls_to_an_endpoint_are_in_flight_while_the_device_works_on_one_thing_at_a_time(
    judge, tmp_path
):
    device, hosted = Device(), cloud("ok:40", judge.base_url, max_in_flight=4)
    with sweeping(tmp_path / "s.sqlite", device, hosted, judge.base_url, 100) as go:
        assert go().done == 200
    counters = judge.counters()
    assert counters["peak"]["ok:40"] == 4
    assert all(end <= begin for (_, end), (begin, _) in pairwise(device.busy))
    first, last = device.busy[0][0], device.busy[-1][1]
    meanwhile = [moment for moment in counters["times"]["ok:40"] if first < moment < last]
    assert len(meanwhile) > 20


@pytest.mark.parametrize("n_cores", [1, 2])
def test_a_served_model_answers_one_call_at_a_time_beside_the_device_if_there_is_a_core_for_it(
    judge, tmp_path, monkeypatch, n_cores
):
    monkeypatch.setattr("ecollm_lab.sweeps.lanes.cores", lambda: n_cores)
    device = Device()
    with sweeping(tmp_path / "s.sqlite", device, SERVED, judge.base_url, 30) as go:
        progress = go()
    assert progress.done == 60
    counters = judge.counters()
    assert counters["peak"][SERVED.name] == 1
    # A call takes 20 ms from when it comes in, and the device 10 ms: they meet, or never do.
    calls = counters["times"][SERVED.name][1:]
    met = [at for at in calls for begin, end in device.busy if at < end and begin < at + 0.02]
    assert bool(met) == (n_cores == 2)
    (said,) = progress.notices
    assert ("while this machine does its other work" in said) == (n_cores == 2)
    assert f"1 + 1 threads on {n_cores} core" in said


@pytest.mark.parametrize("n_cores", [1, 2])
def test_a_judge_that_this_machine_serves_takes_turns_unless_there_is_a_core_for_it(
    tmp_path, monkeypatch, n_cores
):
    monkeypatch.setattr("ecollm_lab.sweeps.lanes.cores", lambda: n_cores)
    device, judging = Device(), []

    def judged(_):
        began = time.time()
        time.sleep(0.02)
        judging.append((began, time.time()))
        return '{"score": 1}'

    with (
        Endpoint({SERVED.name: judged}) as server,
        sweeping(tmp_path / "s.sqlite", device, SERVED, server.base_url, 20, SERVED.name) as go,
    ):
        progress = go()
    assert (progress.done, server.requests[SERVED.name]) == (20, 21)  # it was warmed up by one
    met = [at for at, till in judging for begin, end in device.busy if at < end and begin < till]
    assert bool(met) == (n_cores == 2)
    (said,) = progress.notices
    assert f"1 + 1 threads on {n_cores} core" in said


def test_no_answer_is_encoded_while_a_stage_is_measured(tmp_path):
    class Noting(LetterEncoder):
        def __init__(self):
            super().__init__()
            self.busy = []

        def encode(self, texts):
            began = time.perf_counter()
            time.sleep(0.005)
            self.busy.append((began, time.perf_counter()))
            return super().encode(texts)

    home, encoder = domain(40, "embedding"), Noting()
    catalog = Catalog({EDGE.name: EDGE}, 0.01, "2026-01-01", "test", "x")
    paths = PathSpace.of(catalog).select([f"none/dense-1/none/plain/{EDGE.name}"]).paths
    marks = fingerprints(home, catalog, encoder.name, paths)
    with Store(tmp_path / "s.sqlite") as store:
        pipeline = Pipeline(home, catalog, encoder, {EDGE.name: Device()})
        assert sweep(pipeline, home.queries, paths, store, marks).done == 40
    assert len(encoder.busy) > 80
    assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(encoder.busy)))


def test_a_sweep_that_is_stopped_leaves_few_queries_half_measured(judge, tmp_path, monkeypatch):
    monkeypatch.setattr("ecollm_lab.sweeps.lanes.cores", lambda: 2)
    stop = Event()
    with sweeping(tmp_path / "s.sqlite", Device(), SERVED, judge.base_url, 200) as go:
        progress = go(stop=stop, on_progress=lambda p: p.done == 20 and stop.set())
        served, edge = go.ids(SERVED.name), go.ids(EDGE.name)
    assert progress.ended is Ended.REQUEST
    assert len(served) >= 5
    assert len(edge ^ served) <= 4


@pytest.mark.parametrize(
    ("served", "edge", "n_cores", "lane", "why"),
    [
        ({}, {}, 2, Lane.BESIDE, "1 + 1 threads on 2 cores"),
        ({}, {}, 1, Lane.HERE, "1 + 1 threads on 1 core"),
        ({"threads": 2}, {}, 2, Lane.HERE, "2 + 1 threads on 2 cores"),
        ({"threads": 2}, {"threads": 2}, 4, Lane.BESIDE, "2 + 2 threads on 4 cores"),
        ({"gpu_layers": -1}, {}, 2, Lane.BESIDE, "1 + 1 threads on 2 cores"),
        ({"gpu_layers": -1}, {"gpu_layers": 8}, 8, Lane.HERE, "the GPU is shared"),
    ],
)
def test_the_lanes_follow_from_threads_and_cores(served, edge, n_cores, lane, why):
    hosted = cloud("hosted", "http://127.0.0.1:9/v1", threads=64)
    models = [hosted, replace(SERVED, **served), replace(EDGE, **edge)]
    catalog = Catalog({m.name: m for m in models}, 0.01, "2026-01-01", "test", "x")
    lanes, (said,) = choose_lanes(catalog, catalog.models, n_cores)
    assert lanes == {"hosted": Lane.HOSTED, SERVED.name: lane, EDGE.name: Lane.HERE}
    assert why in said


@pytest.mark.parametrize("kind", [Admission, Persistent])
def test_a_served_file_never_gets_two_calls_at_once(kind):
    assert kind(replace(SERVED, max_in_flight=9)).limit == 1
