"""What serving adds to the models it asks, and what it loses.

`python -m benchmarks.serve --json OUT.json [--quick]`

A server in a process of its own chooses between two scripted endpoints, which answer after 500
ms and cost nothing, so that all that is added is the server's. Fifty clients ask at once.

- `overhead_p50_ms`, `overhead_p99_ms`: the latency of served answers less that of the same clients
  asking an endpoint directly, at these quantiles, each client's first request left out. The encoder
  is the static one, so that embedding adds next to nothing.
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
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from ecollm_lab.domains import load_domain
from ecollm_lab.files import write
from ecollm_lab.models import Catalog, ModelPool, load_catalog
from ecollm_lab.models.encoders import static_encoder
from ecollm_lab.paths import Pipeline, read_path
from ecollm_lab.policies import fit_policy
from ecollm_lab.traces import Trace
from tests.support.rig import cloud
from tests.support.scripted_server import Judge

CLIENTS, EDGE_CLIENTS = 50, 8
SPREAD_S = 0.5  # over which clients begin
HOSTED, EDGE = ("ok:500", "ok:500~other"), "pocket-s-f16"
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


def catalog_of(base_url: str) -> Catalog:
    """Return a catalog of the scripted endpoints and one real edge model."""
    edge = load_catalog("data/models.toml")[EDGE]
    hosted = [cloud(name, base_url, max_in_flight=256) for name in HOSTED]
    models = {model.name: model for model in (*hosted, edge)}
    return Catalog(models, 0.0159, "2026-01-01", "scripted", "serve")


def run_server(port: int, base_url: str) -> None:
    """Measure a few questions on every path, fit a policy to them, and serve it."""
    from ecollm_lab.serving import Runtime
    from ecollm_lab.serving.server import Settings, listen

    domain, catalog, encoder = load_domain("smart_home"), catalog_of(base_url), static_encoder()
    with ModelPool(catalog, persistent=True) as pool:
        pipeline = Pipeline(domain, catalog, encoder, pool)
        paths = [read_path(f"none/none/none/plain/{name}") for name in (*HOSTED, EDGE)]
        asked = [query for query in domain.queries if query.split == "train"][:40]
        outcomes = [outcome for query in asked for outcome in pipeline.run(query, paths)]
        queries = {"query_id": [q.id for q in asked], "text": [q.text for q in asked]}
        trace = _trace(outcomes, queries)
        policy = fit_policy(trace, encoder=encoder)
        with Runtime(policy, pipeline) as runtime:
            listen(runtime, Settings(port=port, max_concurrent=2 * CLIENTS))


def _trace(outcomes: list[Any], queries: dict[str, list[str]]) -> Trace:
    import pandas as pd

    table = pd.DataFrame(queries).assign(kind="lookup", split="train")
    return Trace.from_outcomes(outcomes, table, {"source": "measured"})


@contextmanager
def server(base_url: str) -> Iterator[tuple[str, int]]:
    """Start the server in a process of its own; yield its address and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.serve", "--server", str(port), base_url]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            try:
                httpx.get(f"{address}/healthz", timeout=1)
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise RuntimeError("the server ended before it listened") from None
                time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def resident_mb(pid: int) -> float:
    """Return the memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
                except httpx.TransportError:
                    continue
                seconds = time.perf_counter() - began
                replies[number] = (seconds, reply.json() if reply.status_code == 200 else None)

        await asyncio.gather(*(client(SPREAD_S * i / clients) for i in range(clients)))
    return list(replies.values())


def load(n: int) -> list[dict[str, Any]]:
    """Measure overhead, losses and memory over n served requests, and waits for an edge model."""
    judge = Judge()
    try:
        with server(judge.base_url) as (address, pid):
            url, direct_url = f"{address}/v1/chat/completions", f"{judge.base_url}/chat/completions"
            hosted = f"none/none/none/plain/{HOSTED[0]}"
            asyncio.run(ask(url, hosted, range(4 * CLIENTS), CLIENTS))  # admission opens up
            first = n // 5
            steady: list[Reply] = []
            overhead: list[Reply] = []
            served = asyncio.run(ask(url, hosted, range(10**6, 10**6 + first), CLIENTS))
            before, used = resident_mb(pid), cpu_s(pid)
            for start in range(first, n, first):  # in turns, so that a busy moment hits both
                numbers = range(10**6 + start, 10**6 + min(start + first, n))
                turn = asyncio.run(ask(url, hosted, numbers, CLIENTS))
                served += turn
                steady += turn[CLIENTS:]  # a client's first request opens its connection
                overhead += asyncio.run(ask(direct_url, HOSTED[1], numbers, CLIENTS))[CLIENTS:]
            after, used = resident_mb(pid), cpu_s(pid) - used
            counts = judge.counters()["per_key"].get(HOSTED[0], {})
            edge = asyncio.run(
                ask(url, f"none/none/none/plain/{EDGE}", range(5 * EDGE_CLIENTS), EDGE_CLIENTS)
            )
            chosen = asyncio.run(ask(url, "ecollm", range(2 * CLIENTS), CLIENTS))
    finally:
        judge.close()
    size = {"requests": n, "clients": CLIENTS}
    through, direct = ([1000 * seconds for seconds, _ in part] for part in (steady, overhead))
    records = [
        record(f"overhead_p{q}_ms", np.nanpercentile(through, q) - np.nanpercentile(direct, q))
        | size
        for q in (50, 99)
    ]
    waited = [
        reply["ecollm"]["actual"]["latency_s"] / reply["ecollm"]["predicted"]["latency_s"]
        for _, reply in edge
        if reply is not None
    ]
    lost = sum(reply is None for _, reply in (*served, *edge, *chosen))
    return [
        *records,
        record("server_cpu_ms", 1000 * used / (n - first), **size),
        record("direct_p50_ms", np.nanmedian(direct), **size),
        record("lost", lost, requests=n + len(edge) + len(chosen)),
        record("sent_twice", sum(count > 1 for count in counts.values()), requests=n),
        record("memory_growth", after / before - 1, megabytes=round(after, 1), requests=n),
        record("edge_wait_ratio", np.median(waited), clients=EDGE_CLIENTS),
    ]


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--server", nargs=2, metavar=("PORT", "URL"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.server:
        run_server(int(args.server[0]), args.server[1])
        return
    if args.json is None:
        parser.error("--json is required")
    n = 500 if args.quick else 10_000
    records = [{**row, "quick": args.quick} for row in load(n)]
    write(json.dumps(records, indent=1) + "\n", args.json)
    for row in records:
        aim = f"   aim at most {row['at_most']:g}" if "at_most" in row else ""
        print(f"{row['metric']:18} {row['value']:10.4f}{aim}")


if __name__ == "__main__":
    main()
