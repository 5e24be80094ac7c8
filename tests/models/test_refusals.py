"""A 400 about one prompt costs that prompt; one about every call stops the model and says why."""

import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.replies import CallState, EndpointClosed
from tests.support.endpoint import Endpoint, Journal
from tests.support.rig import FAST, cloud

LONG = "long " * 50
TOO_LONG = [  # as OpenAI, vLLM, llama.cpp, Anthropic and Google say it
    (
        400,
        {
            "error": {
                "message": "This model's maximum context length is 2048 tokens.",
                "code": "context_length_exceeded",
                "param": "messages",
            }
        },
    ),
    (400, {"object": "error", "message": "max_tokens is too large: this model's context is 2048"}),
    (400, {"error": {"message": "the request exceeds the available context size", "code": 400}}),
    (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
    (400, {"error": {"message": "input token count exceeds the maximum number of tokens"}}),
    (413, {"detail": "Payload too large"}),
]


def both(answer):
    return lambda prompt: answer if prompt.startswith("long") else "fine"


@pytest.mark.parametrize("answer", TOO_LONG)
def test_prompts_that_are_too_long_do_not_close_the_endpoint_for_short_ones(answer):
    with (
        Endpoint({"m": both(answer)}) as server,
        CloudModel(cloud("m", server.base_url), patience=FAST) as model,
    ):
        journal = Journal()
        long = [model.submit(f"{LONG}{i}", journal.account) for i in range(12)]
        for call in long:
            error = call.exception(timeout=20)
            assert isinstance(error, CallFailed)
            assert error.attempts == 1
            assert "Retrieve less" in error.mend
        assert model.submit("short", journal.account).result(timeout=20).text == "fine"
        assert sum(journal.settled[:-1]) == 0  # what was refused was not billed


@pytest.mark.parametrize(
    "error",
    [
        {"message": "The response was filtered", "code": "content_filter"},
        {"message": "This violates our content policy", "code": "invalid_request"},
        {"message": "This model requires moderation and your input was flagged", "code": 403},
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_a_prompt_that_a_filter_refuses_is_an_outcome_of_its_own_kind(error, status):
    with (
        Endpoint({"m": both((status, {"error": error}))}) as server,
        CloudModel(cloud("m", server.base_url), patience=FAST) as model,
    ):
        for i in range(7):
            with pytest.raises(CallFailed, match=error["message"]) as caught:
                model.reply(f"{LONG}{i}")
            assert caught.value.state == CallState.REFUSED
        assert model.reply("short").text == "fine"


@pytest.mark.parametrize(
    "error",
    [  # as OpenAI and Anthropic say it
        {
            "message": "max_tokens is too large: 100000. This model supports at most 16384"
            " completion tokens, whereas you provided 100000.",
            "param": "max_tokens",
        },
        {"message": "max_tokens: 100000 > 8192, the maximum allowed number of output tokens"},
    ],
)
def test_an_answer_limit_that_the_model_does_not_have_stops_it_and_says_to_lower_it(error):
    with (
        Endpoint({"m": (400, {"error": error})}) as server,
        CloudModel(cloud("m", server.base_url, max_tokens=100000), patience=FAST) as model,
    ):
        refused = model.submit("a question", Journal().account).exception(timeout=20)
        assert refused.mend == "lower max_tokens of [models.m], which is 100000"
        with pytest.raises(EndpointClosed, match="does not write so long an answer: lower max_tok"):
            model.reply("another")


OPENAI_400 = {
    "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
    " 'max_completion_tokens' instead.",
    "type": "invalid_request_error",
    "param": "max_tokens",
    "code": "unsupported_parameter",
}
MISTRAL_422 = [
    {
        "type": "extra_forbidden",
        "loc": ["body", "seed"],
        "msg": "Extra inputs are not permitted",
        "input": 0,
    }
]


@pytest.mark.parametrize(
    ("answer", "parameter", "mend"),
    [
        ((400, {"error": OPENAI_400}), "max_tokens", "put max_completion_tokens = 64 into"),
        ((422, {"detail": MISTRAL_422}), "seed", r'put omit = \["seed"\] into \[models\.m\]'),
        (
            (400, {"error": {"message": "Unsupported value: 'temperature' does not support 0"}}),
            "temperature",
            r'omit = \["temperature"\]',
        ),
        (
            (400, {"error": {"message": 'Unknown name "top_p": not allowed'}}),
            "top_p",
            "take top_p out of extra_body",
        ),
    ],
)
def test_a_parameter_that_is_not_taken_stops_the_model_and_names_the_line_to_add(
    answer, parameter, mend
):
    journal = Journal()
    with (
        Endpoint({"m": answer}) as server,
        CloudModel(cloud("m", server.base_url, extra_body={"top_p": 1.0}), patience=FAST) as model,
    ):
        error = model.submit("a question", journal.account).exception(timeout=20)
        assert isinstance(error, CallFailed)
        assert error.parameter == parameter
        with pytest.raises(EndpointClosed, match=mend):
            model.reply("another")
        assert server.requests["m"] == 1


def test_the_detail_of_a_422_is_shown():
    answer = (422, {"detail": [{"loc": ["body", "tools"], "msg": "is the wrong shape"}]})
    with (
        Endpoint({"m": answer}) as server,
        CloudModel(cloud("m", server.base_url)) as model,
        pytest.raises(CallFailed, match=r"422 - body\.tools: is the wrong shape"),
    ):
        model.reply("a question")
    plain = (422, {"detail": "no such deployment"})
    with (
        Endpoint({"m": plain}) as server,
        CloudModel(cloud("m", server.base_url)) as model,
        pytest.raises(CallFailed, match="422 - no such deployment"),
    ):
        model.reply("a question")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((400, {"error": {"message": "API key not valid.", "code": 400}}), "refused the key"),
        ((400, {"error": {"message": "gone", "code": "model_not_found"}}), "not know the model"),
        ((200, {"error": {"message": "User not found", "code": 401}}), "refused the key"),
        ((200, {"error": {"message": "No credits", "code": 402}}), "quota is exhausted"),
        ((200, {"error": {"message": "who?", "type": "authentication_error"}}), "refused the key"),
        ((200, {"error": {"message": "no", "code": "insufficient_quota"}}), "quota is exhausted"),
        ((200, {"error": {"message": "gone", "code": "model_not_found"}}), "not know the model"),
    ],
)
def test_what_holds_for_every_call_stops_the_model_at_once(answer, says):
    with (
        Endpoint({"m": answer}) as server,
        CloudModel(cloud("m", server.base_url), patience=FAST) as model,
    ):
        with pytest.raises(CallFailed):
            model.reply("a question")
        with pytest.raises(EndpointClosed, match=says):
            model.reply("another")
        assert server.requests["m"] == 1


def test_a_closed_endpoint_is_told_in_its_own_words():
    answer = (400, {"error": {"message": "the moon is in the wrong phase"}})
    with (
        Endpoint({"m": answer}) as server,
        CloudModel(cloud("m", server.base_url), patience=FAST) as model,
    ):
        for _ in range(5):
            with pytest.raises(CallFailed):
                model.reply("a question")
        with pytest.raises(EndpointClosed, match=r"5 calls in a row.*wrong phase"):
            model.reply("a question")
