"""How far a sweep is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ecollm_lab.records import Outcome


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
