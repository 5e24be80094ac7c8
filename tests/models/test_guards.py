"""Replies that are not read: redirects elsewhere, bodies without end, certificates of nobody."""

import gzip
import ssl
import subprocess
import time

import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.models.cloud import guards
from ecollm_lab.models.cloud.client import CloudModel
from tests.support.endpoint import Endpoint, Journal, completion
from tests.support.rig import FAST, cloud


def ask(server, **declared):
    journal = Journal()
    with CloudModel(cloud("m", server.base_url, **declared), patience=FAST) as model:
        future = model.submit("a question", journal.account)
        error = future.exception(timeout=20)
        if error:
            return error, journal
        return future.result(), journal


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused_and_named(status):
    with Endpoint() as other:
        there = {"Location": f"{other.base_url}/chat/completions?key=x"}
        with Endpoint({"m": (status, "", there)}) as server:
            error, journal = ask(server)
            assert f"redirects to http://127.0.0.1:{other.port}/v1/chat" in str(error)
            assert server.requests["m"] == 1
        assert not other.requests  # neither the prompt nor the key went there
    assert journal.settled == [0.0]
    assert isinstance(error, CallFailed)


def test_a_redirect_within_the_endpoint_is_followed():
    def answer(prompt):
        return completion("fine") if server.requests["m"] > 1 else (307, "", {"Location": "/v1/x"})

    with Endpoint({"m": answer}) as server:
        reply, _ = ask(server)
        assert (reply.text, server.requests["m"]) == ("fine", 2)


def test_a_reply_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(guards, "MOST_BYTES", 100_000)
    large = completion("x" * 200_000)
    with Endpoint({"m": large}) as server:
        error, journal = ask(server)
    assert "larger than" in str(error)
    assert journal.settled == journal.reserved


def test_a_reply_without_a_length_is_given_up_at_the_same_size(monkeypatch):
    monkeypatch.setattr(guards, "MOST_BYTES", 100_000)

    class Chunks(Endpoint):
        def send(self, request, status, body, headers=()):
            if request.command == "GET":
                return super().send(request, status, body, headers)
            request.send_response(200)
            request.send_header("Content-Type", "application/json")
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            try:
                for _ in range(1000):
                    request.wfile.write(b"2710\r\n" + b" " * 10_000 + b"\r\n")
                    self.chunks = getattr(self, "chunks", 0) + 1
            except OSError:
                pass  # the client has gone

    with Chunks() as server:
        error, _ = ask(server)
        assert "larger than" in str(error)
        time.sleep(0.1)
        assert server.chunks < 900


def test_a_packed_reply_is_not_unpacked():
    bomb = gzip.compress(b" " * 50_000_000)
    with Endpoint({"m": (200, bomb, {"Content-Encoding": "gzip"})}) as server:
        error, _ = ask(server)
        assert "packed ('gzip')" in str(error)
        assert server.headers[0]["accept-encoding"] == "identity"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_a_certificate_of_nobody_says_which_variable_names_its_authority(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Endpoint(context=context) as server:
        error, journal = ask(server)
        assert "TLS certificate" in str(error)
        assert "SSL_CERT_FILE" in str(error)
        assert (error.attempts, journal.settled) == (1, [0.0])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        reply, _ = ask(server)
        assert reply.text == "fine"
