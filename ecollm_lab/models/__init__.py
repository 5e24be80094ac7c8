"""Language models behind one method; the only rooms that import `llama_cpp` or `openai`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Protocol

from ecollm_lab.catalog import Catalog, Model
from ecollm_lab.records import LabError

MAX_TOKENS = 64
TEMPLATE_TOKENS = 128  # what a chat template may add to a prompt


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, the tokens it read and wrote, and the measured wall time in seconds.

    `latency_s` is the service time of the attempt that was answered. The wait for a turn (`queue_s`) and failed attempts with
    the pauses after them (`retry_s`) are kept apart. `finish_reason` is "stop" or "length" (cut at the token limit). A call
    measured `repeats` times carries the median, and `spread_s` is the distance between the quartiles.
    """

    text: str
    tokens_in: int
    tokens_out: int
    latency_s: float
    finish_reason: str = "stop"
    queue_s: float = 0.0
    retry_s: float = 0.0
    attempts: int = 1
    repeats: int = 1
    spread_s: float = 0.0


class CallFailed(LabError):
    """One call got no usable reply: its pair is recorded as failed, with the number of attempts, and the sweep goes on."""

    def __init__(self, message: str, *, attempts: int = 1, state: str = "failed") -> None:
        super().__init__(message)
        self.attempts, self.state = attempts, state


class EndpointClosed(LabError):
    """A model takes no more calls for now: refused key, quota, unknown model, a long Retry-After, or a dead endpoint."""


class BudgetSpent(LabError):
    """The next call could cost more than the budget has left."""


class Withdrawn(LabError):
    """A call was given up before it was sent, because the sweep ends."""


class ChatModel(Protocol):
    """Answers one user message greedily."""

    def reply(self, prompt: str) -> Reply:
        """Answer `prompt`; raise `LabError` if the model cannot."""
        ...


class RemoteModel(ChatModel, Protocol):
    """A model whose calls are journalled attempt by attempt, and may be in flight at the same time."""

    def submit(self, prompt: str, account: Account) -> Future[Reply]:
        """Start a call, with retries; its future raises `CallFailed`, `EndpointClosed`, `BudgetSpent` or `Withdrawn`."""
        ...

    def withdraw(self) -> None:
        """Give up calls that wait for a turn or for another attempt; those being answered are finished."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """Where a call's attempts are journalled: `reserve` its highest price before sending, `settle` what it cost after.

    `reserve` gives the attempt's number, or 0 while there is no room; `settle` takes that number, the price, an error and the reply.
    """

    reserve: Callable[[float], Future[int]]
    settle: Callable[[int, float, str, Reply | None], Future[None]]


def most_tokens_in(prompt: str) -> int:
    """Return an upper bound on the tokens of a prompt: a token is at least one byte, and a chat template adds some."""
    return len(prompt.encode()) + TEMPLATE_TOKENS


def most_usd(model: Model, prompt: str) -> float:
    """Return the most a call can cost in US dollars at the declared prices."""
    return model.cost_usd(0.0, most_tokens_in(prompt), MAX_TOKENS) if model.placement == "cloud" else 0.0


class ModelPool:
    """Opens the models of a catalog when they are first asked for, and closes them all at the end.

    Use as a context manager: leaving it frees the edge models and stops the loopback servers it started. With `isolate`, each edge
    model runs in a process of its own, so that a crash in native code costs one call and not the sweep.
    """

    def __init__(self, catalog: Catalog, *, isolate: bool = False) -> None:
        self.catalog, self.isolate = catalog, isolate
        self._open: dict[str, ChatModel] = {}
        self._exits = ExitStack()
        self._lock = Lock()

    def __getitem__(self, name: str) -> ChatModel:
        with self._lock:
            if name not in self._open:
                self._open[name] = self._start(self.catalog[name])
            return self._open[name]

    def _start(self, model: Model) -> ChatModel:
        started: ChatModel
        if model.placement == "edge" and self.isolate:
            from ecollm_lab.models.isolated import IsolatedModel

            started = self._exits.enter_context(IsolatedModel(model))
        elif model.placement == "edge":
            from ecollm_lab.models.edge import EdgeModel

            started = self._exits.enter_context(EdgeModel(model))
        else:
            from ecollm_lab.models.cloud import CloudModel

            started = self._exits.enter_context(CloudModel(model))
        if model.base_url is None:  # the first call allocates, and no outcome should carry that; where calls are billed there is none
            started.reply("Question: warm up")
        return started

    def check(self, names: list[str]) -> None:
        """Verify that every named model could be opened: known, priced, its file whole."""
        for name in names:
            model = self.catalog[name]
            if model.file is not None:
                from ecollm_lab.models.gguf import check_file

                check_file(model)

    def __enter__(self) -> ModelPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.clear()
        self._exits.close()


@dataclass
class ScriptedModel:
    """A model for tests: replies from a table, counts its calls, and fails on prompts it does not know."""

    answers: dict[str, str]
    calls: int = 0

    def reply(self, prompt: str) -> Reply:
        """Look the prompt up."""
        self.calls += 1
        if prompt not in self.answers:
            raise LabError(f"The scripted model has no answer for {prompt!r}.")
        text = self.answers[prompt]
        return Reply(text, len(prompt.split()), len(text.split()), 0.001)
