"""The lab's words as frozen records, and the one error its users meet."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path as FilePath
from typing import Literal

import numpy as np

Placement = Literal["edge", "cloud"]
Prefer = Literal["quality", "cost", "latency"]
# Where the lab's own domains, catalog and traces lie: in its repository, or where ECOLLM_DATA says.
DATA = FilePath(
    os.environ.get("ECOLLM_DATA") or FilePath(__file__).resolve().parent.parent / "data"
)
# characters of a text that yes/no questions about it look at: a pattern may take very long on more
MOST_MATCHED = 2000
STAGES = ("rewrite", "retrieve", "refine", "instruct", "generate")


class LabError(Exception):
    """A mistake the user can mend: says what is wrong, what arrived and what to do."""


class InfeasibleSLO(LabError):
    """No path meets the SLO; the message names the path that comes closest on each limit."""


@dataclass(frozen=True, slots=True)
class Query:
    """One user request.

    `facts` are what a right answer states; one fact may offer wordings separated by " | ". `gold`
    are passage ids. `refutes` are texts that make an answer wrong wherever they occur. `action` is
    the JSON object, as a text, that a right answer holds; "" = none. `wording` tells queries that
    are worded freely from others, made from templates, in a domain that has both.
    """

    id: str
    text: str
    kind: str
    references: tuple[str, ...]
    facts: tuple[str, ...]
    gold: tuple[str, ...]
    split: Literal["train", "heldout"]
    wording: Literal["template", "free"] = "template"
    refutes: tuple[str, ...] = ()
    action: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of text that retrieval can find: a section of a manual or a note of the user's."""

    id: str
    title: str
    source: Literal["manual", "notes"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: a user message and, where it is set, a system message before it.

    The model may write `extra_tokens` beyond its usual limit. Where it is asked to reason first,
    its answer follows the last `answer_after` in its reply.
    """

    user: str
    system: str = ""
    extra_tokens: int = 0
    answer_after: str = ""

    @classmethod
    def of(cls, asked: Prompt | str) -> Prompt:
        """Return a prompt as it is, and a text as a prompt with that user message."""
        return cls(asked) if isinstance(asked, str) else asked

    @property
    def messages(self) -> list[dict[str, str]]:
        """The messages in the form of the OpenAI protocol."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": self.user}]

    @property
    def key(self) -> str | list[str | int]:
        """All that determines a reply, for a digest; of a user message alone, the message."""
        if not self.system and not self.extra_tokens:
            return self.user
        return [self.system, self.user, self.extra_tokens]

    def answer(self, reply: str) -> str:
        """Return the answer in a reply: what follows the marker, or all where there is none.

        Examples
        --------
        >>> Prompt("how long?", answer_after="Answer:").answer("It says 9. Answer: 9 hours.")
        '9 hours.'

        """
        return reply.rpartition(self.answer_after)[2].strip() if self.answer_after else reply


@dataclass(frozen=True, slots=True)
class Component:
    """One choice at a stage.

    `k` is the number of passages (retrieve) or sentences (refine) that it hands on, 0 if neither.
    """

    stage: str
    name: str
    k: int = 0

    @property
    def slug(self) -> str:
        """Readable, stable name: `bm25-3`, `none`, `qwen2.5-0.5b`."""
        return f"{self.name}-{self.k}" if self.k else self.name


@dataclass(frozen=True, slots=True)
class Path:
    """One component per stage, in the order of `STAGES`."""

    components: tuple[Component, ...]

    @property
    def id(self) -> str:
        """Stage slugs joined by "/": `none/bm25-3/extract-3/plain/smollm2-135m`."""
        return "/".join(component.slug for component in self.components)

    @property
    def model(self) -> str:
        """Catalog name of the model that generates."""
        return self.components[-1].name


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query on one path.

    `stage_latency_s` follows `STAGES`; its sum plus the declared network delay is `latency_s`. The
    wait for a turn (`queue_s`) and for failed attempts (`retry_s`), in seconds, stand beside the
    latency, not in it. A generation measured `repeats` times carries the median, and
    `latency_spread_s` is the distance between its quartiles. `truncated`: the answer ended at the
    token limit. `logprob` is the mean log-probability (natural logarithm) of the answer's tokens,
    NaN where it is not known.
    """

    query_id: str
    path_id: str
    quality: float
    cost_usd: float
    latency_s: float
    tokens_in: int
    tokens_out: int
    answer: str = ""
    stage_latency_s: tuple[float, ...] = field(default=())
    queue_s: float = 0.0
    retry_s: float = 0.0
    repeats: int = 1
    latency_spread_s: float = 0.0
    truncated: bool = False
    logprob: float = math.nan


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of an SLO: its name there, its value, and the column of a trace that it bounds."""

    name: str
    value: float
    column: str

    @property
    def tail(self) -> str:
        """The column of the 95th percentiles of `column`: `cost_p95_usd`, `latency_p95_s`."""
        what, _, unit = self.column.partition("_")
        return f"{what}_p95_{unit}"


