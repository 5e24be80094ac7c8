import dataclasses
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving import Answer, Reason, Refused
from ecollm_lab.serving.choosing import Saving
from ecollm_lab.serving.results import Ended
from tests.support.serving import Cloud, Given, Scripted, Stops, catalog_of, model, runtime_of

EDGE, CLOUD = "none/none/none/small", "none/bm25-1/none/big"
PATHS = {EDGE: (0.6, 1e-6, 0.1), CLOUD: (0.9, 1.4e-4, 0.3)}
QUESTION = "how heavy is the Halo bulb?"


@pytest.fixture
def small():
    return Scripted("small")


@pytest.fixture
def big():
    return Cloud("big")


@pytest.fixture
def runtime(domain, encoder, small, big):
    with runtime_of(domain, encoder, [small, big], Given(PATHS)) as runtime:
        yield runtime


def test_the_path_of_most_expected_quality_answers_and_says_what_was_expected(runtime, domain):
    answer = runtime.answer(QUESTION)
    assert (answer.path_id, answer.text, answer.kept) == (CLOUD, "90 grams", True)
    assert answer.expected.quality == 0.9
    assert answer.expected.latency_s == pytest.approx(0.3, abs=0.05)
    assert answer.cost_usd == pytest.approx((100 * 1 + 10 * 4) / 1e6, rel=0.1)
    assert answer.quality is None  # nobody knows what is right
    assert runtime.answer(domain.queries[0]).quality == 1.0  # here the facts are known


@pytest.fixture
def still(runtime):
    """The Runtime while no time passes."""
    now = time.monotonic()
    runtime.clock = lambda: now
    return runtime


def test_the_slo_of_each_question_decides_and_the_answer_names_the_limit_that_bound(still):
    runtime = still
    fast = runtime.answer(QUESTION, SLO(max_latency_s=0.15))
    assert (fast.path_id, fast.bound) == (EDGE, ("max_latency_s",))
    cheap = runtime.answer(QUESTION, SLO(max_cost_usd=1e-5))
    assert (cheap.path_id, cheap.bound) == (EDGE, ("max_cost_usd",))
    assert runtime.answer(QUESTION, SLO(max_latency_s=3.0)).bound == ()


def test_what_no_path_keeps_is_refused_with_the_nearest_slo_that_can_be_met(still, small, big):
    runtime = still
    refused = runtime.answer(QUESTION, SLO(max_latency_s=0.01))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.INFEASIBLE
    assert refused.nearest.max_latency_s == pytest.approx(0.118, abs=1e-3)  # 0.1 × exp(1.645 × 0.1)
    assert isinstance(runtime.answer(QUESTION, refused.nearest), Answer)
    assert small.calls + big.calls == 1
    instant = runtime.answer(QUESTION, SLO(max_latency_s=1e-9))
    assert instant.reason is Reason.INFEASIBLE  # over before anything could be tried
    assert instant.message.startswith("No path keeps the SLO: max_latency_s 1e-09. The nearest")
    assert runtime.adaptation.broken == 0


def test_cost_is_saved_at_the_price_that_the_policy_found(domain, encoder, small, big):
    given = Given(PATHS)
    with runtime_of(domain, encoder, [small, big], given) as runtime:
        for price, path_id in ((2000, CLOUD), (2300, EDGE)):  # .9 - .28 > .6; .9 - .322 < .598
            given.saved = Saving(given.allowed, price)
            assert runtime.answer(QUESTION, SLO(prefer="cost")).path_id == path_id


def test_the_policys_one_path_answers_while_its_model_does(domain, encoder, small, big):
    given = Given(PATHS)
    given.saved = Saving(np.array([True, False]))
    with runtime_of(domain, encoder, [small, big], given) as runtime:
        assert runtime.answer(QUESTION).path_id == EDGE
        small.down = True
        for _ in range(4):  # soon it is expected to fail again, and the other one is asked at once
            assert runtime.answer(QUESTION).path_id == CLOUD
        assert small.calls < 5


def test_a_model_that_fails_is_followed_by_the_next_best_path(runtime, big):
    big.down = True
    answer = runtime.answer(QUESTION)
    assert answer.path_id == EDGE
    assert [one.ended for one in answer.attempts] == [Ended.FAILED, Ended.ANSWERED]


