"""Cloud models: any OpenAI-compatible endpoint, or a GGUF the lab serves on loopback with `llama_cpp.server`."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from types import TracebackType

import openai

from ecollm_lab.catalog import Model
from ecollm_lab.models import MAX_TOKENS, Reply
from ecollm_lab.models.gguf import check_file
from ecollm_lab.models.secrets import read_key, redact
from ecollm_lab.records import LabError

START_TIMEOUT_S = 60.0


class LoopbackServer:
    """`llama_cpp.server` as a child process on a free loopback port, from start until `stop`."""

    def __init__(self, model: Model) -> None:
        file = check_file(model)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in stop
        flags = {
            "model": file, "model_alias": model.remote_name, "host": "127.0.0.1", "port": port, "n_ctx": model.context,
            "n_threads": model.threads, "n_threads_batch": model.threads, "verbose": False, "interrupt_requests": False, "seed": 0,
        }  # fmt: skip
        command = [sys.executable, "-m", "llama_cpp.server", *(w for k, v in flags.items() for w in (f"--{k}", str(v)))]
        # A session of its own: Ctrl-C in the terminal reaches the sweep, which then stops the server in order.
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            self._wait(model)
        except BaseException:
            self.stop()
            raise

    def _wait(self, model: Model) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{self.base_url}/models", timeout=2).close()
                return
            time.sleep(0.1)
        self._log.seek(0)
        tail = self._log.read()[-800:].strip()
        raise LabError(
            f"The loopback server for model {model.name!r} did not start within {START_TIMEOUT_S:g} s. "
            f"Is ecollm_lab[edge] installed? The server's last words:\n{tail}"
        )

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


class CloudModel:
    """A hosted model reached through the `openai` client; a `file` in the catalog is served on loopback first."""

    def __init__(self, model: Model) -> None:
        self.name, self._remote = model.name, model.remote_name
        self._exits = ExitStack()
        self._model, base_url = model, model.base_url
        read_key(model)  # a missing key is an error before anything is started
        if model.file is not None:
            server = LoopbackServer(model)
            self._exits.callback(server.stop)
            base_url = server.base_url
        # The key stays in the environment: the client asks for it at each call.
        self._client = openai.OpenAI(base_url=base_url, api_key=lambda: read_key(model), max_retries=0, timeout=model.timeout_s)
        self._exits.callback(self._client.close)

    def reply(self, prompt: str) -> Reply:
        """Answer greedily. Raises `LabError` if the endpoint fails, replies with something else, or reports no usage."""
        failed = ""
        started = time.perf_counter()
        try:
            done = self._client.chat.completions.create(
                model=self._remote, messages=[{"role": "user", "content": prompt}], temperature=0.0, max_tokens=MAX_TOKENS, seed=0
            )
        except openai.OpenAIError as error:
            failed = redact(self._model, f"{type(error).__name__}: {error}")
        latency = time.perf_counter() - started
        if failed:  # raised out here: a chained error would carry what the endpoint echoed into every traceback
            raise LabError(
                f"Model {self.name!r}: the endpoint failed ({failed}). "
                "Nothing was recorded for this outcome; run the same command again to go on."
            )
        if not isinstance(done, openai.types.chat.ChatCompletion) or not done.choices or done.usage is None:
            sent = redact(self._model, str(done))[:120]
            raise LabError(f"Model {self.name!r}: the endpoint did not send a completion with its usage; got {sent!r}.")
        text = redact(self._model, done.choices[0].message.content or "")
        return Reply(text.strip(), done.usage.prompt_tokens, done.usage.completion_tokens, latency)

    def __enter__(self) -> CloudModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exits.close()
