"""The wide space: what the Emulator recommends of all paths, predicted and then measured.

    python -m benchmarks.wide explore   --domain NAME --store FILE [--outcomes 3000] [--minutes M]
    python -m benchmarks.wide recommend --domain NAME
    python -m benchmarks.wide measure   --domain NAME --store FILE [--minutes M]
    python -m benchmarks.wide [report]  --json OUT.json [--parquet FILE] [--quick]

`explore` lets the Emulator ask for outcomes of the training queries on every path of the catalog.
`recommend` takes the outcomes that were asked for, and nothing else, and writes which paths the
Emulator recommends and what it predicts of them. `measure` measures these on all held-out queries.
`report` compares; see `benchmarks.wide_report`. Each step leaves a file in `--folder`, from which
the next one goes on; `report` reads those of earlier runs, `data/traces/wide`, if none is named.

Outcomes go to the store at once and are never measured twice: a step that was stopped or killed
goes on with the same command, and asks the same questions. What the store holds beforehand, such as
the core grid (`data/traces/<domain>.sqlite.xz`, unpacked), counts once the Emulator asks for it,
and needs no call. Measuring keeps to one core, the first that `taskset` allows, so that nothing
runs beside what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Timer

import pandas as pd

from benchmarks.emulator_scores import recommend as spread
from benchmarks.spaces import domain_trace, keep, made_now
from benchmarks.wide_report import N_RESAMPLES, compare, markdown
from ecollm_lab.domains import load_domain
from ecollm_lab.emulator import Budget, Estimates, ExplorationOptions, emulate_domain
from ecollm_lab.files import write
from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies import fit_policy
from ecollm_lab.policies.slos import study_slos
from ecollm_lab.records import DATA, SLO, LabError
from ecollm_lab.study import DOMAINS
from ecollm_lab.sweeps import DomainOptions, Progress, sweep_domain
from ecollm_lab.traces import OBJECTIVES, Trace

MOST_OUTCOMES, MOST_PATHS = 3000, 10
QUICK = 100  # resamples of a quick report
COMMITTED = DATA / "traces" / "wide"
EVERY_S = 10.0  # between two lines of progress


@dataclass(frozen=True)
class Files:
    """Where the steps for one domain read and write.

    Parameters
    ----------
    domain
        Its name, or a folder.
    folder
        What the steps leave.
    store, catalog
        The outcomes, and the models.

    """

    domain: str
    folder: Path = Path("build/wide")
    store: Path = Path("build/outcomes.sqlite")
    catalog: Path = DATA / "models.toml"

    def of(self, step: str) -> Path:
        """Return the Parquet file that a step leaves."""
        return self.folder / f"{load_domain(self.domain).name}.{step}.parquet"

    def core(self) -> Trace:
        """Return the core grid's trace: `<domain>.core.parquet` beside the steps, or its own."""
        domain = load_domain(self.domain)
        same_machine = COMMITTED / f"{domain.name}.core.parquet"
        if trace := domain_trace(domain, same_machine if same_machine.exists() else None):
            return trace
        raise LabError(
            f"The domain {self.domain!r} has no trace of a core grid, which sets the limits and is"
            " compared with. Sweep it and export the trace first."
        )


