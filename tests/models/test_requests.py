"""What a request holds, and where it goes: as declared, and whatever the environment says."""

import asyncio
import time

import httpx2
import pytest

from ecollm_lab.models.cloud.calls import Patience
from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.models.cloud.connection import Connection, _is_loopback
from ecollm_lab.models.replies import most_usd
from ecollm_lab.records import LabError, Prompt
from tests.support.endpoint import Endpoint, Journal
from tests.support.rig import cloud


def sent_to(prompt="hello", **declared):
    with Endpoint() as server, CloudModel(cloud("m", server.base_url, **declared)) as model:
        model.reply(prompt)
    return server.sent[0], {name.lower(): text for name, text in server.headers[0].items()}


def test_a_model_that_declares_nothing_is_asked_as_ever():
    body, headers = sent_to()
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.0,
        "seed": 0,
        "max_tokens": 64,
    }
    assert "authorization" not in headers  # it names no key


def test_each_declared_key_is_sent_in_its_place():
    body, headers = sent_to(
        Prompt("hello", "Use the passages.", extra_tokens=100),
        max_tokens=200,
        tokens_key="max_completion_tokens",
        omit=("temperature", "seed"),
        extra_body={"reasoning_effort": "low", "provider": {"order": ["a"]}},
        system="Answer briefly.",
        headers={"X-Title": "lab"},
    )
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Answer briefly.\nUse the passages."},
            {"role": "user", "content": "hello"},
        ],
        "max_completion_tokens": 300,
        "reasoning_effort": "low",
        "provider": {"order": ["a"]},
    }
    assert headers["x-title"] == "lab"


def test_half_of_a_surrogate_pair_in_a_prompt_is_replaced_before_it_is_sent():
    body, _ = sent_to("a cut \ud83d emoji")
    assert body["messages"][0]["content"] == "a cut \N{REPLACEMENT CHARACTER} emoji"


def test_a_header_that_holds_a_secret_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("GATE_KEY", "gate-key-123456")
    _, headers = sent_to(headers_env={"X-Gate-Key": "GATE_KEY"})
    assert headers["x-gate-key"] == "gate-key-123456"
    _, headers = sent_to(headers_env={"Authorization": "GATE_KEY"})
    assert headers["authorization"] == "gate-key-123456"
    monkeypatch.delenv("GATE_KEY")
    with pytest.raises(LabError, match="GATE_KEY, which is not set"):
        sent_to(headers_env={"X-Gate-Key": "GATE_KEY"})


@pytest.mark.parametrize("key", ["“sk-SECRET-0123”", "sk-SECRET-01\n23", "sk-SECRET…"])
def test_a_key_that_no_header_can_hold_is_named_by_its_variable_and_not_shown(monkeypatch, key):
    monkeypatch.setenv("GATE_KEY", key)
    for declared in ({"api_key_env": "GATE_KEY"}, {"headers_env": {"X-Key": "GATE_KEY"}}):
        with pytest.raises(LabError, match="GATE_KEY holds a line break or") as caught:
            sent_to(**declared)
        assert "SECRET" not in str(caught.value)


def test_what_the_environment_holds_for_one_provider_goes_to_no_other(monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "org-PRIVATE")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Private: org-PRIVATE")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    for declared in ({}, {"headers": {"X-Title": "lab"}}):
        body, headers = sent_to(**declared)
        assert "PRIVATE" not in f"{body} {headers}"


def test_openai_itself_gets_its_organization(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-PRIVATE")
    monkeypatch.setattr("ecollm_lab.models.cloud.connection.Connection.warm_up", _nothing)
    with CloudModel(cloud("m", "https://api.openai.com/v1")) as model:
        assert model._connection._client.organization == "org-PRIVATE"
    for other in ("openai.com.example.org", "notopenai.com", "openai.example.org"):
        with CloudModel(cloud("m", f"https://{other}/v1")) as model:
            assert model._connection._client.organization is None


async def _nothing(self):
    pass


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "no such proxy"])
def test_a_loopback_endpoint_is_never_reached_through_a_proxy(monkeypatch, variable, proxy):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, proxy)
    body, _ = sent_to()
    assert body["model"] == "m"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://box.localhost/v1", True),
        ("http://192.168.1.2/v1", False),
        ("http://localhost.example.org/v1", False),
        ("https://api.example.org/v1", False),
    ],
)
def test_loopback_is_told_by_the_address(url, here):
    assert _is_loopback(url) is here


@pytest.mark.parametrize(
    ("variable", "proxy", "says"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", r"\(ALL_PROXY\).*pip install socksio"),
        ("HTTPS_PROXY", "gopher://127.0.0.1:9", r"\(HTTPS_PROXY\)"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch, variable, proxy, says):
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(LabError, match=says):
        CloudModel(cloud("m", "https://api.example.org/v1"))


def test_what_is_reserved_follows_what_is_declared():
    model = cloud("m", "h", max_tokens=100, thinking_tokens=1000, system="12345")
    assert most_usd(model, "") == pytest.approx((5 + 128) * 1e-6 + 1100 * 4e-6)
    assert most_usd(model, Prompt("ü", "1234", 10)) == pytest.approx(
        (5 + 4 + 1 + 2 + 128) * 1e-6 + 1110 * 4e-6
    )


@pytest.mark.parametrize("said", ["0", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_retry_after_that_is_over_leaves_the_pause_between_attempts_as_it_is(said):
    answers = iter([(503, {}, {"Retry-After": said}), "fine"])
    patience = Patience(wait_initial_s=0.4, wait_jitter_s=0.0)
    with (
        Endpoint({"m": lambda _: next(answers)}) as server,
        CloudModel(cloud("m", server.base_url), patience=patience) as model,
    ):
        began = time.monotonic()
        assert model.submit("hello", Journal().account).result(timeout=20).text == "fine"
        assert time.monotonic() - began >= 0.4


class Swallowing(httpx2.AsyncBaseTransport):
    """A network in which no connection is ever made."""

    async def handle_async_request(self, request):
        await asyncio.sleep(request.extensions["timeout"]["connect"] or 60.0)
        raise httpx2.ConnectTimeout("nobody took the connection", request=request)


def test_a_host_that_takes_no_connection_is_named_before_the_deadline_and_not_charged(monkeypatch):
    client = httpx2.AsyncClient(transport=Swallowing())
    monkeypatch.setattr(Connection, "_http_client", lambda _: client)
    nowhere, journal = cloud("m", "http://192.0.2.1/v1", timeout_s=1.0), Journal()
    with CloudModel(nowhere, patience=Patience(attempts=1)) as model:
        error = model.submit("hello", journal.account).exception(timeout=20)
    assert "Connection error: none was made within 0.9 s" in str(error)
    assert error.mend.startswith("Nothing answers at http://192.0.2.1/v1")
    assert journal.settled == [0.0]
