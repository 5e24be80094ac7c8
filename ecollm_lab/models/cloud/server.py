"""A GGUF served by the lab itself: `llama_cpp.server` as a child process on loopback."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from threading import Lock
from typing import IO

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.edge.gguf import check_file
from ecollm_lab.models.edge.templates import check_served
from ecollm_lab.records import LabError

START_S, READ_BYTES_PER_S = 60.0, 20e6  # to start, and to read the file from a slow disk
_LAST_WORDS = 800  # characters of a server's log that a message quotes
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LoopbackServer:
    """`llama_cpp.server` from start until `stop`, or until this process ends.

    This process holds the socket that the server listens on, so no other program can take its port,
    and a server that died is followed by another one at the same address. Each start has a random
    key of its own, without which the server answers nobody.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._file = check_file(model)
        if not (find_spec("llama_cpp") and find_spec("uvicorn")):
            raise LabError(
                f"Model {model.name!r} is served by llama-cpp-python, which is not installed with"
                " its server. In the folder of the lab, run: pip install -c constraints.txt -e"
                " '.[edge]'"
            )
        self.template = check_served(model, self._file)
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(128)
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1"
        self._lock = Lock()
        try:
            self._start()
        except BaseException:
            self._listening.close()
            raise

    def _start(self) -> None:
        self.key = secrets.token_urlsafe(24)
        self._log: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed in _end
        asked = {
            "socket": self._listening.fileno(),
            "key": self.key,
            "settings": {
                "model": self._file,
                "model_alias": self.model.remote_name,
                "n_ctx": self.model.context,
                "n_gpu_layers": self.model.gpu_layers,
                "n_threads": self.model.threads,
                "n_threads_batch": self.model.threads,
                "chat_format": self.model.chat_template,
                "verbose": False,
                "seed": 0,
            },
        }
        # A session of its own: Ctrl-C in the terminal reaches the sweep, which then stops the
        # server in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ecollm_lab.models.cloud.server_process"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=[self._listening.fileno()],
            start_new_session=True,
        )
        try:
            if self._process.stdin:
                with suppress(BrokenPipeError):  # it died at once, which is found out below
                    self._process.stdin.write(json.dumps(asked).encode() + b"\n")
                    self._process.stdin.flush()
            self._wait()
        except BaseException:
            self._end()
            raise

    def _wait(self) -> None:
        size_s = self._size() / READ_BYTES_PER_S
        most_s = self.model.start_timeout_s or START_S + size_s
        deadline = time.monotonic() + most_s
        asked = urllib.request.Request(
            f"{self.base_url}/models", headers={"Authorization": f"Bearer {self.key}"}
        )
        while (left_s := deadline - time.monotonic()) > 0:
            if words := self.last_words_if_dead():
                raise LabError(words)
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                _DIRECTLY.open(asked, timeout=min(0.5, left_s)).close()
                return
            time.sleep(0.05)
        raise LabError(
            f"The loopback server for model {self.model.name!r} did not start within {most_s:g} s."
            f" Raise start_timeout_s in the catalog. The server's last words:\n{self._words()}"
        )

    def _size(self) -> int:
        return self.model.file.stat().st_size if self.model.file else 0

    def _words(self) -> str:
        self._log.seek(0)
        return self._log.read()[-_LAST_WORDS:].strip() or "(none)"

    def last_words_if_dead(self) -> str:
        """Return that the server ended and what it said last, "" while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        return (
            f"The loopback server for model {self.model.name!r} ended (exit code {code}). Its last"
            f" words:\n{self._words()}"
        )

    def is_dead(self) -> bool:
        """Tell whether the server's process ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the server at once, in the middle of an answer that nobody waits for."""
        with self._lock:
            self._process.kill()
            self._process.wait()

    def restart_if_dead(self) -> None:
        """Start the server again if its process ended; raises `LabError` if it cannot start."""
        with self._lock:
            if self.is_dead():
                self._end()
                self._start()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._log.close()

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        self._end()
        self._listening.close()
