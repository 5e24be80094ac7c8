"""The server as curl and a hostile client see it: shapes of errors, metrics, logs, limits."""

import json
import logging
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.serving.server import Settings, create_app, listen
from tests.serving.conftest import CLOUD, EDGE
from tests.support.served import served
from tests.support.serving import Given, runtime_of

QUESTION = "how heavy is the Halo bulb?"
BODY = {"model": "ecollm", "messages": [{"role": "user", "content": QUESTION}]}


@pytest.fixture
def open_address(runtime):
    with served(runtime, max_concurrent=2) as address:
        yield address


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_gets_an_answer(address):
    command = ["curl", "-s", f"{address}/v1/chat/completions", "-d", json.dumps(BODY)]
    command += ["-H", "Content-Type: application/json", "-H", "Authorization: Bearer secret"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=10)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"].endswith("cloud.")


def test_health_and_page_are_open_and_the_page_loads_nothing_from_elsewhere(address):
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    page = httpx.get(address)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page.text


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("POST", "/v1/chat/completions", {"content": b"{", "json": None}, 400),
        ("POST", "/v1/chat/completions", {"json": []}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "messages": []}}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "messages": [{"role": "x"}]}}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "max_tokens": 0}}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "stop": ["a"] * 5}}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "slo": {"speed": 1}}}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "slo": {"max_latency_s": "1"}}}, 400),
        ("POST", "/v1/chat/completions", {"json": {**BODY, "model": "\u0000" * 500}}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
        ("GET", "/v1/nothing", {}, 404),
    ],
)
def test_malformed_requests_get_an_error_that_clients_can_read(
    open_address, method, path, sent, status
):
    sent = {key: value for key, value in sent.items() if value is not None}
    headers = {"content-type": "application/json"} if "content" in sent else {}
    reply = httpx.request(method, f"{open_address}{path}", headers=headers, **sent)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert len(error["message"]) < 1000


def test_other_content_types_and_other_host_names_are_refused(open_address):
    url = f"{open_address}/v1/chat/completions"
    text = httpx.post(url, content=json.dumps(BODY), headers={"content-type": "text/plain"})
    assert text.status_code == 415
    for host in ("evil.example", "localhost.evil.example:8080", "[::1]:80.evil.example", "["):
        reply = httpx.post(url, json=BODY, headers={"host": host})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unknown_host")
    for host in ("LocalHost", "127.0.0.1:1", "[::1]:8080"):
        assert httpx.post(url, json=BODY, headers={"host": host}).status_code == 200


def test_a_forecast_that_is_not_recorded_or_without_end_is_sent_as_null(domain, encoder, small):
    for usd in (float("nan"), float("inf")):
        given = Given({EDGE: (0.6, usd, 0.1)})
        with runtime_of(domain, encoder, [small], given) as runtime, served(runtime) as address:
            url = f"{address}/v1/chat/completions"
            reply = httpx.post(url, json={**BODY, "stream": None})
            stream = httpx.post(url, json={**BODY, "stream": True})
        predicted = reply.json()["ecollm"]["predicted"]
        assert (predicted["quality"], predicted["cost_usd"]) == (0.6, None)
        assert "x-ecollm-predicted-cost-usd" not in reply.headers
        assert '"cost_usd": null' in stream.text
        assert "NaN" not in stream.text
        assert "Infinity" not in stream.text


def test_a_body_without_a_length_is_cut_at_the_limit(address):
    def parts():
        for _ in range(1000):
            yield b"x" * 1000

    headers = {"authorization": "Bearer secret", "content-type": "application/json"}
    reply = httpx.post(f"{address}/v1/chat/completions", content=parts(), headers=headers)
    assert reply.status_code == 413


def test_more_questions_than_allowed_at_once_are_told_to_come_back(open_address, big):
    big.delay_s = 0.4
    url = f"{open_address}/v1/chat/completions"
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: httpx.post(url, json=BODY), range(6)))
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses == [200, 200, 429, 429, 429, 429]
    busy = next(reply for reply in replies if reply.status_code == 429)
    assert busy.headers["retry-after"] == "1"
    assert busy.headers["x-should-retry"] == "true"