@dataclass(frozen=True, slots=True)
class SLO:
    """What a user asks for: hard limits, and what to prefer among the paths that keep them.

    Parameters
    ----------
    max_latency_s, max_cost_usd
        Limits per query, seconds and US dollars; None = no limit.
    min_quality
        Least expected quality, in [0, 1]; None = no floor. Where no path reaches it, a policy
        takes the best there is, and `Explanation.bound` names it.
    prefer
        "quality": best expected quality; "cost" / "latency": cheapest / fastest path whose expected
        quality is near the best feasible one (or above `min_quality` when that is given).

    Raises
    ------
    LabError
        If a limit is not a positive, finite number, `min_quality` is outside [0, 1] or `prefer` is
        unknown.

    Examples
    --------
    >>> [(limit.name, limit.value, limit.column) for limit in SLO(max_latency_s=2.0).limits]
    [('max_latency_s', 2.0, 'latency_s')]

    """

    max_latency_s: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    prefer: Prefer = "quality"

    def __post_init__(self) -> None:
        for name in ("max_latency_s", "max_cost_usd"):
            value = self._as_float(name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise LabError(
                    f"SLO {name} must be a positive number or None, got {getattr(self, name)!r}."
                )
        floor = self._as_float("min_quality")
        if floor is not None and not 0 <= floor <= 1:
            raise LabError(
                f"SLO min_quality must be within [0, 1] or None, got {self.min_quality!r}."
            )
        require_choice("SLO prefer", self.prefer, ("quality", "cost", "latency"))

    def _as_float(self, name: str) -> float | None:
        """Return an argument as a number, NaN if it is none; NumPy's numbers become Python's."""
        value = getattr(self, name)
        if value is None:
            return None
        if isinstance(value, (bool, np.bool)) or not isinstance(value, Real):
            return math.nan
        try:
            number = float(value)
        except OverflowError:  # a whole number too long to be written into a message, too
            number = math.inf
        if type(value) not in (int, float) or math.isinf(number):
            object.__setattr__(self, name, number)
        return number

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The limits that are set; latency first."""
        return tuple(
            Limit(name, value, column)
            for name, value, column in (
                ("max_latency_s", self.max_latency_s, "latency_s"),
                ("max_cost_usd", self.max_cost_usd, "cost_usd"),
            )
            if value is not None
        )

    def keeps(self, cost_usd: np.ndarray, latency_s: np.ndarray) -> np.ndarray:
        """Tell which outcomes keep the limits; an outcome that is not recorded (NaN) keeps none.

        Parameters
        ----------
        cost_usd, latency_s
            Outcomes, in US dollars and seconds, of one shape.

        Returns
        -------
        np.ndarray
            True where every limit is kept, of the same shape. What no limit is set on may be NaN.

        """
        kept = np.ones(np.shape(cost_usd), dtype=bool)
        outcomes = {"cost_usd": cost_usd, "latency_s": latency_s}
        for limit in self.limits:
            kept &= outcomes[limit.column] <= limit.value
        return kept


def require_choice(what: str, value: object, allowed: Sequence[object]) -> None:
    """Raise a `LabError` that lists the allowed values unless `value` is one of them."""
    if value not in allowed:
        raise LabError(f"{what} must be one of {', '.join(map(str, allowed))}; got {value!r}.")


def require_seed(seed: object) -> None:
    """Raise a `LabError` unless a seed is a whole number >= 0."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise LabError(f"seed must be a whole number >= 0, got {seed!r}.")