def test_one_failure_keeps_later_questions_away_until_the_endpoint_is_back(runtime, big):
    big.down = True
    now = time.monotonic()
    runtime.clock = lambda: now
    for _ in range(5):
        assert runtime.answer(QUESTION).path_id == EDGE
    assert big.calls == 1
    big.down = False
    runtime.clock = lambda: now + 60.0
    assert runtime.answer(QUESTION).path_id == CLOUD


def test_when_every_model_fails_the_question_is_refused_not_raised(runtime, small, big):
    small.down = big.down = True
    refused = runtime.answer(QUESTION)
    assert refused.reason is Reason.ENDPOINTS
    assert len(refused.attempts) == 2
    assert "failed" in refused.message


def test_a_slow_answer_is_broken_off_in_time_for_another_path(runtime, big):
    big.delay_s = 5.0
    began = time.monotonic()
    answer = runtime.answer(QUESTION, SLO(max_latency_s=0.6))
    assert (answer.path_id, answer.kept) == (EDGE, True)
    assert [one.ended for one in answer.attempts] == [Ended.CUT, Ended.ANSWERED]
    assert time.monotonic() - began < 0.6
    assert answer.attempts[0].cost_usd > 0  # it may be billed
    time.sleep(0.05)
    assert big.broken_off == 1


def test_an_edge_answer_is_not_cut_for_another_model_that_would_wait_for_it(domain, encoder):
    """Both answer in turns on one device: to cut the first early would help nobody."""
    slow, other = Scripted("big", delay_s=0.85), Scripted("small")
    paths = {EDGE: (0.6, 1e-6, 0.5), CLOUD: (0.9, 1e-6, 0.3)}
    with runtime_of(domain, encoder, [slow, other], Given(paths)) as runtime:
        answer = runtime.answer(QUESTION, SLO(max_latency_s=1.2))  # time for the other till 0.65
    assert (answer.path_id, len(answer.attempts), other.calls) == (CLOUD, 1, 0)


def test_an_edge_answer_that_can_be_stopped_is_cut_while_there_is_time_for_another(domain, encoder):
    slow, other = Stops("big", delay_s=30.0), Stops("small")
    paths = {EDGE: (0.6, 1e-6, 0.5), CLOUD: (0.9, 1e-6, 0.3)}
    with runtime_of(domain, encoder, [slow, other], Given(paths)) as runtime:
        answer = runtime.answer(QUESTION, SLO(max_latency_s=1.2))  # time for the other till 0.65
    assert (answer.path_id, answer.kept) == (EDGE, True)
    assert [one.ended for one in answer.attempts] == [Ended.CUT, Ended.ANSWERED]


def test_while_another_question_finds_out_about_an_endpoint_the_next_path_answers(
    runtime, big, monkeypatch
):
    """A question that is chosen for the endpoint a moment too late is not sent there."""
    admit = runtime.admit

    def another_came_first(path):
        circuit = runtime.circuit(path)
        if runtime.path_ids[path] == CLOUD and circuit.closed:
            circuit.failed(runtime.clock())
        return admit(path)

    monkeypatch.setattr(runtime, "admit", another_came_first)
    answer = runtime.answer(QUESTION)
    assert (answer.path_id, len(answer.attempts), big.calls) == (EDGE, 1, 0)


def test_without_another_path_the_deadline_is_a_refusal_within_fifty_milliseconds(
    domain, encoder, big
):
    big.delay_s = 5.0
    with runtime_of(domain, encoder, [big], Given({CLOUD: PATHS[CLOUD]})) as runtime:
        began = time.monotonic()
        refused = runtime.answer(QUESTION, SLO(max_latency_s=0.5))
        assert refused.reason is Reason.DEADLINE
        assert 0.5 <= time.monotonic() - began < 0.55
        assert runtime.adaptation.broken == 1


def test_edge_models_answer_one_at_a_time_and_a_long_queue_sends_questions_elsewhere(
    domain, encoder, big
):
    small = Scripted("small", wait_for=threading.Event())
    paths = {EDGE: (0.9, 1e-6, 2.0), CLOUD: (0.6, 1.4e-4, 3.0)}
    slo, results = SLO(max_latency_s=5.0), []
    with runtime_of(domain, encoder, [small, big], Given(paths)) as runtime:

        def ask():
            results.append(runtime.answer(QUESTION, slo))

        def wait_s():
            return runtime.endpoints.wait_s("small", runtime.clock())

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread, waits_s in zip(threads, (0.0, 2.5), strict=True):
            thread.start()  # the second waits for the first, at most 2 s
            while wait_s() <= waits_s:
                time.sleep(0.001)
        third = runtime.answer(QUESTION, slo)  # would wait for both
        small.wait_for.set()
        for thread in threads:
            thread.join()
    assert [one.path_id for one in (*results, third)] == [EDGE, EDGE, CLOUD]
    assert small.most_at_once == 1
    first, second = sorted(results, key=lambda one: one.expected.wait_s)
    assert first.expected.wait_s == 0
    assert 1.0 < second.expected.wait_s <= 2.0
    assert third.bound == ("max_latency_s",)


