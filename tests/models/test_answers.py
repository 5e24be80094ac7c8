"""Replies as endpoints really send them: accepted, an outcome of their own kind, or failed once."""

import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.replies import CallState
from tests.support.endpoint import Endpoint, Journal, completion
from tests.support.rig import FAST, cloud

IN, OUT = 1e-6, 4e-6  # the prices of `cloud` per token


def ask(answer, **declared):
    """Return the reply or the error to one call, and its journal."""
    journal = Journal()
    with (
        Endpoint({"m": answer}) as server,
        CloudModel(cloud("m", server.base_url, **declared), patience=FAST) as model,
    ):
        future = model.submit("how heavy is it?", journal.account)
        error = future.exception(timeout=20)
        if error:
            assert isinstance(error, CallFailed)
        # The endpoint is well: it goes on answering the next call.
        server.answers["m"] = "fine"
        assert model.reply("again?").text == "fine"
    return error or future.result(), journal


PART = {"type": "text", "text": "90 grams"}


@pytest.mark.parametrize(
    ("content", "finish"),
    [
        ("90 grams", "eos"),
        ("90 grams", "STOP"),
        ("90 grams", "end_turn"),
        ("90 grams", None),
        ([PART], "stop"),
        ([{"type": "text", "text": "90 "}, {"type": "text", "text": "grams"}], "stop"),
        ([{"type": "thinking", "thinking": "Hm."}, PART], "end_turn"),
        ("<think>It says 90.</think>\n\n90 grams", "stop"),
        ("It says 90.</think>90 grams", "stop"),
    ],
)
def test_whatever_carries_an_answer_is_one(content, finish):
    reply, journal = ask(completion(content, finish=finish))
    assert (reply.text, reply.finish_reason, reply.attempts) == ("90 grams", "stop", 1)
    assert journal.settled == pytest.approx([40 * IN + 5 * OUT])


@pytest.mark.parametrize(("finish", "wrote"), [("MAX_TOKENS", 5), ("length", 64), (None, 64)])
def test_an_answer_at_the_limit_is_cut_whatever_the_endpoint_calls_it(finish, wrote):
    reply, _ = ask(completion("90 gr", finish=finish, usage=(40, wrote)))
    assert reply.finish_reason == "length"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (completion(None, finish="content_filter"), "content filter"),
        (completion("I", finish="SAFETY"), "content filter"),
        (completion(None, refusal="I can't help with that."), "refused to answer.*I can't help"),
    ],
)
def test_a_refusal_is_an_outcome_of_its_own_kind_and_billed_once(answer, says):
    error, journal = ask(answer)
    assert (error.state, error.attempts) == (CallState.REFUSED, 1)
    assert journal.settled == pytest.approx([40 * IN + 5 * OUT])
    with pytest.raises(CallFailed, match=says):
        raise error


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (completion(None), "empty: content None"),
        (completion("", finish="length"), r"64 tokens went into thinking.*raise max_tokens"),
        (completion(None, tool_calls=[{"id": "t"}], finish="tool_calls"), "asked for a tool"),
        (completion("<think>Let me see", finish="length"), r"thinking.*\[models\.m\]"),
        (completion("<think>Let me see", finish=None), "thinking before an answer began"),
        (completion("<think>So.</think>  "), "the answer is empty"),
        (
            completion("", reasoning_content="So."),
            r"it thought and gave no answer; turn thinking off in its extra_body",
        ),
        (completion(None, reasoning="So."), r"it thought and gave no.*off in its extra_body"),
    ],
)
def test_an_answer_of_no_use_is_paid_once_not_three_times(answer, says):
    error, journal = ask(answer)
    assert (error.state, error.attempts) == (CallState.FAILED, 1)
    assert error.answered
    assert journal.settled == pytest.approx([40 * IN + 5 * OUT])
    with pytest.raises(CallFailed, match=says):
        raise error


@pytest.mark.parametrize("usage", [(0, 0), (40, 0), (0, 5)])
def test_a_usage_of_nothing_is_charged_at_the_reserved_price(usage):
    error, journal = ask(completion("90 grams", usage=usage))
    assert journal.settled == journal.reserved
    assert journal.settled[0] > 64 * OUT
    with pytest.raises(CallFailed, match=f"reports {usage[0]} / {usage[1]} tokens as usage"):
        raise error


