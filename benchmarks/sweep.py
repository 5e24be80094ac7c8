"""What a sweep adds to the calls it makes; beside bare llama.cpp and the `openai` client.

`python -m benchmarks.sweep --json OUT.json [--quick]`

- `overhead_share`: the wall time of a sweep that is not its calls: (sweep - bare) / sweep, where
  bare is a loop of llama.cpp calls on the same prompts, in the same process, in turns. Paths
  without retrieval, whose calls are the shortest: nothing else hides the overhead.
- `throughput_share`: ideal over wall time, 16 calls in flight to a scripted endpoint that takes 200
  ms; the plain `openai` client in a pool of 16 threads beside it, which journals, stores and grades
  nothing.
- `outcomes_per_s`: outcomes committed a second, as the sweep commits them (in groups) and one at a
  time.
- `prefix_reuse_factor`: stage executions that a run without sharing would have made over those
  made, on the whole space.
- `isolation_s`: what a process of its own adds to an edge call, median seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import llama_cpp
import numpy as np
import openai

from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.files import write
from ecollm_lab.models import ModelPool, default_encoder, load_catalog
from ecollm_lab.models.edge.gguf import without_amx
from ecollm_lab.models.replies import MAX_TOKENS
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import Outcome
from ecollm_lab.sweeps import Store, fingerprints, sweep
from tests.support.rig import cloud, rig
from tests.support.scripted_server import Judge

IN_FLIGHT, DELAY_S = 16, 0.2


def overhead(place: Path, domain: Domain, quick: bool) -> list[dict[str, Any]]:
    """Compare sweeps of a bare path on two edge models with a loop of calls on the same prompts."""
    catalog, records = load_catalog("tests/data/models.toml"), []
    encoder = default_encoder()
    with ModelPool(catalog) as models:
        pipeline = Pipeline(domain, catalog, encoder, models)
        files = {
            name: model.file
            for name, model in catalog.models.items()
            if model.placement == "edge" and model.file
        }
        edge = sorted(files, key=lambda name: files[name].stat().st_size)
        for name in (edge[0], edge[-1]):
            (path,) = PathSpace.over([name]).select([f"none/none/none/{name}"])
            prompts = [pipeline.prepare(query, path, {}).prompt for query in domain.queries]
            model = catalog[name]
            with without_amx():
                bare = llama_cpp.Llama(
                    str(model.file),
                    n_ctx=model.context,
                    n_threads=1,
                    n_threads_batch=1,
                    flash_attn=True,
                    verbose=False,
                    seed=0,
                )
            models[name]
            mark = fingerprints(domain, catalog, encoder.name, [path])
            shares, each = [], []
            for turn in range(3 if quick else 7):
                began = time.perf_counter()
                for prompt in prompts:
                    bare.reset()
                    bare.create_chat_completion(
                        cast("Any", prompt.messages),
                        temperature=0.0,
                        max_tokens=MAX_TOKENS,
                    )
                alone = time.perf_counter() - began
                with Store(place / f"{name}{turn}.sqlite") as store:
                    began = time.perf_counter()
                    sweep(pipeline, domain.queries, [path], store, mark)
                    whole = time.perf_counter() - began
                shares.append((whole - alone) / whole)
                each.append(alone / len(prompts))
            bare.close()
            size = {"model": name, "calls": len(prompts), "bare_call_s": float(np.median(each))}
            records.append(
                {
                    "metric": "overhead_share",
                    "value": float(np.median(shares)),
                    "at_most": 0.10,
                    **size,
                }
            )
    return records


def throughput(place: Path, judge: Judge, quick: bool) -> list[dict[str, Any]]:
    """Sweep against an endpoint of a fixed latency, and call it from a pool of plain clients."""
    n, records = 320 if quick else 960, []
    ideal = n / IN_FLIGHT * DELAY_S
    remote = f"ok:{1000 * DELAY_S:g}"
    with rig(
        place / "hosted.sqlite", [cloud(remote, judge.base_url, max_in_flight=IN_FLIGHT)], n
    ) as (go, store):
        go.pipeline.models[remote]
        began = time.perf_counter()
        done = go().done
        seconds = {"ours": time.perf_counter() - began}
        latency = [outcome.latency_s for outcome in store.outcomes(go.marks[remote])]
        prompts = [f"Question: {query.text}" for query in go.pipeline.domain.queries]
    if done != n or judge.requests(remote) != n:
        raise RuntimeError(
            f"The sweep made {judge.requests(remote)} requests for {done} outcomes, not {n}."
        )
    client = openai.OpenAI(base_url=judge.base_url, api_key="unused", max_retries=0)
    client.models.list()

    def call(prompt: str) -> str | None:
        messages: Any = [{"role": "user", "content": prompt}]
        done = client.chat.completions.create(
            model=remote, messages=messages, temperature=0.0, max_tokens=MAX_TOKENS, seed=0
        )
        return done.choices[0].message.content

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        began = time.perf_counter()
        list(pool.map(call, prompts))
        seconds["openai in threads"] = time.perf_counter() - began
    client.close()
    for name, wall in seconds.items():
        aim = {"at_least": 0.90} if name == "ours" else {}
        records.append(
            {
                "method": name,
                "metric": "throughput_share",
                "value": ideal / wall,
                **aim,
                "calls": n,
                "in_flight": IN_FLIGHT,
            }
        )
    return [
        *records,
        {
            "method": "ours",
            "metric": "latency_over_endpoint_s",
            "value": float(np.median(latency)) - DELAY_S,
            "calls": n,
        },
    ]


def writes(place: Path, quick: bool) -> list[dict[str, Any]]:
    """Commit outcomes in groups and one at a time."""
    n = 4000 if quick else 20_000
    outcome = Outcome(
        "q",
        "none/hybrid-3/extract-3/m",
        0.5,
        1e-6,
        0.1,
        300,
        20,
        "an answer of some length, as they are",
        (0.1, 0.1, 0.1, 0.1),
    )
    outcomes = [dataclasses.replace(outcome, query_id=f"q{i}") for i in range(n)]
    with Store(place / "writes.sqlite") as store:
        began = time.perf_counter()
        for future in [store.put("grouped", one, "key") for one in outcomes]:
            future.result()
        grouped = n / (time.perf_counter() - began)
        began = time.perf_counter()
        for one in outcomes[: n // 20]:
            store.add("single", one, "key")
        single = n // 20 / (time.perf_counter() - began)
    return [
        {
            "method": "in groups",
            "metric": "outcomes_per_s",
            "value": grouped,
            "at_least": 2000.0,
            "outcomes": n,
        },
        {
            "method": "one at a time",
            "metric": "outcomes_per_s",
            "value": single,
            "outcomes": n // 20,
        },
    ]


def reuse(place: Path, domain: Domain, quick: bool) -> list[dict[str, Any]]:
    """Sweep a whole space of paths on a few queries and count what sharing saved."""
    catalog = load_catalog("tests/data/models.toml")
    space = PathSpace.of(catalog)
    some = domain.queries[:: len(domain.queries) // (2 if quick else 8)][: 2 if quick else 8]
    with Store(place / "reuse.sqlite") as store, ModelPool(catalog) as models:
        pipeline = Pipeline(domain, catalog, default_encoder(), models)
        marks = fingerprints(domain, catalog, "all-MiniLM-L6-v2", space)
        began = time.perf_counter()
        done = sweep(pipeline, some, space.paths, store, marks).done
        wall = time.perf_counter() - began
    size = {
        "queries": len(some),
        "paths": len(space),
        "outcomes": done,
        "outcomes_per_s": done / wall,
    }
    asked, ran = sum(pipeline.requests.values()), sum(pipeline.executions.values())
    by_stage = {
        f"{stage}_factor": pipeline.requests[stage] / max(1, pipeline.executions[stage])
        for stage in pipeline.requests
    }
    return [{"metric": "prefix_reuse_factor", "value": asked / ran, **by_stage, **size}]


def isolation(domain: Domain, quick: bool) -> list[dict[str, Any]]:
    """Compare a call's round trip with and without a process of its own."""
    catalog, n = load_catalog("tests/data/models.toml"), 60 if quick else 300
    prompts = [f"Question: {query.text}" for query in domain.queries[:n]]
    medians = []
    for isolate in (False, True):
        with ModelPool(catalog, isolate=isolate) as models:
            seconds = []
            for prompt in prompts:
                began = time.perf_counter()
                models[next(iter(catalog.models))].reply(prompt)
                seconds.append(time.perf_counter() - began)
            medians.append(float(np.median(seconds)))
    return [
        {
            "metric": "isolation_s",
            "value": medians[1] - medians[0],
            "bare_call_s": medians[0],
            "calls": len(prompts),
        }
    ]


def run(quick: bool) -> list[dict[str, Any]]:
    """Return the records."""
    domain, judge = load_domain("data/smart_home"), Judge()
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            return [
                *overhead(place, domain, quick),
                *throughput(place, judge, quick),
                *writes(place, quick),
                *reuse(place, domain, quick),
                *isolation(domain, quick),
            ]
    finally:
        judge.close()


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="fewer calls; ends within a minute")
    args = parser.parse_args()
    records = run(args.quick)
    write(json.dumps(records, indent=1) + "\n", args.json)
    for row in records:
        aim = "".join(
            f"   aim {word.replace('_', ' ')} {row[word]:g}"
            for word in ("at_most", "at_least")
            if word in row
        )
        print(
            f"{row.get('method') or row.get('model') or 'ours':18} {row['metric']:26}"
            f" {row['value']:12.4f}{aim}"
        )


if __name__ == "__main__":
    main()
