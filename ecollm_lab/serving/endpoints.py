"""Where models answer: one question at a time on this machine, none where nobody answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

from ecollm_lab.models import CallFailed, Catalog, ModelPool, Reply
from ecollm_lab.records import Prompt

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 16.0  # of a circuit that a failure opens
CUTS = 3  # straight answers cut at the deadline that open the circuit
WEIGHT = 0.1  # of a new latency in the moving mean of a stage that asks a model
Stop = Callable[[], None]


@runtime_checkable
class Interruptible(Protocol):
    """A hosted model, whose call can be broken off while it is being answered."""

    @property
    def holds_until(self) -> float:
        """By `time.monotonic`, until when calls wait; 0 where they are turned away at once."""
        ...

    def begin(self, prompt: Prompt | str) -> tuple[Future[Reply], Stop, list[float]]:
        """Start a call in one attempt; return its future, what breaks it off, and when it began."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A model of this process that stops within a token when its answer is not wanted any more."""

    def reply_unless(self, stopped: threading.Event, prompt: Prompt | str) -> Reply:
        """Answer, unless the event is set before the end; then raise `CallFailed`."""
        ...


class GivenUp(CallFailed):
    """A call is not waited for: its time is over, or nobody wants the answer any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of a model.

    Attributes
    ----------
    future
        Of its reply.
    stop
        Gives it up.
    began
        When it began to be answered; empty while it waits for its turn.

    """

    future: Future[Reply]
    stop: Stop
    began: list[float]

    @property
    def seconds(self) -> float | None:
        """How long ago it began to be answered; None if it did not."""
        return time.monotonic() - self.began[0] if self.began else None

    def wait(self, until: float | None, cancel: Future[None] | None) -> bool:
        """Wait for its end; give it up and return False at a time or when `cancel` is completed."""
        watched: list[Future[Any]] = [self.future] if cancel is None else [self.future, cancel]
        seconds = None if until is None else max(0.0, until - time.monotonic())
        wait(watched, seconds, FIRST_COMPLETED)
        if self.future.done():
            return True
        self.stop()
        return False


@dataclass(slots=True)
class Circuit:
    """Keeps questions away from a model that does not answer.

    One failure opens it, for a second at first and twice as long each time the one question that is
    then let through fails, up to 16 s; an answer closes it. An answer that was cut at its deadline
    counts as a failure when three come in a row.
    """

    open_until: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    cuts: int = 0
    closed: bool = True
    probing: bool = False

    def usable(self, now: float) -> bool:
        """Tell whether a question may be sent."""
        return self.closed or now >= self.open_until

    def admit(self, now: float) -> bool:
        """Return whether a question may be sent; while the circuit is open, it is the only one."""
        if not self.usable(now):
            return False
        if not self.closed:
            self.probing, self.open_until = True, now + self.pause_s
        return True

    def answered(self) -> None:
        """Close the circuit."""
        self.closed, self.probing, self.pause_s, self.cuts = True, False, FIRST_PAUSE_S, 0

    def failed(self, now: float) -> bool:
        """Open the circuit, longer each time; return whether that was news.

        Questions that were sent before it opened change nothing.
        """
        if not self.closed and not self.probing:
            return False
        if self.probing:
            self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        self.closed, self.probing, self.open_until = False, False, now + self.pause_s
        return True

    def cut(self, now: float) -> None:
        """Count an answer that did not come in time."""
        self.cuts += 1
        if self.probing or self.cuts >= CUTS:
            self.failed(now)


