"""A trace that stays in its Parquet file: columns are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecollm_lab.files import own_data_advice, resolved
from ecollm_lab.records import LabError
from ecollm_lab.traces import tables
from ecollm_lab.traces.description import checked_provenance, described
from ecollm_lab.traces.memory import require_memory
from ecollm_lab.traces.trace import Trace

_ROWS = 2**20  # read at once


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a Parquet file, which stays open: a file that replaces it is not read."""

    name: FilePath | str
    file: pq.ParquetFile

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.file.schema_arrow.names)

    def __len__(self) -> int:
        return int(self.file.metadata.num_rows)

    def plain(self) -> bool:
        """Tell whether ids are texts and outcomes are numbers, so that no row needs a look."""
        types = {field.name: field.type for field in self.file.schema_arrow}
        ids = [types.get(name) for name in ("query_id", "path_id")]
        ids = [one.value_type if one and pa.types.is_dictionary(one) else one for one in ids]
        numbers = [types[name] for name in tables.COLUMNS[2:5] if name in types]
        return (
            "quality" in types
            and all(
                one and (pa.types.is_string(one) or pa.types.is_large_string(one)) for one in ids
            )
            and all(pa.types.is_floating(one) or pa.types.is_integer(one) for one in numbers)
        )

    def blocks(self, column: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the values of a column, NaN if the file lacks it, and the rows they stand in."""
        if column not in self.names:
            yield slice(0, len(self)), np.broadcast_to(np.nan, len(self))
            return
        start = 0
        for batch in self._batches([column]):
            values = batch.column(0).to_numpy(zero_copy_only=False)
            yield slice(start, start + len(values)), values
            start += len(values)

    def codes(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of each row's id (-1: none) and the ids, in order of appearance."""
        numbers = np.empty(len(self), dtype=np.int32)
        known: dict[str, int] = {}
        start = 0
        for batch in self._batches([column]):
            values = batch.column(0)
            if not pa.types.is_dictionary(values.type):
                values = values.dictionary_encode()
            found = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
            used = pd.unique(found)
            to = np.full(len(values.dictionary) + 1, -1, dtype=np.int32)  # the last: no id
            names = values.dictionary.take(pa.array(used[used >= 0])).to_pylist()
            to[used[used >= 0]] = [known.setdefault(name, len(known)) for name in names]
            numbers[start : start + len(found)] = to[found]
            start += len(found)
        return numbers, np.array(list(known), dtype=object)

    def frame(self, kept: np.ndarray | None) -> pd.DataFrame:
        """Return all columns, of the rows that a mask keeps."""
        share = 1.0 if kept is None else kept.mean()
        metadata = self.file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        require_memory(
            2 * share * size,
            f"The table of all {len(self):,} outcomes of {self.name}",
            "Ask for single columns with trace.array(column), or for fewer queries with"
            " trace.where(mask).",
        )
        parts, start = [], 0
        for batch in self._batches(None):
            rows = slice(start, start + len(batch))
            parts.append(batch if kept is None else batch.filter(pa.array(kept[rows])))
            start += len(batch)
        schema = None if parts else self.file.schema_arrow
        return self._read(lambda: pa.Table.from_batches(parts, schema).to_pandas())

    def _batches(self, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        batches = self.file.iter_batches(_ROWS, columns=columns)
        while (batch := self._read(lambda: next(batches, None))) is not None:
            yield batch

    def _read(self, how: Any) -> Any:
        try:
            return how()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise LabError(f"Cannot read the trace {self.name}: {error}") from error


class StoredTrace(Trace):
    """A trace in a Parquet file.

    Loading it looks at the ids and at what can be out of range, one column after the other, and
    holds where each outcome stands. Single columns are read anew by each `array`; `outcomes` reads
    all of them, once.
    """

    _source: Columns
    _kept: np.ndarray | None

    @classmethod
    def of(
        cls, source: Columns, queries: pd.DataFrame, provenance: dict[str, Any]
    ) -> StoredTrace | None:
        """Check a file's columns and wrap them; None if a row has to be looked at for a fault."""
        if not source.plain() or not len(source):
            return None
        (rows, query_ids), (columns, path_ids) = map(source.codes, ("query_id", "path_id"))
        if rows.min() < 0 or columns.min() < 0:
            return None
        for name in tables.COLUMNS[2:5]:
            if any(tables.out_of_range(name, values).any() for _, values in source.blocks(name)):
                return None
        if tables.repeated(rows, columns, (len(query_ids), len(path_ids))):
            return None
        queries = tables.checked_queries(queries, query_ids)
        order = pd.Index(queries["query_id"]).get_indexer(pd.Index(query_ids)).astype(np.int32)
        trace = cls.__new__(cls)
        vars(trace).update(queries=queries, provenance=provenance, path_ids=list(path_ids))
        vars(trace).update(_source=source, _kept=None, _cells=(order[rows], columns))
        return trace

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row per (query_id, path_id), read at the first use."""
        return tables.checked(self._source.frame(self._kept))[0]

    @property
    def columns(self) -> list[str]:
        """The names of the columns of `outcomes`."""
        if "outcomes" in vars(self):
            return super().columns
        return list(dict.fromkeys([*self._source.names, *tables.COLUMNS]))

    def _blocks(self, column: str) -> Iterator[tuple[slice, np.ndarray]]:
        if "outcomes" in vars(self):
            yield from super()._blocks(column)
            return
        start = 0
        for rows, values in self._source.blocks(column):
            part = values if self._kept is None else values[self._kept[rows]]
            yield slice(start, start + len(part)), part
            start += len(part)

    def _with(self, inside: np.ndarray, queries: pd.DataFrame) -> Trace:
        if "outcomes" in vars(self):
            return super()._with(inside, queries)
        kept = inside
        if self._kept is not None:
            kept = self._kept.copy()
            kept[kept] = inside
        trace = self.__class__.__new__(self.__class__)
        vars(trace).update(queries=queries, provenance=self.provenance)
        vars(trace).update(_source=self._source, _kept=kept)
        return trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Trace, (self.outcomes, self.queries, self.provenance)


def read(file: FilePath | str) -> Trace:
    """Return the trace of a Parquet file; see `Trace.load`."""
    try:
        opened = pa.OSFile(str(resolved(file)))
        ids = ["query_id", "path_id"]
        # a buffer would keep the bytes of a whole column in memory
        source = pq.ParquetFile(opened, read_dictionary=ids, pre_buffer=False)
    except FileNotFoundError as error:
        raise LabError(
            f"Cannot read the trace {file}: the file does not exist.{_beside(FilePath(file))}"
            f"{own_data_advice(file)}"
        ) from error
    except (OSError, pa.ArrowException) as error:
        # the path once is enough
        why = str(error).removeprefix(f"Could not open Parquet input source '{file}': ")
        raise LabError(f"Cannot read the trace {file}: {why}") from error
    columns = Columns(file, source)
    queries, provenance = described(source.schema_arrow, file)
    if queries is not None:
        provenance = checked_provenance(provenance)
        if (stored := StoredTrace.of(columns, queries, provenance)) is not None:
            return stored
    return Trace.from_frame(columns.frame(None), queries, provenance)


def _beside(file: FilePath) -> str:
    """Name the Parquet files beside one that is not there, if they are few."""
    others = sorted(other.name for other in file.parent.glob("*.parquet"))
    return f" In its folder: {', '.join(others)}." if 0 < len(others) <= 8 else ""
