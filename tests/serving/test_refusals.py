"""A question that a model refuses is that question's fault, and opens no circuit."""

import pytest

from ecollm_lab.models import CallFailed, ModelPool
from ecollm_lab.paths import Pipeline
from ecollm_lab.records import SLO
from ecollm_lab.serving import Reason, Runtime
from ecollm_lab.serving.results import Ended
from tests.serving.conftest import CLOUD, EDGE, PATHS
from tests.support.endpoint import Endpoint, completion
from tests.support.serving import Given, catalog_of, model, runtime_of

QUESTION = "how heavy is the Halo bulb?"
OTHER = "none/bm25-3/none/big"


@pytest.fixture
def asked_of(domain, encoder):
    """Return a function that answers a question by one real endpoint, which gives this reply."""

    def ask(reply, times=1):
        answers = {"big": reply}
        with Endpoint(answers) as endpoint:
            catalog = catalog_of(model("big", "cloud", base_url=endpoint.base_url))
            with ModelPool(catalog, persistent=True) as pool:
                pipeline = Pipeline(domain, catalog, encoder, pool)
                with Runtime(Given({CLOUD: PATHS[CLOUD]}), pipeline) as runtime:
                    results = [runtime.answer(QUESTION) for _ in range(times)]
                    usable = bool(runtime.reachable().all())
                    answers["big"] = "90 grams"
                    return results, usable, runtime.answer(QUESTION)

    return ask


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_the_endpoint_refuses_does_not_open_its_circuit(asked_of, status):
    results, usable, after = asked_of((status, {"error": {"message": "no, not this"}}), times=25)
    assert {one.reason for one in results} == {Reason.REFUSED}
    assert {attempt.ended for one in results for attempt in one.attempts} == {Ended.REFUSED}
    assert usable
    assert after.text == "90 grams"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_failure_of_the_endpoint_opens_its_circuit(asked_of, status):
    (result,), usable, after = asked_of((status, {"error": {"message": "not now"}}))
    assert result.reason is Reason.ENDPOINTS
    assert result.attempts[0].ended is Ended.FAILED
    assert not usable
    assert after.attempts == ()


def test_the_next_best_path_answers_what_one_model_refuses_and_others_still_reach_it(
    runtime, big, small
):
    big.refuses = True
    answer = runtime.answer(QUESTION)
    assert answer.path_id == EDGE
    assert [one.ended for one in answer.attempts] == [Ended.REFUSED, Ended.ANSWERED]
    big.refuses = False
    assert runtime.answer(QUESTION).path_id == CLOUD
    big.refuses = small.refuses = True
    assert runtime.answer(QUESTION).reason is Reason.REFUSED


def test_a_stage_before_generation_that_fails_is_not_held_against_the_model(
    domain, encoder, big, monkeypatch
):
    paths = {CLOUD: PATHS[CLOUD], OTHER: (0.8, 1.4e-4, 0.3)}
    with runtime_of(domain, encoder, [big], Given(paths)) as runtime:
        prepare = runtime.pipeline.prepare

        def broken(query, path, memo, models):
            if path == runtime.paths[0]:
                raise CallFailed("Model 'rewriter' is down.")
            return prepare(query, path, memo, models)

        monkeypatch.setattr(runtime.pipeline, "prepare", broken)
        answer = runtime.answer(QUESTION)
        assert [one.path_id for one in answer.attempts] == [CLOUD, OTHER]
        assert runtime.reachable().all()


def test_a_prompt_that_is_too_long_is_refused_and_opens_no_circuit(asked_of):
    error = {"message": "This model's maximum context length is 8 tokens."}
    (result,), usable, after = asked_of((400, {"error": error}))
    assert result.reason is Reason.REFUSED
    assert usable
    assert after.text == "90 grams"


@pytest.mark.parametrize("slo", [SLO(), SLO(max_latency_s=3.0)])
def test_a_model_that_failed_lately_is_asked_again_where_no_other_path_keeps_the_limits(
    domain, encoder, small, slo
):
    """That it fails says nothing about the limits, so they are not called too tight."""
    small.down = True
    with runtime_of(domain, encoder, [small], Given({EDGE: PATHS[EDGE]})) as runtime:
        for _ in range(12):
            refused = runtime.answer(QUESTION, slo)
            assert (refused.reason, refused.nearest) == (Reason.ENDPOINTS, None)
        assert small.calls == 12
        assert refused.message == f"No model answers. Tried: {EDGE} failed."
        small.down = False
        assert runtime.answer(QUESTION, slo).path_id == EDGE


@pytest.mark.parametrize(
    ("reply", "usd"),
    [
        ((503, {"error": {"message": "not now"}}), 0.0),
        (completion(None, tool_calls=[{"id": "t"}], finish="tool_calls"), 40e-6 + 5 * 4e-6),
        ({**completion("90 grams"), "usage": None}, None),
    ],
)
def test_a_failed_attempt_costs_what_it_is_billed_and_the_most_where_that_is_not_known(
    asked_of, reply, usd
):
    (result,), _, _ = asked_of(reply)
    (attempt,) = result.attempts
    assert attempt.cost_usd == result.cost_usd
    if usd is None:
        assert attempt.cost_usd > 64 * 4e-6  # all that it may write
    else:
        assert attempt.cost_usd == pytest.approx(usd)
