"""What a model replies, how a call can fail, and the most that a call can cost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from ecollm_lab.models.catalog import MAX_TOKENS, Model
from ecollm_lab.records import LabError, Prompt

TEMPLATE_TOKENS = 128  # what a chat template may add to a prompt


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, the tokens it read and wrote, and the measured wall time in seconds.

    `latency_s` is the service time of the attempt that was answered. The wait for a turn
    (`queue_s`) and failed attempts with the pauses after them (`retry_s`) are kept apart.
    `finish_reason` is "stop" or "length" (cut at the token limit). A call measured `repeats` times
    carries the median, and `spread_s` is the distance between the quartiles.
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
    """One call got no usable reply.

    Its pair is recorded as failed, with the number of attempts, and the sweep goes on.
    """

    def __init__(self, message: str, *, attempts: int = 1, state: str = "failed") -> None:
        super().__init__(message)
        self.attempts, self.state = attempts, state


class EndpointClosed(LabError):
    """A model takes no more calls for now.

    It refused the key, is out of quota, is not known there, asked for a long pause, or is dead.
    """


class BudgetSpent(LabError):
    """The next call could cost more than the budget has left."""


class Withdrawn(LabError):
    """A call was given up before it was sent, because the sweep ends."""


class ChatModel(Protocol):
    """Answers one user message greedily."""

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer `prompt`, a text being a user message alone; raise `LabError` if the model cannot."""
        ...


class RemoteModel(ChatModel, Protocol):
    """A model whose calls are journalled attempt by attempt and may overlap."""

    def submit(self, prompt: Prompt | str, account: Account) -> Future[Reply]:
        """Start a call, with retries.

        Its future raises `CallFailed`, `EndpointClosed`, `BudgetSpent` or `Withdrawn`.
        """
        ...

    def withdraw(self) -> None:
        """Give up calls that wait for a turn or for another attempt, not those being answered."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """Where a call's attempts are journalled.

    `reserve` takes the highest price of an attempt before it is sent, and gives the attempt's
    number, or 0 while there is no room. `settle` takes that number, the price, an error and the
    reply.
    """

    reserve: Callable[[float], Future[int]]
    settle: Callable[[int, float, str, Reply | None], Future[None]]


def most_tokens_in(prompt: Prompt | str) -> int:
    """Return an upper bound on the tokens of a prompt.

    A token is at least one byte, and a chat template adds some.
    """
    return sum(len(m["content"].encode()) for m in Prompt.of(prompt).messages) + TEMPLATE_TOKENS


def most_tokens_out(prompt: Prompt | str) -> int:
    """Return the limit on the tokens of an answer."""
    return MAX_TOKENS + Prompt.of(prompt).extra_tokens


def most_usd(model: Model, prompt: Prompt | str) -> float:
    """Return the most a call can cost in US dollars at the declared prices."""
    if model.placement != "cloud":
        return 0.0
    return model.cost_usd(0.0, most_tokens_in(prompt), most_tokens_out(prompt))