def explore(
    files: Files,
    n: int = MOST_OUTCOMES,
    *,
    path_ids: Sequence[str] | None = None,
    seed: int = 0,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> str:
    """Explore all paths, or those named, with at most `n` outcomes; return what was found."""
    return emulate_domain(
        files.domain,
        Budget(outcomes=n),
        catalog_file=files.catalog,
        store_file=files.store,
        out=files.of("explored"),
        options=ExplorationOptions(path_ids=path_ids, seed=seed, afresh=True),
        stop=stop,
        on_progress=on_progress,
    )


def recommend(explored: Trace, slos: dict[str, SLO], encoder: Encoder) -> pd.DataFrame:
    """Return which paths the Emulator recommends, and what it predicts of them.

    Only the outcomes of training queries count.

    Returns
    -------
    First a row for the pick under each SLO, its name in `slo` with its limits and preference, then
    rows of the estimated Pareto front that are no picks, up to `MOST_PATHS` paths in all. If the
    front has more, those come first that add most hypervolume. The other columns are those of
    `Estimates.fronts`.

    """
    train = explored.split("train")
    embeddings = encoder.encode(train.queries["text"].tolist())
    estimates = Estimates(train.path_ids, train.query_ids, embeddings)
    tables = [train.array(name) for name in OBJECTIVES]
    estimates.update(*tables, iterations=12, n_draws=256)
    paths = estimates.fronts().query("scope == 'all'")
    policy = fit_policy(train, "best_single", estimates=estimates, violation_rate=None)
    rows = [
        {
            "slo": name,
            **asdict(slo),
            "path_id": policy.select(embeddings[:1], slo, infeasible="least_violating")[0],
        }
        for name, slo in slos.items()
    ]
    picks = {row["path_id"] for row in rows}
    size = min(MOST_PATHS, int(paths["on_front"].sum()))
    front = paths["path_id"].iloc[spread(paths[list(OBJECTIVES)].to_numpy(), size)]
    others = [path for path in front if path not in picks]
    rows += [{"slo": "", "path_id": path} for path in others[: MOST_PATHS - len(picks)]]
    return pd.DataFrame(rows).merge(paths, on="path_id", how="left")


def measure(
    files: Files,
    *,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Trace:
    """Measure the recommended paths on the held-out queries, as far as the store lacks them.

    What the store then holds of these paths is written, and returned.
    """
    paths = list(dict.fromkeys(pd.read_parquet(files.of("recommended"))["path_id"]))
    heldout = load_domain(files.domain).split("heldout")
    only = {(query.id, path) for query in heldout for path in paths}
    trace, _, _ = sweep_domain(
        files.domain,
        catalog_file=files.catalog,
        store_file=files.store,
        out=files.of("measured"),
        options=DomainOptions(path_ids=paths, only=only),
        stop=stop,
        on_progress=on_progress,
    )
    return trace


def shown() -> Callable[[Progress], None]:
    """Return a function that prints now and then how far a run is."""
    began, last = time.monotonic(), 0.0

    def show(run: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY_S:
            last = now
            print(
                f"{run.reused + run.done + run.failed:,} of {run.reused + run.total:,} outcomes,"
                f" {run.reused:,} of them without a call; {(now - began) / 60:.1f} minutes",
                flush=True,
            )

    return show


@contextmanager
def stop_after(minutes: float | None) -> Iterator[Event]:
    """Yield an event that is set after so many minutes; what is in flight is finished then."""
    stop = Event()
    timer = Timer(60 * (minutes or 0.0), stop.set)
    if minutes is not None:
        timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


def use_one_core() -> None:
    """Keep this process, and the servers that it starts, on one of the cores that it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def run_explore(args: argparse.Namespace) -> None:
    """Explore, and say what was found."""
    use_one_core()
    files = Files(args.domain, args.folder, args.store, args.catalog)
    with stop_after(args.minutes) as stop:
        print(explore(files, args.outcomes, seed=args.seed, stop=stop, on_progress=shown()))


def run_recommend(args: argparse.Namespace) -> None:
    """Write and print what is recommended."""
    files = Files(args.domain, args.folder)
    slos = study_slos(files.core().split("train"))
    explored = Trace.load(files.of("explored"))
    frame = recommend(explored, slos, default_encoder())
    frame.to_parquet(files.of("recommended"), index=False)
    ended = explored.provenance["emulator"]["stopped"]
    print(f"From {len(explored.outcomes):,} outcomes; the exploration ended because: {ended}.")
    print(frame[["slo", "path_id", *OBJECTIVES, "front_probability", "n"]].to_string(index=False))


def run_measure(args: argparse.Namespace) -> None:
    """Measure, and say what the store has of the held-out queries."""
    use_one_core()
    files = Files(args.domain, args.folder, args.store, args.catalog)
    with stop_after(args.minutes) as stop:
        trace = measure(files, stop=stop, on_progress=shown())
    print(trace.split("heldout").source_line)


def run_report(args: argparse.Namespace) -> None:
    """Write the records of all domains that were measured, and print them as tables."""
    if args.quick and args.parquet:
        raise SystemExit("--quick computes rough intervals: --parquet keeps those of whole runs.")
    records, made = [], made_now()
    n = QUICK if args.quick else N_RESAMPLES
    for name in args.domain:
        files, domain = Files(name, args.folder), load_domain(name)
        if files.of("measured").exists():
            explored, measured = (Trace.load(files.of(step)) for step in ("explored", "measured"))
            recommended = pd.read_parquet(files.of("recommended"))
            found = compare(domain, recommended, explored, measured, files.core(), n)
            records += [one | made for one in found]
    if not records:
        raise SystemExit(f"Nothing was measured: {args.folder} has no file that measure leaves.")
    write(json.dumps(records, indent=1) + "\n", args.json)
    frame = pd.DataFrame(records).rename(columns={"domain": "trace"})
    keep(frame, args.parquet)
    print(f"From {args.folder}.\n\n{markdown(frame)}")


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True)
    runs = run_explore, run_recommend, run_measure, run_report
    for run in runs:
        step = steps.add_parser(run.__name__.removeprefix("run_"), help=run.__doc__)
        step.set_defaults(run=run)
        step.add_argument(
            "--folder", type=Path, default=COMMITTED if run is run_report else Files.folder
        )
        if run is run_report:
            step.add_argument("--domain", nargs="+", default=DOMAINS)
            step.add_argument("--json", type=Path, required=True)
            step.add_argument("--parquet", type=Path, help="too; other domains' rows stay there")
            step.add_argument("--quick", action="store_true", help="fewer resamples")
            continue
        step.add_argument("--domain", required=True)
        if run is not run_recommend:
            step.add_argument("--store", type=Path, required=True)
            step.add_argument("--catalog", type=Path, default=Files.catalog)
            step.add_argument("--minutes", type=float, help="stop after so many; it can go on")
        if run is run_explore:
            step.add_argument("--outcomes", type=int, default=MOST_OUTCOMES)
            step.add_argument("--seed", type=int, default=0)
    words = sys.argv[1:]
    if words and words[0].startswith("--") and words[0] != "--help":
        words = ["report", *words]
    args = parser.parse_args(words)
    args.run(args)


if __name__ == "__main__":
    main()
