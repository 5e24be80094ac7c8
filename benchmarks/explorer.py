"""How fast the explorer is: from a key to the painted figure, in a drag, and when it opens.

`python -m benchmarks.explorer --json OUT.json [--quick]`

Made-up outcomes (0 or 1, by path and query; lognormal cost and latency), for time and size alone,
beside the committed trace pocket_smart_home. `key_to_paint_ms`: from an arrow key on the latency
slider of the offline page to the frame in which the figure is painted, in Chromium; `floor_ms`: the
same key and figure with Plotly alone. `drag_repaints_per_s`: the slider dragged with the mouse to
and fro; `drag_moves_per_s`: how often the mouse moved meanwhile, which no number of repaints can
exceed. `open_s`: from a Parquet file to the explorer, `Trace.load` included, best of three;
`load_s` is the part of `Trace.load`. `move_bytes`: all messages to the kernel and back for one
move, as JSON, beyond the state itself. `decide_ms`: one decision in Python. What needs a browser is
left out where no Chromium is.
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

from benchmarks.explorer_timing import drag_repaints, floor_ms, key_to_paint_ms
from ecollm_lab.explorer import explore
from ecollm_lab.explorer.decision import decide
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace
from scripts.browser import SeenExplorer, chromium_page, find_chromium

TRACE = Path("data/benchmarks/pocket_smart_home.parquet")
Record = dict[str, Any]


def made_up(n_queries: int, n_paths: int, seed: int = 0) -> Trace:
    """Return a whole trace: hard and easy queries, good and bad paths, skewed cost and latency."""
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


def of_moves(quick: bool) -> list[Record]:
    """Measure a move's bytes to the kernel beyond the state, and a decision at three sizes."""
    records: list[Record] = []
    for n_paths, n_queries in ((300, 1_000), (5_000, 200), (20_000, 60)):
        explorer = explore(made_up(n_queries, n_paths))
        moved = {**explorer.state, "max_latency_s": 0.123}
        with counted() as sent:
            explorer.set_state({"state": moved})  # as a message from the screen does
        beyond = max(sum(sent) - 2 * len(json.dumps(moved)), 0)
        started, rounds = time.perf_counter(), 5 if quick else 50
        for k in range(rounds):
            decide(explorer.view, SLO(0.1 + k / 100))
        taken = 1000 * (time.perf_counter() - started) / rounds
        size = {"paths": n_paths, "queries": n_queries}
        records += [
            {"metric": "move_bytes", "value": beyond, "at_most": 1000, **size},
            {"metric": "decide_ms", "value": taken, **size},
        ]
    return records


def of_opening(quick: bool) -> list[Record]:
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


def of_browser(quick: bool) -> list[Record]:
    """Measure keys and drags in the offline page: the committed trace, and 20,000 made-up paths."""
    if not find_chromium():
        return []
    presses, records = 15 if quick else 40, []
    traces = {TRACE.stem: Trace.load(TRACE), "made up": made_up(60, 20_000)}
    with tempfile.TemporaryDirectory() as folder, chromium_page() as page:
        for name, trace in traces.items():
            explorer = explore(trace)
            explorer.apply(SLO(explorer.slo.max_latency_s))
            file = explorer.to_html(Path(folder, f"{name}.html"))
            started = time.perf_counter()
            page.goto(file.resolve().as_uri())
            seen = SeenExplorer(page)
            drawn = time.perf_counter() - started
            slider = seen.slider("max_latency_s")
            times = key_to_paint_ms(page, seen.plot, slider, presses)
            repaints, moves = drag_repaints(seen, seconds=2 if quick else 4)
            data = "(plot) => ({data: plot.data, layout: plot.layout})"
            floor = floor_ms(page, seen.plot.evaluate(data), presses)
            p50, p95 = np.quantile(times, [0.5, 0.95])
            ours = name == TRACE.stem
            size = {"trace": name, "size": f"{len(trace.path_ids):,} paths"}
            bound = {"at_most": 40.0} if ours else {}
            tail = {"at_most": 100.0} if ours else {}
            records += [
                {"metric": "key_to_paint_ms_p50", "value": float(p50), **bound, **size},
                {"metric": "key_to_paint_ms_p95", "value": float(p95), **tail, **size},
                {"metric": "floor_ms_p50", "value": float(np.median(floor)), **size},
                {
                    "metric": "drag_repaints_per_s",
                    "value": repaints,
                    **({"at_least": 30.0} if ours else {}),
                    **size,
                },
                {"metric": "drag_moves_per_s", "value": moves, **size},
                {"metric": "page_drawn_s", "value": drawn, **size},
            ]
    return records


MEASURES: tuple[Callable[[bool], list[Record]], ...] = (of_moves, of_opening, of_browser)


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
        size = f"{row['paths']:,} × {row['queries']:,}" if "paths" in row else row["size"]
        bounds = (("at_most", "at most"), ("at_least", "at least"))
        aim = "".join(f"   aim {words} {row[key]:g}" for key, words in bounds if key in row)
        print(f"{row['metric']:22} {size:>16} {row['value']:12.2f}{aim}")


if __name__ == "__main__":
    main()
