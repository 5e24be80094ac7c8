"""Measures a whole domain: opens store and models, runs the sweep, and exports the trace."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path as FilePath
from threading import Event
from typing import Any

import pandas as pd

from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.domains.clusters import products
from ecollm_lab.files import lines, require_distinct, require_parquet, require_writable, resolved
from ecollm_lab.models import Catalog, ModelPool, default_encoder, load_catalog
from ecollm_lab.models.replies import BudgetSpent
from ecollm_lab.paths import PathSpace, Pipeline, read_space
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps.benches import connected
from ecollm_lab.sweeps.options import DomainOptions, SweepOptions
from ecollm_lab.sweeps.pairs import fingerprints, setup_digest, sweep
from ecollm_lab.sweeps.preflight import Estimate, calls_left, estimate, first_calls, missing_pairs
from ecollm_lab.sweeps.progress import Ended, Progress
from ecollm_lab.sweeps.provenance import provenance, queries_frame
from ecollm_lab.sweeps.store.store import Store
from ecollm_lab.traces import Trace


def sweep_domain(
    domain: str,
    *,
    catalog_file: FilePath,
    store_file: FilePath,
    out: FilePath | None = None,
    options: DomainOptions | None = None,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_estimate: Callable[[list[Estimate]], None] | None = None,
) -> tuple[Trace, FilePath, Progress]:
    """Sweep a domain into a store and export the trace of all that the store holds of it.

    Parameters
    ----------
    domain
        A folder, or the name of one of the lab's own domains.
    catalog_file, store_file, out
        The model catalog, the SQLite store, and the Parquet file (default
        `build/traces/<domain>.parquet`). Each run that came to its end and measured anything adds a
        line to `<domain>.log.jsonl` beside it, with its time and its stage executions. The trace's
        provenance has those with the same setup as `runs`.
    options, stop, on_progress
        See `DomainOptions` and `sweep`.
    on_estimate
        Called before the sweep with what hosted models will charge; see `preflight.estimate`.

    Raises
    ------
    LabError
        For anything the user can mend; outcomes measured before stay in the store.

    """
    options = options or DomainOptions()
    loaded, catalog = load_domain(domain), load_catalog(catalog_file)
    space = _space(catalog, options)
    out = resolved(out or FilePath("build/traces") / f"{loaded.name}.parquet")
    log = _require_places(catalog_file, store_file, out)
    with (
        connected(options) as options,
        Store(store_file) as store,
        ModelPool(catalog, isolate=options.isolate) as models,
    ):
        models.check(_opened_here(loaded, catalog, space, options))
        pipeline = Pipeline(loaded, catalog, default_encoder(), models)
        about = provenance(loaded, catalog, pipeline.encoder.name)  # of the code that runs now
        marks = fingerprints(loaded, catalog, pipeline.encoder.name, space)
        setup = setup_digest(loaded, catalog, pipeline.encoder.name)
        began = time.monotonic()
        progress = _sweep(pipeline, space, store, marks, options, stop, on_progress, on_estimate)
        run = _run_record(progress, pipeline, began, setup, about["git_revision"])
        outcomes, about["sweep"] = _stored(store, space, marks, loaded.name, options)
        table = _queries_table(loaded, pipeline)
    if not outcomes:
        raise LabError(_why_nothing(progress, about["sweep"]))
    about["runs"] = _log(log, run)
    trace = Trace.from_outcomes(outcomes, table, about)
    trace.save(out)
    return trace, out, progress


def _queries_table(domain: Domain, pipeline: Pipeline) -> pd.DataFrame:
    """Return the queries table: with what retrieval says, and the product that is asked about."""
    table = queries_frame(domain.queries, pipeline.evidence(domain.queries))
    return table.assign(product=products(domain))


def _space(catalog: Catalog, options: DomainOptions) -> PathSpace:
    file = options.space_file
    space = PathSpace.of(catalog) if file is None else read_space(file, catalog)
    return space.select(options.path_ids) if options.path_ids else space


def _opened_here(
    domain: Domain, catalog: Catalog, space: PathSpace, options: DomainOptions
) -> list[str]:
    """Return the models that this process will open; with an executor, workers have the others."""
    if options.limit == 0:
        return []
    names = space.models(catalog, domain.grading.judge_model)
    return [n for n in names if options.executor is None or catalog[n].placement == "cloud"]


def _require_places(catalog_file: FilePath, store_file: FilePath, out: FilePath) -> FilePath:
    """Raise, before anything is measured, if the results could not be written side by side.

    Returns the place of the log.
    """
    log = out.with_suffix(".log.jsonl")
    require_parquet(out)
    require_distinct(
        {"--catalog": catalog_file, "--store": store_file, "--out": out, "the log of --out": log}
    )
    require_writable(out)
    require_writable(log)
    return log


@dataclass(frozen=True, slots=True)
class _Rest:
    """The pairs of a sweep without those that were tried ahead of it, and failed."""

    only: Container[tuple[str, str]] | None
    failed: set[tuple[str, str]]

    def __contains__(self, pair: object) -> bool:
        return pair not in self.failed and (self.only is None or pair in self.only)


def _sweep(
    pipeline: Pipeline,
    space: PathSpace,
    store: Store,
    marks: Mapping[str, str],
    options: SweepOptions,
    stop: Event | None,
    on_progress: Callable[[Progress], None] | None,
    on_estimate: Callable[[list[Estimate]], None] | None,
) -> Progress:
    """Sweep the space; first tell what it will owe, after a few calls where nothing is known."""

    def run(options: SweepOptions) -> Progress:
        return sweep(
            pipeline,
            pipeline.domain.queries,
            space.paths,
            store,
            marks,
            options,
            stop=stop,
            on_progress=on_progress,
        )

    if on_estimate is None or options.limit is not None:
        return run(options)
    judge = pipeline.domain.grading.judge_model
    queries, catalog = pipeline.domain.queries, pipeline.catalog
    missing = missing_pairs(queries, space.paths, store, marks, catalog, judge, options.only)
    first = first_calls(missing, store)
    failures = set(store.failures_of(marks))
    ahead = run(replace(options, only=first)) if first else Progress(0)
    failures = set(store.failures_of(marks)) - failures
    on_estimate(estimate(calls_left(missing, first, options, judge), store, catalog))
    failed = {(failure.query_id, failure.path_id) for failure in failures}
    try:
        progress = run(replace(options, only=_Rest(options.only, failed)))
    except BudgetSpent as error:
        if not ahead.done + ahead.failed:
            raise
        ahead.ended, ahead.stopped = Ended.BUDGET, str(error)  # on what the first calls cost
        return ahead
    progress.total += ahead.done + ahead.failed
    progress.done += ahead.done
    progress.failed += ahead.failed
    progress.reused -= ahead.done
    progress.cost_usd += ahead.cost_usd
    progress.retried += ahead.retried
    progress.notices[:] = dict.fromkeys([*ahead.notices, *progress.notices])
    return progress


def _run_record(
    progress: Progress, pipeline: Pipeline, began: float, setup: str, git_revision: str
) -> dict[str, Any]:
    """Return what the log says of a run that `began` at this time of `time.monotonic`."""
    return {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 1),
        "outcomes": progress.done,
        "failed": progress.failed,
        "reused": progress.reused,
        "notices": list(progress.notices),
        "stage_executions": dict(pipeline.executions),
        "stage_executions_without_sharing": dict(pipeline.requests),
        "git_revision": git_revision,
        "setup": setup,
    }


def _stored(
    store: Store,
    space: PathSpace,
    marks: Mapping[str, str],
    name: str,
    options: DomainOptions,
) -> tuple[list[Outcome], dict[str, Any]]:
    """Return the outcomes that the store holds of a space, and what the trace says of the sweep.

    If asked for, only those of the queries that it holds on every path.
    """
    order = {path.id: i for i, path in enumerate(space)}
    outcomes = sorted(store.outcomes_of(marks), key=lambda o: (o.query_id, order[o.path_id]))
    held = Counter(outcome.query_id for outcome in outcomes)
    partly = {query_id for query_id, n in held.items() if n < len(order)}
    partly = partly if options.whole_queries else set()
    outcomes = [outcome for outcome in outcomes if outcome.query_id not in partly]
    failures = store.failures_of(marks)
    return outcomes, {
        "n": len(outcomes),
        "queries_left_out": len(partly),
        "failed": len(failures),
        "retried": store.retried(name),
        "charged_usd": store.spending(name).charged_usd,
        "failures": [asdict(failure) for failure in failures],
    }


def _why_nothing(progress: Progress, stored: Mapping[str, Any]) -> str:
    """Say why there is no outcome: in the words that were recorded, not that there is none."""
    if left_out := stored["queries_left_out"]:
        return (
            f"None of the {left_out} queries in the store was measured on all paths, so no trace"
            " was written. Measure more, or leave out --whole-queries."
        )
    why = f" {progress.stopped}." if progress.stopped else ""
    if failures := stored["failures"]:
        one = failures[0]
        why += (
            f" {len(failures)} pairs failed, for example {one['query_id']} on {one['path_id']}:"
            f" {one['error']}"
        )
    return f"Nothing was measured, so no trace was written.{why}"


def _log(file: FilePath, run: dict[str, Any]) -> list[dict[str, Any]]:
    """Add a run to the log beside a trace, and return all its runs with the same setup.

    A run that measured nothing is not added, and a line that was cut short is passed over.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
        if run["outcomes"] + run["failed"]:
            line = json.dumps(run) + "\n"
            added = line if not text or text.endswith("\n") else f"\n{line}"
            with file.open("a", encoding="utf-8") as log:
                log.write(added)
            text += added
    except OSError as error:
        raise LabError(
            f"Cannot write the log {file}: {error.strerror}. Every outcome is in the store: make"
            " room or name another --out, and run the same command again."
        ) from error
    runs = []
    for line in lines(text):
        with contextlib.suppress(json.JSONDecodeError):
            runs.append(json.loads(line))
    return [one for one in runs if isinstance(one, dict) and one.get("setup") == run["setup"]]
