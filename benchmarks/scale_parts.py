"""What `benchmarks.scale` measures, one part in a process of its own.

`python -m benchmarks.scale_parts PART FOLDER SIZE` prints one line of JSON: the seconds and the
processor's seconds of each repeat, and the most memory that the process held, before and in all.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecollm_lab.records import SLO, Outcome
from ecollm_lab.traces import OBJECTIVES, Trace, is_on_front, pareto_front

PATHS, DIMENSION, CLUSTERS, SELECTED = 100, 384, 10, 100_000
POLICY = "policy.pickle"
LIMIT = SLO(max_latency_s=2.0)
ENOUGH_S, MOST_REPEATS = 2.0, 5
Part = Callable[[Path, int], Callable[[], Any]]


def path_ids(n: int) -> list[str]:
    """Return the ids of n paths with four stages."""
    levels = round(n**0.25) + 1
    stages = ([f"{stage}-{i}" for i in range(levels)] for stage in ("a", "b", "c", "m"))
    return ["/".join(parts) for parts in product(*stages)][:n]


def embeddings_of(n: int, seed: int) -> np.ndarray:
    """Return unit embeddings around a dozen topics, (n, DIMENSION) in single precision."""
    rng = np.random.default_rng(seed)
    topics = np.random.default_rng(0).standard_normal((12, DIMENSION), dtype=np.float32)
    out = topics[rng.integers(12, size=n)]
    out += 0.7 * rng.standard_normal(out.shape, dtype=np.float32)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return out


def make(folder: Path, size: int) -> Callable[[], None]:
    """Write a trace of `size` made-up outcomes on 100 paths: only time and memory are looked at."""
    names, n = np.array(path_ids(PATHS), dtype=object), size // PATHS
    rng = np.random.default_rng(size)
    query_ids = np.array([f"query-{i}" for i in range(n)], dtype=object)
    queries = pd.DataFrame({"query_id": query_ids, "kind": "lookup", "split": "train"})
    queries["text"] = "what about number " + queries["query_id"]
    skill = rng.random(PATHS)

    def write() -> None:
        few = pd.DataFrame({"query_id": query_ids[:1], "path_id": names[:1], "quality": 1.0})
        Trace.from_frame(few, queries.head(1)).save(folder / "few.parquet")
        about = {"provenance": {"source": "recorded"}, "queries": queries.to_dict("records")}
        writer = None
        for start in range(0, n, 10_000):
            rows = np.arange(start, min(start + 10_000, n))
            shape = len(rows), PATHS
            table = pa.table(
                {
                    "query_id": pa.array(np.repeat(query_ids[rows], PATHS)),
                    "path_id": pa.array(np.tile(names, len(rows))),
                    "quality": (rng.random(shape) < skill).astype(float).ravel(),
                    "cost_usd": np.exp(rng.normal(4 * skill - 9, 0.3, shape)).ravel(),
                    "latency_s": np.exp(rng.normal(2 * skill - 1, 0.4, shape)).ravel(),
                }
            ).replace_schema_metadata({b"ecollm_lab": json.dumps(about).encode()})
            writer = writer or pq.ParquetWriter(
                folder / "trace.parquet", table.schema, compression="zstd"
            )
            writer.write_table(table)
        assert writer is not None
        writer.close()

    return write


def _trace(folder: Path) -> Trace:
    return Trace.load(folder / "trace.parquet")


def load(folder: Path, size: int) -> Callable[[], Any]:
    """Load the trace."""
    return lambda: _trace(folder)


def front(folder: Path, size: int) -> Callable[[], Any]:
    """Find the front over all queries."""
    trace = _trace(folder)
    return lambda: pareto_front(trace)


def cluster_fronts(folder: Path, size: int) -> Callable[[], Any]:
    """Find the front of each of ten clusters."""
    trace = _trace(folder)
    labels = np.random.default_rng(0).integers(CLUSTERS, size=len(trace.query_ids))
    return lambda: pareto_front(trace, labels)


def fit(folder: Path, size: int) -> Callable[[], Any]:
    """Fit our policy, the embeddings given."""
    from ecollm_lab.policies import fit_policy

    trace, embeddings = _trace(folder), embeddings_of(size // PATHS, 1)
    return lambda: fit_policy(trace, embeddings=embeddings)


def _policy(folder: Path) -> Any:
    """Return the fitted policy, from a file of this benchmark: `load_policy` needs an encoder."""
    with (folder / POLICY).open("rb") as file:
        return pickle.load(file)


def select(folder: Path, size: int) -> Callable[[], Any]:
    """Choose for 100,000 queries under a new SLO, the rule for it included."""
    policy, asked = _policy(folder), embeddings_of(SELECTED, 2)
    limits = iter(np.linspace(1.5, 2.5, MOST_REPEATS))
    return lambda: policy.select(asked, SLO(max_latency_s=float(next(limits))))


def replay(folder: Path, size: int) -> Callable[[], Any]:
    """Replay the policy on the trace, with the intervals."""
    from ecollm_lab.policies import replay as replayed

    policy, trace = _policy(folder), _trace(folder)
    embeddings = embeddings_of(size // PATHS, 1)
    policy.rule(LIMIT)
    return lambda: replayed(policy, trace, LIMIT, embeddings=embeddings)


def tables(folder: Path, size: int) -> Callable[[], Any]:
    """Prepare the explorer's tables of all queries."""
    from ecollm_lab.explorer.views import Board

    trace = _trace(folder)
    return lambda: Board(trace).view()


