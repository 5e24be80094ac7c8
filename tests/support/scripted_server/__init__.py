"""A loopback OpenAI-compatible endpoint that behaves, or not, as the model's name says, and counts what it was asked and would bill.

`python -m tests.support.scripted_server` prints its port and serves until its standard input ends.
`GET /counters` and `POST /reset` are for the judge. A model's name is a behaviour and its
arguments, e.g. `ok:200` (answers after 200 ms); see `Server.behave`.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict

BAD = {
    "html": ("text/html", b"<html><body>Sign in to the network</body></html>"),
    "json": ("application/json", b'{"id": "x", "choices": ['),
    "list": ("application/json", b"[1, 2]"),
}


class Server:
    """Everything it knows is counted by model name, and by content key within it."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.requests, self.per_key, self.billed = (
            Counter(),
            defaultdict(Counter),
            defaultdict(lambda: [0, 0]),
        )
        self.flying, self.peak, self.inside, self.window = Counter(), Counter(), Counter(), {}
        self.times, self.keys_seen = defaultdict(list), set()

    def counters(self):
        return {
            "requests": self.requests,
            "per_key": self.per_key,
            "billed": self.billed,
            "peak": self.peak,
            "inside": self.inside,
            "times": self.times,
            "authorization": sorted(self.keys_seen),
        }

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in lines if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split()
                if path == "/counters":
                    await self.send(writer, 200, json.dumps(self.counters()).encode())
                elif path == "/reset":
                    self.reset()
                    await self.send(writer, 200, b"{}")
                elif method == "GET":
                    await self.send(writer, 200, b'{"object": "list", "data": []}')
                else:
                    self.keys_seen.add(headers.get("authorization", ""))
                    await self.completion(writer, json.loads(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def completion(self, writer, asked):
        model = asked["model"]
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
        self.requests[model] += 1
        self.per_key[model][key] += 1
        self.times[model].append(time.time())
        self.flying[model] += 1
        self.peak[model] = max(self.peak[model], self.flying[model])
        try:
            await self.behave(writer, asked, model, key, self.per_key[model][key])
        finally:
            self.flying[model] -= 1

    async def behave(self, writer, asked, model, key, nth):  # noqa: PLR0912, PLR0915 - a branch for each behaviour
        what, *args = model.split("~")[0].split(
            ":"
        )  # whatever follows a "~" only tells models apart
        chance = int(hashlib.sha256(f"{key}{nth}".encode()).hexdigest(), 16) % 100
        always = int(key, 16) % 100
        if what == "mixed":
            await asyncio.sleep(chance / 10000)
            what = next(
                w
                for share, w in (
                    (15, "500"),
                    (20, "429"),
                    (25, "cut"),
                    (28, "drop"),
                    (32, "nousage"),
                    (100, "ok"),
                )
                if chance < share
            )
            args = []
        if what == "ok":
            await asyncio.sleep(float(args[0]) / 1000 if args else 0)
            await self.answer(writer, asked)
        elif what == "500" or (what == "flaky" and chance < int(args[0])):
            await self.send(writer, 500, b'{"error": {"message": "try again"}}')
        elif what == "429":
            await self.send(
                writer, 429, b'{"error": {"message": "slow down"}}', **{"retry-after": "0.02"}
            )
        elif what == "perm" and always < int(args[0]):
            await self.send(writer, 400, b'{"error": {"message": "this prompt is not allowed"}}')
        elif what == "status":
            error = {
                "message": f"no, not for {asked.get('user', 'you')}",
                "code": args[1] if len(args) > 1 else None,
            }
            await self.send(writer, int(args[0]), json.dumps({"error": error}).encode())
        elif what == "echo401":
            await self.send(
                writer,
                401,
                json.dumps(
                    {"error": {"message": f"Incorrect API key: {sorted(self.keys_seen)}"}}
                ).encode(),
            )
        elif (
            what == "limit"
        ):  # the first `after` requests are answered, then nothing for `pause` s, then all again
            after, pause = int(args[0]), float(args[1])
            opened = self.window.get(model)
            if opened is None and self.requests[model] > after:
                opened = self.window[model] = time.monotonic()
            if opened is not None and time.monotonic() < opened + pause:
                self.inside[model] += (
                    time.monotonic() > opened + pause / 4
                )  # later than what was under way when the window opened
                await self.send(
                    writer,
                    429,
                    b'{"error": {"message": "slow down"}}',
                    **{"retry-after": f"{pause:g}"},
                )
            else:
                await asyncio.sleep(0.02)
                await self.answer(writer, asked)
        elif what == "park":
            await self.send(
                writer,
                429,
                b'{"error": {"message": "come back later"}}',
                **{"retry-after": args[0]},
            )
        elif what == "hang":
            self.bill(model, asked, asked["max_tokens"])
            await asyncio.sleep(30)
        elif what == "drip":
            body = self.body(asked, model)
            writer.write(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:"
                f" {len(body)}\r\n\r\n".encode()
            )
            for i in range(len(body)):
                writer.write(body[i : i + 1])
                await writer.drain()
                await asyncio.sleep(float(args[0]) / 1000)
        elif what == "drop" or (what == "dropfirst" and nth == 1):
            self.bill(model, asked, 0)
            writer.transport.abort()
        elif what == "cut" and nth == 1:
            body = self.body(asked, model)
            asked_for = int(
                asked["messages"][0]["content"].rstrip("?").split()[-1]
            )  # query i is cut at byte 10 i
            at = 10 * asked_for % len(body) if args else chance
            writer.write(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:"
                f" {len(body)}\r\n\r\n".encode()
                + body[:at]
            )
            await writer.drain()
            await asyncio.sleep(0.005)
            writer.close()
        elif what == "die":  # dead until it has been asked so often
            if self.requests[model] <= int(args[0]):
                await self.send(writer, 503, b'{"error": {"message": "down"}}')
            else:
                await self.answer(writer, asked)
        elif what in BAD:
            kind, body = BAD[what]
            self.bill(model, asked, 4)
            await self.send(writer, 200, body, **{"content-type": kind})
        else:
            await self.answer(writer, asked, what)

    def bill(self, model, asked, tokens_out):
        tokens_in = len(asked["messages"][0]["content"].split()) + 7
        self.billed[model][0] += tokens_in
        self.billed[model][1] += tokens_out
        return tokens_in

    def body(self, asked, model, how="ok"):
        prompt = asked["messages"][0]["content"]
        tokens_out = (
            int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % (asked["max_tokens"] - 1) + 1
        )
        tokens_in = self.bill(model, asked, tokens_out)
        content = {"null": None, "empty": "", "blank": "  \n"}.get(how, f"it said: {prompt}")
        ended = {
            "error": "error",
            "nofinish": None,
            "length": "length",
            "filter": "content_filter",
        }.get(how, "stop")
        choices = [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": ended,
            }
        ]
        choices = {"nochoices": [], "textchoice": ["a text"], "mapchoices": {"a": 1}}.get(
            how, choices
        )
        done = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": choices,
        }
        if how != "nousage":
            told = tokens_in if how != "negative" else -tokens_in
            done["usage"] = {
                "prompt_tokens": told,
                "completion_tokens": tokens_out,
                "total_tokens": told + tokens_out,
            }
        return json.dumps(done).encode()

    async def answer(self, writer, asked, how="ok"):
        await self.send(writer, 200, self.body(asked, asked["model"], how))

    async def send(self, writer, status, body, **headers):
        head = {"content-type": "application/json", "content-length": len(body), **headers}
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in head.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


class Judge:
    """The server in a process of its own, seen by the tests."""

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


async def main():
    """Serve until standard input ends."""
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)
