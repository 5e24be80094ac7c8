"""How far a sweep is, and why it ended early if it did."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum, auto

from ecollm_lab.records import Outcome


class Ended(Enum):
    """Why a sweep ended before all its pairs were run."""

    BUDGET = auto()
    """The cap in US dollars leaves no room for the next call."""
    REQUEST = auto()
    """The caller asked it to stop."""
    INTERRUPT = auto()
    """An interrupt or an error in the caller's thread."""
    ENDPOINTS = auto()
    """At least one model takes no more calls."""


@dataclass
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    total, done, failed
        Pairs to be run, pairs whose outcomes are in the store, and pairs that were given up.
    cost_usd
        What the new outcomes cost, in US dollars.
    reused, quarantined
        Pairs that were in the store before, and pairs that are not tried again.
    retried
        Further attempts at calls that failed before.
    latest
        The last new outcome.
    ended, stopped
        Why the sweep ended early, as a kind and as a sentence; None and "" if it did not.
    notices
        What the user should know meanwhile, such as a model that has become slow.
    started
        When it began, in seconds of `time.monotonic`.

    """

    total: int
    done: int = 0
    cost_usd: float = 0.0
    reused: int = 0
    failed: int = 0
    retried: int = 0
    quarantined: int = 0
    latest: Outcome | None = None
    ended: Ended | None = None
    stopped: str = ""
    notices: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def eta_s(self) -> float:
        """Seconds left at the pace so far; infinite before the first outcome."""
        elapsed, n = time.monotonic() - self.started, self.done + self.failed
        return elapsed / n * (self.total - n) if n else float("inf")
