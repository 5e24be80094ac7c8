"""What a model replies, how a call can fail, and the most that a call can cost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from ecollm_lab.models.catalog import MAX_TOKENS, Model  # noqa: F401 - others read it here
from ecollm_lab.records import LabError, Prompt

TEMPLATE_TOKENS = 128  # what a chat template may add to a prompt
WARM_UP = "Question: warm up"  # the first prompt of a model of this machine; it is not measured
DEATHS = 2  # a prompt that ended so many workers or servers is quarantined
_THINKING = ("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, the tokens it read and wrote, and the measured wall time in seconds.

    `latency_s` is the service time of the attempt that was answered. The wait for a turn
    (`queue_s`) and failed attempts with the pauses after them (`retry_s`) are kept apart.
    `finish_reason` is "stop" or "length" (cut at the token limit). A call measured `repeats` times
    carries the median, and `spread_s` is the distance between the quartiles. `logprob` is the mean
    log-probability (natural logarithm) of the answer's tokens, None where it is not known.
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
    logprob: float | None = None


class CallState(StrEnum):
    """Why a pair has no outcome, as the store records it."""

    FAILED = "failed"  # the next sweep that opens the store tries again
    QUARANTINED = "quarantined"  # its prompt ended two processes; it is not tried again
    REFUSED = "refused"  # the model or a content filter declined to answer; not tried again


class CallFailed(LabError):
    """One call got no usable reply.

    Its pair is recorded as failed, with the number of attempts, and the sweep goes on. `parameter`
    names the request's parameter that the endpoint does not take, if that is the reason, and `mend`
    what would help. `answered`: the model is well, its answer of no use. `rejected`: the endpoint
    does not take the request as it is. `billed` is the tokens that the last attempt is billed for,
    read and written: (0, 0) if it is not, None where that is not known. `why` is the reason alone.
    """

    billed: tuple[int, int] | None = None

    def __init__(
        self,
        message: str,
        *,
        attempts: int = 1,
        state: CallState = CallState.FAILED,
        parameter: str = "",
        mend: str = "",
        answered: bool = False,
        rejected: bool = False,
        why: str = "",
    ) -> None:
        super().__init__(message)
        self.attempts, self.state = attempts, state
        self.parameter, self.mend, self.why = parameter, mend, why or message
        self.answered, self.rejected = answered, rejected

    @property
    def model_is_well(self) -> bool:
        """Whether this one request is at fault, so that others may well be answered."""
        return self.answered or self.rejected


class PromptUnfit(CallFailed):
    """A prompt is too long for the model, or a filter refuses its content."""

    model_is_well = True


class EndpointClosed(LabError):
    """A model takes no more calls for now.

    It refused the key, is out of quota, is not known there, asked for a long pause, cannot be
    started, or is dead.
    """


class BudgetSpent(LabError):
    """The next call could cost more than the budget has left."""


class Withdrawn(LabError):
    """A call was given up before it was sent, because the sweep ends."""


class ChatModel(Protocol):
    """Answers one user message greedily."""

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer a prompt, or a text as a user message alone; raise `LabError` if it cannot."""
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


def _ignore(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Account:
    """Where a call's attempts are journalled.

    `reserve` takes the highest price of an attempt before it is sent, and gives the attempt's
    number, or 0 while there is no room. `settle` takes that number, the price, an error and the
    reply; the price is above the reserved one where the endpoint billed more than it was allowed,
    and None where all that was reserved may have been billed.
    `notice` takes a sentence that the user should read, such as that.
    """

    reserve: Callable[[float], Future[int]]
    settle: Callable[[int, float | None, str, Reply | None], Future[None]]
    notice: Callable[[str], None] = _ignore


def messages(model: Model, prompt: Prompt | str) -> list[dict[str, str]]:
    """Return the messages of a request: the model's system message goes before the prompt's."""
    asked = Prompt.of(prompt)
    system = "\n".join(filter(None, [model.system, asked.system]))
    sent = replace(asked, system=storable(system), user=storable(asked.user))
    return sent.messages


def answer_limit(model: Model, prompt: Prompt | str) -> int:
    """Return how many tokens a model is told it may write."""
    return model.max_tokens + Prompt.of(prompt).extra_tokens


def most_tokens_in(model: Model, prompt: Prompt | str) -> int:
    """Return an upper bound on the tokens of a prompt.

    A token is at least one byte, and a chat template adds some.
    """
    sent = (message["content"] for message in messages(model, prompt))
    return sum(len(text.encode()) for text in sent) + TEMPLATE_TOKENS


def most_tokens_out(model: Model, prompt: Prompt | str) -> int:
    """Return the most tokens that an answer may be billed for, thinking included."""
    return answer_limit(model, prompt) + model.thinking_tokens


def most_usd(model: Model, prompt: Prompt | str) -> float:
    """Return the most a call can cost in US dollars at the declared prices."""
    if model.placement != "cloud":
        return 0.0
    return model.cost_usd(0.0, most_tokens_in(model, prompt), most_tokens_out(model, prompt))


def storable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: halves of a surrogate pair are joined, or replaced.

    Examples
    --------
    >>> storable("\ud83d\ude00 and a cut \ud83d") == "\U0001f600 and a cut \ufffd"
    True

    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_thoughts(text: str) -> str | None:
    """Return the answer in a text that may begin with thoughts between <think> and </think>.

    None where the thoughts do not end: the answer was cut before it began.

    Examples
    --------
    >>> without_thoughts("<think>It says 9.</think> 9 hours.")
    '9 hours.'
    >>> without_thoughts("<think>It says") is None
    True

    """
    begin, end = _THINKING
    if end in text:
        text = text.rpartition(end)[2]
    elif text.lstrip().startswith(begin):
        return None
    return text.strip()