@dataclass(eq=False)
class Queue:
    """A device that answers one question at a time, and how long a further one would wait.

    A call that has begun is answered to its end, whether or not somebody still waits for it, unless
    it can be stopped.
    """

    _expected_s: dict[int, float] = field(default_factory=dict)  # by call, the first one answered
    _since: float = 0.0  # when the first of them began to be answered
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="queue")
    )

    def wait_s(self, now: float) -> float:
        """Return the predicted wait of one more question, in seconds.

        A call that is late is expected to take as long again as it is late: the later an answer,
        the longer it usually takes.
        """
        with self._lock:
            expected = list(self._expected_s.values())
            since = self._since
        return sum(expected[1:]) + abs(expected[0] - (now - since)) if expected else 0.0

    def submit(
        self,
        work: Callable[[], Reply],
        expected_s: float,
        stopped: threading.Event | None = None,
    ) -> Call:
        """Queue a call; to stop it withdraws it while it waits.

        Once it is being answered, that sets `stopped`, if the work heeds such an event.
        """
        began: list[float] = []

        def answer() -> Reply:
            began.append(time.monotonic())
            return work()

        with self._lock:
            future = self._worker.submit(answer)
            self._number += 1
            number = self._number
            if not self._expected_s:
                self._since = time.monotonic()
            self._expected_s[number] = expected_s

        def done(_: Future[Reply]) -> None:
            with self._lock:
                if next(iter(self._expected_s)) == number:
                    self._since = time.monotonic()
                del self._expected_s[number]

        def stop() -> None:
            if not future.cancel() and stopped is not None:
                stopped.set()
                with self._lock:
                    if number in self._expected_s:  # it is being answered, and about to end
                        self._expected_s[number], self._since = 0.0, time.monotonic()

        future.add_done_callback(done)
        return Call(future, stop, began)

    def close(self) -> None:
        """Withdraw what waits."""
        self._worker.shutdown(wait=True, cancel_futures=True)


class Endpoints:
    """The models of a catalog, each behind a circuit, those of one device behind one queue."""

    def __init__(self, catalog: Catalog, pool: ModelPool) -> None:
        self._pool = pool
        self._hosted: dict[str, Interruptible] = {}  # those that were asked
        self._took_s: dict[str, float] = {}  # by stages before generation, a moving mean
        self.circuits = {name: Circuit() for name in catalog.models}
        device = Queue()
        self._queues = {
            model.name: device if model.placement == "edge" else Queue()
            for model in catalog.models.values()
            if model.file is not None  # it runs on this machine
        }

    def __getitem__(self, name: str) -> QueuedModel:
        return QueuedModel(self, name)

    def wait_s(self, name: str, now: float) -> float:
        """Return how long a question would wait for a model, in seconds."""
        if (queue := self._queues.get(name)) is not None:
            return queue.wait_s(now)
        hosted = self._hosted.get(name)
        return 0.0 if hosted is None else max(0.0, hosted.holds_until - now)

    def begin(self, name: str, prompt: Prompt | str, expected_s: float) -> Call:
        """Ask a model, in its turn."""
        queue, model = self._queues.get(name), self._pool[name]
        if queue is not None and isinstance(model, Stoppable):
            stopped = threading.Event()
            return queue.submit(lambda: model.reply_unless(stopped, prompt), expected_s, stopped)
        if queue is not None:
            return queue.submit(lambda: model.reply(prompt), expected_s)
        hosted = self._hosted[name] = cast("Interruptible", model)
        return Call(*hosted.begin(prompt))

    def expected_s(self, name: str) -> float:
        """Return how long a model is expected to answer a stage, as it lately did; 0 at first."""
        return self._took_s.get(name, 0.0)

    def took(self, name: str, seconds: float) -> None:
        """Learn how long a model took to answer a stage."""
        before = self._took_s.get(name, seconds)
        self._took_s[name] = before + WEIGHT * (seconds - before)

    def in_turn(self, name: str, other: str) -> bool:
        """Tell whether another model must wait for one's whole answer, or is the same one."""
        queue = self._queues.get(name)
        shared = queue is not None and queue is self._queues.get(other)
        return name == other or (shared and not isinstance(self._pool[name], Stoppable))

    def close(self) -> None:
        """End the threads; the pool of models is its owner's to close."""
        for queue in {id(queue): queue for queue in self._queues.values()}.values():
            queue.close()


@dataclass(frozen=True, slots=True)
class InTime:
    """The models, for one question: until a time, or until `cancel` is completed."""

    endpoints: Endpoints
    until: float
    cancel: Future[None] | None

    def __getitem__(self, name: str) -> QueuedModel:
        return QueuedModel(self.endpoints, name, self.until, self.cancel)


@dataclass(frozen=True, slots=True)
class QueuedModel:
    """One model, asked in its turn: for the stages of a pipeline that ask a model."""

    endpoints: Endpoints
    name: str
    until: float | None = None
    cancel: Future[None] | None = None

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer when it is this question's turn; raise `GivenUp` if that is too late."""
        call = self.endpoints.begin(self.name, prompt, self.endpoints.expected_s(self.name))
        if not call.wait(self.until, self.cancel):
            raise GivenUp(f"Model {self.name!r} did not answer in time.")
        reply = call.future.result()
        self.endpoints.took(self.name, reply.latency_s)
        return reply
