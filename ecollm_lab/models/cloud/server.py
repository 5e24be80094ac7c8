"""A GGUF served by the lab itself: `llama_cpp.server` as a child process on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.edge.gguf import check_file
from ecollm_lab.models.edge.templates import check_template
from ecollm_lab.records import LabError

START_TIMEOUT_S = 60.0
# The child ends when its standard input does: however the parent ends, even by kill -9, the server
# does not outlive it.
_CHILD = (
    "import os, sys, threading\n"
    "threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()\n"
    "from llama_cpp.server.__main__ import main\n"
    "from ecollm_lab.models.edge.gguf import without_amx\n"
    "with without_amx():\n"
    "    main()\n"
)


class LoopbackServer:
    """`llama_cpp.server` from start until `stop`, or until this process ends."""

    def __init__(self, model: Model) -> None:
        file = check_file(model)
        self.template = check_template(model, file)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in stop
        flags = {
            "model": file,
            "model_alias": model.remote_name,
            "host": "127.0.0.1",
            "port": port,
            "n_ctx": model.context,
            "n_gpu_layers": model.gpu_layers,
            "n_threads": model.threads,
            "n_threads_batch": model.threads,
            "verbose": False,
            "interrupt_requests": False,
            "seed": 0,
            **({"chat_format": model.chat_template} if model.chat_template else {}),
        }
        command = [
            sys.executable,
            "-c",
            _CHILD,
            *(w for k, v in flags.items() for w in (f"--{k}", str(v))),
        ]
        # A session of its own: Ctrl-C in the terminal reaches the sweep, which then stops the
        # server in order.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
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
            f"The loopback server for model {model.name!r} did not start within {START_TIMEOUT_S:g}"
            f" s. Is ecollm_lab[edge] installed? The server's last words:\n{tail}"
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
        if self._process.stdin:
            self._process.stdin.close()
        self._log.close()
