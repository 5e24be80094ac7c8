"""The lab's words as frozen records, and the one error its users meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Literal

import numpy as np

Placement = Literal["edge", "cloud"]
Prefer = Literal["quality", "cost", "latency"]
DATA = (
    FilePath(__file__).resolve().parent.parent / "data"
)  # the lab's own domains, models and traces, wherever it is used from
STAGES = ("rewrite", "retrieve", "refine", "generate")


class LabError(Exception):
    """A mistake the user can mend: says what is wrong, what arrived and what to do."""


class InfeasibleSLO(LabError):
    """No path meets the SLO; the message names the path that comes closest on each limit."""


@dataclass(frozen=True, slots=True)
class Query:
    """One user request.

    `facts` are what a right answer states; one fact may offer wordings separated by " | ". `gold`
    are passage ids.
    """

    id: str
    text: str
    kind: str
    references: tuple[str, ...]
    facts: tuple[str, ...]
    gold: tuple[str, ...]
    split: Literal["train", "heldout"]
    wording: Literal["template", "free"] = "template"


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of text that retrieval can find: a manual section or one of the user's own notes."""

    id: str
    title: str
    source: Literal["manual", "notes"]
    text: str


@dataclass(frozen=True, slots=True)
class Component:
    """One choice at a stage. `k` is the number of passages (retrieve) or sentences (refine) it hands on, 0 if neither."""

    stage: str
    name: str
    k: int = 0

    @property
    def slug(self) -> str:
        """Readable, stable name: `bm25-3`, `none`, `pocket-s-q8_0`."""
        return f"{self.name}-{self.k}" if self.k else self.name


@dataclass(frozen=True, slots=True)
class Path:
    """One component per stage, in the order of `STAGES`."""

    components: tuple[Component, ...]

    @property
    def id(self) -> str:
        """Stage slugs joined by "/": `none/bm25-3/extract-3/pocket-s-q8_0`."""
        return "/".join(component.slug for component in self.components)

    @property
    def model(self) -> str:
        """Catalog name of the model that generates."""
        return self.components[-1].name


@dataclass(frozen=True, slots=True)
class Outcome:
    """One query on one path. `stage_latency_s` follows `STAGES`; its sum plus the declared network delay is `latency_s`.

    The wait for a turn (`queue_s`) and for failed attempts (`retry_s`), in seconds, are kept beside
    the latency, not in it. A generation measured `repeats` times carries the median, and
    `latency_spread_s` is the distance between its quartiles. `truncated`: the answer ended at the
    token limit.
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


@dataclass(frozen=True, slots=True)
class SLO:
    """What a user asks for: hard limits, and what to prefer among the paths that keep them.

    Parameters
    ----------
    max_latency_s, max_cost_usd
        Limits per query, seconds and US dollars; None = no limit.
    min_quality
        Expected quality wanted, in [0, 1]; None = no floor. Where no path reaches it, a policy
        takes the best there is, and `Explanation.bound` names it.
    prefer
        "quality": best expected quality; "cost" / "latency": cheapest / fastest path whose expected
        quality is near the best feasible one (or above `min_quality` when that is given).

    Raises
    ------
    LabError
        If a limit is not a positive number, `min_quality` is outside [0, 1] or `prefer` is unknown.

    """

    max_latency_s: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    prefer: Prefer = "quality"

    def __post_init__(self) -> None:
        for name in ("max_latency_s", "max_cost_usd"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and value > 0):
                raise LabError(f"SLO {name} must be a positive number or None, got {value!r}.")
        if self.min_quality is not None and not 0 <= self.min_quality <= 1:
            raise LabError(
                f"SLO min_quality must be within [0, 1] or None, got {self.min_quality!r}."
            )
        require_choice("SLO prefer", self.prefer, ("quality", "cost", "latency"))

    def keeps(self, cost_usd: np.ndarray, latency_s: np.ndarray) -> np.ndarray:
        """Tell which outcomes keep the limits; what is not recorded (NaN) keeps no limit that needs it.

        Parameters
        ----------
        cost_usd, latency_s
            Outcomes, in US dollars and seconds, of one shape.

        Returns
        -------
        np.ndarray
            True where both limits are kept, of the same shape.

        """
        kept = np.ones(np.shape(cost_usd), dtype=bool)
        if self.max_cost_usd is not None:
            kept &= cost_usd <= self.max_cost_usd
        if self.max_latency_s is not None:
            kept &= latency_s <= self.max_latency_s
        return kept


def require_choice(what: str, value: object, allowed: Sequence[object]) -> None:
    """Raise a `LabError` that lists the allowed values unless `value` is one of them."""
    if value not in allowed:
        raise LabError(f"{what} must be one of {', '.join(map(str, allowed))}; got {value!r}.")
