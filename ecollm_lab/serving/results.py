"""What a Runtime gives back: an answer or a refusal, and the attempts that led to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from ecollm_lab.records import SLO


class Ended(StrEnum):
    """How an attempt on a path ended."""

    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused by its model"  # the model is well, and may answer other questions
    CUT = "cut at its deadline"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a question was refused."""

    INFEASIBLE = "no path keeps the SLO"
    DEADLINE = "no answer within the latency limit"
    PATIENCE = "no answer within a minute, which is all that a question gets"
    ENDPOINTS = "no model answers"
    REFUSED = "every model that was asked refuses this question"
    CANCELLED = "the asker went away"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a path.

    `cost_usd` is what it cost; of an attempt without a reply, what it is billed where that is
    known, and else the most that it may be.
    """

    path_id: str
    ended: Ended
    seconds: float
    cost_usd: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What was expected of the chosen path: the middle of its forecast, and the risk.

    `risk` is how probably it breaks a limit or fails; `latency_s` includes the time until the
    choice and the wait for a turn, `cost_usd` what earlier attempts cost.
    """

    quality: float
    cost_usd: float
    latency_s: float
    wait_s: float
    risk: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, what was expected of it and what happened.

    Attributes
    ----------
    text
        The answer.
    path_id
        The path that gave it.
    slo
        What was asked for.
    expected
        What was expected of the path when it was chosen.
    quality
        Its grade within [0, 1], where the question came with the facts of a right answer and its
        grading succeeded, else None. What grading takes is in no latency.
    cost_usd, latency_s
        What it cost with all attempts, and how long it took in all until the answer was there, the
        declared network delay of the model included.
    tokens_in, tokens_out, truncated
        Of the generation; truncated if it ended at the token limit.
    kept
        Whether the limits were kept.
    bound
        The limits that kept a path of higher expected quality from being chosen.
    attempts
        Every path that was tried, in order; the last one answered.

    """

    text: str
    path_id: str
    slo: SLO
    expected: Expected
    quality: float | None
    cost_usd: float
    latency_s: float
    tokens_in: int
    tokens_out: int
    truncated: bool
    kept: bool
    bound: tuple[str, ...]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A question without an answer, why, and the SLO nearest to what was asked that can be met.

    `nearest` is None where no limit is in the way.
    """

    reason: Reason
    slo: SLO
    nearest: SLO | None
    latency_s: float
    cost_usd: float
    attempts: tuple[Attempt, ...]

    @property
    def message(self) -> str:
        """The reason as a sentence, with what to do."""
        tried = "; ".join(f"{one.path_id} {one.ended}" for one in self.attempts)
        reason = str(self.reason)
        about_limits = self.reason in (Reason.INFEASIBLE, Reason.DEADLINE)
        limits = f": {_limits(self.slo)}" if about_limits else ""
        words = [f"{reason[:1].upper()}{reason[1:]}{limits}."]
        if tried:
            words.append(f"Tried: {tried}.")
        if self.nearest is not None:
            words.append(f"The nearest that can be met is {_limits(self.nearest)}.")
        return " ".join(words)


def _limits(slo: SLO) -> str:
    return " and ".join(f"{one.name} {one.value:g}" for one in slo.limits)


def results_table(results: Iterable[Answer | Refused]) -> pd.DataFrame:
    """Return one row per result: its path, what was expected and what happened, what bound."""
    rows = [_row(one) for one in results]
    columns = "path_id expected_quality quality expected_usd cost_usd expected_s latency_s attempts"
    return pd.DataFrame(rows, columns=[*columns.split(), "bound", "refused"])


def _row(one: Answer | Refused) -> dict[str, Any]:
    row = {"cost_usd": one.cost_usd, "latency_s": one.latency_s, "attempts": len(one.attempts)}
    if isinstance(one, Refused):
        return row | {"refused": str(one.reason)}
    return row | {
        "path_id": one.path_id,
        "expected_quality": one.expected.quality,
        "quality": one.quality,
        "expected_usd": one.expected.cost_usd,
        "expected_s": one.expected.latency_s,
        "bound": ", ".join(one.bound),
    }
