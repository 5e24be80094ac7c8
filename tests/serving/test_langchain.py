"""LangChain's unmodified client for OpenAI against the server."""

import pytest
from langchain_openai import ChatOpenAI
from openai import BadRequestError

from ecollm_lab.serving import tracing
from tests.serving.conftest import CLOUD, EDGE

QUESTION = "how heavy is the Halo bulb?"


@pytest.fixture
def chat(address):
    def client(model=tracing.ANY_PATH, **options):
        return ChatOpenAI(base_url=f"{address}/v1", api_key="secret", model=model, **options)

    return client


def test_it_asks_under_an_slo(chat):
    message = chat(extra_body={"slo": {"max_cost_usd": 1e-5}}).invoke(QUESTION)
    assert message.content == "It is 90 grams, says the edge."
    assert message.usage_metadata["total_tokens"] == 110
    assert message.response_metadata["finish_reason"] == "stop"
    assert chat(EDGE).invoke(QUESTION).content == message.content
    assert chat(CLOUD).invoke(QUESTION).content != message.content


def test_it_streams(chat):
    parts = list(chat().stream(QUESTION))
    assert "".join(part.content for part in parts) == "It is 90 grams, says the cloud."
    assert len(parts) > 5
    whole = sum(parts[1:], parts[0])
    assert whole.response_metadata["finish_reason"] == "stop"


def test_earlier_turns_are_refused_in_words(chat):
    turns = [("system", "be kind"), ("human", QUESTION), ("ai", "90"), ("human", "sure?")]
    with pytest.raises(BadRequestError, match="roles system, user, assistant"):
        chat().invoke(turns)
