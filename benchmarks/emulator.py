"""How near to the truth a budgeted exploration comes; `python -m benchmarks.emulator`.

Ours against random search, racing and Optuna.

Every method spends the same number of outcomes on the same table. Raw, its estimates are the means
of what it saw; with `+ours` in its name, our estimator reads what it saw, with as many steps as in
ours, which tells estimator and allocation apart.

`hypervolume_ratio`: hypervolume of the true means of the recommended paths over the true front's.
`slo_loss`: true quality lost against the best feasible path, mean over 25 SLOs; an infeasible pick
scores 0. `answers_kept`: quality on held-out queries over 25 SLOs of the policy `ours`, which lets
5 % of its answers break the limits, each of them scoring 0, and answers SLOs that it cannot keep so
often by the path that breaks them least: fitted on the partial trace over fitted on the full one.
`heldout_kept`: the same with limits on 95th percentiles, where a refusal scores 0, and a pick whose
percentile over all training outcomes breaks a limit. `optimism`: estimated minus true mean quality
of the recommended paths. `coverage`: share of 90 % intervals of quality that hold the true mean.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.allocations import BASELINES, cells_of
from benchmarks.emulator_scores import Truth, score_estimates, score_raw
from benchmarks.emulator_summary import aims, best_of_trials, markdown, table, timing
from benchmarks.spaces import (
    SIZES,
    Space,
    available,
    edition,
    keep,
    load,
    made_now,
    require_at_hand,
    synthetic,
)
from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.emulator import Budget, Emulator, Estimates, emulate
from ecollm_lab.emulator.estimates import DRAWS, STEPS
from ecollm_lab.records import Outcome

Record = dict[str, Any]
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
ON_TOP = (0.01, 0.05)  # budgets at which our estimator is also tried on what the others saw
MOST_SEEDS = {"synthetic_300": 10, "synthetic_2000": 3}  # where a seed takes minutes
QUICK_TRACES = ["pocket_smart_home", "synthetic_300"]
QUICK_SHARES, QUICK_BASELINES = (0.01, 0.05), ("uniform", "path_first", "racing", "tpe_20")


def run_seed(
    name: str,
    seed: int,
    shares: tuple[float, ...],
    baselines: tuple[str, ...],
    on_top: bool,
    about: Record,
) -> list[Record]:
    """Run every method on one space with one seed; returns the records, `about` in each."""
    space = load(name, seed)
    truth = Truth(space)
    labels = find_clusters(space.embeddings).assign(space.embeddings)
    records = _ours(space, truth, labels, seed, shares)
    for method in baselines:
        seen = np.zeros(space.tables.shape[1:], dtype=bool)
        cells = cells_of(method)(space, labels, np.random.default_rng([seed, *method.encode()]))
        for share in shares:
            target = round(share * seen.size)
            while seen.sum() < target:
                for q, p in itertools.islice(cells, int(target - seen.sum())):
                    seen[q, p] = True
            where = {"trace": name, "budget_share": share, "seed": seed, "calls": target}
            records.append(where | {"method": method} | score_raw(space, truth, seen))
            if (
                on_top
                and share in ON_TOP
                and not method.endswith(("_10", "_40") if name in SIZES else "_20")
            ):
                scores = score_estimates(space, truth, estimated(space, labels, seen, seed))
                records.append(where | {"method": f"{method}+ours"} | scores)
    return [record | about for record in records]


def estimated(space: Space, labels: np.ndarray, seen: np.ndarray, seed: int) -> Estimates:
    """Return what our estimator makes of the outcomes that another method saw."""
    queries = [str(i) for i in range(space.tables.shape[1])]
    estimates = Estimates(space.path_ids, queries, space.embeddings, labels=labels, seed=seed)
    estimates.update(*np.where(seen, space.tables, np.nan), iterations=STEPS, n_draws=DRAWS)
    return estimates


def reusable(records: list[Record], traces: list[str], revision: str) -> list[Record]:
    """Return the records of whole runs that stand.

    Those of traces not asked for, and of the asked ones those on today's edition that were made at
    this revision. A tree with uncommitted changes has no revision to go by.
    """
    certain = revision != "unknown" and not revision.endswith("+")
    now = {name: (revision, edition(name)) if certain else None for name in traces}
    whole = [r for r in records if "seed" in r and not r.get("quick")]
    made = [(r.get("git_revision"), r.get("edition")) for r in whole]
    return [r for r, of in zip(whole, made, strict=True) if of == now.get(r["trace"], of)]


def _look_up(space: Space, pairs: list[tuple[str, str]]) -> list[Outcome]:
    column = {path_id: i for i, path_id in enumerate(space.path_ids)}
    known = np.where(space.recorded, 1.0, np.nan)
    cells = ((q, path, known * space.tables[:, int(q), column[path]]) for q, path in pairs)
    return [
        Outcome(query, path, float(q), float(c), float(t), 0, 0) for query, path, (q, c, t) in cells
    ]


def _ours(
    space: Space, truth: Truth, labels: np.ndarray, seed: int, shares: tuple[float, ...]
) -> list[Record]:
    queries = [str(i) for i in range(space.tables.shape[1])]
    emulator = Emulator(space.path_ids, queries, space.embeddings, labels=labels, seed=seed)
    records, deciding, batches, slowest = [], 0.0, 0, 0.0
    for share in shares:
        target = round(share * space.tables[0].size)
        if target < len(space.path_ids):
            continue
        history = emulate(emulator, partial(_look_up, space), Budget(outcomes=target))
        deciding, batches = deciding + history["deciding_s"].sum(), batches + len(history)
        slowest = max(slowest, history["deciding_s"].max())
        told = emulator.outcomes
        where = {
            "trace": space.name,
            "method": "ours",
            "budget_share": share,
            "seed": seed,
            "calls": len(told),
        }
        extra = {
            "deciding_s": deciding,
            "batches": batches,
            "slowest_batch_s": slowest,
            "outcomes_s": sum(o.latency_s for o in told),
        }
        records.append(
            where | score_estimates(space, truth, emulator.refresh(thorough=True)) | extra
        )
    return records


def large_batch(n_queries: int = 1000, n_batches: int = 4) -> list[Record]:
    """Time deciding at 2,000 paths × 1,000 queries: the slowest and the median batch."""
    space = synthetic("synthetic_2000", 0, n_queries=n_queries)
    emulator = Emulator(space.path_ids, [str(i) for i in range(n_queries)], space.embeddings)
    seconds = []
    for _ in range(n_batches + 1):
        started = time.perf_counter()
        pairs = emulator.ask(len(space.path_ids))
        seconds.append(time.perf_counter() - started)
        emulator.tell(_look_up(space, pairs))
    size = f"{len(space.path_ids)} × {n_queries}"
    return [
        {
            "metric": "deciding_s_median_batch",
            "size": size,
            "value": float(np.median(seconds[1:])),
            "at_most": 2.0,
        },
        {
            "metric": "deciding_s_slowest_batch",
            "size": size,
            "value": max(seconds[1:]),
            "at_most": 2.0,
        },
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json",
        type=Path,
        required=True,
        help="where the records go; a seed it holds is run again unless it is of the same trace"
        " file and revision, without uncommitted changes",
    )
    parser.add_argument(
        "--parquet",
        type=Path,
        help="also write the records of the best trials here; those of other traces stay",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two traces, two seeds, two budgets, no estimator on top: within a minute",
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--traces", nargs="+", default=available())
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count(),
        help="seeds at a time; all methods of a seed run in one process",
    )
    options = parser.parse_args()
    if options.quick and options.parquet:
        parser.error("--quick measures too little to be recorded with --parquet; leave one out")
    if options.quick:
        options.traces = QUICK_TRACES
    require_at_hand(options.traces, available())
    return options


def _run(options: argparse.Namespace) -> list[Record]:
    """Run the seeds that are not in the records yet; write all records after each of them."""
    options.json.parent.mkdir(parents=True, exist_ok=True)
    seeds = 2 if options.quick else options.seeds
    shares: tuple[float, ...] = QUICK_SHARES if options.quick else SHARES
    baselines: tuple[str, ...] = QUICK_BASELINES if options.quick else BASELINES
    about: Record = {**made_now(), **({"quick": True} if options.quick else {})}
    found = json.loads(options.json.read_text()) if options.json.exists() else []
    if options.quick and any("seed" in record and not record.get("quick") for record in found):
        raise SystemExit(f"{options.json} holds records of a whole run; give --quick another file.")
    records = reusable(found, options.traces, about["git_revision"])
    have = {(record["trace"], record["seed"]) for record in records}
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.traces:
            big = (
                name == "synthetic_2000"
            )  # the largest budgets and short trials would take Optuna days
            some = tuple(b for b in baselines if not b.endswith("_10" if name in SIZES else "_40"))
            budgets = tuple(share for share in shares if not big or share <= 0.05)
            work = partial(
                run_seed,
                name,
                shares=budgets,
                baselines=some,
                on_top=not options.quick and not big,
                about=about | {"edition": edition(name)},
            )
            todo = [
                seed
                for seed in range(min(seeds, MOST_SEEDS.get(name, seeds)))
                if (name, seed) not in have
            ]
            started = time.monotonic()
            for done in pool.map(work, todo):
                records += done
                options.json.write_text(json.dumps(records))
            print(f"{name}: {len(todo)} seeds in {time.monotonic() - started:.0f} s", flush=True)
    return records


def main() -> None:
    """Run, print the table and the aims, write records."""
    options = _options()
    records = _run(options)
    frame = best_of_trials(frame_of(records, options.traces))
    keep(frame, options.parquet)
    summary = finish(frame)
    summary += [] if options.quick else large_batch()
    options.json.write_text(json.dumps(records + summary, indent=0))
    for record in summary:
        print(
            {
                key: round(value, 4) if isinstance(value, float) else value
                for key, value in record.items()
            },
            flush=True,
        )


def frame_of(records: list[Record], traces: list[str]) -> pd.DataFrame:
    """Return the records of the traces asked for as a table.

    Others in the same file may be older than what is recorded elsewhere.
    """
    frame = pd.DataFrame(records).drop(columns="quick", errors="ignore")
    return frame[frame["trace"].isin(traces)].reset_index(drop=True)


def finish(frame: pd.DataFrame) -> list[Record]:
    """Print the table of medians; return the records of what was asked for."""
    print(table(frame))
    print(markdown(frame))
    return aims(frame) + timing(frame)


if __name__ == "__main__":
    main()