def test_a_question_given_up_breaks_off_its_call(runtime, big):
    big.delay_s, cancel = 5.0, Future()
    threading.Timer(0.1, lambda: cancel.set_result(None)).start()
    began = time.monotonic()
    assert runtime.answer(QUESTION, cancel=cancel).reason is Reason.CANCELLED
    assert time.monotonic() - began < 1.0
    time.sleep(0.05)
    assert big.broken_off == 1
    big.delay_s = 0.0
    assert runtime.answer(QUESTION).path_id == CLOUD  # it was no fault of the model's


def test_a_path_by_name_is_the_only_one_tried(runtime, big):
    big.down = True
    assert runtime.answer(QUESTION, path_id=EDGE).path_id == EDGE
    refused = runtime.answer(QUESTION, path_id=CLOUD)
    assert (refused.reason, len(refused.attempts)) == (Reason.ENDPOINTS, 1)
    with pytest.raises(LabError, match="path_id must be one of"):
        runtime.answer(QUESTION, path_id="none/none/none/other")


def test_fewer_tokens_may_be_asked_for_than_the_model_would_write(runtime, big):
    runtime.answer(QUESTION, max_tokens=5)
    runtime.answer(QUESTION, max_tokens=10_000)
    assert [prompt.extra_tokens for prompt in big.prompts] == [5 - 64, 0]


@pytest.mark.parametrize("text", ["", "  ", None, 7])
def test_a_question_is_a_text(runtime, text):
    with pytest.raises(LabError, match="not empty"):
        runtime.answer(text)


def test_ten_times_the_price_is_respected_from_the_next_question_on(runtime, big):
    slo = SLO(max_cost_usd=5e-4)
    assert runtime.answer(QUESTION, slo).path_id == CLOUD
    dear = model("big", "cloud", price_in_usd_per_mtok=10.0, price_out_usd_per_mtok=40.0)
    runtime.reprice(catalog_of(model("small", "edge"), dear))
    answer = runtime.answer(QUESTION, slo)
    assert (answer.path_id, answer.bound) == (EDGE, ("max_cost_usd",))
    assert runtime.answer(QUESTION).cost_usd == pytest.approx(1.4e-3, rel=0.01)


def test_a_declared_network_delay_counts_against_the_limit(domain, encoder, small, big):
    far = dataclasses.replace(model("big", "cloud"), network_delay_s=0.5)
    catalog = catalog_of(model("small", "edge"), far)
    paths = {EDGE: PATHS[EDGE], CLOUD: (0.9, 1.4e-4, 0.8)}
    with runtime_of(domain, encoder, [small, big], Given(paths), catalog=catalog) as runtime:
        answer = runtime.answer(QUESTION, SLO(max_latency_s=2.0))
    assert answer.latency_s == pytest.approx(0.5, abs=0.1)


def test_the_last_answers_are_a_table(runtime):
    runtime.answer(QUESTION)
    runtime.answer(QUESTION, SLO(max_latency_s=0.01))
    table = runtime.recent()
    assert table["path_id"].tolist()[0] == CLOUD
    assert table["refused"].tolist()[1] == "no path keeps the SLO"
    assert CLOUD in runtime._repr_html_()
    assert repr(runtime).startswith("Runtime(2 paths, 0 answers under limits")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_judge_takes_is_in_no_latency_and_its_failure_loses_no_answer(
    runtime, domain, monkeypatch, fails
):
    def judged(query, answer):
        time.sleep(0.5)
        if fails:
            raise CallFailed("The judge is down.")
        return 1.0

    runtime.warm_up()
    monkeypatch.setattr(runtime.pipeline, "_grade", judged)
    answer = runtime.answer(domain.queries[0])
    assert (answer.path_id, answer.quality) == (CLOUD, None if fails else 1.0)
    assert max(answer.latency_s, answer.attempts[0].seconds) < 0.4
    assert [one.ended for one in answer.attempts] == [Ended.ANSWERED]
    assert runtime.reachable().all()
