"""How time and memory grow, from ten thousand to ten million outcomes.

`python -m benchmarks.scale --json OUT.json [--largest 1e7] [--quick]`
`python -m benchmarks.scale --project data/benchmarks/scale.json` prints what follows from it.

Made-up outcomes on 100 paths, since only time and memory are looked at; no figure here says
anything about quality. Each part runs in a process of its own, a few times, and the medians are
recorded: `value` in the processor's seconds, which other work on the machine changes little,
`wall_s` on the clock, and `peak_mb`, the most memory that the process ever held, Python and all
libraries included; `base_mb` of that is there before anything is read.

- `*_exponent`: the slope of log seconds over log outcomes, over all sizes; `last` is that of the
  last tenfold alone, where what is constant counts least.
- `*_peak_over_dense`, at the largest size: the peak over what three tables of queries × paths take
  in double precision; of the parts that read embeddings, with those.
- `pandas_*`: pandas and loops, up to a million outcomes; `optuna_points`: fronts of random points.
- `emulator`: paths × as many queries, after each path was seen once: a batch of 1,000 decided.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.scale_parts import DIMENSION, PATHS
from benchmarks.scale_projection import projection
from ecollm_lab.files import write
from ecollm_lab.records import LabError
from ecollm_lab.sweeps.provenance import git_revision

OURS = ("load", "front", "cluster_fronts", "fit", "select", "replay", "tables", "move")
THEIRS = ("pandas_load", "pandas_front", "pandas_replay")
READ_EMBEDDINGS = ("fit", "select", "replay")
MOST_THEIRS = 10**6  # beyond, loops take minutes
POINTS, SPACES = (10**3, 10**4, 10**5), (1_000, 3_000, 10_000)
Record = dict[str, Any]


def measured(part: str, folder: Path, size: int) -> Record:
    """Run a part in a process of its own; return its record."""
    command = [sys.executable, "-m", "benchmarks.scale_parts", part, str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{part} at {size:,}: {done.stderr.strip()[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    wall, cpu = np.median(found["spent"], axis=0)
    row = {"metric": f"{part}_s", "value": float(cpu), "wall_s": float(wall), "size": size}
    row |= {"repeats": len(found["spent"])}
    row |= {name: round(found[name], 1) for name in ("peak_mb", "base_mb")}
    print(
        f"{part:16} {size:>12,} {cpu:10.3f} s {wall:10.3f} s on the clock {row['peak_mb']:9.0f} MB",
        flush=True,
    )
    return row


def growth(rows: list[Record], part: str, at_most: float | None = None) -> list[Record]:
    """Return the exponent with which a part's time grows; none from a single size."""
    mine = sorted((row["size"], row["value"]) for row in rows if row["metric"] == f"{part}_s")
    if len(mine) < 2:
        return []
    x, y = np.log(np.array(mine)).T
    exponent = float(np.polyfit(x, y, 1)[0])
    last = float((y[-1] - y[-2]) / (x[-1] - x[-2]))
    row = {"metric": f"{part}_exponent", "value": exponent, "last": last}
    return [row | ({"at_most": at_most} if at_most else {})]


def sizes_to(largest: float) -> list[int]:
    """Return the powers of ten from ten thousand to at most the largest size."""
    return [10**k for k in range(4, 13) if 10**k <= largest]


def of_traces(sizes: list[int]) -> list[Record]:
    """Measure every part at every size, and what follows."""
    rows: list[Record] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            measured("make", folder, size)
            file_mb = (folder / "trace.parquet").stat().st_size / 2**20
            rows.append({"metric": "file_mb", "value": file_mb, "size": size})
            parts = OURS if size > MOST_THEIRS else (*OURS, *THEIRS)
            rows += [measured(part, folder, size) for part in parts]
    for part in OURS:
        rows += growth(rows, part, at_most=1.1)
        largest = next(r for r in rows if r["metric"] == f"{part}_s" and r["size"] == sizes[-1])
        dense = 24 * sizes[-1] / 2**20
        if part in READ_EMBEDDINGS:
            dense += 4 * DIMENSION * sizes[-1] / PATHS / 2**20
        over = {"metric": f"{part}_peak_over_dense", "value": largest["peak_mb"] / dense}
        bound = {"at_most": 3.0} if sizes[-1] >= 10**7 else {}  # below, libraries are most of it
        rows.append(over | bound | {"size": sizes[-1], "dense_mb": round(dense, 1)})
    return [*rows, *(row for part in THEIRS for row in growth(rows, part))]


def of_spaces(sizes: tuple[int, ...]) -> list[Record]:
    """Measure the Emulator where there are many paths and as many queries."""
    rows = [measured("emulator", Path(), size) for size in sizes]
    if sizes[-1] == SPACES[-1]:
        rows[-1]["at_most"] = 10.0
        peak = rows[-1]["peak_mb"] / 1000
        rows.append({"metric": "emulator_peak_gb", "value": peak, "at_most": 4.0})
    return [*rows, *growth(rows, "emulator")]


def of_points(sizes: tuple[int, ...]) -> list[Record]:
    """Measure fronts of points, and Optuna's."""
    parts = ("points", "optuna_points")
    rows = [measured(part, Path(), size) for size in sizes for part in parts]
    return [*rows, *(row for part in parts for row in growth(rows, part))]


def main() -> None:
    """Run, or print what follows from records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="where the records go")
    parser.add_argument(
        "--largest", type=float, default=1e7, help="most outcomes; sizes are powers of ten"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes; ends within a minute")
    parser.add_argument("--project", type=Path, help="read records and print what follows")
    parser.add_argument("--queries", type=float, default=1e9, help="a day, with --project")
    parser.add_argument("--paths", type=float, default=1e5, help="with --project")
    args = parser.parse_args()
    if args.project:
        try:
            print(projection(json.loads(args.project.read_text()), args.queries, args.paths))
        except LabError as error:
            raise SystemExit(f"{args.project}: {error}") from error
        return
    if args.json is None:
        parser.error("--json or --project is required")
    if not (sizes := sizes_to(1e5 if args.quick else args.largest)):
        parser.error(f"--largest must be at least 10,000, got {args.largest:g}")
    records = of_traces(sizes)
    records += of_points(POINTS[:2] if args.quick else POINTS)
    records += of_spaces(SPACES[:1] if args.quick else SPACES)
    records.append(measured("encode", Path(), 100 if args.quick else 1000))
    about: Record = {"git_revision": git_revision(), "measured_at": date.today().isoformat()}
    memory_gb = psutil.virtual_memory().total / 2**30
    about |= {"quick": args.quick, "cores": os.cpu_count(), "memory_gb": round(memory_gb, 1)}
    write(json.dumps([row | about for row in records], indent=1) + "\n", args.json)
    for row in records:
        if "at_most" in row:
            print(f"{row['metric']:28} {row['value']:8.3f}   aim at most {row['at_most']:g}")


if __name__ == "__main__":
    main()
