"""A trace: a table of outcomes, its queries and its provenance; dense arrays for those who compute with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecollm_lab.records import STAGES, LabError, Outcome, require_choice

COLUMNS = ("query_id", "path_id", "quality", "cost_usd", "latency_s", "tokens_in", "tokens_out")
HOW_MEASURED = ("queue_s", "retry_s", "repeats", "latency_spread_s", "truncated")
QUERY_COLUMNS = ("query_id", "text", "kind", "split")
_METADATA = b"ecollm_lab"


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
            Columns `query_id, path_id, quality, cost_usd, latency_s`, optional `tokens_in,
            tokens_out` and any others. Quality within [0, 1]; cost and latency >= 0; NaN = not
            recorded.
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
            unknown, or `outcomes` gives one query two texts, kinds or splits.

        """
        frame = outcomes.copy(deep=False)  # pandas copies what is written to
        missing = [column for column in COLUMNS[:5] if column not in frame]
        if missing:
            raise LabError(
                f"A trace needs the columns {', '.join(COLUMNS[:5])}; missing:"
                f" {', '.join(missing)}."
            )
        if frame.empty:
            raise LabError("A trace needs at least one outcome; the table is empty.")
        for column in COLUMNS[5:]:
            frame[column] = frame.get(column, np.nan)
        for column in ("quality", "cost_usd", "latency_s"):
            frame[column] = _checked(frame, column)
        frame = frame.reset_index(drop=True)
        (rows, ids), (columns, paths) = (
            pd.factorize(frame[name]) for name in ("query_id", "path_id")
        )
        ids, paths = (np.asarray(values, dtype=object) for values in (ids, paths))
        if rows.min() < 0 or columns.min() < 0:
            raise LabError("query_id and path_id must be given in every row; some are missing.")
        for name in ("query_id", "path_id"):
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = (
                    frame[name].cat.categories.take(frame[name].cat.codes.to_numpy()).array
                )
        _require_once(frame, rows * len(paths) + columns, len(ids) * len(paths))
        if queries is None:
            queries = _queries_in(frame, rows, ids)
        absent = [column for column in QUERY_COLUMNS if column not in queries]
        if absent:
            raise LabError(
                f"The queries table needs the columns {', '.join(QUERY_COLUMNS)}; missing:"
                f" {', '.join(absent)}."
            )
        unknown = sorted(set(ids) - set(queries["query_id"]))
        if unknown:
            raise LabError(
                f"{len(unknown)} query ids have outcomes but no row in the queries table, e.g."
                f" {unknown[0]!r}."
            )
        table = (
            queries.loc[queries["query_id"].isin(ids)]
            .drop_duplicates("query_id")
            .reset_index(drop=True)
        )
        provenance = dict(provenance or {"source": "recorded"})
        require_choice("provenance source", provenance.get("source"), ("measured", "recorded"))
        trace = cls(frame, table, provenance)
        known = {
            "_cells": (pd.Index(table["query_id"]).get_indexer(pd.Index(ids))[rows], columns),
            "path_ids": list(paths),
        }
        vars(trace).update(known)  # what the checks found out need not be found out again
        return trace

    @classmethod
    def from_outcomes(
        cls, outcomes: Sequence[Outcome], queries: pd.DataFrame, provenance: Mapping[str, Any]
    ) -> Trace:
        """Wrap measured outcomes; answers and per-stage latencies become further columns."""
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
        """Read a Parquet trace. Raises `LabError` if the file does not exist, cannot be read or is no trace."""
        try:
            table = pq.read_table(
                file, read_dictionary=["query_id", "path_id"]
            )  # each id is decoded once
        except FileNotFoundError as error:
            raise LabError(
                f"Cannot read the trace {file}: the file does not exist.{_beside(FilePath(file))}"
            ) from error
        except (OSError, pa.ArrowException) as error:
            why = str(error).removeprefix(
                f"Could not open Parquet input source '{file}': "
            )  # the path once is enough
            raise LabError(f"Cannot read the trace {file}: {why}") from error
        raw = (table.schema.metadata or {}).get(_METADATA)
        meta = json.loads(raw) if raw else {}
        queries = pd.DataFrame(meta["queries"]) if meta.get("queries") else None
        return cls.from_frame(table.to_pandas(), queries, meta.get("provenance"))

    def save(self, file: FilePath | str) -> None:
        """Write Parquet with queries and provenance in its metadata; an existing file is replaced only once all is written."""
        file = FilePath(file)
        meta = {"provenance": self.provenance, "queries": self.queries.to_dict("records")}
        table = pa.Table.from_pandas(self.outcomes, preserve_index=False)
        table = table.replace_schema_metadata({_METADATA: json.dumps(meta).encode()})
        part = file.with_name(f".{file.name}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, part, compression="zstd")
            part.replace(file)
        except OSError as error:
            raise LabError(
                f"Cannot write the trace {file}: {error.strerror or error}. Name a writable place."
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
            "column", column, [c for c in self.outcomes if c not in ("query_id", "path_id")]
        )
        out = np.full((len(self.query_ids), len(self.path_ids)), np.nan)
        out[self._cells] = self.outcomes[column]
        return out

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column in `array` of each outcome."""
        (rows, ids), (columns, _) = (
            pd.factorize(self.outcomes[name]) for name in ("query_id", "path_id")
        )  # both in order of appearance
        return pd.Index(self.query_ids).get_indexer(pd.Index(ids))[rows], columns

    def of_path(self, path_id: str) -> pd.DataFrame:
        """Return the outcomes of one path, all columns, as they stand in `outcomes`."""
        require_choice("path_id", path_id, self.path_ids)
        return self.outcomes.iloc[np.flatnonzero(self._cells[1] == self.path_ids.index(path_id))]

    def split(self, name: str) -> Trace:
        """Return the part of one split, "train" or "heldout", with all columns of paths kept in order."""
        return self.where(self.queries["split"] == name, f"split {name!r}")

    def where(self, mask: pd.Series | np.ndarray, what: str = "this selection") -> Trace:
        """Return the part whose queries a boolean mask over `queries` selects."""
        queries = self.queries[np.asarray(mask)].reset_index(drop=True)
        if queries.empty:
            raise LabError(
                f"No query of the trace is in {what}; its splits are"
                f" {sorted(set(self.queries['split']))}."
            )
        outcomes = self.outcomes[self.outcomes["query_id"].isin(queries["query_id"])].reset_index(
            drop=True
        )
        return Trace(outcomes, queries, self.provenance)

    def summary(self) -> pd.DataFrame:
        """Return one row per path: mean quality, cost_usd, latency_s, the 95th percentile of latency, and n outcomes."""
        grouped = self.outcomes.groupby("path_id", sort=False)
        return pd.DataFrame(
            {
                "quality": grouped["quality"].mean(),
                "cost_usd": grouped["cost_usd"].mean(),
                "latency_s": grouped["latency_s"].mean(),
                "latency_p95_s": grouped["latency_s"].quantile(0.95),
                "n": grouped["quality"].count(),
            }
        ).reset_index()

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
        return " · ".join(str(part) for part in parts if part)


def require_trace(value: object, what: str = "trace") -> None:
    """Raise a `LabError` that says how to come by a trace unless the value is one; `what` names the argument."""
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


def _checked(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as numbers; raise a `LabError` that shows the first one out of range."""
    values = pd.to_numeric(frame[column], errors="coerce")
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    bad = (numbers < 0) | (numbers > (1 if column == "quality" else np.finfo(float).max))
    if values.dtype != frame[column].dtype:
        bad |= (values.isna() & frame[column].notna()).to_numpy()
    if bad.any():
        limits = "within [0, 1]" if column == "quality" else ">= 0"
        row = frame[bad].iloc[0]
        raise LabError(
            f"{column} must be {limits}; got {row[column]} for ({row.query_id}, {row.path_id})."
        )
    return values


def _queries_in(frame: pd.DataFrame, rows: np.ndarray, ids: np.ndarray) -> pd.DataFrame:
    """Return the queries table that the columns text, kind and split of outcomes spell; `rows` numbers the ids of the outcomes."""
    table = pd.DataFrame({"query_id": ids, "text": "", "kind": "unknown", "split": "train"})
    for column in QUERY_COLUMNS[1:]:
        if column in frame:
            values = frame[column].astype(object).groupby(rows)
            different = values.nunique().to_numpy()
            if different.max() > 1:
                one = int(different.argmax())
                told = ", ".join(map(repr, frame.loc[rows == one, column].dropna().unique()[:2]))
                raise LabError(
                    f"outcomes must give each query one {column}; got {told} for {ids[one]}."
                    " Correct them, or give queries=."
                )
            table[column] = values.first().fillna(table[column]).astype(str)
    return table


def _beside(file: FilePath) -> str:
    """Name the Parquet files beside one that is not there, if they are few."""
    others = sorted(other.name for other in file.parent.glob("*.parquet"))
    return f" In its folder: {', '.join(others)}." if 0 < len(others) <= 8 else ""


def _require_once(frame: pd.DataFrame, cells: np.ndarray, n_cells: int) -> None:
    """Raise a `LabError` if two outcomes have the same cell."""
    sparse = n_cells > 20 * len(
        cells
    )  # counting all cells would then take more room than it saves time
    if sparse or np.bincount(cells).max() > 1:
        for row in frame[pd.Series(cells).duplicated()].head(1).itertuples():
            raise LabError(
                f"The pair ({row.query_id}, {row.path_id}) occurs more than once; keep one outcome"
                " per pair."
            )
