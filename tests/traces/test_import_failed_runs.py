import pandas as pd
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from ecollm_lab.traces.importers.failed_runs import are_failed
from tests.support.recorded import frame, write

FAILED = [
    "Sorry, the provider says error 429 RESOURCE_EXHAUSTED, quota exceeded",
    "Sorry, I had a problem getting a response: {\n  'error': {\n    'code': 429,\n    'message':"
    " 'You exceeded your current quota, please check your plan",
    "Error code: 503 - {'error': {'message': 'The model is overloaded'}}",
    "The provider is down, try later: HTTP status 502",
    "openai.APITimeoutError: Request timed out.",
    "Rate limit reached for gpt-4 in organization org-x on tokens per min (TPM)",
    "HTTP 401: Incorrect API key provided",
    "anthropic.OverloadedError: overloaded_error",
    "504 Gateway Time-out",
    "requests.exceptions.ConnectionError: Connection refused",
    "Deadline Exceeded",
    'Traceback (most recent call last):\n  File "agent.py", line 12, in ask\nRateLimitError: no',
]
ANSWERS = [
    "The fishing quota for cod was cut by 12 % in 2019.",
    "Room 429 is on the fourth floor.",
    "The timer timed out, so the oven is off.",
    "I've set a rate limit of 30 km/h.",
    "Sorry, I had a problem getting a response from Google Generative AI.",
    "HTTP is a protocol; 500 people attended.",
    "The error code 408 on a dishwasher means that no water comes in.",
    "The status code 403 means that the page is forbidden.",
    "The router keeps a log of every call. In it you can read, for each one, whether the request"
    " timed out or was answered.",
    "I could not find a light of that name.",
    "",
    None,
]


@pytest.mark.parametrize("answer", FAILED)
def test_an_error_of_a_provider_is_a_failed_run_unless_it_was_judged_right(answer):
    assert are_failed(pd.Series([answer] * 3), pd.Series([0.0, float("nan"), 1.0])).tolist() == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_wrong_answer_is_no_failed_run(answer):
    assert not are_failed(pd.Series([answer]), pd.Series([0.0]))[0]


def test_an_error_is_looked_for_at_the_beginning_only():
    late = "A long explanation of how servers work. " * 20 + FAILED[0]
    assert not are_failed(pd.Series([late]), pd.Series([0.0]))[0]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_failed_runs_are_counted_left_out_and_said(tmp_path, name):
    answers = ["yes", FAILED[0], "no", FAILED[1]]
    file = write(tmp_path, frame(answer=answers, quality=[1, 0, 0, 0]), name)
    trace = import_outcomes("long", file)
    assert trace.outcomes[["query_id", "path_id"]].to_numpy().tolist() == [["a", "x"], ["b", "x"]]
    assert trace.provenance["dropped"] == {"failed_runs": 2}
    assert trace.provenance["failed_runs"] == {"y": 2}
    with pytest.raises(LabError, match=r"No outcome is left .*'failed_runs': 4"):
        import_outcomes("long", write(tmp_path, frame(answer=FAILED[3], quality=0), name))


def test_failed_runs_are_found_in_the_answers_of_published_tables(tmp_path):
    wide = pd.DataFrame(
        {
            "sample_id": ["s1", "s2"],
            "prompt": ["p1", "p2"],
            "eval_name": "e",
            "m": [0.0, 1.0],
            "m|model_response": [FAILED[4], "B"],
            "m|total_cost": [0.0, 0.1],
        }
    )
    trace = import_outcomes("routerbench", write(tmp_path, wide), heldout_share=0)
    assert trace.query_ids == ["s2"]
    assert trace.provenance["failed_runs"] == {"m": 1}
    assert trace.outcomes["answer"].tolist() == ["B"]
    lm = pd.DataFrame({"prompt": ["p1", "p2"], "m": [False, True], "m_response": [FAILED[2], "B"]})
    trace = import_outcomes("routellm", write(tmp_path, lm), heldout_share=0)
    assert trace.provenance["dropped"] == {"failed_runs": 1}
