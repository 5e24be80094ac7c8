"""Time that runs out: before generation, in a queue, and where no limit is set."""

import dataclasses
import math
import threading
import time
from concurrent.futures import Future

import pytest

from ecollm_lab.records import SLO
from ecollm_lab.serving import Reason, asking
from ecollm_lab.serving.results import Ended
from tests.serving.conftest import CLOUD, EDGE, PATHS
from tests.support.serving import Given, Scripted, Stops, catalog_of, model, runtime_of

HYDE = "hyde/bm25-1/none/big"
QUESTION = "how heavy is the Halo bulb?"


@pytest.fixture
def busy_edge(domain, encoder, big):
    """Return a function that opens a Runtime of paths whose rewriting model is busy for long."""
    small = Stops("small", delay_s=30.0)
    catalog = catalog_of(model("small", "edge"), model("big", "cloud"))
    catalog = dataclasses.replace(catalog, hyde_model="small")
    opened = []

    def open_runtime(paths):
        runtime = runtime_of(domain, encoder, [small, big], Given(paths), catalog=catalog)
        opened.append((runtime, runtime.endpoints.begin("small", "another question", 0.0)))
        return runtime

    yield open_runtime
    for runtime, call in opened:
        call.stop()
        runtime.close()


def test_a_stage_that_asks_a_busy_model_ends_at_the_limit_and_is_not_held_against_another(
    busy_edge, big
):
    runtime = busy_edge({HYDE: PATHS[CLOUD]})
    began = time.monotonic()
    refused = runtime.answer(QUESTION, SLO(max_latency_s=0.5))
    assert 0.5 <= time.monotonic() - began < 3.0
    assert refused.reason is Reason.DEADLINE
    assert [(one.ended, one.cost_usd) for one in refused.attempts] == [(Ended.CUT, 0.0)]
    assert (big.calls, runtime.circuit(0).cuts) == (0, 0)
    outlook = runtime.outlook(runtime.forecasts.forecast)
    assert outlook.latency_s[0] == pytest.approx(0.3)


def test_a_stage_that_asks_a_busy_model_ends_in_time_for_a_path_without_it(busy_edge):
    runtime = busy_edge({HYDE: PATHS[CLOUD], CLOUD: (0.6, 1.4e-4, 0.3)})
    answer = runtime.answer(QUESTION, SLO(max_latency_s=1.2))  # time for the other till 0.87
    assert (answer.path_id, answer.kept) == (CLOUD, True)
    assert [one.ended for one in answer.attempts] == [Ended.CUT, Ended.ANSWERED]


def test_a_stage_that_asks_a_busy_model_ends_when_the_asker_is_gone(busy_edge, big):
    runtime, cancel = busy_edge({HYDE: PATHS[CLOUD]}), Future()
    threading.Timer(0.1, lambda: cancel.set_result(None)).start()
    began = time.monotonic()
    assert runtime.answer(QUESTION, cancel=cancel).reason is Reason.CANCELLED
    assert time.monotonic() - began < 1.0
    assert big.calls == 0


@pytest.mark.parametrize(("delay_s", "cuts", "learned"), [(1.0, 0, 0.1), (0.4, 1, 0.141)])
def test_a_call_that_is_cut_tells_of_the_time_since_its_turn_came(
    domain, encoder, delay_s, cuts, learned
):
    """After 0.4 s of another, 0.2 s are left: learned is half-way, in logarithms, from 0.1 s."""
    big = Scripted("big", delay_s=delay_s)
    catalog = catalog_of(model("big", "cloud", file="x.gguf"))
    given = Given({CLOUD: (0.9, 1.4e-4, 0.1)})
    with runtime_of(domain, encoder, [big], given, catalog=catalog) as runtime:
        runtime.pipeline.prepare(domain.queries[0], runtime.paths[0], {})  # builds the index
        runtime.endpoints.begin("big", "another question", 0.0)
        refused = runtime.answer(QUESTION, SLO(max_latency_s=0.6))
        outlook = runtime.outlook(given.forecast)
        assert refused.reason is Reason.DEADLINE
        assert runtime.circuit(0).cuts == cuts
        assert math.exp(outlook.log_latency[0]) == pytest.approx(learned, rel=0.1)


def test_without_a_limit_on_latency_a_model_that_hangs_is_cut_in_time_for_another(
    runtime, big, monkeypatch
):
    monkeypatch.setattr(asking, "PATIENCE_S", 1.0)
    big.delay_s = 10.0
    began = time.monotonic()
    answer = runtime.answer(QUESTION)
    assert time.monotonic() - began < 1.0
    assert answer.path_id == EDGE
    assert [one.ended for one in answer.attempts] == [Ended.CUT, Ended.ANSWERED]


def test_without_a_limit_on_latency_the_end_of_patience_breaks_none(
    domain, encoder, big, monkeypatch
):
    monkeypatch.setattr(asking, "PATIENCE_S", 0.4)
    big.delay_s = 10.0
    with runtime_of(domain, encoder, [big], Given({CLOUD: (0.9, 1.4e-4, 0.1)})) as runtime:
        refused = runtime.answer(QUESTION, SLO(max_cost_usd=1.0))
        assert (refused.reason, refused.nearest) == (Reason.PATIENCE, None)
        assert refused.message == (
            f"No answer within a minute, which is all that a question gets. Tried: {CLOUD} cut at"
            " its deadline."
        )
        assert runtime.adaptation.answers == 0


def test_a_late_answer_from_behind_a_network_delay_is_late_not_without_a_model(
    domain, encoder, big
):
    """The delay is left of the limit when the call is cut, and no other path is."""
    big.delay_s = 10.0
    catalog = catalog_of(dataclasses.replace(model("big", "cloud"), network_delay_s=0.2))
    given = Given({CLOUD: (0.9, 1.4e-4, 0.3)})
    with runtime_of(domain, encoder, [big], given, catalog=catalog) as runtime:
        refused = runtime.answer(QUESTION, SLO(max_latency_s=0.6))
        assert refused.reason is Reason.DEADLINE
        assert runtime.adaptation.broken == 1