NO_CHOICES = {**completion("90 grams", usage=(0, 0)), "choices": []}


@pytest.mark.parametrize(
    "answer",
    [
        NO_CHOICES,
        {**NO_CHOICES, "choices": ["90 grams"]},
        {**NO_CHOICES, "error": {"message": "out of luck", "code": 502}},
        completion("", usage=(0, 0)),
        completion("I", finish="content_filter", usage=(0, 0)),
        completion("90 grams", finish="odd", usage=(0, 5)),
    ],
)
def test_a_usage_of_nothing_is_no_price_of_a_failure_either(answer):
    _, journal = ask(answer)
    assert journal.settled == journal.reserved
    assert journal.settled[0] > 64 * OUT


def test_a_usage_of_nothing_is_taken_where_tokens_cost_nothing():
    free = {"price_in_usd_per_mtok": 0.0, "price_out_usd_per_mtok": 0.0}
    reply, _ = ask(completion("90 grams", usage=(0, 0)), **free)
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("90 grams", 0, 0)


@pytest.mark.parametrize("tokens", [2**64 - 1, 10**9, -1, 1.5])
def test_a_count_that_is_no_count_fails_the_call_at_the_reserved_price(tokens):
    answer = completion("90 grams")
    answer["usage"]["completion_tokens"] = answer["usage"]["total_tokens"] = tokens
    error, journal = ask(answer)
    assert (error.attempts, "turn usage on" in error.mend) == (1, True)
    assert journal.settled == journal.reserved
    with pytest.raises(CallFailed, match="completion with its usage"):
        raise error


@pytest.mark.parametrize(
    ("usage", "out"),
    [
        ({"total_tokens": 345}, 305),  # thoughts are in the total alone
        ({"completion_tokens_details": {"reasoning_tokens": 300}}, 305),  # in the details alone
        (
            {
                "completion_tokens": 305,
                "total_tokens": 345,
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            305,
        ),
    ],
)
def test_thoughts_are_charged_wherever_the_endpoint_counts_them(usage, out):
    answer = completion("90 grams")
    answer["usage"] |= usage
    reply, journal = ask(answer, thinking_tokens=400)
    assert reply.tokens_out == out
    assert journal.settled == pytest.approx([40 * IN + out * OUT])
    assert not journal.notices  # they had been reserved


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("ninety \ud83d grams", "ninety \N{REPLACEMENT CHARACTER} grams"),
        ("\ude00\ud83d", "\N{REPLACEMENT CHARACTER}" * 2),
        ("\ud83d\ude00", "\N{GRINNING FACE}"),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced(text, stored):
    reply, _ = ask(completion(text))
    assert reply.text == stored
    reply.text.encode()


@pytest.mark.parametrize("said", ["no \ud83d", "\x1b[2J\x1b[31mred\x07", "a\u2028b"])
def test_what_an_error_says_can_be_stored_and_printed(said):
    error, journal = ask((422, {"error": {"message": f"odd {said}"}}))
    assert str(error).isprintable()
    assert journal.errors[0].encode().isascii() or "\N{REPLACEMENT CHARACTER}" in journal.errors[0]


@pytest.mark.parametrize(
    ("error", "says", "attempts"),
    [
        ({"message": "Upstream is out of luck", "code": 502}, "Upstream is out of luck", 3),
        ("no GPU left", "no GPU left", 3),
        ({"message": "Input is bad", "code": 400}, "status 200: Input is bad", 1),
        ({"message": "Bad input", "type": "invalid_request_error"}, "status 200: Bad input", 1),
    ],
)
def test_an_error_with_status_200_keeps_the_endpoints_words(error, says, attempts):
    failed, journal = ask((200, {"id": "x", "error": error}))
    assert failed.attempts == attempts
    assert journal.settled == journal.reserved  # it may have been billed
    with pytest.raises(CallFailed, match=says):
        raise failed


@pytest.mark.parametrize(
    "kind", [{"code": "rate_limit_exceeded"}, {"type": "rate_limit_error"}, {"status": "429"}]
)
def test_a_rate_limit_with_status_200_is_one(kind):
    failed, _ = ask((200, {"id": "x", "error": {"message": "slow down", **kind}}))
    assert "over its rate" in failed.mend
