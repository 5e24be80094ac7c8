"""Measuring a domain: its whole sweep, or a sample anew; with store, models and provenance in place."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path as FilePath
from threading import Event
from typing import Any

from tqdm import tqdm

from ecollm_lab.domains import domain_folder, load_domain
from ecollm_lab.files import lines, require_parquet, require_writable
from ecollm_lab.models import ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import PathSpace, Pipeline, called_on
from ecollm_lab.sweeps.pairs import Progress, fingerprints, setup_digest, sweep
from ecollm_lab.sweeps.preflight import Estimate, estimate, first_calls, missing_pairs
from ecollm_lab.sweeps.provenance import provenance, queries_frame
from ecollm_lab.sweeps.store.store import Store
from ecollm_lab.traces import Trace


def sweep_domain(
    domain: str,
    *,
    catalog_file: FilePath,
    store_file: FilePath,
    out: FilePath | None = None,
    path_ids: Sequence[str] | None = None,
    limit: int | None = None,
    max_cost_usd: float | None = None,
    repeats: int = 1,
    repeat_share: float = 0.05,
    isolate: bool = False,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_estimate: Callable[[list[Estimate]], None] | None = None,
    show_progress: bool = False,
) -> tuple[Trace, FilePath, Progress]:
    """Sweep a domain into a store and export the trace of all that the store holds of it.

    Parameters
    ----------
    domain
        A folder, or the name of one of the lab's own domains.
    catalog_file, store_file, out
        The model catalog, the SQLite store, and the Parquet file (default
        `build/traces/<domain>.parquet`). Each run that came to its end and measured anything adds a
        line to a log beside it, `<domain>.log.jsonl`: how long it took, and the stage executions it
        made and was spared. The trace's provenance has those on the same domain, models and prices,
        as `runs`.
    path_ids
        The paths to run; all of the space if left out.
    limit, max_cost_usd, repeats, repeat_share, stop, on_progress
        See `sweep.sweep`.
    isolate
        Run each edge model in a process of its own; see `models.ModelPool`.
    on_estimate
        Called before the sweep with what it will owe to hosted models; a few pairs are measured
        ahead where nothing is known.

    Raises
    ------
    LabError
        For anything the user can mend; outcomes measured before stay in the store.

    """
    loaded = load_domain(domain_folder(domain))
    catalog = load_catalog(catalog_file)
    space = PathSpace.of(catalog)
    space = space.select(path_ids) if path_ids else space
    names = list(dict.fromkeys(name for path in space for name in called_on(catalog, path)))
    out = out or FilePath("build/traces") / f"{loaded.name}.parquet"
    require_parquet(out)
    require_writable(out)
    with Store(store_file) as store, ModelPool(catalog, isolate=isolate) as models:
        models.check(names)
        encoder = default_encoder()
        about = provenance(
            loaded, catalog, encoder.name
        )  # now: the code that runs is the code of this moment
        marks = fingerprints(loaded, catalog, encoder.name, space)
        setup = setup_digest(loaded, catalog, encoder.name)
        pipeline = Pipeline(loaded, catalog, encoder, models)
        began = time.monotonic()
        with tqdm(disable=not show_progress, unit=" outcomes", smoothing=0.05, delay=0.5) as bar:

            def show(progress: Progress) -> None:
                bar.total = progress.total
                bar.set_postfix_str(f"{progress.cost_usd:.6f} USD", refresh=False)
                bar.update()
                if on_progress:
                    on_progress(progress)

            options: dict[str, Any] = {
                "max_cost_usd": max_cost_usd,
                "repeats": repeats,
                "repeat_share": repeat_share,
                "stop": stop,
                "on_progress": show,
            }
            ahead = Progress(0)
            if on_estimate and limit is None:
                ahead = _estimate(pipeline, space, store, marks, options, on_estimate)
            progress = sweep(
                pipeline, loaded.queries, space.paths, store, marks, limit=limit, **options
            )
        seconds = time.monotonic() - began
        progress.done, progress.total, progress.reused = (
            progress.done + ahead.done,
            progress.total + ahead.done,
            progress.reused - ahead.done,
        )
        progress.cost_usd, progress.retried = (
            progress.cost_usd + ahead.cost_usd,
            progress.retried + ahead.retried,
        )
        wanted = {path.id for path in space}
        kept_under = list(dict.fromkeys(marks.values()))
        outcomes = [o for mark in kept_under for o in store.outcomes(mark) if o.path_id in wanted]
        failures = [f for mark in kept_under for f in store.failures(mark) if f.path_id in wanted]
        about["sweep"] = {
            "n": len(outcomes),
            "failed": len(failures),
            "retried": store.retried(loaded.name),
            "charged_usd": store.spending(loaded.name).charged_usd,
            "failures": [asdict(failure) for failure in failures],
        }
    order = {path.id: i for i, path in enumerate(space)}
    outcomes.sort(key=lambda o: (o.query_id, order[o.path_id]))
    run = {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": about["git_revision"],
        "setup": setup,
        "seconds": round(seconds, 1),
        "outcomes": progress.done,
        "failed": progress.failed,
        "reused": progress.reused,
        "stage_executions": dict(pipeline.executions),
        "stage_executions_without_sharing": dict(pipeline.requests),
    }
    about["runs"] = _logged(
        out.with_suffix(".log.jsonl"), run if progress.done + progress.failed else None, setup
    )
    trace = Trace.from_outcomes(outcomes, queries_frame(loaded.queries), about)
    trace.save(out)
    return trace, out, progress


def _logged(file: FilePath, run: dict[str, Any] | None, setup: str) -> list[dict[str, Any]]:
    """Add a run to the log beside a trace, and return all its runs with this setup; a line cut short is passed over."""
    text = file.read_text() if file.exists() else ""
    if run:
        with file.open("a") as log:
            log.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(run) + "\n")
    known = []
    for line in lines(text):
        with contextlib.suppress(json.JSONDecodeError):
            known.append(json.loads(line))
    return [old for old in (*known, *([run] if run else [])) if old.get("setup") == setup]


def _estimate(
    pipeline: Pipeline,
    space: PathSpace,
    store: Store,
    marks: dict[str, str],
    options: dict[str, Any],
    on_estimate: Callable[[list[Estimate]], None],
) -> Progress:
    """Say what the sweep will owe, after a few first calls where nothing is known; return how far those came."""
    queries = pipeline.domain.queries
    missing = missing_pairs(
        queries, space.paths, store, marks, pipeline.catalog, pipeline.domain.grading.judge_model
    )
    first = first_calls(missing, store)
    ahead = (
        sweep(pipeline, queries, space.paths, store, marks, only=first, **options)
        if first
        else Progress(0)
    )
    left = {
        name: len([pair for pair in pairs if pair not in first]) for name, pairs in missing.items()
    }
    on_estimate(estimate(left, store))
    return ahead
