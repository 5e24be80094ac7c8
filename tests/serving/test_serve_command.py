"""The command, with a real model, in a process of its own."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from ecollm_lab.policies import fit_policy, save_policy
from tests.conftest import SMALL
from tests.support.commands import call


@pytest.fixture(scope="module")
def policy_file(measured, tmp_path_factory):
    file = tmp_path_factory.mktemp("policy") / "policy.npz"
    names = {f"none/{x}/none/pocket-s-f16": f"none/{x}/none/{SMALL}" for x in ("none", "bm25-1")}
    rows = measured.outcomes.assign(path_id=measured.outcomes["path_id"].map(names)).dropna()
    part = type(measured).from_frame(rows, measured.queries, measured.provenance)
    save_policy(fit_policy(part, "best_single"), file)
    return file


@pytest.fixture
def port():
    """A port that no other program is given meanwhile: it stays bound, and nobody listens there."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def test_the_command_serves_a_real_model_and_ends_in_order_on_sigterm(policy_file, port):
    command = [sys.executable, "-c", "from ecollm_lab.cli import app; app()", "serve"]
    command += ["--policy", str(policy_file), "--domain", "smart_home", "--port", str(port)]
    command += ["--catalog", "tests/data/models.toml"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if "paths at http://127.0.0.1" in line:
                break
        transport = httpx.HTTPTransport(retries=8)  # it listens a moment later
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            question = [{"role": "user", "content": "how loud is the Halo bulb?"}]
            reply = client.post(
                "/v1/chat/completions", json={"model": "ecollm", "messages": question}, timeout=30
            ).json()
        assert reply["ecollm"]["path_id"].endswith(SMALL)
        assert reply["usage"]["completion_tokens"] > 0
        assert 0 < reply["ecollm"]["actual"]["latency_s"] < 5
        assert 0 < reply["ecollm"]["actual"]["cost_usd"] < 1e-4
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in said
    assert "Halo" not in said


def test_faults_of_the_command_are_named_before_anything_is_loaded(policy_file, tmp_path):
    always = ["serve", "--policy", policy_file, "--domain", "smart_home"]
    assert "needs a token" in call(*always, "--host", "0.0.0.0", code=1)
    assert "ECOLLM_NOT_SET" in call(*always, "--token-env", "ECOLLM_NOT_SET", code=1)
    assert "must be a positive number" in call(*always, "--max-latency-s", "-1", code=1)
    assert "prefer must be one of" in call(*always, "--prefer", "speed", code=1)
    missing = ["serve", "--policy", tmp_path / "no.npz", "--domain", "smart_home"]
    assert "no.npz" in call(*missing, code=1)
