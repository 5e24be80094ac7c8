"""(query, path) pairs → outcomes in the store, through any `concurrent.futures.Executor`; what is there is not run again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Lock

from ecollm_lab.catalog import Catalog
from ecollm_lab.domains import Domain
from ecollm_lab.pipeline import Pipeline
from ecollm_lab.records import LabError, Outcome, Path, Query
from ecollm_lab.store import Store

COMPONENTS_VERSION = 1  # raise it whenever a stage, the prompt or the grading changes what an outcome would be


def fingerprint(domain: Domain, catalog: Catalog, encoder_name: str, model_name: str) -> str:
    """Digest all that determines an outcome beside its query and path: domain, model, prices, encoder, component version."""
    model = catalog[model_name]
    parts = (domain.digest, repr(model).replace(str(model.file), ""), catalog.edge_price_usd_per_hour, encoder_name, COMPONENTS_VERSION)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass
class Progress:
    """How far a sweep is.

    `total` pairs are to be run, `done` of them are in the store, `failed` were given up; `retried` counts further attempts at a
    call; `reused` pairs were in the store before. `cost_usd` is what the new outcomes cost in US dollars, `latest` the last of
    them, and `stopped` says why the sweep ended before its end ("" otherwise).
    """

    total: int
    done: int = 0
    cost_usd: float = 0.0
    reused: int = 0
    failed: int = 0
    retried: int = 0
    latest: Outcome | None = None
    stopped: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def eta_s(self) -> float:
        """Seconds left at the pace so far; infinite before the first outcome."""
        elapsed = time.monotonic() - self.started
        return elapsed / self.done * (self.total - self.done) if self.done else float("inf")


def sweep(
    pipeline: Pipeline,
    queries: Sequence[Query],
    paths: Sequence[Path],
    store: Store,
    fingerprints: dict[str, str],
    *,
    only: Container[tuple[str, str]] | None = None,
    executor: Executor | None = None,
    limit: int | None = None,
    max_cost_usd: float | None = None,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Run every pair the store lacks and commit each outcome as it comes.

    Parameters
    ----------
    pipeline, queries, paths
        What to run; the paths of one query run together, so that shared prefixes are shared.
    store, fingerprints
        Where outcomes go, and the fingerprint for each model name.
    only
        Run these (query_id, path_id) pairs alone; all of queries × paths if left out.
    executor
        Where queries run. Default: one worker, so that latencies are not measured against each other.
    limit
        Run at most this many new outcomes.
    max_cost_usd
        Stop once this many US dollars are spent on new outcomes; outcomes in flight are still finished and kept.
    stop
        Set it from any thread: nothing new is started, what is in flight is finished and committed, and the sweep returns.
    on_progress
        Called in the calling thread after each commit, with the one `Progress` that the sweep returns in the end.

    Raises
    ------
    LabError
        If a path or the store fails; outcomes committed before stay. `KeyboardInterrupt` passes through likewise.

    """
    if limit is not None and limit < 1:
        raise LabError(f"limit must be at least 1 or None, got {limit}.")
    have = {model: store.pairs(mark) for model, mark in fingerprints.items()}
    wanted = [(q, [p for p in paths if only is None or (q.id, p.id) in only]) for q in queries]
    work = [(q, [p for p in some if (q.id, p.id) not in have[p.model]]) for q, some in wanted]
    missing = sum(len(todo) for _, todo in work)
    reused = sum(len(some) for _, some in wanted) - missing
    progress = Progress(missing if limit is None else min(limit, missing), reused=reused)
    runner = _Runner(pipeline, max_cost_usd, stop)

    def commit(outcome: Outcome) -> None:
        store.add(fingerprints[outcome.path_id.rsplit("/", 1)[1]], outcome)
        progress.done += 1
        progress.cost_usd += outcome.cost_usd
        progress.latest = outcome

    pool = executor or ThreadPoolExecutor(1)
    running = [pool.submit(runner.run, query, todo) for query, todo in _first(work, progress.total) if todo]
    open_tasks = len(running)
    try:
        while open_tasks:
            item = runner.inbox.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                open_tasks -= 1
                continue
            commit(item)
            if on_progress:
                on_progress(progress)
    finally:  # whatever ended the loop: nothing new starts, and what is in flight is still committed
        runner.stop.set()
        for future in running:
            future.cancel()
        wait(running)
        if executor is None:
            pool.shutdown()
        while not runner.inbox.empty():
            item = runner.inbox.get()
            if isinstance(item, Outcome):
                commit(item)
    if progress.done < progress.total:
        progress.stopped = "stopped on request" if stop and stop.is_set() else "budget spent"
    return progress


class _Runner:
    """Runs the paths of one query in a worker and sends outcomes, an error, and finally None to the thread that commits."""

    def __init__(self, pipeline: Pipeline, max_cost_usd: float | None, asked: Event | None) -> None:
        self.pipeline, self.left_usd = pipeline, float("inf") if max_cost_usd is None else max_cost_usd
        self.inbox: SimpleQueue[Outcome | Exception | None] = SimpleQueue()
        self.stop, self.asked, self._guard = Event(), asked or Event(), Lock()

    def run(self, query: Query, todo: list[Path]) -> None:
        outcomes = self.pipeline.run(query, todo)
        try:
            while not (self.stop.is_set() or self.asked.is_set()) and (outcome := next(outcomes, None)):
                self.inbox.put(outcome)
                with self._guard:
                    self.left_usd -= outcome.cost_usd
                    if self.left_usd <= 0:
                        self.stop.set()
        except Exception as error:  # raised by the thread that commits
            self.inbox.put(error)
        self.inbox.put(None)


def _first(work: list[tuple[Query, list[Path]]], limit: int) -> Iterator[tuple[Query, list[Path]]]:
    """Cut the work down to its first `limit` pairs."""
    for query, todo in work:
        yield query, todo[:limit]
        limit -= min(limit, len(todo))
