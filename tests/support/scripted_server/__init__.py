"""A loopback OpenAI-compatible endpoint that does what the model's name says.

`python -m tests.support.scripted_server` prints its port and serves until its standard input ends.
`GET /counters` says what it was asked and would bill, and `POST /reset` clears that. A model's name
is a behaviour and its arguments, such as `ok:200` (answers after 200 ms); see `Server.behave`.
"""

import json
import os
import subprocess
import sys
import urllib.request


class Judge:
    """The server in a process of its own; its counters, not the client's log, judge a test."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.support.scripted_server"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        self.root = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.base_url = f"{self.root}/v1"

    def counters(self):
        with urllib.request.urlopen(f"{self.root}/counters") as reply:
            return json.load(reply)

    def reset(self):
        urllib.request.urlopen(urllib.request.Request(f"{self.root}/reset", method="POST")).close()

    def requests(self, model):
        return self.counters()["requests"].get(model, 0)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=5)
        self.process.stdout.close()
