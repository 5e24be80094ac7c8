"""Checks of the two tables that a trace is made of: outcomes and queries."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecollm_lab.records import LabError

COLUMNS = ("query_id", "path_id", "quality", "cost_usd", "latency_s", "tokens_in", "tokens_out")
NEEDED = COLUMNS[:3]
# what a cost in US dollars or a latency in seconds can be, if not 0: others are a fault of the file
LEAST, MOST = 1e-15, 1e12
_AT_ONCE = 2**20  # rows looked at
QUERY_COLUMNS = ("query_id", "text", "kind", "split")


@dataclass(frozen=True, eq=False)
class Cells:
    """Where outcomes stand in a table of queries and paths, both in order of first appearance."""

    query_ids: np.ndarray
    path_ids: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Cells:
        """Find the cells of a table of outcomes."""
        rows, query_ids = pd.factorize(frame["query_id"])
        columns, path_ids = pd.factorize(frame["path_id"])
        return cls(
            np.asarray(query_ids, dtype=object), np.asarray(path_ids, dtype=object), rows, columns
        )


def checked(outcomes: pd.DataFrame) -> tuple[pd.DataFrame, Cells]:
    """Return a copy of a table of outcomes with all `COLUMNS`, and where its outcomes stand.

    Raises a `LabError` for a bad table.
    """
    frame = outcomes.copy(deep=False)  # pandas copies what is written to
    _require_columns(frame, NEEDED, "A trace")
    if frame.empty:
        raise LabError("A trace needs at least one outcome; the table is empty.")
    for column in COLUMNS[3:]:
        frame[column] = frame.get(column, np.nan)
    for column in COLUMNS[2:5]:
        frame[column] = _numbers(frame, column)
    frame = frame.reset_index(drop=True)
    for name in ("query_id", "path_id"):
        _require_ids(frame[name])
    cells = Cells.of(frame)  # of categories where it has them, which takes a tenth of the time
    _require_once(frame, cells)
    for name in ("query_id", "path_id"):
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            codes = frame[name].cat.codes.to_numpy()
            frame[name] = frame[name].cat.categories.take(codes).array
    return frame, cells


def _require_columns(frame: pd.DataFrame, names: Sequence[str], what: str) -> None:
    """Raise a `LabError` if a table lacks a column or has two of one name."""
    missing = [column for column in names if column not in frame]
    if missing:
        raise LabError(
            f"{what} needs the columns {', '.join(names)}; missing: {', '.join(missing)}."
        )
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise LabError(
            f"{what} must have one column of each name; {twice[0]!r} occurs more than once. Rename"
            " or drop one."
        )


def out_of_range(column: str, numbers: np.ndarray) -> np.ndarray:
    """Tell which numbers of a column cannot be; NaN, which is not recorded, can."""
    bad = (numbers < 0) | (numbers > (1 if column == "quality" else MOST))
    if column != "quality":
        bad |= (numbers > 0) & (numbers < LEAST)
    return np.asarray(bad)


def _numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as numbers; raise a `LabError` that shows the first one out of range."""
    if frame[column].dtype.kind in "mM":
        raise LabError(
            f"{column} must hold numbers, got {frame[column].dtype}. Durations become seconds with"
            f" outcomes[{column!r}].dt.total_seconds()."
        )
    values = pd.to_numeric(frame[column], errors="coerce")
    bad = out_of_range(column, values.to_numpy(dtype=float, na_value=np.nan))
    if values.dtype != frame[column].dtype:
        bad |= (values.isna() & frame[column].notna()).to_numpy()
    if bad.any():
        limits = (
            "within [0, 1]" if column == "quality" else f">= 0 (0 or from {LEAST:g} to {MOST:g})"
        )
        row = frame[bad].iloc[0]
        raise LabError(
            f"{column} must be {limits}; got {row[column]} for ({row.query_id}, {row.path_id})."
        )
    return values


def _require_ids(ids: pd.Series) -> None:
    """Raise a `LabError` unless every row has an id that is a text or a number."""
    if ids.isna().any():
        raise LabError("query_id and path_id must be given in every row; some are missing.")
    if ids.dtype == object:
        odd = [value for value in ids if not isinstance(value, Hashable)]
        if odd:
            raise LabError(f"{ids.name} must be texts or numbers, got {odd[0]!r:.60}.")


