"""What the Emulator may be told: each outcome once, of pairs that it explores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ecollm_lab.records import LabError, Outcome


def require_new(
    told: Sequence[Outcome], row: Mapping[str, int], column: Mapping[str, int], known: np.ndarray
) -> None:
    """Raise a `LabError` for an outcome that cannot be, or that was told before.

    Parameters
    ----------
    told
        NaN quality means that the attempt failed.
    row, column
        Number the queries and the paths explored.
    known
        Which pairs were told, shape (queries, paths).

    """
    twice = Counter((o.query_id, o.path_id) for o in told)
    for o in told:
        where = f"({o.query_id}, {o.path_id})"
        if o.query_id not in row or o.path_id not in column:
            kind = "query" if o.query_id not in row else "path"
            raise LabError(f"{where} was told, but its {kind} is not among those explored.")
        if known[row[o.query_id], column[o.path_id]] or twice[o.query_id, o.path_id] > 1:
            raise LabError(f"{where} was told twice; a pair has one outcome.")
        if not np.isnan(o.quality):
            _require_in_range(o, where)


def _require_in_range(outcome: Outcome, where: str) -> None:
    if not 0 <= outcome.quality <= 1:
        raise LabError(
            "quality must be within [0, 1], or NaN for a failed attempt; got"
            f" {outcome.quality} for {where}."
        )
    for name in ("cost_usd", "latency_s"):
        value = getattr(outcome, name)
        if not (np.isnan(value) or 0 <= value < np.inf):
            raise LabError(
                f"{name} must be >= 0 and finite, or NaN where it was not recorded; got {value}"
                f" for {where}."
            )
