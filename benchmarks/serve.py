"""What serving adds to the models it asks, and what it loses.

`python -m benchmarks.serve --json OUT.json [--quick]`

A server in a process of its own stands before two scripted endpoints, which answer after 500 ms and
cost nothing, so that all that is added is the server's. Fifty clients ask at once. The path is
given: each request names it. All servers are warmed up with as many requests, and who is asked
first changes from turn to turn.

- `overhead_p50_ms`, `overhead_p99_ms`: the latency of served answers less that of the same clients
  asking an endpoint directly, at these quantiles, each client's first request left out. The encoder
  is the static one, so that embedding adds next to nothing. In turns with ours (`server`),
  litellm's router, where it is installed, answers in the same web server in front of the same
  endpoints.
- `server_cpu_ms`: the server's processor time for a request, which a busy machine does not change.
- `lost`: requests without an answer; `sent_twice`: questions that reached an endpoint more than
  once.
- `memory_growth`: the share by which the server's memory grows over the last four fifths of the
  requests.
- `edge_wait_ratio`: eight clients ask a real edge model at once; what they waited over what was
  predicted, turns included, at the median.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import time
from collections import Counter, defaultdict, deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.servers import CLIENTS, EDGE, HOSTED, PATH, Address, cpu_s, resident_mb, server
from benchmarks.spaces import made_now
from benchmarks.testbed_tables import verdict
from ecollm_lab.files import write
from tests.support.scripted_server import Judge

EDGE_CLIENTS = 8
SPREAD_S = 0.5  # over which clients begin
unanswered: Counter[str] = Counter()  # requests without an answer, of any server, by what came
Reply = tuple[float, dict[str, Any] | None]  # seconds, and what was said if it was an answer
AIMS = {
    "overhead_p50_ms": {"at_most": 5.0},
    "overhead_p99_ms": {"at_most": 20.0},
    "lost": {"at_most": 0.0},
    "sent_twice": {"at_most": 0.0},
    "memory_growth": {"at_most": 0.05},
}


def record(metric: str, value: float, **more: Any) -> dict[str, Any]:
    """Return one record, with its bound where there is one."""
    return {"metric": metric, "value": float(value), **AIMS.get(metric, {}), **more}


async def ask(
    url: str, model: str, numbers: range, clients: int, slo: dict[str, Any] | None = None
) -> list[Reply]:
    """Ask numbered questions with so many clients at once; return seconds and replies, in order."""
    left, replies = iter(numbers), dict.fromkeys(numbers, (float("nan"), None))
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=clients)) as http:

        async def client(start_s: float) -> None:
            await asyncio.sleep(start_s)  # else all ask in step, and wait for each other
            for number in left:
                content = f"how heavy is the Halo bulb number {number}?"
                messages = [{"role": "user", "content": content}]
                body = {"model": model, "messages": messages, "max_tokens": 64}
                began = time.perf_counter()
                try:
                    reply = await http.post(url, json=body | ({"slo": slo} if slo else {}))
                except httpx.TransportError as error:
                    unanswered[type(error).__name__] += 1
                    continue
                if reply.status_code != 200:
                    unanswered[f"{reply.status_code} {reply.text[:200]}"] += 1
                    continue
                replies[number] = (time.perf_counter() - began, reply.json())

        await asyncio.gather(*(client(SPREAD_S * i / clients) for i in range(clients)))
    return list(replies.values())


def load(n: int) -> list[dict[str, Any]]:
    """Measure overhead, losses and memory over n served requests, and waits for an edge model."""
    judge = Judge()
    try:
        with ExitStack() as exits:
            ours = exits.enter_context(server("ours", judge.base_url))
            others = {}
            if importlib.util.find_spec("litellm"):
                others["litellm"] = exits.enter_context(server("litellm", judge.base_url))
            else:
                print(
                    "litellm is not installed; to measure beside it:"
                    " pip install -c constraints.txt -e '.[litellm]'"
                )
            turns = in_turns(ours, others, f"{judge.base_url}/chat/completions", n)
            counts = judge.counters()["per_key"].get(HOSTED[0], {})
            edge = asyncio.run(ask(ours.url, PATH + EDGE, range(5 * EDGE_CLIENTS), EDGE_CLIENTS))
            chosen = asyncio.run(ask(ours.url, "ecollm", range(2 * CLIENTS), CLIENTS))
    finally:
        judge.close()
    waited = [
        reply["ecollm"]["actual"]["latency_s"] / reply["ecollm"]["predicted"]["latency_s"]
        for _, reply in edge
        if reply is not None
    ]
    lost = sum(reply is None for _, reply in (*turns.served, *edge, *chosen))
    before, after = turns.memory
    return [
        *turns.records(n),
        record("lost", lost, requests=n + len(edge) + len(chosen)),
        record("sent_twice", sum(count > 1 for count in counts.values()), requests=n),
        record("memory_growth", after / before - 1, megabytes=round(after, 1), requests=n),
        record("edge_wait_ratio", np.median(waited), clients=EDGE_CLIENTS),
    ]


@dataclass(eq=False)
class Turns:
    """What was measured while the same questions went to each server and to the model itself.

    `seconds` and `cpu_s` are by server, the model itself being "direct"; `memory` is in MB, before
    and after the last four fifths of the requests.
    """

    served: list[Reply] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_s: dict[str, float] = field(default_factory=dict)
    memory: tuple[float, float] = (float("nan"), float("nan"))

    def records(self, n: int) -> list[dict[str, Any]]:
        """Return the records of overhead and of processor time."""
        size = {"requests": n, "clients": CLIENTS}
        direct = self.seconds["direct"]
        rows = [record("direct_p50_ms", 1000 * np.nanmedian(direct), **size)]
        for name, used in self.cpu_s.items():
            of = {"server": name, **size}
            for q in (50, 99):
                more = np.nanpercentile(self.seconds[name], q) - np.nanpercentile(direct, q)
                row = record(f"overhead_p{q}_ms", 1000 * more, **of)
                rows.append(
                    row if name == "ours" else {k: row[k] for k in ("metric", "value", *of)}
                )
            rows.append(record("server_cpu_ms", 1000 * used / (n - n // 5), **of))
        return rows


def in_turns(ours: Address, others: dict[str, Address], direct_url: str, n: int) -> Turns:
    """Ask each server and the model itself the same questions, a fifth of them at a time.

    The first fifth warms all of them up. Who is asked first in a turn is asked last in the next.
    """
    turns, fifth, servers = Turns(), n // 5, {"ours": ours, **others}
    asked = {"ours": (ours.url, PATH + HOSTED[0]), "direct": (direct_url, HOSTED[1])}
    asked |= {name: (one.url, HOSTED[1]) for name, one in others.items()}
    for url, model in asked.values():
        asyncio.run(ask(url, model, range(4 * CLIENTS), CLIENTS))  # admission opens up
    order, before, used = deque(asked), 0.0, dict.fromkeys(servers, 0.0)
    for start in range(0, n, fifth):  # in turns, so that a busy moment hits all
        numbers = range(10**6 + start, 10**6 + min(start + fifth, n))
        if start == fifth:
            before = resident_mb(ours.pid)
            used = {name: cpu_s(one.pid) for name, one in servers.items()}
        for name in order:
            part = asyncio.run(ask(*asked[name], numbers, CLIENTS))
            turns.served += part if name == "ours" else []
            if start:  # a client's first request opens its connection
                turns.seconds[name] += [seconds for seconds, _ in part[CLIENTS:]]
        order.rotate(-1)
    turns.memory = before, resident_mb(ours.pid)
    turns.cpu_s = {name: cpu_s(one.pid) - used[name] for name, one in servers.items()}
    return turns


def markdown(records: list[dict[str, Any]]) -> str:
    """Return a row for each record: the server, the value and the aim."""
    lines = ["| figure | server | value | aim | met |", "|---|---|---|---|---|"]
    for row in records:
        digits = 0 if row["metric"] in ("lost", "sent_twice") else 3
        aim = f"≤ {row['at_most']:g}" if "at_most" in row else ""
        cells = [f"`{row['metric']}`", row.get("server", ""), f"{row['value']:.{digits}f}", aim]
        lines.append(f"| {' | '.join(cells)} | {verdict(row)} |")
    first = records[0]
    made = f"Measured {first['measured_at']}, revision {first['git_revision']}"
    return "\n".join(
        [*lines, "", f"{made}: {first['requests']:,} requests, {first['clients']} clients at once."]
    )


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    args = parser.parse_args()
    n = 500 if args.quick else 10_000
    records = [{**row, "quick": args.quick, **made_now()} for row in load(n)]
    write(json.dumps(records, indent=1) + "\n", args.json)
    for row in records:
        row["metric"] += f" {row['server']}" if "server" in row else ""
        aim = f"   aim at most {row['at_most']:g}" if "at_most" in row else ""
        print(f"{row['metric']:24} {row['value']:10.4f}{aim}")
    for what, times in unanswered.items():
        print(f"{times} requests were not answered: {what}")


if __name__ == "__main__":
    main()
