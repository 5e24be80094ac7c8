"""The unmodified `openai` client against the server."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.serving.conftest import CLOUD, EDGE

QUESTION = [{"role": "user", "content": "how heavy is the Halo bulb?"}]


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="secret", timeout=10) as client:
        yield client


def ask(client, **options):
    return client.chat.completions.create(**{"model": "ecollm", "messages": QUESTION, **options})


def test_a_plain_completion_is_one_by_the_clients_own_types(client):
    done = ask(client)
    assert isinstance(done, openai.types.chat.ChatCompletion)
    type(done).model_validate(done.model_dump())
    choice = done.choices[0]
    assert choice.message.content == "It is 90 grams, says the cloud."
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (100, 10)
    assert done.ecollm["path_id"] == CLOUD
    assert done.ecollm["predicted"]["quality"] == 0.9
    assert done.ecollm["actual"]["kept"] is True


def test_headers_tell_the_path_and_what_was_expected(client):
    raw = client.chat.completions.with_raw_response.create(model="ecollm", messages=QUESTION)
    assert raw.headers["x-ecollm-path"] == CLOUD
    assert float(raw.headers["x-ecollm-predicted-latency-s"]) == pytest.approx(0.3, abs=0.1)
    assert float(raw.headers["x-ecollm-latency-s"]) < 0.3


def test_the_slo_comes_in_a_field_or_in_headers(client):
    field = ask(client, extra_body={"slo": {"max_cost_usd": 1e-5}})
    assert field.ecollm["path_id"] == EDGE
    assert field.ecollm["bound"] == ["max_cost_usd"]
    header = ask(client, extra_headers={"X-SLO-Max-Latency-S": "0.15"})
    assert header.ecollm["path_id"] == EDGE
    with pytest.raises(openai.BadRequestError, match="max_latency_s must be a positive number"):
        ask(client, extra_body={"slo": {"max_latency_s": -1.0}})
    with pytest.raises(openai.BadRequestError, match="could not convert"):
        ask(client, extra_headers={"X-SLO-Min-Quality": "high"})


def test_a_stream_says_the_same_and_why_it_ends(client):
    events = list(ask(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(e.choices[0].delta.content or "" for e in events if e.choices)
    assert text == "It is 90 grams, says the cloud."
    assert len(events) > 5
    ended = [e.choices[0].finish_reason for e in events if e.choices]
    assert ended[-1] == "stop"
    assert set(ended[:-1]) == {None}
    assert events[-1].usage.total_tokens == 110
    assert len({e.id for e in events}) == 1


def test_the_answer_ends_before_a_stop_text(client):
    assert ask(client, stop=" grams").choices[0].message.content == "It is 90"
    assert ask(client, stop=["says", "90"]).choices[0].message.content == "It is "
    assert ask(client, stop="absent").choices[0].message.content.endswith("cloud.")


def test_max_tokens_reach_the_model(client, big):
    ask(client, max_tokens=7)
    ask(client, max_completion_tokens=9)
    assert [prompt.extra_tokens for prompt in big.prompts] == [7 - 64, 9 - 64]


def test_models_are_the_policy_and_each_path_and_a_path_can_be_asked(client):
    assert [one.id for one in client.models.list()] == ["ecollm", EDGE, CLOUD]
    assert client.models.retrieve("ecollm").id == "ecollm"
    assert ask(client, model=EDGE).ecollm["path_id"] == EDGE


def test_a_model_that_is_not_there(client):
    with pytest.raises(openai.NotFoundError) as failed:
        ask(client, model="gpt-9")
    assert failed.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_a_bad_key_is_refused_everywhere_but_on_the_page_and_the_health_check(address, client):
    bad = openai.OpenAI(base_url=f"{address}/v1", api_key="wrong")
    with pytest.raises(openai.AuthenticationError) as failed:
        ask(bad)
    assert failed.value.code == "invalid_api_key"
    with pytest.raises(openai.AuthenticationError):
        bad.models.list()
    bad.close()


def test_an_oversized_request_and_a_long_question_are_refused(client, small, big):
    with pytest.raises(openai.APIStatusError) as failed:
        ask(client, messages=[{"role": "user", "content": "x" * 30_000}])
    assert (failed.value.status_code, failed.value.code) == (413, "request_too_large")
    with pytest.raises(openai.BadRequestError) as failed:
        ask(client, messages=[{"role": "user", "content": "x" * 3_000}])
    assert failed.value.code == "context_length_exceeded"
    assert small.calls + big.calls == 0


@pytest.mark.parametrize(
    "options",
    [
        {"messages": [{"role": "system", "content": "be kind"}, *QUESTION]},
        {"messages": [*QUESTION, {"role": "assistant", "content": "90"}, *QUESTION]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "user", "content": "   "}]},
    ],
    ids=["system", "turns", "tools", "n", "format", "empty"],
)
def test_what_no_path_can_do_is_refused_plainly(client, options):
    with pytest.raises(openai.BadRequestError) as failed:
        ask(client, **options)
    assert len(failed.value.message) > 30


def test_an_slo_that_no_path_keeps_names_the_nearest_that_one_does(client):
    with pytest.raises(openai.UnprocessableEntityError) as failed:
        ask(client, extra_body={"slo": {"max_latency_s": 0.01}})
    assert failed.value.code == "slo_infeasible"
    nearest = failed.value.response.json()["ecollm"]["nearest_slo"]
    assert ask(client, extra_body={"slo": nearest}).ecollm["path_id"] == EDGE


def test_a_deadline_is_a_504_in_time_and_is_not_tried_again(client, big):
    big.delay_s = 5.0
    began = time.monotonic()
    with pytest.raises(openai.InternalServerError) as failed:
        ask(client, model=CLOUD, extra_body={"slo": {"max_latency_s": 0.5}})
    assert (failed.value.status_code, failed.value.code) == (504, "deadline_exceeded")
    assert time.monotonic() - began < 3.0
    assert big.calls == 1


def test_a_client_that_goes_away_breaks_off_the_call_within_a_second(client, big):
    big.delay_s = 10.0
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.3, max_retries=0))
    left = time.monotonic()
    while not big.broken_off and time.monotonic() < left + 2:
        time.sleep(0.01)
    assert big.broken_off == 1
    assert time.monotonic() - left < 1.0


def test_eight_streams_at_once_all_reach_their_finish_reason(client, big):
    big.delay_s = 0.05
    with ThreadPoolExecutor(8) as threads:
        streams = list(threads.map(lambda _: list(ask(client, stream=True)), range(8), timeout=10))
    assert [events[-1].choices[0].finish_reason for events in streams] == ["stop"] * 8


def test_when_the_cloud_is_cut_off_under_load_every_question_is_answered(client, runtime, big):
    answered, stop = [], threading.Event()

    def load():
        while not stop.is_set():
            answered.append(ask(client).ecollm)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    big.down = True
    time.sleep(0.6)
    down = len(answered)
    big.down = False
    returned = time.monotonic()
    while answered[-1]["path_id"] != CLOUD and time.monotonic() < returned + 10:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert CLOUD in {one["path_id"] for one in answered[down:]}  # and comes back
    assert time.monotonic() - returned < 10
    assert sum(len(one["attempts"]) > 1 for one in answered) <= 4  # those that were in flight
    assert {one["path_id"] for one in answered} == {EDGE, CLOUD}