def repeated(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> bool:
    """Tell whether a cell of a table of queries and paths occurs twice."""
    # marking all cells takes more room than it saves time where most of them are empty
    if shape[0] * shape[1] > 20 * len(rows):
        numbers = rows.astype(np.int64) * shape[1] + columns
        return len(pd.unique(numbers)) < len(numbers)
    seen = np.zeros(shape, dtype=bool)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        seen[rows[part], columns[part]] = True
    return int(np.count_nonzero(seen)) < len(rows)


def _require_once(frame: pd.DataFrame, cells: Cells) -> None:
    """Raise a `LabError` if two outcomes have the same query and path."""
    if repeated(cells.rows, cells.columns, (len(cells.query_ids), len(cells.path_ids))):
        row = frame[frame.duplicated(["query_id", "path_id"])].iloc[0]
        raise LabError(
            f"The pair ({row.query_id}, {row.path_id}) occurs more than once; keep one outcome per"
            " pair."
        )


def queries_in(frame: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """Return the queries table that the columns text, kind and split of outcomes give."""
    ids = cells.query_ids
    table = pd.DataFrame({"query_id": ids, "text": "", "kind": "unknown", "split": "train"})
    for column in QUERY_COLUMNS[1:]:
        if column in frame:
            values = frame[column].astype(object).groupby(cells.rows)
            different = values.nunique().to_numpy()
            if different.max() > 1:
                one = int(different.argmax())
                found = frame.loc[cells.rows == one, column].dropna().unique()[:2]
                raise LabError(
                    f"outcomes must give each query one {column}; got"
                    f" {', '.join(map(repr, found))} for {ids[one]}. Correct them, or give"
                    " queries=."
                )
            table[column] = values.first().fillna(table[column]).astype(str)
    return table


def checked_queries(queries: pd.DataFrame, query_ids: Sequence[str] | np.ndarray) -> pd.DataFrame:
    """Return the queries that have outcomes; raise a `LabError` if an outcome lacks its query."""
    _require_columns(queries, QUERY_COLUMNS, "The queries table")
    _require_ids(queries["query_id"])
    unknown = sorted(set(query_ids) - set(queries["query_id"]), key=str)
    if unknown:
        raise LabError(
            f"{len(unknown)} query ids have outcomes but no row in the queries table, e.g."
            f" {unknown[0]!r}."
        )
    rows = queries[queries["query_id"].isin(query_ids)]
    for column in QUERY_COLUMNS[1:]:
        gone = rows.loc[rows[column].isna(), "query_id"]
        if len(gone):
            raise LabError(
                f"The queries table must give each query a {column}; {gone.iloc[0]} has"
                " none. Fill it in; a text may be empty, ''."
            )
    rows = rows.drop_duplicates(list(QUERY_COLUMNS))
    again = rows.loc[rows["query_id"].duplicated(), "query_id"]
    if len(again):
        first, second = rows[rows["query_id"] == again.iloc[0]].iloc[:2].to_dict("records")
        raise LabError(
            f"The queries table has {again.iloc[0]} twice, and not the same: {first} and {second}."
            " Keep one row per query."
        )
    return rows.reset_index(drop=True)


def checked_mask(mask: pd.Series | np.ndarray, queries: pd.DataFrame) -> np.ndarray:
    """Return a mask over queries; raise a `LabError` for what is none.

    A Series must have the index of the queries table, or their ids, in order.
    """
    n = len(queries)
    if isinstance(mask, pd.Series) and not (
        mask.index.equals(queries.index) or mask.index.equals(pd.Index(queries["query_id"]))
    ):
        raise LabError(
            "mask must have the index of trace.queries, in its order; got a Series of"
            f" {len(mask)} with another one for {n} queries. Compare a column of trace.queries, or"
            " bring it into order: mask.reindex(trace.query_ids) if its index holds query ids."
        )
    given = np.asarray(mask)
    plain = given.dtype == bool or (
        given.dtype == object and all(isinstance(one, (bool, np.bool)) for one in given.flat)
    )
    if given.shape != (n,) or not plain:
        raise LabError(
            f"mask must have one True or False for each of the {n} queries, got {given.dtype} of"
            f" shape {given.shape}. Compare a column of trace.queries, as in"
            " trace.where(trace.queries['kind'] == 'lookup')."
        )
    return given.astype(bool)


def checked_groups(groups: np.ndarray, n: int) -> np.ndarray:
    """Return the number of each of `n` queries' group; raise a `LabError` for what is none."""
    given = np.asarray(groups)
    if given.shape != (n,) or given.dtype.kind not in "iu" or (n and given.min() < 0):
        raise LabError(
            f"groups must have a whole number >= 0 for each of the {n} queries, got {given.dtype}"
            f" of shape {given.shape}, such as {given.ravel()[:5].tolist()}. Queries of no cluster"
            " (-1) belong to the nearest one: clusters.assign(embeddings)."
        )
    return given.astype(np.int64)
