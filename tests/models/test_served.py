"""The loopback server: behind a key, at a port nobody else can take, started again if it dies."""

import dataclasses
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ecollm_lab.models import CallFailed, ModelPool, load_catalog
from ecollm_lab.models.cloud import server as served
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.cloud.server import LoopbackServer
from ecollm_lab.models.cloud.server_process import start_afresh
from ecollm_lab.models.replies import WARM_UP, CallState, EndpointClosed
from ecollm_lab.records import LabError
from tests.conftest import LARGE, SMALL
from tests.support.endpoint import Journal
from tests.support.rig import FAST

CATALOG = load_catalog("tests/data/models.toml")
SERVED = dataclasses.replace(
    CATALOG[LARGE], file=CATALOG[SMALL].file, sha256=CATALOG[SMALL].sha256, context=512
)


@pytest.fixture(scope="module")
def server():
    running = LoopbackServer(SERVED)
    yield running
    running.stop()


def get(server, key, **headers):
    asked = urllib.request.Request(f"{server.base_url}/models", headers=headers)
    asked.add_header("Authorization", f"Bearer {key}")
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10)


def test_only_who_has_the_key_of_this_start_is_answered_and_no_web_page(server):
    with get(server, server.key, Origin="http://evil.example") as reply:
        assert json.load(reply)["data"][0]["id"] == SERVED.remote_name
        assert "access-control-allow-origin" not in {name.lower() for name in reply.headers}
    for wrong in ("", "unused", server.key[:-1]):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(server, wrong)
    process = Path(f"/proc/{server._process.pid}")
    assert server.key not in (process / "cmdline").read_text()
    assert server.key not in (process / "environ").read_text()


def test_no_stranger_can_take_the_port(server):
    port = int(server.base_url.split(":")[2].removesuffix("/v1"))
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))


