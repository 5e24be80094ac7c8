"""(query, path) pairs → outcomes in the store; what is there is not run again, what was paid is not paid again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event

from ecollm_lab.calls import Calls, identity
from ecollm_lab.catalog import Catalog, Model
from ecollm_lab.domains import Domain
from ecollm_lab.judging import build_judge_prompt
from ecollm_lab.models import BudgetSpent, CallFailed, EndpointClosed, Reply, Withdrawn
from ecollm_lab.pipeline import Memo, Pipeline, Prepared
from ecollm_lab.records import LabError, Outcome, Path, Query
from ecollm_lab.store import Failure, Store

COMPONENTS_VERSION = 2  # raise it whenever a stage, the prompt or the grading changes what an outcome would be
BACKLOG = 2000  # calls that may wait for an endpoint before the stages pause


def fingerprint(domain: Domain, catalog: Catalog, encoder_name: str, model_name: str) -> str:
    """Digest all that determines an outcome beside its query and path: domain, model, prices, encoder, component version."""
    model = catalog[model_name]
    prices = model.price_usd_per_hour, model.price_in_usd_per_mtok, model.price_out_usd_per_mtok, model.network_delay_s
    parts: tuple[object, ...] = (domain.digest, identity(model), prices, catalog.edge_price_usd_per_hour, encoder_name, COMPONENTS_VERSION)
    if domain.grading.judge_model:
        parts += (identity(catalog[domain.grading.judge_model]),)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def overlaps(model: Model) -> bool:
    """Tell whether calls to a model may be in flight while this machine measures: only a hosted endpoint's may."""
    return model.base_url is not None


@dataclass
class Progress:
    """How far a sweep is.

    `total` pairs are to be run, `done` of them are in the store, `failed` were given up; `retried` counts further attempts at a
    call; `reused` pairs were in the store before, `quarantined` ones are not tried again. `cost_usd` is what the new outcomes cost
    in US dollars, `latest` the last of them, and `stopped` says why the sweep ended before its end ("" otherwise).
    """

    total: int
    done: int = 0
    cost_usd: float = 0.0
    reused: int = 0
    failed: int = 0
    retried: int = 0
    quarantined: int = 0
    latest: Outcome | None = None
    stopped: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def eta_s(self) -> float:
        """Seconds left at the pace so far; infinite before the first outcome."""
        elapsed, ended = time.monotonic() - self.started, self.done + self.failed
        return elapsed / ended * (self.total - ended) if ended else float("inf")


