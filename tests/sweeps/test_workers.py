"""What workers are sent, and what they do with it; here the workers are threads."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.models.replies import EndpointClosed
from ecollm_lab.paths import component, read_path
from ecollm_lab.paths.components import forget
from ecollm_lab.paths.stages import build_hyde_prompt
from ecollm_lab.records import LabError, Prompt
from ecollm_lab.sweeps import Ended, SweepOptions, worker
from ecollm_lab.sweeps.benches import Workers
from ecollm_lab.sweeps.calls import call_key
from tests.support.workers import EDGE_IDS, HOME, MODEL, rows, sweeping


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_any_executor_will_do_and_gives_the_same_outcomes(judge, tmp_path, threads):
    with sweeping(tmp_path / "a.sqlite", judge, EDGE_IDS, 6) as go:
        assert go(executor=threads).done == 6 * len(EDGE_IDS)
        away, ran = rows(go), dict(go.pipeline.executions)
        assert go(executor=threads).reused == 6 * len(EDGE_IDS)
    with sweeping(tmp_path / "b.sqlite", judge, EDGE_IDS, 6) as go:
        go()
        assert (rows(go), dict(go.pipeline.executions)) == (away, ran)


def test_a_call_that_rewrites_is_made_on_a_worker_kept_and_not_made_again(
    judge, tmp_path, threads, monkeypatch
):
    ids = ["hyde/dense-1/none/plain/a", "hyde/dense-1/none/plain/ok"]
    asked = Prompt.of(build_hyde_prompt(HOME.queries[0].text))
    with sweeping(tmp_path / "s.sqlite", judge, ids, 1) as go:
        assert go(executor=threads, limit=1).done == 1
        held = go.store.reply(call_key(MODEL.identity(), asked))
        assert held.tokens_out > 0
        sent = []
        run = Workers.run
        monkeypatch.setattr(
            Workers, "run", lambda self, *given: (sent.append(given), run(self, *given))[1]
        )
        assert go(executor=threads).done == 1
        known = [given[3] for given in sent if given[0] is worker.prepare]
        assert known == [{("a", asked): held}]


def test_a_component_of_the_users_own_travels_to_the_workers(judge, tmp_path, threads):
    @component("instruct", "shouted")
    def shouted(texts, question):
        return Prompt(question.upper())

    try:
        ids = ["none/bm25-1/none/shouted/a"]
        with sweeping(tmp_path / "s.sqlite", judge, ids, 1) as go:
            setup = worker.Setup.of(go.pipeline, [read_path(ids[0])])
            forget("instruct", "shouted")  # as in a process that has not seen it
            staged = worker.prepare(setup, HOME.queries[0], [read_path(ids[0])], {})
        assert staged.prepared[0].prompt.user == HOME.queries[0].text.upper()
    finally:
        forget("instruct", "shouted")


def test_an_encoder_that_cannot_be_sent_is_named(judge, tmp_path, threads):
    with sweeping(tmp_path / "s.sqlite", judge, EDGE_IDS[:1], 1) as go:
        go.pipeline.encoder.lock = Lock()
        with pytest.raises(LabError, match=r"encoder or a component .* cannot be sent"):
            go(executor=threads)


def test_a_worker_with_another_version_says_so_with_its_name(judge, tmp_path, threads, monkeypatch):
    with sweeping(tmp_path / "s.sqlite", judge, EDGE_IDS[:1], 1) as go:
        setup = worker.Setup.of(go.pipeline, [read_path(EDGE_IDS[0])])
        old = replace(setup, protocol=0, digest="another")
        with pytest.raises(LabError, match=r"On worker .*: its version of the lab is another"):
            worker.reply(old, "a", "hello", 0)


def test_a_call_that_ends_several_workers_costs_its_pair_and_not_the_sweep(
    judge, tmp_path, threads, monkeypatch
):
    class Killed(Exception):
        """As Dask raises it."""

    def dies(*given):
        raise Killed("all those workers died while running it")

    monkeypatch.setattr("ecollm_lab.sweeps.benches._killed", lambda: (Killed,))
    monkeypatch.setattr(worker, "reply", dies)
    with sweeping(tmp_path / "s.sqlite", judge, EDGE_IDS[:2], 3) as go:
        progress = go(executor=threads)
        assert (progress.done, progress.failed, progress.ended) == (0, 6, None)
        (mark,) = go.marks
        assert "Several workers ended" in go.store.failures(mark)[0].error


def test_a_model_that_rewrites_and_takes_no_calls_leaves_the_other_paths_of_a_query(
    judge, tmp_path, threads, monkeypatch
):
    def closed(self, prompt):
        raise EndpointClosed("Model 'a' takes no calls")

    monkeypatch.setattr(worker._Rewriter, "reply", closed)
    ids = ["none/none/none/plain/b", "hyde/dense-1/none/plain/ok"]
    with sweeping(tmp_path / "s.sqlite", judge, ids, 2) as go:
        progress = go(executor=threads)
        assert (progress.done, progress.failed) == (2, 0)
    assert progress.ended is Ended.ENDPOINTS
    assert progress.stopped == "Model 'a' takes no calls"


def test_an_executor_that_gives_up_ends_the_sweep_with_what_to_do(judge, tmp_path):
    pool = ThreadPoolExecutor(1)

    class Gone:
        def submit(self, *given):
            future = pool.submit(pow, 2, 2)
            future.result()
            lost = type(future)()
            lost.cancel()
            lost.set_running_or_notify_cancel()
            return lost

    with (
        sweeping(tmp_path / "s.sqlite", judge, EDGE_IDS[:1], 2) as go,
        pytest.raises(LabError, match=r"The executor gave up .*run the same sweep"),
    ):
        go(executor=Gone())
    pool.shutdown()


def test_an_error_of_a_call_keeps_its_details_on_the_way(judge):
    error = CallFailed("no", attempts=3, answered=True)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.attempts, again.answered) == ("no", 3, True)


def test_queries_at_once_must_be_positive():
    with pytest.raises(LabError, match="queries_at_once must be at least 1"):
        SweepOptions(queries_at_once=0)
