"""Few of a table's many cells are seen, so only these are held; what may be told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp

from ecollm_lab.records import LabError, Outcome


@dataclass(frozen=True, eq=False)
class Seen:
    """Values of some cells of a table of queries and paths.

    Attributes
    ----------
    shape
        How many queries and paths there are.
    rows, columns
        Query and path of each cell, shape (cells,); no cell twice.
    values
        Shape (cells,), never NaN.

    """

    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray | Seen) -> Seen:
        """Return the cells of a table (queries, paths) that are not NaN."""
        if isinstance(table, Seen):
            return table
        rows, columns = np.nonzero(~np.isnan(table))
        return cls((table.shape[0], table.shape[1]), rows, columns, table[rows, columns])

    def __len__(self) -> int:
        return len(self.values)

    def where(self, mask: np.ndarray) -> Self:
        """Return the cells under a mask, shape (cells,)."""
        return type(self)(self.shape, self.rows[mask], self.columns[mask], self.values[mask])

    def matrix(self, values: np.ndarray) -> sp.csr_array:
        """Return a sparse matrix (queries, paths) with a value for each of the cells."""
        return sp.csr_array((values, (self.rows, self.columns)), shape=self.shape)

    def of_path(self) -> np.ndarray:
        """Return how many cells of each path were seen, shape (paths,)."""
        return np.bincount(self.columns, minlength=self.shape[1])


def seen_in(
    outcomes: Sequence[Outcome], row: Mapping[str, int], column: Mapping[str, int]
) -> list[Seen]:
    """Return the quality, cost and latency of outcomes, each where it was recorded.

    `row` and `column` number all queries and all paths.
    """
    rows = np.array([row[one.query_id] for one in outcomes], dtype=int)
    columns = np.array([column[one.path_id] for one in outcomes], dtype=int)
    values = [(one.quality, one.cost_usd, one.latency_s) for one in outcomes]
    shape = len(row), len(column)
    tables = np.array(values, dtype=float).reshape(-1, 3).T
    cells = [Seen(shape, rows, columns, each) for each in tables]
    return [each.where(~np.isnan(each.values)) for each in cells]


def require_new(
    told: Sequence[Outcome], row: Mapping[str, int], column: Mapping[str, int], known: np.ndarray
) -> None:
    """Raise a `LabError` for an outcome that cannot be, or that was told before.

    A NaN quality means that the attempt failed. `row` and `column` number the queries and the paths
    explored; `known` says which pairs were told, shape (queries, paths).
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