def sweep(
    pipeline: Pipeline,
    queries: Sequence[Query],
    paths: Sequence[Path],
    store: Store,
    fingerprints: Mapping[str, str],
    *,
    only: Container[tuple[str, str]] | None = None,
    executor: Executor | None = None,
    limit: int | None = None,
    max_cost_usd: float | None = None,
    repeats: int = 1,
    repeat_share: float = 0.05,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Run every pair the store lacks and commit each outcome as it comes.

    Stages and models of this machine run one after another, so that latencies are not measured against each other; meanwhile
    calls to hosted endpoints are in flight, as many as each endpoint bears. Pairs that need the same call share it.

    Parameters
    ----------
    pipeline, queries, paths
        What to run; the paths of one query run together, so that shared prefixes are shared.
    store, fingerprints
        Where outcomes go, and the fingerprint for each model name.
    only
        Run these (query_id, path_id) pairs alone; all of queries × paths if left out.
    executor
        Where this machine's part runs. Default: one worker; more of them blur each other's latencies.
    limit
        Run at most this many new pairs.
    max_cost_usd
        Never owe endpoints more than this many US dollars for this domain, earlier runs on this store included. The price of
        the longest answer is set aside before a call is sent.
    repeats, repeat_share
        Measure this share of the calls so many times, for a median latency and its spread. Each time of a paid call is paid.
    stop
        Set it from any thread: nothing new is started, what is in flight is finished and committed, and the sweep returns.
    on_progress
        Called in the calling thread after each commit, with the one `Progress` that the sweep returns in the end.

    Raises
    ------
    LabError
        If a path or the store fails, or the cap cannot buy one call; outcomes committed before stay. A call that fails does
        not end the sweep: its pair is recorded as failed. `KeyboardInterrupt` passes through once what is in flight is kept.

    """
    if limit is not None and limit < 1:
        raise LabError(f"limit must be at least 1 or None, got {limit}.")
    if repeats < 1 or not 0 <= repeat_share <= 1:
        raise LabError(f"repeats must be at least 1 and repeat_share within [0, 1], got {repeats} and {repeat_share}.")
    if max_cost_usd is not None and not max_cost_usd >= 0:
        raise LabError(f"max_cost_usd must be a number of US dollars >= 0 or None, got {max_cost_usd!r}.")
    have = {model: store.pairs(mark) for model, mark in fingerprints.items()}
    shut = {(f.query_id, f.path_id) for mark in fingerprints.values() for f in store.failures(mark) if f.state == "quarantined"}
    wanted = [(q, [p for p in paths if only is None or (q.id, p.id) in only]) for q in queries]
    lacking = [(q, [p for p in some if (q.id, p.id) not in have[p.model]]) for q, some in wanted]
    work = [(q, [p for p in some if (q.id, p.id) not in shut]) for q, some in lacking]
    missing, asked = sum(len(todo) for _, todo in work), sum(len(some) for _, some in wanted)
    progress = Progress(missing if limit is None else min(limit, missing))
    progress.quarantined = sum(len(some) for _, some in lacking) - missing
    progress.reused = asked - missing - progress.quarantined
    calls = Calls(
        store, pipeline.catalog, pipeline.models, pipeline.domain.name, repeats=repeats, repeat_share=repeat_share,
        max_cost_usd=float("inf") if max_cost_usd is None else max_cost_usd,
    )  # fmt: skip
    plan = [(query, todo) for query, todo in _first(work, progress.total) if todo]
    pipeline.grade_through(calls)
    if max_cost_usd is not None:
        _require_one_call(pipeline, plan, calls, max_cost_usd)
    run = _Run(pipeline, calls, store, fingerprints, progress, stop or Event(), on_progress)
    pool = executor or ThreadPoolExecutor(1, thread_name_prefix="device")
    try:
        run.go(pool, plan)
    finally:
        if executor is None:
            pool.shutdown()
    return progress


def _require_one_call(pipeline: Pipeline, plan: list[tuple[Query, list[Path]]], calls: Calls, cap_usd: float) -> None:
    """Refuse to start a sweep whose cap cannot buy its first paid call."""
    priced = {name for name, model in pipeline.catalog.models.items() if model.placement == "cloud"}
    for query, todo in plan:
        for path in todo:
            if path.model in priced:
                if not calls.affords(path.model, pipeline.prepare(query, path, {}).prompt):
                    raise LabError(
                        f"max_cost_usd {cap_usd:g} cannot buy one more call to {path.model!r}: what the store's ledger shows as spent on "
                        f"{pipeline.domain.name!r} counts towards it. Raise it, or choose paths without that model."
                    )
                return


@dataclass(frozen=True, slots=True)
class _Result:
    """A pair whose call has ended, well or not."""

    prepared: Prepared
    key: str
    future: Future[Reply]
    judged: Future[Reply] | None = None

    def error(self) -> BaseException | None:
        """Return what kept the pair from an outcome: its own call's error, or its judge's."""
        return self.future.exception() or (self.judged.exception() if self.judged else None)


class _Run:
    """One sweep: the device's thread runs stages and calls; the calling thread grades, commits and reports."""

    def __init__(
        self, pipeline: Pipeline, calls: Calls, store: Store, fingerprints: Mapping[str, str], progress: Progress, stop: Event,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:  # fmt: skip
        self.pipeline, self.calls, self.store, self.fingerprints = pipeline, calls, store, fingerprints
        self.progress, self.stop, self.on_progress = progress, stop, on_progress
        self.inbox: SimpleQueue[_Result | Exception | None] = SimpleQueue()
        self.tasks: list[Future[None]] = []
        self.closed: dict[str, str] = {}
        self.fatal: BaseException | None = None
        self.halted = Event()
        self.tasks_ended = self.started = self.ended = 0

    def go(self, pool: Executor, plan: list[tuple[Query, list[Path]]]) -> None:
        """Run the plan; returns or raises only when nothing is in flight any more, unless interrupted twice."""
        self.tasks = [pool.submit(self._device, query, todo) for query, todo in plan]
        for task in self.tasks:
            task.add_done_callback(lambda _: self.inbox.put(None))
        try:
            self._collect()
        except BaseException:  # an interrupt: nothing new starts, and what is in flight is still committed
            self._halt("interrupted")
            self.on_progress = None
            self._collect()
            raise
        finally:
            self.pipeline.executions["generate"] += self.calls.made
        if self.fatal:
            raise self.fatal
        self.progress.stopped = self.progress.stopped or " ".join(self.closed.values())

    # -- in the device's thread --------------------------------------------------------------------------------------------------

    def _device(self, query: Query, todo: list[Path]) -> None:
        memo: Memo = {}
        overlap = {path.model: overlaps(self.pipeline.catalog[path.model]) for path in todo}
        try:
            for path in sorted(todo, key=lambda p: not overlap[p.model]):  # calls that fly while this machine works come first
                while overlap[path.model] and self.started - self.ended >= BACKLOG and not self.halted.is_set():
                    time.sleep(0.01)
                if self.halted.is_set() or self.stop.is_set():
                    return
                if path.model not in self.closed:
                    self._pair(query, path, memo, overlap[path.model])
        except Exception as error:  # raised by the calling thread
            self.inbox.put(error)

    def _pair(self, query: Query, path: Path, memo: Memo, overlap: bool) -> None:
        try:
            prepared = self.pipeline.prepare(query, path, memo)
        except LabError as error:
            raise LabError(f"Query {query.id} on path {path.id}: {error}") from error
        key = self.calls.key(path.model, prepared.prompt)
        self.started += 1
        self.pipeline.requests["generate"] += 1
        future = self.calls.get(path.model, prepared.prompt)
        future.add_done_callback(lambda done: self._landed(prepared, key, done))
        if not overlap:
            future.exception()  # waits: whatever runs on this machine runs alone

    def _landed(self, prepared: Prepared, key: str, done: Future[Reply]) -> None:
        """Hand a reply over, once its judge, if the domain has one, has replied too: a call like any other."""
        judge = self.pipeline.domain.grading.judge_model
        if judge is None or done.exception():
            self.inbox.put(_Result(prepared, key, done))
            return
        judged = self.calls.once(judge, build_judge_prompt(prepared.query, done.result().text))
        judged.add_done_callback(lambda reply: self.inbox.put(_Result(prepared, key, done, reply)))

    # -- in the calling thread ---------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        while self.tasks_ended < len(self.tasks) or self.ended < self.started:
            if self.stop.is_set() or self.fatal:
                self._halt("stopped on request")
            with suppress(Empty):
                items = [self.inbox.get(timeout=0.05)]
                while not self.inbox.empty():
                    items.append(self.inbox.get())
                self._take(items)

    def _take(self, items: list[_Result | Exception | None]) -> None:
        """Write what has come in, wait until all of it is on disk, and only then count it."""
        self.tasks_ended += items.count(None)
        results = [item for item in items if isinstance(item, _Result)]
        self.ended += len(results)
        self.fatal = self.fatal or next((item for item in items if isinstance(item, Exception)), None)
        written = [pair for pair in map(self._write, results) if pair]
        for what, future in written:
            try:
                future.result()
            except LabError as error:  # the store cannot be written: nothing more is paid
                self.fatal = self.fatal or error
            else:
                self._count(what)

    def _write(self, result: _Result) -> tuple[Outcome | Failure, Future[None]] | None:
        path, error = result.prepared.path, result.error()
        if error is None:
            try:
                outcome = self.pipeline.finish(result.prepared, result.future.result())
                return outcome, self.store.put(self.fingerprints[path.model], outcome, result.key)
            except CallFailed as failed:  # the judge's reply is no score
                error = failed
        if isinstance(error, CallFailed):
            failure = Failure(result.prepared.query.id, path.id, error.state, error.attempts, str(error))
            return failure, self.store.fail(self.fingerprints[path.model], failure)
        if isinstance(error, BudgetSpent):
            self._halt(str(error))
        elif isinstance(error, EndpointClosed):
            self.closed[path.model] = str(error)
        elif not isinstance(error, Withdrawn):
            self.fatal = self.fatal or error
        return None

    def _count(self, what: Outcome | Failure) -> None:
        progress = self.progress
        progress.retried = self.calls.retried
        if isinstance(what, Failure):
            progress.failed += 1
        else:
            progress.done += 1
            progress.cost_usd += what.cost_usd
            progress.latest = what
        if self.on_progress:
            self.on_progress(progress)

    def _halt(self, why: str) -> None:
        """Admit nothing more; calls that wait for a turn are given up, those in flight are finished."""
        if not self.halted.is_set():
            self.progress.stopped = why
            self.halted.set()
            for task in self.tasks:
                task.cancel()
        self.calls.withdraw()


def _first(work: list[tuple[Query, list[Path]]], limit: int) -> Iterator[tuple[Query, list[Path]]]:
    """Cut the work down to its first `limit` pairs."""
    for query, todo in work:
        yield query, todo[:limit]
        limit -= min(limit, len(todo))
