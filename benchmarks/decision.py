"""How long a decision takes, the embedding given, and with each encoder.

`python -m benchmarks.decision --json OUT.json [--quick]`

300 paths × 2,000 training queries of the synthetic space (its dimension padded to 384, as
MiniLM's), under one SLO, one query at a time and in a batch of 20,000: ours, tuned kNN, the cluster
policy, factorisation, a threshold between two paths, and ParetoBandit's router with as many models
and with three, on the 25 dimensions its package works with, without learning from rewards. All run
in one process, in turns. Microseconds; `ratio` is the median over ours; `fit_s` is what fitting
takes, in seconds, the embeddings given. `end_to_end_p50_us` adds the encoder's median time for one
short question.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import synthetic
from ecollm_lab.files import write
from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.models.encoders import static_encoder
from ecollm_lab.policies import fit_policy
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace

DIMENSION, PEER_DIMENSION = 384, 25
AIMS = {
    "p50_us": {"at_most": 20.0},
    "p99_us": {"at_most": 100.0},
    "decisions_per_s": {"at_least": 200_000.0},
    "fit_s": {"at_most": 2.0},
}


def trace_of(n_queries: int) -> tuple[Trace, np.ndarray, np.ndarray]:
    """Return a training trace of 300 paths, its embeddings, and embeddings of other queries."""
    space = synthetic("synthetic_300", 0, n_queries)
    rows, columns = np.divmod(np.arange(space.tables[0].size), len(space.path_ids))
    frame = pd.DataFrame(
        {"query_id": rows.astype(str), "path_id": np.array(space.path_ids)[columns]}
    )
    for name, table in zip(("quality", "cost_usd", "latency_s"), space.tables, strict=True):
        frame[name] = table.ravel()
    turn = np.linalg.qr(
        np.random.default_rng(0).standard_normal((DIMENSION, space.embeddings.shape[1]))
    )[0].T
    seen, unseen = (
        (part @ turn).astype(np.float32) for part in (space.embeddings, space.heldout_embeddings)
    )
    return Trace.from_frame(frame), seen, unseen


def peer(n_models: int) -> Callable[[np.ndarray], Any] | None:
    """Return ParetoBandit's greedy decision over so many models; None where it is missing."""
    try:
        from pareto_bandit import BanditRouter
        from pareto_bandit.feature_service import FeatureService
        from pareto_bandit.storage import EphemeralContextStore
    except ImportError:
        return None
    registry = {
        f"model-{i}": {
            "input_cost_per_m": 0.1 + 0.01 * i,
            "output_cost_per_m": 0.4 + 0.04 * i,
            "time_to_first_token_seconds": 0.2,
        }
        for i in range(n_models)
    }
    logging.getLogger("pareto_bandit").setLevel(logging.ERROR)  # this package's alone
    with contextlib.redirect_stdout(io.StringIO()):
        router = BanditRouter.create(
            model_registry=registry,
            feature_service=FeatureService.for_precomputed(PEER_DIMENSION),
            priors="none",
            context_store=EphemeralContextStore(),
        )
    return lambda x: router.route(x, max_cost=0.01)


def times_us(
    decide: Callable[[np.ndarray], Any], inputs: list[np.ndarray], repeats: int
) -> np.ndarray:
    """Return how long each of `repeats` decisions took, in microseconds, after a warm-up."""
    for x in inputs[:50]:
        decide(x)
    out = np.empty(repeats)
    for i in range(repeats):
        x = inputs[i % len(inputs)]
        started = time.perf_counter_ns()
        decide(x)
        out[i] = time.perf_counter_ns() - started
    return out / 1000


def run(quick: bool) -> list[dict[str, Any]]:
    """Return the records."""
    trace, seen, unseen = trace_of(400 if quick else 2000)
    slo = SLO(max_latency_s=float(np.median(np.quantile(trace.array("latency_s"), 0.95, axis=0))))
    single = [x[None] for x in unseen]
    deciders: dict[str, tuple[Callable[[np.ndarray], Any], list[np.ndarray]]] = {}
    batches: dict[str, Callable[[np.ndarray], Any]] = {}
    size = {"paths": len(trace.path_ids), "queries": len(trace.query_ids)}
    records: list[dict[str, Any]] = []
    for name in ("ours", "knn", "cluster", "matrix_factorisation", "threshold"):
        started = time.perf_counter()
        policy = fit_policy(trace, name, embeddings=seen)
        spent = time.perf_counter() - started
        aim = AIMS["fit_s"] if name == "ours" else {}
        records.append({"policy": name, "metric": "fit_s", "value": spent, **aim, **size})
        policy.rule(slo)
        batches[name] = lambda x, policy=policy: policy.select(x, slo)  # type: ignore[misc]
        deciders[name] = batches[name], single
    narrow = [np.ascontiguousarray(x[:PEER_DIMENSION], dtype=float) for x in unseen]
    for n_models in (3, 300):
        route = peer(n_models)
        if route:
            deciders[f"paretobandit_{n_models}"] = route, narrow
    rounds: dict[str, list[np.ndarray]] = {name: [] for name in deciders}
    for _ in range(3 if quick else 5):  # in turns, so that a busy moment hits all
        for name, (decide, inputs) in deciders.items():
            rounds[name].append(times_us(decide, inputs, 200 if quick else 1000))
    taken = {name: np.concatenate(parts) for name, parts in rounds.items()}
    for name, values in taken.items():
        for metric, q in (("p50_us", 0.5), ("p99_us", 0.99)):
            aim = AIMS[metric] if name == "ours" else {}
            records.append(
                {
                    "policy": name,
                    "metric": metric,
                    "value": float(np.quantile(values, q)),
                    **aim,
                    **size,
                }
            )
        ratio = np.median(values) / np.median(taken["ours"])
        records.append({"policy": name, "metric": "ratio", "value": float(ratio), **size})
    many = np.tile(unseen, (1 + 20_000 // len(unseen), 1))[:20_000]
    for name, decide in batches.items():
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            decide(many)
            seconds.append(time.perf_counter() - started)
        aim = AIMS["decisions_per_s"] if name == "ours" else {}
        records.append(
            {
                "policy": name,
                "metric": "decisions_per_s",
                "value": len(many) / float(np.median(seconds)),
                **aim,
                **size,
            }
        )
    return records + end_to_end(taken["ours"], size, quick=quick)


def end_to_end(taken: np.ndarray, size: dict[str, int], *, quick: bool) -> list[dict[str, Any]]:
    """Return records of the median time with each encoder's for one short question."""
    records: list[dict[str, Any]] = []
    texts = [f"how loud is the sensor in room {i}?" for i in range(50)]
    for encoder in (default_encoder(), static_encoder()):

        def encode(i: np.ndarray, encoder: Encoder = encoder) -> np.ndarray:
            return encoder.encode([texts[int(i[0])]])

        spent = times_us(encode, [np.array([i]) for i in range(50)], 50 if quick else 200)
        end_to_end = float(np.median(spent) + np.median(taken))
        records.append(
            {
                "policy": "ours",
                "encoder": encoder.name,
                "metric": "end_to_end_p50_us",
                "value": end_to_end,
                **size,
            }
        )
    return records


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument(
        "--quick", action="store_true", help="fewer queries and repeats; ends within a minute"
    )
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
            f"{row['policy']:20} {row['metric']:18} {row['value']:12.1f}{aim}  "
            f" {row.get('encoder', '')}".rstrip()
        )


if __name__ == "__main__":
    main()