def test_the_users_environment_configures_no_server(monkeypatch):
    for name, value in {"N_CTX": "7", "PORT": "1", "HOST": "0.0.0.0", "CACHE": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("API_KEY", "known")
    monkeypatch.setenv("CONFIG_FILE", "none.json")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with CloudModel(SERVED) as model:
        assert model.reply("Question: how heavy is it?").tokens_in > 3


def test_a_server_that_is_killed_between_calls_is_started_again(monkeypatch):
    journal = Journal()
    with CloudModel(SERVED, patience=FAST) as model:
        server = model._connection._server
        before = model.submit("Question: how heavy is it?", journal.account).result(timeout=60)
        key = server.key
        os.kill(server._process.pid, signal.SIGKILL)
        after = model.submit("Question: how heavy is it?", journal.account).result(timeout=60)
        assert (after.text, after.tokens_in) == (before.text, before.tokens_in)
        assert after.latency_s < 5.0  # the start is no part of it
        assert server.key != key
    assert server._process.poll() is not None


def test_a_request_that_comes_as_the_server_dies_is_sent_anew(monkeypatch):
    journal = Journal()
    with CloudModel(SERVED, patience=FAST) as model:
        server = model._connection._server
        looks, is_dead = [False], server.is_dead  # the first look still finds it running
        monkeypatch.setattr(server, "is_dead", lambda: looks.pop() if looks else is_dead())
        os.kill(server._process.pid, signal.SIGKILL)
        server._process.wait()
        reply = model.submit("Question: how heavy is it?", journal.account).result(timeout=30)
        assert reply.attempts == 2
        assert journal.settled[0] == 0.0 < journal.settled[1]


def test_a_prompt_that_ends_two_servers_is_quarantined(monkeypatch):
    journal = Journal()
    with CloudModel(SERVED, patience=FAST) as model:
        connection, server = model._connection, model._connection._server
        post = connection._client.post

        async def killing(where, **request):
            os.kill(server._process.pid, signal.SIGKILL)
            server._process.wait()
            return await post(where, **request)

        monkeypatch.setattr(connection._client, "post", killing)
        monkeypatch.setattr(SERVED.__class__, "timeout_s", 1.0, raising=False)
        error = model.submit("Question: fatal", journal.account).exception(timeout=120)
        assert isinstance(error, CallFailed)
        assert (error.state, error.attempts) == (CallState.QUARANTINED, 2)
        assert "ended (exit code -9)" in str(error)
        assert journal.settled == [0.0, 0.0]
        monkeypatch.undo()
        assert model.reply("Question: how heavy is it?").text


def test_after_a_timeout_no_latency_holds_the_rest_of_an_answer_that_was_given_up(monkeypatch):
    asked, question = [], "Question: how heavy is it?"
    with CloudModel(SERVED, patience=FAST) as model:
        connection, server = model._connection, model._connection._server
        model.reply(question)
        post = connection._client.post

        def noting(where, **request):
            asked.append(request["body"]["messages"][-1]["content"])
            return post(where, **request)

        monkeypatch.setattr(connection._client, "post", noting)
        with monkeypatch.context() as short:
            short.setattr(SERVED.__class__, "timeout_s", 0.001, raising=False)
            with pytest.raises(CallFailed, match=r"within 0\.001 s") as caught:
                model.reply(question)
        assert "raise it" in caught.value.mend
        assert server.is_dead()  # it does not go on with the answer
        assert model.reply(question).text
    assert asked == [question, WARM_UP, question]


def test_a_server_that_dies_at_once_is_reported_with_its_own_words(monkeypatch, tmp_path):
    broken = tmp_path / "m.gguf"
    broken.write_bytes(SERVED.file.read_bytes()[:100_000])
    with pytest.raises(LabError, match=r"ended \(exit code 1\)(.|\n)*Failed to load model"):
        LoopbackServer(dataclasses.replace(SERVED, file=broken, sha256=None))


def test_the_time_to_start_follows_the_size_of_the_file_or_the_catalog(monkeypatch):
    monkeypatch.setattr(served, "START_S", 0.005)
    monkeypatch.setattr(served, "READ_BYTES_PER_S", SERVED.file.stat().st_size / 0.005)
    with pytest.raises(LabError, match=r"did not start within 0\.01 s\. Raise start_timeout_s"):
        LoopbackServer(SERVED)
    patient = dataclasses.replace(SERVED, start_timeout_s=60.0)
    LoopbackServer(patient).stop()


def test_a_context_beyond_the_gguf_is_refused_before_anything_starts():
    with pytest.raises(LabError, match=r"context = 999999999, but its GGUF was trained on \d+"):
        LoopbackServer(dataclasses.replace(SERVED, context=999_999_999))


def test_a_model_whose_first_call_fails_is_closed_and_not_opened_again(monkeypatch):
    started = []

    class Failing(CloudModel):
        def __init__(self, model, **options):
            started.append(self)
            super().__init__(model, **options)

        def reply(self, prompt):
            raise CallFailed("out of memory")

    monkeypatch.setattr("ecollm_lab.models.cloud.client.CloudModel", Failing)
    catalog = dataclasses.replace(CATALOG, models={"m": dataclasses.replace(SERVED, name="m")})
    with ModelPool(catalog) as pool:
        for _ in range(12):
            with pytest.raises(EndpointClosed, match=r"'m' takes no calls.*out of memory"):
                pool["m"]
        assert len(started) == 1
        assert started[0]._connection._server._process.poll() is not None


def test_a_served_model_reads_each_prompt_whole_whatever_was_asked_before():
    began_at = []

    class Model:  # as llama.cpp's: it goes on from the tokens that it has
        n_tokens = 0

        def reset(self):
            self.n_tokens = 0

        def generate(self, tokens, *, temp):
            began_at.append(self.n_tokens)
            self.n_tokens += len(tokens)
            return iter(tokens)

    start_afresh(Model)
    model = Model()
    assert [list(model.generate([1, 2], temp=0.0)) for _ in range(2)] == [[1, 2], [1, 2]]
    assert began_at == [0, 0]
