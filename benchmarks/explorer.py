"""How long the explorer takes: per move of a slider, in bytes to the browser, and to open.

`python -m benchmarks.explorer --json OUT.json [--quick]`

Made-up outcomes (0 or 1, by path and query; lognormal cost and latency), for time and size alone.
`move_ms_p95`: the kernel's time from a new slider value to the last message packed as JSON, over
200 moves of the latency slider there and back, a path selected and one pinned. `move_bytes_p95`:
all messages of a move, buffers included. `open_s`: from a Parquet file to the explorer,
`Trace.load` included, best of three (the machine's other work, and the first import of plotly, only
add). `load_s` is the part of `Trace.load`. `key_to_paint_ms`: median from a key press on the
latency slider of notebook 03 in a real JupyterLab to the painted figure; `key_to_paint_floor_ms`:
the same key and figure in the same browser without lab and kernel. Both are left out where no
Chromium is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from comm import DummyComm

from ecollm_lab.explorer import Explorer, explore
from ecollm_lab.traces import Trace
from scripts.browser import find_chromium, measure

MOVES = 200


def made_up(n_queries: int, n_paths: int, seed: int = 0) -> Trace:
    """Return a trace with every outcome present: harder and easier queries, better and worse paths, skewed cost and latency."""
    rng = np.random.default_rng(seed)
    skill, ease = rng.normal(0.5, 1, n_paths), rng.normal(0, 1, n_queries)
    quality = rng.random((n_queries, n_paths)) < 1 / (1 + np.exp(-(skill + ease[:, None])))
    spread = [
        np.exp(
            rng.normal(centre, 1.2, n_paths)
            + 0.4 * skill
            + rng.normal(0, 0.3, (n_queries, n_paths))
        )
        for centre in (-12, -1)
    ]
    rows, columns = np.divmod(np.arange(quality.size), n_paths)
    query_ids = np.array([f"q{i:05d}" for i in range(n_queries)], dtype=object)
    path_ids = np.array(
        [f"none/hybrid-{j % 10}/extract-{j // 10 % 10}/model-{j:04d}" for j in range(n_paths)],
        dtype=object,
    )
    outcomes = pd.DataFrame(
        {
            "query_id": query_ids[rows],
            "path_id": path_ids[columns],
            "quality": quality.ravel().astype(float),
            "cost_usd": spread[0].ravel(),
            "latency_s": spread[1].ravel(),
        }
    )
    kinds = np.array(["lookup", "compare", "diagnose", "personal"], dtype=object)
    queries = pd.DataFrame(
        {"query_id": query_ids, "text": "how loud is it?", "kind": kinds[np.arange(n_queries) % 4]}
    )
    queries["split"] = np.where(np.arange(n_queries) % 3 == 0, "heldout", "train")
    models = {f"model-{j:04d}": {"placement": "edge" if j % 2 else "cloud"} for j in range(n_paths)}
    return Trace.from_frame(
        outcomes, queries, {"source": "recorded", "domain": "made up for timing", "models": models}
    )


@contextmanager
def counted() -> Iterator[list[int]]:
    """Pack every message to the browser as the kernel would, and note its bytes."""
    sent: list[int] = []
    original = DummyComm.publish_msg

    def publish(
        self: Any,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,
        buffers: Any = None,
        **keys: Any,
    ) -> None:
        packed = json.dumps({"data": data, "metadata": metadata}).encode()
        sent.append(len(packed) + sum(memoryview(buffer).nbytes for buffer in buffers or ()))

    DummyComm.publish_msg = publish  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        DummyComm.publish_msg = original  # type: ignore[method-assign]


def moves(explorer: Explorer, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return milliseconds and bytes of each move of the latency slider, there and back."""
    low, high = explorer.latency.min, explorer.latency.max
    values = 10 ** np.concatenate(
        [np.linspace(low, high, n // 2), np.linspace(high, low, n - n // 2)[1:]]
    )
    milliseconds, sizes = [], []
    with counted() as sent:
        for value in values:
            sent.clear()
            started = time.perf_counter()
            explorer.latency.value = float(value)
            milliseconds.append(1000 * (time.perf_counter() - started))
            sizes.append(sum(sent))
    return np.array(milliseconds), np.array(sizes)


def of_moves(quick: bool) -> list[dict[str, Any]]:
    """Measure moves at three sizes."""
    records = []
    for n_paths, n_queries, aims in (
        (300, 1_000, {"move_ms_p95": {"at_most": 5.0}}),
        (1_000, 2_000 if quick else 10_000, {"move_ms_p95": {"at_most": 50.0}}),
        (5_000, 40 if quick else 200, {"move_bytes_p95": {"at_most": 20_000.0}}),
    ):
        explorer = explore(made_up(n_queries, n_paths))
        explorer.cost.value = 10**explorer.cost.max
        explorer.select(explorer.frame["path_id"].iloc[1])
        explorer.pin()
        moves(explorer, 20)
        taken, sizes = moves(explorer, MOVES // 4 if quick else MOVES)
        size = {"paths": n_paths, "queries": n_queries}
        for metric, values in (
            ("move_ms_p50", taken),
            ("move_ms_p95", taken),
            ("move_bytes_p95", sizes),
        ):
            value = float(np.quantile(values, int(metric[-2:]) / 100))
            records.append({"metric": metric, "value": value, **aims.get(metric, {}), **size})
    return records


def of_opening(quick: bool) -> list[dict[str, Any]]:
    """Measure opening from Parquet."""
    n_paths, n_queries = 300, 2_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "trace.parquet")
        made_up(n_queries, n_paths).save(file)
        rounds = []
        for _ in range(3):
            started = time.perf_counter()
            trace = Trace.load(file)
            loaded = time.perf_counter()
            explore(trace)
            rounds.append((time.perf_counter() - started, loaded - started))
    whole, load = np.min(rounds, axis=0)
    size = {"paths": n_paths, "queries": n_queries}
    return [
        {"metric": "open_s", "value": float(whole), "at_most": 1.0, **size},
        {"metric": "load_s", "value": float(load), **size},
    ]


def of_browser(quick: bool) -> list[dict[str, Any]]:
    """Measure key press to painted figure in a browser, if there is one."""
    if not find_chromium():
        return []
    return measure(presses=15 if quick else 40)


MEASURES: tuple[Callable[[bool], list[dict[str, Any]]], ...] = (of_moves, of_opening, of_browser)


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument(
        "--quick", action="store_true", help="fewer queries and moves; ends within a minute"
    )
    args = parser.parse_args()
    records = [record for measure in MEASURES for record in measure(args.quick)]
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(records, indent=1) + "\n")
    for row in records:
        size = f"{row['paths']:,} × {row['queries']:,}" if "paths" in row else row.get("size", "")
        aim = f"   aim at most {row['at_most']:g}" if "at_most" in row else ""
        print(f"{row['metric']:22} {size:>16} {row['value']:12.2f}{aim}")


if __name__ == "__main__":
    main()
