"""Spend a budget of outcomes, dollars or seconds where the Emulator asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.emulator.emulator import GROWTH, SMALLEST_BATCH, Emulator, Pair
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.traces import Trace

COLUMNS = ("quality", "cost_usd", "latency_s", "tokens_in", "tokens_out")  # of a trace


@dataclass(frozen=True)
class Budget:
    """How much an exploration may spend in all; at least one of these is given.

    Parameters
    ----------
    outcomes, cost_usd
        Outcomes and US dollars; what was recalled from earlier runs counts too.
    seconds
        Of this run. `emulate` looks at it between batches, `emulate_domain` between outcomes too.
    share
        Outcomes as a share of all (query, path) pairs, in (0, 1]; not together with `outcomes`.

    """

    outcomes: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if not given:
            raise LabError("A budget needs outcomes, cost_usd, seconds or share; all are None.")
        for name, value in given.items():
            if not value > 0:
                raise LabError(f"Budget {name} must be positive, got {value!r}.")
        if self.share is not None and self.share > 1:
            raise LabError(f"Budget share must be within (0, 1], got {self.share}.")
        if self.share is not None and self.outcomes is not None:
            raise LabError("A budget has outcomes or a share of all pairs, and not both.")

    def of(self, n_pairs: int) -> Budget:
        """Return the same budget with its share as a number of outcomes."""
        if self.share is None:
            return self
        outcomes = max(1, round(self.share * n_pairs))
        return Budget(outcomes, self.cost_usd, self.seconds)


class Ending(StrEnum):
    """Why an exploration ended; empty while it goes on."""

    NOT_YET = ""
    BUDGET = "budget spent"
    STABLE = "front stable"
    ALL = "everything measured"
    NOTHING = "nothing left to ask"
    EARLY = "run stopped early"


def emulate(
    emulator: Emulator,
    run: Callable[[list[Pair]], Iterable[Outcome]],
    budget: Budget,
    *,
    stop_at_regret: float | None = None,
    on_batch: Callable[[dict[str, Any]], None] | None = None,
) -> pd.DataFrame:
    """Ask, run and tell in growing batches until the budget is spent or nothing is left to do.

    Parameters
    ----------
    emulator
        Goes on from the outcomes that it has.
    run
        Measures pairs and returns their outcomes, in any order; fewer than asked means that it had
        to stop.
    budget
        A batch that would probably cost more dollars than are left is cut short; `run` may stop
        within a batch.
    stop_at_regret
        Stop once `Emulator.expected_regret` has been at most this after two batches in a row; None
        = spend the budget.
    on_batch
        Called after each batch with its row of the result.

    Returns
    -------
    One row per batch: outcomes, cost_usd (in all so far), expected_regret, deciding_s, running_s
    (of this batch), and stopped: the `Ending`, empty but in the last row.

    Raises
    ------
    LabError
        If the budget allows fewer outcomes than there are paths not yet measured.

    """
    budget = budget.of(emulator.n_pairs)
    fresh = _require_enough(emulator, budget)
    started = time.monotonic()
    rows: list[dict[str, Any]] = []
    while not rows or rows[-1]["stopped"] == Ending.NOT_YET:
        row, asked, answered = _batch(emulator, run, budget, fresh)
        fresh = 0
        last_two = max(row["expected_regret"], rows[-1]["expected_regret"]) if rows else np.inf
        stable = stop_at_regret is not None and last_two <= stop_at_regret
        seconds = time.monotonic() - started
        row["stopped"] = _ending(emulator, budget, seconds, asked, answered, stable).value
        rows.append(row)
        if on_batch:
            on_batch(row)
    return pd.DataFrame(rows)


def _batch(
    emulator: Emulator, run: Callable[[list[Pair]], Iterable[Outcome]], budget: Budget, fresh: int
) -> tuple[dict[str, Any], int, int]:
    """Ask, run and tell once; return the row, and how many pairs were asked and answered."""
    began = time.monotonic()
    size = max(SMALLEST_BATCH, fresh, int(GROWTH * emulator.n_told))
    pairs = _affordable(emulator, budget, size)
    decided = time.monotonic()
    outcomes = list(run(pairs)) if pairs else []
    emulator.tell(outcomes)
    ran = time.monotonic()
    regret = emulator.expected_regret() if emulator.outcomes else np.inf
    row = {
        "outcomes": emulator.n_told,
        "cost_usd": emulator.cost_usd,
        "expected_regret": regret,
        "deciding_s": decided - began + time.monotonic() - ran,
        "running_s": ran - decided,
    }
    return row, len(pairs), len(outcomes)


def _require_enough(emulator: Emulator, budget: Budget) -> int:
    """Return how many paths were never measured; raise if the budget has less than one for each."""
    fresh = int((emulator._asked_of[1] == 0).sum())
    left = np.inf if budget.outcomes is None else budget.outcomes - emulator.n_told
    if 0 < left < fresh:
        raise LabError(
            f"A budget of {budget.outcomes} outcomes leaves {left} for {fresh} paths that were"
            f" never measured; each needs one. Give at least {emulator.n_told + fresh}, or choose"
            " fewer paths."
        )
    return fresh


def _ending(
    emulator: Emulator, budget: Budget, seconds: float, asked: int, answered: int, stable: bool
) -> Ending:
    """Say whether an exploration ends after a batch, and why."""
    used = {"outcomes": emulator.n_told, "cost_usd": emulator.cost_usd, "seconds": seconds}
    limits = {name: limit for name, limit in vars(budget).items() if limit is not None}
    if emulator.n_told == emulator.n_pairs:
        return Ending.ALL
    if any(used[name] >= limit for name, limit in limits.items()):
        return Ending.BUDGET
    if not asked:
        return Ending.NOTHING
    if answered < asked:
        return Ending.EARLY
    return Ending.STABLE if stable else Ending.NOT_YET


def replay_from(trace: Trace) -> Callable[[list[Pair]], list[Outcome]]:
    """Return a `run` for `emulate` that looks outcomes up in a trace instead of measuring them.

    Raises
    ------
    LabError
        When a pair is asked for that the trace has no complete outcome for.

    """
    rows, columns = pd.Index(trace.query_ids), pd.Index(trace.path_ids)
    tables = [trace.array(name) for name in COLUMNS]

    def run(pairs: list[Pair]) -> list[Outcome]:
        query_ids, path_ids = zip(*pairs, strict=True) if pairs else ((), ())
        at = rows.get_indexer(pd.Index(query_ids)), columns.get_indexer(pd.Index(path_ids))
        found = np.array([table[at] for table in tables]).T
        lost = (at[0] < 0) | (at[1] < 0) | np.isnan(found[:, 0])
        if lost.any():
            raise LabError(
                f"The trace has no outcome of {pairs[int(lost.argmax())]}; exploring by replay"
                " needs one for every pair that may be asked."
            )
        return [
            Outcome(*pair, *row[:3], *(n if np.isnan(n) else int(n) for n in row[3:]))
            for pair, row in zip(pairs, found.tolist(), strict=True)
        ]

    return run


def _affordable(emulator: Emulator, budget: Budget, size: int) -> list[Pair]:
    """Ask for the next batch, no larger than what is left of the budget.

    The last batch takes a rest that would be too small for one of its own. Dollars are divided by
    the mean cost so far.
    """
    if budget.outcomes is not None:
        left = budget.outcomes - emulator.n_told
        size = left if left < 1.5 * size else size
    if budget.cost_usd is not None and emulator.n_told:
        each = max(emulator.cost_usd / emulator.n_told, 1e-12)
        left_usd = budget.cost_usd - emulator.cost_usd
        size = min(size, int(left_usd / each) + 1) if left_usd > 0 else 0
    return emulator.ask(size) if size > 0 else []
