"""The servers that `benchmarks.serve` measures, each in a process of its own.

`python -m benchmarks.servers ours|litellm PORT URL`, where URL is the scripted endpoints'.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ecollm_lab.domains import load_domain
from ecollm_lab.models import Catalog, ModelPool, load_catalog
from ecollm_lab.models.encoders import static_encoder
from ecollm_lab.paths import Pipeline, read_path
from ecollm_lab.policies import fit_policy
from ecollm_lab.traces import Trace
from tests.support.rig import cloud

HOSTED, EDGE = ("ok:500", "ok:500~other"), "pocket-s"
PATH = "none/none/none/plain/"
CLIENTS = 50


def catalog_of(base_url: str) -> Catalog:
    """Return a catalog of the scripted endpoints and one real edge model."""
    edge = load_catalog("tests/data/models.toml")[EDGE]
    hosted = [cloud(name, base_url, max_in_flight=256, timeout_s=60.0) for name in HOSTED]
    models = {model.name: model for model in (*hosted, edge)}
    return Catalog(models, 0.0159, "2026-01-01", "scripted", "serve")


def run_server(port: int, base_url: str) -> None:
    """Measure a few questions on every path, fit a policy to them, and serve it."""
    from ecollm_lab.serving import Runtime
    from ecollm_lab.serving.server import Settings, listen

    domain, catalog, encoder = load_domain("smart_home"), catalog_of(base_url), static_encoder()
    with ModelPool(catalog, persistent=True) as pool:
        pipeline = Pipeline(domain, catalog, encoder, pool)
        paths = [read_path(PATH + name) for name in (*HOSTED, EDGE)]
        asked = [query for query in domain.queries if query.split == "train"][:40]
        outcomes = [outcome for query in asked for outcome in pipeline.run(query, paths)]
        queries = {"query_id": [q.id for q in asked], "text": [q.text for q in asked]}
        trace = _trace(outcomes, queries)
        policy = fit_policy(trace, encoder=encoder)
        with Runtime(policy, pipeline) as runtime:
            listen(runtime, Settings(port=port, max_concurrent=2 * CLIENTS))


def run_litellm(port: int, base_url: str) -> None:
    """Serve the same models behind litellm's router, in the same web server."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch one at its import
    import uvicorn
    from litellm import Router
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    at = {"api_base": base_url, "api_key": "none"}
    router = Router(
        [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", **at}}
            for name in HOSTED
        ],
        num_retries=0,
    )

    async def complete(request: Request) -> JSONResponse:
        asked = await request.json()
        reply = await router.acompletion(**asked)
        return JSONResponse(reply.model_dump())

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    routes = [
        Route("/v1/chat/completions", complete, methods=["POST"]),
        Route("/healthz", health),
    ]
    uvicorn.run(Starlette(routes=routes), port=port, log_level="error", access_log=False)


def _trace(outcomes: list[Any], queries: dict[str, list[str]]) -> Trace:
    import pandas as pd

    table = pd.DataFrame(queries).assign(kind="lookup", split="train")
    return Trace.from_outcomes(outcomes, table, {"source": "measured"})


@dataclass(frozen=True)
class Address:
    """Where a server takes questions, and its process."""

    url: str
    pid: int


@contextmanager
def server(kind: str, base_url: str) -> Iterator[Address]:
    """Start a server, ours or another, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.servers", kind, str(port), base_url]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(4000):
            try:
                httpx.get(f"{address}/healthz", timeout=1)
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise RuntimeError("the server ended before it listened") from None
                time.sleep(0.1)
        yield Address(f"{address}/v1/chat/completions", process.pid)
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


if __name__ == "__main__":
    {"ours": run_server, "litellm": run_litellm}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
