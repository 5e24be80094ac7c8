"""Notices when a model answers far more slowly than it did, and says what may be the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from ecollm_lab.models import Catalog, Model, Reply
from ecollm_lab.sweeps.store.store import Store

TIMES_SLOWER = 4.0
BLOCK = 5  # calls that are judged together, by the median of them
FEWEST = 10  # earlier calls that a judgement needs
SHORTEST_S = 0.05  # calls that take less are slowed down by anything

Timing = tuple[int, int, float]  # tokens read, tokens written, seconds


@dataclass
class _Pace:
    usual: list[Timing]
    recent: list[Timing] = field(default_factory=list)
    slow: bool = False


class SpeedWatch:
    """Compares the last calls to each model with those before, earlier runs on the store included.

    How long a call may take is fitted to its tokens, so that a long prompt is no slow model.
    """

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog, self._store = catalog, store
        self._paces: dict[str, _Pace] = {}

    def add(self, name: str, reply: Reply) -> str:
        """Take in a new reply; return what to tell the user, "" for nothing."""
        if name not in self._paces:
            self._paces[name] = _Pace(self._store.timings(name))
        pace = self._paces[name]
        pace.recent.append((reply.tokens_in, reply.tokens_out, reply.latency_s))
        if len(pace.recent) < BLOCK:
            return ""
        block, pace.recent = pace.recent, []
        times = times_slower(pace.usual, block) if len(pace.usual) >= FEWEST else 1.0
        was_slow, pace.slow = pace.slow, times >= TIMES_SLOWER
        if not pace.slow:
            pace.usual += block
        return "" if was_slow or not pace.slow else _notice(self._catalog[name], times, block)


def times_slower(usual: list[Timing], block: list[Timing]) -> float:
    """Return how many times as long the calls of a block took as the usual ones let expect.

    The median over the block; 1 if its calls are too short to tell, or nothing can be fitted to the
    usual ones.

    Examples
    --------
    >>> usual = [(100, 10, 1.1), (200, 10, 1.2), (100, 20, 2.1), (300, 5, 0.8)]
    >>> round(times_slower(usual, [(400, 10, 14.0)]), 6)
    10.0

    """
    from scipy.optimize import nnls

    before, now = np.array(usual, dtype=float), np.array(block, dtype=float)
    if np.median(now[:, 2]) < SHORTEST_S:
        return 1.0
    columns = [np.column_stack([np.ones(len(rows)), rows[:, :2]]) for rows in (before, now)]
    try:
        seconds = nnls(columns[0], before[:, 2])[0]  # of a call, a token read, and a token written
    except RuntimeError:  # it did not converge
        return 1.0
    expected = np.maximum(columns[1] @ seconds, 1e-6)
    return float(np.median(now[:, 2] / expected))


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load() -> float | None:
    """Return how many threads want a core of this machine, None where it does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def crowded(threads: int) -> str:
    """Say what the load of this machine means for a model with so many threads."""
    lower = ", or lower threads in the catalog" if threads > 1 else ""
    busy = load()
    shown = "not known" if busy is None else f"{busy:.1f} on {cores()} cores"
    return (
        f"the load of this machine is {shown}, and the model runs with threads = {threads}."
        " llama.cpp becomes many times slower where its threads wait for a core that something else"
        f" uses: end other work{lower}"
    )


def _notice(model: Model, times: float, block: list[Timing]) -> str:
    tokens = sum(read + wrote for read, wrote, _ in block)
    pace = tokens / sum(seconds for *_, seconds in block)
    why = (
        "the endpoint is busy, or slows you down"
        if model.base_url is not None
        else crowded(model.threads)
    )
    return (
        f"Model {model.name!r} has become {times:.0f} times slower: {pace:.1f} tokens a second in"
        f" its last {len(block)} calls, prompt and answer together. Perhaps {why}. Outcomes that"
        " are measured meanwhile carry the longer latencies."
    )
