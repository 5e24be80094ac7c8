"""Requests that schemathesis makes up from the server's own OpenAPI schema, sound and unsound."""

import json
import logging
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from ecollm_lab.serving.server import Settings, create_app

TOKEN = "a-token-that-nobody-may-see"
HERE = str(Path(__file__).parents[2])
FEW = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def texts_of(messages):
    """Return the texts of messages, well-formed or not, that are too long to appear by chance."""
    if isinstance(messages, str):
        return [messages] if len(messages) >= 8 else []
    if isinstance(messages, dict):
        messages = [part for key, part in messages.items() if key != "role"]
    parts = messages if isinstance(messages, list) else []
    return [text for part in parts for text in texts_of(part)]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_server_or_makes_it_tell_prompt_key_or_path(runtime, mode, caplog):
    app = create_app(runtime, Settings(token=TOKEN, max_question_chars=500))
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    statuses = []

    @FEW
    @given(case=schema.as_strategy(generation_mode=mode))
    def check(case):
        caplog.clear()
        reply = case.call("http://localhost", headers={"authorization": f"Bearer {TOKEN}"})
        statuses.append(reply.status_code)
        assert reply.status_code < 500, reply.text
        told = f"{reply.text} {dict(reply.headers)} {caplog.text}"
        assert TOKEN not in told
        assert HERE not in told
        assert "Traceback" not in told
        body = case.body if isinstance(case.body, dict) else {}
        for text in texts_of(body.get("messages", [])):
            assert text not in told
            assert json.dumps(text)[1:-1] not in told

    with caplog.at_level(logging.INFO, "ecollm_lab.serving"):
        check()
    assert (200 if mode is GenerationMode.POSITIVE else 400) in statuses