def test_a_fault_of_the_server_is_an_error_without_details(runtime, monkeypatch):
    def fault(*_, **__):
        raise ZeroDivisionError(QUESTION)

    monkeypatch.setattr(runtime, "answer", fault)
    logging.getLogger("uvicorn.error").disabled = True
    with served(runtime) as address:
        reply = httpx.post(f"{address}/v1/chat/completions", json=BODY)
    logging.getLogger("uvicorn.error").disabled = False
    assert reply.status_code == 500
    assert QUESTION not in reply.text
    assert reply.json()["error"]["code"] == "internal_error"


def test_metrics_count_answers_refusals_attempts_and_open_circuits(open_address, big):
    url = f"{open_address}/v1/chat/completions"
    httpx.post(url, json=BODY)
    httpx.post(url, json={**BODY, "slo": {"max_latency_s": 0.01}})
    big.down = True
    httpx.post(url, json=BODY)
    text = httpx.get(f"{open_address}/metrics").text
    for line in (
        f'ecollm_answers_total{{kept="true",path="{CLOUD}"}} 1.0',
        f'ecollm_answers_total{{kept="true",path="{EDGE}"}} 1.0',
        'ecollm_refusals_total{reason="infeasible"} 1.0',
        'ecollm_attempts_total{ended="answered"} 2.0',
        'ecollm_attempts_total{ended="failed"} 1.0',
        'ecollm_circuit_open{model="big"} 1.0',
        'ecollm_circuit_open{model="small"} 0.0',
        "ecollm_latency_seconds_count 2.0",
    ):
        assert line in text.splitlines(), line


@pytest.mark.parametrize("shown", [False, True])
def test_the_log_holds_a_line_for_each_question_and_its_text_only_if_wished(
    runtime, caplog, shown, big
):
    big.down = True
    with (
        caplog.at_level(logging.INFO, "ecollm_lab.serving"),
        served(runtime, log_questions=shown) as address,
    ):
        httpx.post(f"{address}/v1/chat/completions", json=BODY)
    lines = [one.message for one in caplog.records if one.name == "ecollm_lab.serving"]
    line = json.loads(lines[0])
    assert (line["event"], line["path_id"], line["kept"]) == ("answered", EDGE, True)
    assert line["attempts"] == [f"{CLOUD} failed", f"{EDGE} answered"]
    assert (QUESTION in lines[0]) is shown
    assert ("Model 'big' is down." in lines[0]) is shown
    assert len(lines) == 1


def test_the_last_answers_are_there_for_the_page_without_their_texts(open_address):
    httpx.post(f"{open_address}/v1/chat/completions", json=BODY)
    rows = httpx.get(f"{open_address}/recent").json()
    assert rows[0]["path_id"] == CLOUD
    assert "Halo" not in json.dumps(rows)


def test_a_question_in_flight_is_answered_when_the_server_is_stopped(runtime, big):
    big.delay_s, replies = 0.5, []
    with served(runtime) as address:
        url = f"{address}/v1/chat/completions"
        thread = threading.Thread(target=lambda: replies.append(httpx.post(url, json=BODY)))
        thread.start()
        time.sleep(0.2)
    thread.join()
    assert replies[0].status_code == 200


def test_another_machine_needs_a_token():
    with pytest.raises(LabError, match="needs a token"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", token="x").port == 8080


def test_a_port_that_is_taken_is_named_before_a_model_is_opened(runtime, monkeypatch):
    monkeypatch.setattr(runtime, "warm_up", lambda: pytest.fail("a model was opened"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LabError, match=rf"127\.0\.0\.1:{port} \(.* in use\)\. .*--port"):
            listen(runtime, Settings(port=port))


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_that_there_is_not_is_refused_at_once(port):
    with pytest.raises(LabError, match=f"port must be within 1 to 65535, got {port}"):
        Settings(port=port)


def test_the_schema_describes_the_request_and_resolves(runtime):
    schema = create_app(runtime).openapi()
    content = schema["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    assert "messages" in content["application/json"]["schema"]["required"]
    for reference in set(json.dumps(schema).split('"$ref": "#/')[1:]):
        at = schema
        for part in reference.partition('"')[0].split("/"):
            at = at[part]
