"""The scripted server itself: what each behaviour does, and what it counts."""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections import Counter, defaultdict

from tests.support.scripted_server.shapes import SHAPES, reshape

BAD = {
    "html": ("text/html", b"<html><body>Sign in to the network</body></html>"),
    "json": ("application/json", b'{"id": "x", "choices": ['),
    "list": ("application/json", b"[1, 2]"),
}
CONTENTS = {"null": None, "empty": "", "blank": "  \n", "surrogate": "a cut emoji \ud83d"}
FINISH_REASONS = {
    "error": "error",
    "nofinish": None,
    "length": "length",
    "filter": "content_filter",
}
CHOICES = {"nochoices": [], "textchoice": ["a text"], "mapchoices": {"a": 1}}
# Shares of a hundred requests, added up, and what those do.
MIXED = ((15, "500"), (20, "429"), (25, "cut"), (28, "drop"), (32, "nousage"), (100, "ok"))


class Server:
    """Counts what it is asked by model name, and by the content of the request within it."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.requests, self.peak, self.inside = Counter(), Counter(), Counter()
        self.per_key, self.billed = defaultdict(Counter), defaultdict(lambda: [0, 0])
        self.flying, self.window = Counter(), {}
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
                    await self.complete(writer, json.loads(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def complete(self, writer, asked):
        model = asked["model"]
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
        self.requests[model] += 1
        self.per_key[model][key] += 1
        self.times[model].append(time.time())
        self.flying[model] += 1
        self.peak[model] = max(self.peak[model], self.flying[model])
        try:
            await self.behave(writer, asked, key, self.per_key[model][key])
        finally:
            self.flying[model] -= 1

    async def behave(self, writer, asked, key, nth):
        """Do what the model's name says; what follows a "~" only tells models apart."""
        what, *args = asked["model"].split("~")[0].split(":")
        chance = int(hashlib.sha256(f"{key}{nth}".encode()).hexdigest(), 16) % 100
        if what == "mixed":
            await asyncio.sleep(chance / 10000)
            what, args = next(w for share, w in MIXED if chance < share), []
        if what == "flaky":
            what = "500" if chance < int(args[0]) else "ok"
            args = []
        if what == "perm" and int(key, 16) % 100 >= int(args[0]):
            what, args = "ok", []
        if (what == "dropfirst" and nth > 1) or (what == "cut" and nth > 1):
            what, args = "ok", []
        how = getattr(self, f"do_{what}", None)
        if how:
            await how(writer, asked, *args)
        elif what in BAD:
            kind, body = BAD[what]
            self.bill(asked, 4)
            await self.send(writer, 200, body, **{"content-type": kind})
        else:
            await self.answer(writer, asked, what, *args)

    # -- behaviours that answer, or are a matter of time

    async def do_ok(self, writer, asked, after_ms="0"):
        await asyncio.sleep(float(after_ms) / 1000)
        await self.answer(writer, asked)

    async def do_hang(self, writer, asked):
        self.bill(asked, asked["max_tokens"])
        await asyncio.sleep(30)

    async def do_drip(self, writer, asked, byte_ms):
        body = self.body(asked)
        self.begin(writer, body)
        for i in range(len(body)):
            writer.write(body[i : i + 1])
            await writer.drain()
            await asyncio.sleep(float(byte_ms) / 1000)

    async def do_die(self, writer, asked, until):
        """Be down until it has been asked so often."""
        if self.requests[asked["model"]] <= int(until):
            await self.refuse(writer, 503, "down")
        else:
            await self.answer(writer, asked)

    async def do_limit(self, writer, asked, after, pause):
        """Answer the first `after` requests, then nothing for `pause` seconds, then all again."""
        model, after, pause = asked["model"], int(after), float(pause)
        opened = self.window.get(model)
        if opened is None and self.requests[model] > after:
            opened = self.window[model] = time.monotonic()
        if opened is None or time.monotonic() >= opened + pause:
            await asyncio.sleep(0.02)
            await self.answer(writer, asked)
            return
        # Only requests later than what was under way when the window opened are counted.
        self.inside[model] += time.monotonic() > opened + pause / 4
        await self.refuse(writer, 429, "slow down", **{"retry-after": f"{pause:g}"})

    # -- behaviours that refuse

    async def do_500(self, writer, asked):
        await self.refuse(writer, 500, "try again")

    async def do_429(self, writer, asked):
        await self.refuse(writer, 429, "slow down", **{"retry-after": "0.02"})

    async def do_park(self, writer, asked, seconds):
        await self.refuse(writer, 429, "come back later", **{"retry-after": seconds})

    async def do_perm(self, writer, asked, share):
        await self.refuse(writer, 400, "this prompt is not allowed")

    async def do_picky(self, writer, asked, *names):
        """Refuse the first of these parameters that is sent, in the words of OpenAI."""
        for name in names:
            if name in asked:
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                error = {"message": message, "param": name, "code": "unsupported_parameter"}
                await self.send(writer, 400, json.dumps({"error": error}).encode())
                return
        await self.answer(writer, asked)

    async def do_curt(self, writer, asked, *names):
        """Refuse a request with any of these parameters, and do not say why."""
        if any(name in asked for name in names):
            await self.refuse(writer, 400, "Bad Request")
        else:
            await self.answer(writer, asked)

    async def do_status(self, writer, asked, status, code=None):
        error = {"message": f"no, not for {asked.get('user', 'you')}", "code": code}
        await self.send(writer, int(status), json.dumps({"error": error}).encode())

    async def do_echo401(self, writer, asked):
        await self.refuse(writer, 401, f"Incorrect API key: {sorted(self.keys_seen)}")

    # -- behaviours that break the connection

    async def do_drop(self, writer, asked):
        self.bill(asked, 0)
        writer.transport.abort()

    do_dropfirst = do_drop

    async def do_cut(self, writer, asked, each=None):
        """Send a part of the body; with an argument, query i is cut at byte 10 i."""
        body, prompt = self.body(asked), asked["messages"][-1]["content"]
        at = 10 * int(prompt.rstrip("?").split()[-1]) if each else len(body) // 2
        self.begin(writer, body)
        writer.write(body[: at % len(body)])
        await writer.drain()
        await asyncio.sleep(0.005)
        writer.close()

    # -- what is sent

    def bill(self, asked, tokens_out, extra_in=0):
        n_words = sum(len(message["content"].split()) for message in asked["messages"])
        tokens_in = n_words + 7 + extra_in
        self.billed[asked["model"]][0] += tokens_in
        self.billed[asked["model"]][1] += tokens_out
        return tokens_in

    def body(self, asked, how="ok", *args):
        prompt = asked["messages"][-1]["content"]
        limit = asked.get("max_tokens", asked.get("max_completion_tokens", 64))
        tokens_out = int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % (limit - 1) + 1
        if how == "verbose":  # it writes so many times what it was allowed
            tokens_out = limit * int(args[0])
        tokens_in = self.bill(asked, tokens_out, int(args[0]) if how == "prompted" else 0)
        message = {
            "role": "assistant",
            "content": CONTENTS.get(how, f"it said: {prompt}"),
        }
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": FINISH_REASONS.get(how, "stop"),
        }
        done = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": asked["model"],
            "choices": CHOICES.get(how, [choice]),
        }
        if how != "nousage":
            done["usage"] = self.usage(how, tokens_in, tokens_out)
        if how in SHAPES:
            self.billed[asked["model"]][1] += reshape(done, how, *map(int, args))
        return json.dumps(done).encode()

    def usage(self, how, tokens_in, tokens_out):
        """Return what it says it used, which is what it bills unless the behaviour lies."""
        if how == "negative":
            tokens_in = -tokens_in
        elif how == "free":
            tokens_in = tokens_out = 0
        elif how == "huge":
            tokens_in = 2**64 - 1
        return {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }

    async def answer(self, writer, asked, how="ok", *args):
        await self.send(writer, 200, self.body(asked, how, *args))

    async def refuse(self, writer, status, message, **headers):
        body = json.dumps({"error": {"message": message}}).encode()
        await self.send(writer, status, body, **headers)

    def begin(self, writer, body):
        writer.write(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:"
            f" {len(body)}\r\n\r\n".encode()
        )

    async def send(self, writer, status, body, **headers):
        head = {"content-type": "application/json", "content-length": len(body), **headers}
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in head.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()


async def main():
    """Serve until standard input ends."""
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)
