"""One sweep under way: work of this machine in turn, calls in flight, and results written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import Any

from ecollm_lab.domains.judging import build_judge_prompt
from ecollm_lab.models import CallFailed, Reply
from ecollm_lab.models.replies import BudgetSpent, CallState, EndpointClosed, Withdrawn
from ecollm_lab.paths import Prepared, called_on
from ecollm_lab.records import LabError, Outcome, Path, Prompt, Query
from ecollm_lab.sweeps.benches import Bench, Stages
from ecollm_lab.sweeps.calls import Calls
from ecollm_lab.sweeps.lanes import Lane
from ecollm_lab.sweeps.progress import Ended, Progress
from ecollm_lab.sweeps.store.store import Failure, Store
from ecollm_lab.sweeps.store.writer import Unstorable

BACKLOG = 2000  # calls that may wait for an endpoint before the stages pause
# Queries by which a model that this machine serves may lag behind: it is never idle, and a sweep
# that is stopped leaves few queries half measured.
LAG = 2
# Results that come in within this time are written together: each time the calling thread wakes,
# it slows down the thread that measures.
GATHER_S = 0.02

Plan = list[tuple[Query, list[Path]]]


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


class Run:
    """One sweep: threads run stages and calls, the calling thread grades and commits."""

    def __init__(
        self,
        bench: Bench,
        calls: Calls,
        store: Store,
        fingerprints: Mapping[str, str],
        lanes: Mapping[str, Lane],
        progress: Progress,
        stop: Event,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.bench, self.pipeline, self.calls = bench, bench.pipeline, calls
        self.store, self.fingerprints, self.lanes = store, fingerprints, lanes
        self.progress, self.stop, self.on_progress = progress, stop, on_progress
        self.judge = self.pipeline.domain.grading.judge_model
        progress.notices = calls.notices
        self.inbox: SimpleQueue[_Result | Exception | None] = SimpleQueue()
        self.taken: list[_Result | Exception | None] = []  # out of the inbox, and not yet written
        self.tasks: list[Future[None]] = []
        self.closed: dict[str, str] = {}
        self.fatal: BaseException | None = None
        self.halted = Event()
        self.tasks_ended = self.started = self.ended = 0
        self.starting = Lock()  # with an executor, several threads start pairs
        embeds = self.pipeline.domain.grading.name == "embedding"
        # Encoding an answer would blur the stages that are measured meanwhile.
        self.computing: AbstractContextManager[Any] = Lock() if embeds else nullcontext()
        self.most_beside, self.beside = 1, set[Future[Reply]]()

    def go(self, pool: Executor, plan: Plan) -> None:
        """Run the plan; return or raise only when nothing is in flight any more.

        A second interrupt ends it at once.
        """
        if plan and self.judge:
            with suppress(LabError):  # each call to it says why; here no endpoint waits meanwhile
                self.bench.models[self.judge]
        n_beside = [sum(self.lanes[p.model] is Lane.BESIDE for p in todo) for _, todo in plan]
        self.most_beside = max(1, LAG * max(n_beside, default=0))
        self.tasks = [pool.submit(self._run_query, query, todo) for query, todo in plan]
        for task in self.tasks:
            task.add_done_callback(lambda _: self.inbox.put(None))
        try:
            self._collect()
        except BaseException:  # nothing new starts, and what is in flight is still committed
            self._halt(Ended.INTERRUPT, "interrupted")
            self.on_progress = None
            self._collect()
            raise
        finally:
            self.pipeline.executions["generate"] += self.calls.made
        if self.fatal:
            raise self.fatal
        if self.stop.is_set() and self.progress.done + self.progress.failed < self.progress.total:
            self._halt(Ended.REQUEST, "stopped on request")  # the stages saw it before `_collect`
        if self.closed and not self.progress.ended:
            self.progress.ended = Ended.ENDPOINTS
            self.progress.stopped = " ".join(self.closed.values())

    # -- in a thread that measures, or lets a worker measure

    def _run_query(self, query: Query, todo: list[Path]) -> None:
        try:
            stages = self.bench.begin(query, todo, self.calls)
            # Calls that are in flight while this machine works come first.
            for path in sorted(todo, key=lambda p: self.lanes[p.model]):
                lane = self.lanes[path.model]
                while self._is_full(lane) and not self.halted.is_set():
                    time.sleep(0.01)
                if self.halted.is_set() or self.stop.is_set():
                    return
                if path.model not in self.closed:
                    self._run_pair(query, path, stages, lane)
        except Exception as error:  # the calling thread raises it
            self.inbox.put(error)

    def _is_full(self, lane: Lane) -> bool:
        """Tell whether so many calls wait for their turn that the stages should pause."""
        if lane is Lane.HOSTED:
            return self.started - self.ended >= BACKLOG
        return lane is Lane.BESIDE and len(self.beside) >= self.most_beside

    def _run_pair(self, query: Query, path: Path, stages: Stages, lane: Lane) -> None:
        try:
            with self.computing:
                prepared = stages(path)
        except CallFailed as error:  # the call that rewrites: it costs its pairs, not the sweep
            failed: Future[Reply] = Future()
            failed.set_exception(error)
            self._start(1)
            self.inbox.put(_Result(Prepared(query, path, Prompt(""), ()), "", failed))
            return
        except EndpointClosed as error:  # of the model that rewrites: its paths alone are left out
            self.closed[called_on(self.pipeline.catalog, path)[0]] = str(error)
            return
        except LabError as error:
            raise LabError(f"Query {query.id} on path {path.id}: {error}") from error
        key = self.calls.key(path.model, prepared.prompt)
        if self.halted.is_set():  # while the stages ran
            return
        self._start(1)
        self.pipeline.requests["generate"] += 1
        try:
            future = self.calls.get(path.model, prepared.prompt)
        except BaseException:
            self._start(-1)  # it never will end
            raise
        if self.judge and self.lanes[self.judge] is Lane.HERE:
            future.exception()
            self._on_reply(prepared, key, future).exception()  # waits: the judge has its turn, too
            return
        future.add_done_callback(lambda done: self._on_reply(prepared, key, done))
        if lane is Lane.BESIDE:
            self.beside.add(future)
            future.add_done_callback(self.beside.discard)
        elif lane is Lane.HERE:
            future.exception()  # waits: whatever runs on this machine runs alone

    def _start(self, n: int) -> None:
        with self.starting:
            self.started += n

    def _on_reply(self, prepared: Prepared, key: str, done: Future[Reply]) -> Future[Reply]:
        """Hand a reply over, once the judge of the domain, if it has one, has replied too.

        Returns the last reply that the pair waits for.
        """
        if self.judge is None or done.exception():
            self.inbox.put(_Result(prepared, key, done))
            return done
        judged: Future[Reply] = Future()
        try:
            answer = self.pipeline.answer(prepared, done.result())
            judged = self.calls.once(self.judge, build_judge_prompt(prepared.query, answer))
        except Exception as error:  # a callback's error reaches nobody: it travels with the result
            judged.set_exception(error)
        judged.add_done_callback(lambda reply: self.inbox.put(_Result(prepared, key, done, reply)))
        return judged

    # -- in the calling thread

    def _collect(self) -> None:
        """Take in what ends until nothing is in flight; called again, it goes on from there."""
        while self.taken or self.tasks_ended < len(self.tasks) or self.ended < self.started:
            if self.stop.is_set() or self.fatal:
                self._halt(Ended.REQUEST, "stopped on request")
            with suppress(Empty):
                if not self.taken:
                    self.taken.append(self.inbox.get(timeout=0.05))
                    time.sleep(GATHER_S)
                while not self.inbox.empty():
                    self.taken.append(self.inbox.get())
                self._take()

    def _take(self) -> None:
        """Write what has come in, wait until all of it is on disk, and only then count it.

        An interrupt before the writer has all of it leaves it to the next time.
        """
        results = [item for item in self.taken if isinstance(item, _Result)]
        errors = (item for item in self.taken if isinstance(item, Exception))
        self.fatal = self.fatal or next(errors, None)
        written = [pair for pair in map(self._write, results) if pair]
        self.tasks_ended += self.taken.count(None)
        self.ended += len(results)
        self.taken = []
        for what, future in written:
            try:
                future.result()
            except Unstorable as error:
                self._give_up(what, str(error))
            except LabError as error:  # the store cannot be written: nothing more is paid
                self.fatal = self.fatal or error
            else:
                self._count(what)

    def _write(self, result: _Result) -> tuple[Outcome | Failure, Future[None]] | None:
        path, error = result.prepared.path, result.error()
        mark = self.fingerprints[path.id]
        if error is None:
            try:
                with self.computing:
                    outcome = self.pipeline.finish(result.prepared, result.future.result())
                return outcome, self.store.put(mark, outcome, result.key)
            except CallFailed as failed:  # the judge's reply is no score
                error = failed
        if isinstance(error, CallFailed):
            query_id = result.prepared.query.id
            failure = Failure(query_id, path.id, error.state, error.attempts, str(error))
            return failure, self.store.fail(mark, failure)
        if isinstance(error, BudgetSpent):
            self._halt(Ended.BUDGET, str(error))
        elif isinstance(error, EndpointClosed):
            self.closed[path.model] = str(error)
        elif not isinstance(error, Withdrawn):
            self.fatal = self.fatal or error
        return None

    def _give_up(self, what: Outcome | Failure, why: str) -> None:
        """Record a failure in the place of an outcome that could not be stored."""
        failure = Failure(what.query_id, what.path_id, CallState.FAILED, 1, why)
        self.store.fail(self.fingerprints[what.path_id], failure).result()
        self._count(failure)

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

    def _halt(self, ended: Ended, why: str) -> None:
        """Admit nothing more; give up calls that wait for a turn, finish those in flight."""
        if not self.halted.is_set():
            self.progress.ended, self.progress.stopped = ended, why
            self.halted.set()
            for task in self.tasks:
                task.cancel()
        self.calls.withdraw()