def move(folder: Path, size: int) -> Callable[[], Any]:
    """Decide what a slider shows for 100 limits: the decision in Python, as the screen takes it."""
    from ecollm_lab.explorer.decision import decide
    from ecollm_lab.explorer.views import Board

    view = Board(_trace(folder)).view()
    return lambda: [decide(view, SLO(max_latency_s=s)) for s in np.linspace(0.1, 5, 100)]


def pandas_load(folder: Path, size: int) -> Callable[[], Any]:
    """Read the file with pandas."""
    return lambda: pd.read_parquet(folder / "trace.parquet")


def pandas_front(folder: Path, size: int) -> Callable[[], Any]:
    """Find the front with pandas and loops: means by path, then every pair of paths."""
    frame = pd.read_parquet(folder / "trace.parquet")

    def run() -> list[str]:
        means = frame.groupby("path_id")[list(OBJECTIVES)].mean()
        better = [(-row.quality, row.cost_usd, row.latency_s) for row in means.itertuples()]
        return [
            name
            for name, one in zip(means.index, better, strict=True)
            if not any(
                other != one and all(x <= y for x, y in zip(other, one, strict=True))
                for other in better
            )
        ]

    return run


def pandas_replay(folder: Path, size: int) -> Callable[[], Any]:
    """Look up, with pandas and a loop over queries, the best path of each within the limit."""
    frame = pd.read_parquet(folder / "trace.parquet")

    def run() -> list[float]:
        found = []
        for _, part in frame.groupby("query_id", sort=False):
            kept = part[part["latency_s"] <= LIMIT.max_latency_s]
            found.append((kept if len(kept) else part)["quality"].max())
        return found

    return run


def _points(size: int) -> np.ndarray:
    return np.random.default_rng(0).random((size, 3))


def points(folder: Path, size: int) -> Callable[[], Any]:
    """Find the front of random points."""
    some = _points(size)
    return lambda: is_on_front(some)


def optuna_points(folder: Path, size: int) -> Callable[[], Any]:
    """Find the same front with the function that Optuna's `best_trials` uses."""
    from optuna.study._multi_objective import _is_pareto_front

    losses = _points(size) * [-1, 1, 1]
    return lambda: _is_pareto_front(losses, assume_unique_lexsorted=False)


def emulator(folder: Path, size: int) -> Callable[[], Any]:
    """Decide a batch of 1,000 where `size` paths × as many queries are there, each path seen once.

    The clusters of the queries are given.
    """
    from ecollm_lab.emulator import Emulator

    rng, ids = np.random.default_rng(0), [f"query-{i}" for i in range(size)]
    labels = rng.integers(12, size=size)
    one = Emulator(path_ids(size), ids, embeddings_of(size, 3)[:, :64], labels=labels, seed=0)

    def answered(pairs: list[tuple[str, str]]) -> list[Outcome]:
        cost, latency = np.exp(rng.normal(-9, 1, len(pairs))), np.exp(rng.normal(0, 1, len(pairs)))
        quality = rng.integers(0, 2, len(pairs))
        rows = zip(pairs, quality.tolist(), cost.tolist(), latency.tolist(), strict=True)
        return [Outcome(*pair, float(q), usd, seconds, 10, 10) for pair, q, usd, seconds in rows]

    one.tell(answered(one.ask(size)))

    def run() -> None:
        one.tell(answered(one.ask(1000)))

    return run


def encode(folder: Path, size: int) -> Callable[[], Any]:
    """Embed short questions with the default encoder."""
    from ecollm_lab.models import default_encoder

    encoder = default_encoder()
    encoder.encode(["warm up"])
    asked = [f"how loud is the sensor in room {i}?" for i in range(size)]
    return lambda: encoder.encode(asked)


PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (
        make,
        load,
        front,
        cluster_fronts,
        fit,
        select,
        replay,
        tables,
        move,
        pandas_load,
        pandas_front,
        pandas_replay,
        points,
        optuna_points,
        emulator,
        encode,
    )
}


def main() -> None:
    """Run one part a few times and print what it took."""
    name, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = PARTS[name](folder, size)
    spent: list[tuple[float, float]] = []
    while len(spent) < MOST_REPEATS and (not spent or sum(wall for wall, _ in spent) < ENOUGH_S):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "fit":
        with (folder / POLICY).open("wb") as file:
            pickle.dump(result, file)
    print(json.dumps({"spent": spent, "base_mb": before / 1024, "peak_mb": most / 1024}))


if __name__ == "__main__":
    main()
