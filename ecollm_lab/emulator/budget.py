"""Spend a budget of outcomes, dollars or seconds where the Emulator asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.emulator.emulator import GROWTH, SMALLEST_BATCH, Emulator, Pair
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.traces import Trace


@dataclass(frozen=True)
class Budget:
    """How much an exploration may spend in all: outcomes, US dollars, seconds; at least one of them.

    Outcomes and dollars count what was recalled from earlier runs too; seconds count this run, and
    are looked at between batches.
    """

    outcomes: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = {
            name: getattr(self, name)
            for name in ("outcomes", "cost_usd", "seconds")
            if getattr(self, name) is not None
        }
        if not given:
            raise LabError("A budget needs outcomes, cost_usd or seconds; all are None.")
        for name, value in given.items():
            if not value > 0:
                raise LabError(f"Budget {name} must be positive, got {value!r}.")


def emulate(
    emulator: Emulator,
    run: Callable[[list[Pair]], Iterable[Outcome]],
    budget: Budget,
    *,
    stop_at_regret: float | None = None,
    on_batch: Callable[[dict[str, Any]], None] | None = None,
) -> pd.DataFrame:
    """Ask, run and tell in growing batches until the budget is spent, nothing is left to ask, or the front is stable.

    Parameters
    ----------
    emulator
        Goes on from what it knows.
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
    (of this batch), and stopped: "" or, in the last, "budget spent", "front stable", "everything
    measured", "nothing left to ask" (what is left was given up) or "run stopped early".

    Raises
    ------
    LabError
        If the budget allows fewer outcomes than there are paths not yet measured.

    """
    fresh = int((~emulator._asked.any(axis=0)).sum())
    left = np.inf if budget.outcomes is None else budget.outcomes - emulator.n_told
    if 0 < left < fresh:
        raise LabError(
            f"A budget of {budget.outcomes} outcomes leaves {left} for {fresh} paths that were"
            f" never measured; each needs one. Give at least {emulator.n_told + fresh}, or choose"
            " fewer paths."
        )
    started = time.monotonic()
    rows: list[dict[str, Any]] = []
    why = ""
    while not why:
        began = time.monotonic()
        size = max(SMALLEST_BATCH, fresh, int(GROWTH * emulator.n_told))
        pairs = _affordable(emulator, budget, size)
        decided = time.monotonic()
        outcomes = list(run(pairs)) if pairs else []
        emulator.tell(outcomes)
        ran = time.monotonic()
        regret = emulator.expected_regret() if emulator.outcomes else np.inf
        fresh = 0
        seconds = time.monotonic() - started
        if emulator.n_told == len(emulator.query_ids) * len(emulator.path_ids):
            why = "everything measured"
        elif _spent(emulator, budget, seconds):
            why = "budget spent"
        elif len(outcomes) < len(pairs) or not pairs:
            why = "run stopped early" if pairs else "nothing left to ask"
        elif (
            stop_at_regret is not None
            and rows
            and max(regret, rows[-1]["expected_regret"]) <= stop_at_regret
        ):
            why = "front stable"
        row = {
            "outcomes": emulator.n_told,
            "cost_usd": emulator.cost_usd,
            "expected_regret": regret,
            "deciding_s": decided - began + time.monotonic() - ran,
            "running_s": ran - decided,
            "stopped": why,
        }
        rows.append(row)
        if on_batch:
            on_batch(row)
    return pd.DataFrame(rows)


def replay_from(trace: Trace) -> Callable[[list[Pair]], list[Outcome]]:
    """Return a `run` for `emulate` that looks outcomes up in a trace instead of measuring them.

    Raises
    ------
    LabError
        When a pair is asked for that the trace has no complete outcome for.

    """
    known = {
        (row.query_id, row.path_id): row
        for row in trace.outcomes.itertuples()
        if row.quality == row.quality
    }

    def run(pairs: list[Pair]) -> list[Outcome]:
        missing = [pair for pair in pairs if pair not in known]
        if missing:
            raise LabError(
                f"The trace has no outcome of {missing[0]}; exploring by replay needs one for every"
                " pair that may be asked."
            )
        rows = (known[pair] for pair in pairs)
        return [
            Outcome(
                r.query_id, r.path_id, r.quality, r.cost_usd, r.latency_s, r.tokens_in, r.tokens_out
            )
            for r in rows
        ]

    return run


def _spent(emulator: Emulator, budget: Budget, seconds: float) -> bool:
    used = {"outcomes": emulator.n_told, "cost_usd": emulator.cost_usd, "seconds": seconds}
    return any(limit is not None and used[name] >= limit for name, limit in vars(budget).items())


def _affordable(emulator: Emulator, budget: Budget, size: int) -> list[Pair]:
    """Ask for the next batch, no larger than the outcomes left (nor leaving a crumb), nor than the dollars left at the mean cost so far."""
    if budget.outcomes is not None:
        left = budget.outcomes - emulator.n_told
        size = left if left < 1.5 * size else size
    if budget.cost_usd is not None and emulator.n_told:
        each = max(emulator.cost_usd / emulator.n_told, 1e-12)
        size = (
            min(size, int((budget.cost_usd - emulator.cost_usd) / each) + 1)
            if budget.cost_usd > emulator.cost_usd
            else 0
        )
    return emulator.ask(size) if size > 0 else []
