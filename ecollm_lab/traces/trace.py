"""A trace: a table of outcomes, its queries and its provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecollm_lab.files import replacing
from ecollm_lab.records import STAGES, LabError, Outcome, require_choice
from ecollm_lab.traces import intervals, tables
from ecollm_lab.traces.description import checked_provenance, metadata_of
from ecollm_lab.traces.memory import require_memory
from ecollm_lab.traces.tables import COLUMNS

HOW_MEASURED = ("queue_s", "retry_s", "repeats", "latency_spread_s", "truncated", "logprob")


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """Outcomes of queries on paths.

    Attributes
    ----------
    outcomes
        One row per (query_id, path_id) with at least the columns of `COLUMNS`; sorted by neither.
    queries
        One row per query: query_id, text, kind, split.
    provenance
        `source` is "measured" or "recorded"; the rest says by what and when.

    """

    outcomes: pd.DataFrame
    queries: pd.DataFrame
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        return f"Trace({self.source_line})"

    @classmethod
    def from_frame(
        cls,
        outcomes: pd.DataFrame,
        queries: pd.DataFrame | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Trace:
        """Check a long table and wrap it; the frames are copied.

        Parameters
        ----------
        outcomes
            Columns `query_id, path_id, quality`; optional `cost_usd, latency_s, tokens_in,
            tokens_out`, which are NaN where left out, and any others. Quality within [0, 1]; cost
            and latency >= 0; NaN = not recorded.
        queries
            Columns `query_id, text, kind, split`. If left out, text, kind and split are taken from
            columns of `outcomes` with these names; what is missing there is made up: empty text,
            kind "unknown", split "train".
        provenance
            At least `source`; "recorded" if left out.

        Raises
        ------
        LabError
            If a column is missing, a value is out of range, a pair occurs twice, a query is
            unknown, or one query has two texts, kinds or splits.

        """
        frame, cells = tables.checked(outcomes)
        if queries is None:
            queries = tables.queries_in(frame, cells)
        table = tables.checked_queries(queries, cells.query_ids)
        trace = Trace(frame, table, checked_provenance(provenance))
        # what the checks found need not be computed again
        rows = pd.Index(table["query_id"]).get_indexer(pd.Index(cells.query_ids))[cells.rows]
        vars(trace).update(_cells=(rows, cells.columns), path_ids=list(cells.path_ids))
        return trace

    @classmethod
    def from_outcomes(
        cls, outcomes: Sequence[Outcome], queries: pd.DataFrame, provenance: Mapping[str, Any]
    ) -> Trace:
        """Wrap measured outcomes; answers and latencies of stages become further columns."""
        rows = [
            {
                **{column: getattr(o, column) for column in COLUMNS},
                **{f"{stage}_s": s for stage, s in zip(STAGES, o.stage_latency_s, strict=False)},
                **{column: getattr(o, column) for column in HOW_MEASURED},
                "answer": o.answer,
            }
            for o in outcomes
        ]
        if not rows:
            raise LabError("There are no outcomes to make a trace of; run the sweep first.")
        return cls.from_frame(pd.DataFrame(rows), queries, provenance)

    @classmethod
    def load(cls, file: FilePath | str) -> Trace:
        """Read a Parquet trace; raise a `LabError` if the file is missing, damaged or no trace.

        Its columns are read when they are asked for, where none of its rows has to be looked at.
        """
        from ecollm_lab.traces.stored import read

        return read(file)

    def save(self, file: FilePath | str) -> None:
        """Write Parquet, whole or not at all, with queries and provenance in its metadata."""
        metadata = metadata_of(self.queries, self.provenance, file)
        try:
            table = pa.Table.from_pandas(self.outcomes, preserve_index=False)
            table = table.replace_schema_metadata(metadata)
            with replacing(file) as part:
                pq.write_table(table, part, compression="zstd")
        except (pa.ArrowException, UnicodeError, OverflowError) as error:
            raise LabError(
                f"Cannot write the trace {file}: its outcomes do not fit into Parquet: {error}."
            ) from error

    @cached_property
    def query_ids(self) -> list[str]:
        """Query ids in the order of the queries table: the rows of `array`."""
        return self.queries["query_id"].tolist()

    @cached_property
    def path_ids(self) -> list[str]:
        """Path ids in order of first appearance: the columns of `array`."""
        return self.outcomes["path_id"].unique().tolist()

    def array(self, column: str) -> np.ndarray:
        """Return one numeric column as an array (queries, paths), NaN where there is no outcome."""
        require_choice(
            "column", column, [c for c in self.columns if c not in ("query_id", "path_id")]
        )
        shape = len(self.query_ids), len(self.path_ids)
        require_memory(
            8 * shape[0] * shape[1],
            f"The table of {column} of {shape[0]:,} queries × {shape[1]:,} paths",
            "Take fewer queries with trace.where(mask), or fewer paths.",
        )
        out = np.full(shape, np.nan)
        rows, columns = self._cells
        for part, values in self._blocks(column):
            try:
                out[rows[part], columns[part]] = values
            except (TypeError, ValueError) as error:
                raise LabError(
                    f"column must be one of numbers; {column} holds others: {error}. Read it from"
                    " trace.outcomes."
                ) from error
        return out

    @property
    def columns(self) -> list[str]:
        """The names of the columns of `outcomes`."""
        return list(self.outcomes.columns)

    def _blocks(self, column: str) -> Iterator[tuple[slice, np.ndarray | pd.Series]]:
        """Yield the values of a column in parts, with the rows they stand in."""
        yield slice(0, len(self.outcomes)), self.outcomes[column]

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column in `array` of each outcome."""
        cells = tables.Cells.of(self.outcomes)
        rows = pd.Index(self.query_ids).get_indexer(pd.Index(cells.query_ids))
        return rows[cells.rows], cells.columns

    def of_path(self, path_id: str) -> pd.DataFrame:
        """Return the outcomes of one path, all columns, as they stand in `outcomes`."""
        if path_id not in self.path_ids:
            raise LabError(
                f"path_id must be one of the {len(self.path_ids)} in trace.path_ids, such as"
                f" {', '.join(map(repr, self.path_ids[:3]))}; got {path_id!r}."
            )
        return self.outcomes.iloc[np.flatnonzero(self._cells[1] == self.path_ids.index(path_id))]

    def split(self, name: str) -> Trace:
        """Return the part of one split, "train" or "heldout"; paths stay in order."""
        return self.where(self.queries["split"] == name, f"split {name!r}")

    def where(self, mask: pd.Series | np.ndarray, what: str = "this selection") -> Trace:
        """Return the part whose queries a boolean mask over `queries` selects.

        Raises `LabError` if it has not one True or False for each query, or selects none; `what`
        names the selection then.
        """
        mask = tables.checked_mask(mask, self.queries)
        queries = self.queries[mask].reset_index(drop=True)
        if queries.empty:
            raise LabError(
                f"No query of the trace is in {what}; its splits are"
                f" {sorted(set(self.queries['split']))}."
            )
        rows, columns = self._cells
        inside = mask[rows]
        part = self._with(inside, queries)
        columns = columns[inside]
        seen = pd.unique(columns)
        numbers = np.empty(len(self.path_ids), dtype=columns.dtype)
        numbers[seen] = np.arange(len(seen))
        vars(part).update(
            path_ids=[self.path_ids[i] for i in seen],
            _cells=((np.cumsum(mask) - 1).astype(rows.dtype)[rows[inside]], numbers[columns]),
        )
        return part

    def _with(self, inside: np.ndarray, queries: pd.DataFrame) -> Trace:
        """Return some of the outcomes, under a mask, with their queries."""
        return Trace(self.outcomes[inside].reset_index(drop=True), queries, self.provenance)

    def summary(self, groups: np.ndarray | None = None) -> pd.DataFrame:
        """Return one row per path, or one per group of queries and path.

        Parameters
        ----------
        groups
            A whole number >= 0 of each query, shape (queries,): its cluster, for example.

        Returns
        -------
        Columns: group if there are groups, path_id, mean quality, cost_usd and latency_s, the 95th
        percentile of latency, and n outcomes with a quality; rows without any outcome are left out.

        Raises
        ------
        LabError
            If `groups` has another shape or other numbers.

        """
        rows, columns = self._cells
        n_paths = len(self.path_ids)
        key = columns
        if groups is not None:
            checked = tables.checked_groups(groups, len(self.queries))
            labels, place = np.unique(checked, return_inverse=True)
            key = place[rows] * n_paths + columns
        counts = np.bincount(key)
        there = np.flatnonzero(counts)
        frame = pd.DataFrame({"path_id": [self.path_ids[i] for i in there % n_paths]})
        values = np.empty(len(key))
        for name in COLUMNS[2:5]:
            for part, block in self._blocks(name):
                values[part] = block
            frame[name] = intervals.grouped_means(values, key, len(counts))[there]
            if name == "quality":
                n = np.bincount(key[~np.isnan(values)], minlength=len(counts))[there]
        frame["latency_p95_s"] = intervals.grouped_percentiles(values, key, counts, 0.95)[there]
        frame["n"] = n
        if groups is not None:
            frame.insert(0, "group", labels[there // n_paths])
        return frame

    @property
    def source_line(self) -> str:
        """One line for figures and tables: what this is and where it comes from."""
        p = self.provenance
        parts = [
            p.get("source"),
            p.get("domain"),
            p.get("measured_at"),
            f"{len(self.query_ids)} queries × {len(self.path_ids)} paths",
        ]
        if p.get("price_date"):
            parts.append(f"prices declared {p['price_date']}")
        if (p.get("sweep") or {}).get("failed"):
            parts.append(f"{p['sweep']['failed']} pairs failed")
        if p.get("added"):
            parts.append(f"{p['added']['outcomes']} outcomes added {p['added']['at']}")
        return " · ".join(str(part) for part in parts if part)


def require_trace(value: object, what: str = "trace") -> None:
    """Raise a `LabError` that says how to get a trace unless the value is one.

    `what` names the argument.
    """
    if isinstance(value, Trace):
        return
    how = (
        "Give a Trace: Trace.load(file) reads one, Trace.from_frame(table) makes one of a table of"
        " outcomes."
    )
    if isinstance(value, pd.DataFrame):
        how = f"Make it one: Trace.from_frame({what})."
    elif isinstance(value, (str, FilePath)):
        how = f"Read it first: Trace.load({str(value)!r})."
    raise LabError(f"{what} must be a Trace, got {type(value).__name__}. {how}")
