"""Exploring a domain within a budget: the Emulator chooses, a sweep measures or a trace answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from threading import Event
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.emulator.budget import Budget, emulate, replay_from
from ecollm_lab.emulator.emulator import Emulator, Pair
from ecollm_lab.emulator.live import LiveRun
from ecollm_lab.emulator.report import report
from ecollm_lab.files import (
    csv_text,
    require_distinct,
    require_parquet,
    require_writable,
    resolved,
    write,
)
from ecollm_lab.models import Catalog, ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import PathSpace, read_path
from ecollm_lab.records import LabError, Outcome, Query
from ecollm_lab.sweeps import Progress, Store
from ecollm_lab.sweeps.provenance import provenance, queries_frame
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import full_id


@dataclass(frozen=True, slots=True)
class ExplorationOptions:
    """How a domain is explored.

    Parameters
    ----------
    replay
        A trace of the domain to look outcomes up in instead of measuring them: of those training
        queries that it has, each on every path that may be asked. The store is left alone then.
    path_ids
        The paths to explore; None = the whole space of the catalog.
    stop_at_regret
        See `emulate`.
    seed
        Same seed, same questions for the same answers.
    afresh
        Ask as if the store were empty: what it holds is not measured again, but counts only once it
        is asked for. The same exploration, stopped and started anew, then asks the same questions,
        as long as what failed fails again.

    """

    replay: FilePath | None = None
    path_ids: Sequence[str] | None = None
    stop_at_regret: float | None = None
    seed: int = 0
    afresh: bool = False


def emulate_domain(
    domain: str,
    budget: Budget,
    *,
    catalog_file: FilePath,
    store_file: FilePath,
    out: FilePath | None = None,
    options: ExplorationOptions | None = None,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> str:
    """Explore a domain's training queries within a budget, write what was found, return a report.

    Parameters
    ----------
    domain
        A folder, or the name of one of the lab's own domains.
    budget
        What the store holds already counts towards it, unless the options say `afresh`.
    catalog_file, store_file
        The model catalog, and the SQLite store that outcomes go to and are taken from.
    out
        The Parquet file (default `build/emulated/<domain>.parquet`); the fronts go beside it.
    options, stop
        What else is asked. Set `stop` from any thread: what is in flight is finished and reported.
    on_progress
        Called after each outcome measured; its `total` is the budget in outcomes, or all pairs.

    Raises
    ------
    LabError
        For anything the user can mend; outcomes measured before stay in the store.

    """
    options = options or ExplorationOptions()
    loaded, catalog = load_domain(domain), load_catalog(catalog_file)
    out = resolved(out or FilePath("build/emulated") / f"{loaded.name}.parquet")
    require_parquet(out)
    require_writable(out)
    require_distinct({"--catalog": catalog_file, "--store": store_file, "--out": out})
    space, trace = _explored(loaded, catalog, options)
    queries, encoder = _queries(loaded, trace), default_encoder()
    embeddings = encoder.encode([query.text for query in queries])
    emulator = Emulator(space, queries, embeddings, seed=options.seed)
    task = _Task(emulator, budget.of(emulator.n_pairs), options, stop, on_progress)
    if trace:
        # these outcomes are the trace's, not of this machine and day
        about = trace.provenance | {"replayed_from": trace.source_line}
        history = task.replayed(trace)
    else:
        about = provenance(loaded, catalog, encoder.name)
        with Store(store_file) as store, ModelPool(catalog) as models:
            models.check(space.models(catalog, loaded.grading.judge_model))
            history = task.measured(LiveRun(loaded, space, store, models, budget.cost_usd))
    about["emulator"] = task.about() | {"stopped": history["stopped"].iloc[-1]}
    fronts = emulator.fronts()
    Trace.from_outcomes(emulator.outcomes, queries_frame(queries), about).save(out)
    write(csv_text(fronts), out.with_suffix(".fronts.csv"))
    return report(loaded.name, emulator, history, fronts, task.progress, out)


def _explored(
    domain: Domain, catalog: Catalog, options: ExplorationOptions
) -> tuple[PathSpace, Trace | None]:
    """Return the paths to explore, and the trace that is replayed, if any."""
    trace = Trace.load(options.replay) if options.replay else None
    space = PathSpace(tuple(map(read_path, trace.path_ids))) if trace else PathSpace.of(catalog)
    space = space.select(options.path_ids) if options.path_ids else space
    return space, trace and _recorded(trace, str(options.replay), domain, space)


def _queries(domain: Domain, trace: Trace | None) -> list[Query]:
    """Return the training queries of a domain, of these only what a trace has."""
    there = set(trace.query_ids) if trace else None
    return [query for query in domain.split("train") if there is None or query.id in there]


@dataclass
class _Task:
    """An exploration that is about to run, and how far it is."""

    emulator: Emulator
    budget: Budget
    options: ExplorationOptions
    stop: Event | None
    on_progress: Callable[[Progress], None] | None

    def __post_init__(self) -> None:
        self.progress = Progress(total=self.budget.outcomes or self.emulator.n_pairs)

    def about(self) -> dict[str, Any]:
        limits = {name: getattr(self.budget, name) for name in ("outcomes", "cost_usd", "seconds")}
        return {"budget": limits, "seed": self.options.seed, "pairs": self.emulator.n_pairs}

    def measured(self, live: LiveRun) -> pd.DataFrame:
        if not self.options.afresh:
            self.emulator.recall(live.recalled())
        self.progress.reused = self.emulator.n_told
        self.progress.total -= self.emulator.n_told
        stop = _Until(self.stop, self.budget.seconds)
        run = live.runner(self.progress, stop, self.on_progress)
        regret = self.options.stop_at_regret
        return emulate(self.emulator, run, self.budget, stop_at_regret=regret)

    def replayed(self, trace: Trace) -> pd.DataFrame:
        look_up = replay_from(trace)

        def run(pairs: list[Pair]) -> list[Outcome]:
            return [] if self.stop and self.stop.is_set() else look_up(pairs)

        def on_batch(row: dict[str, Any]) -> None:
            if self.on_progress and self.emulator.outcomes:
                self.progress.done, self.progress.cost_usd = row["outcomes"], row["cost_usd"]
                self.progress.latest = self.emulator.outcomes[-1]
                self.on_progress(self.progress)

        regret = self.options.stop_at_regret
        return emulate(self.emulator, run, self.budget, stop_at_regret=regret, on_batch=on_batch)


class _Until(Event):
    """An event that is set once another one is, or after so many seconds, None = never."""

    def __init__(self, other: Event | None, seconds: float | None) -> None:
        super().__init__()
        self._other, self._seconds, self._began = other, seconds, time.monotonic()

    def is_set(self) -> bool:
        late = self._seconds is not None and time.monotonic() - self._began >= self._seconds
        return late or super().is_set() or (self._other is not None and self._other.is_set())


def _recorded(trace: Trace, file: str, domain: Domain, space: PathSpace) -> Trace:
    """Give a trace the path ids of today; refuse another domain, or pairs without an outcome."""
    names = {path_id: full_id(path_id) for path_id in trace.path_ids}
    outcomes = trace.outcomes.assign(path_id=trace.outcomes["path_id"].map(names))
    trace = replace(trace, outcomes=outcomes)
    about = trace.provenance
    if about["source"] == "measured" and about.get("domain", domain.name) != domain.name:
        raise LabError(
            f"{file} was measured on the domain {about['domain']!r}, not on {domain.name!r}. Name"
            " that domain, or another trace."
        )
    if about.get("domain_digest", domain.digest) != domain.digest:
        raise LabError(
            f"{file} was measured on another edition of {domain.name!r}: passages, queries or"
            " grading differ. Sweep it anew."
        )
    queries = [query.id for query in _queries(domain, trace)]
    if not queries:
        raise LabError(
            f"{file} has none of the training queries of {domain.name!r}. Name another trace."
        )
    paths = [path.id for path in space]
    rows = pd.Index(trace.query_ids).get_indexer(pd.Index(queries))
    columns = pd.Index(trace.path_ids).get_indexer(pd.Index(paths))
    there = ~np.isnan(trace.array("quality")[np.ix_(rows, columns)]) & (columns >= 0)
    missing = np.argwhere(~there)
    if len(missing):
        query, path = missing[0]
        raise LabError(
            f"{file} has no outcome of {len(missing)} pairs that may be asked, first query"
            f" {queries[query]} on path {paths[path]}. Explore only paths that it has for every"
            " training query, or name an exhaustive trace."
        )
    return trace
