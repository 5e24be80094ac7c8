"""Tables as files hold them: nothing is lost in silence, no pickle is read, faults are named."""

from __future__ import annotations

import csv
import io
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecollm_lab.files import lines, read_bytes, read_text
from ecollm_lab.records import LabError
from ecollm_lab.traces.tables import LEAST, MOST

# where each outcome stood, for messages; the first row under the header is row 1
WHERE = ["@file", "@row"]
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# 1.234,5 or 0,5 or 12 or 1,2E-05 or 87,5 %: numbers whose decimals stand behind a comma
_DECIMAL_COMMA = re.compile(r"\s*[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?([eE][-+]?\d+)?(\s*%)?\s*")
NOT_RECORDED = ("", "nan", "na", "n/a", "none", "null", "<na>")
_PICKLED = (
    "{} is a pickle, and reading one can run code that its author put there, so untrusted files are"
    " never unpickled here. Convert it once: in a throwaway environment without network or secrets"
    " open it with pandas, write it with DataFrame.to_parquet, import that."
)


@dataclass(frozen=True, eq=False)
class Found:
    """What a reader found in a source.

    Attributes
    ----------
    frame
        One row per run, with the columns of `WHERE` and those of a trace that are recorded.
    files
        All files that were read.
    dropped
        How many rows were left out, by reason.
    notes
        Sentences on what was assumed of units, separators and the like.
    failed_runs
        How many failed runs of each path were left out.

    """

    frame: pd.DataFrame
    files: list[FilePath]
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed_runs: dict[str, int] = field(default_factory=dict)


def _unpickled(file: FilePath) -> bytes:
    """Return a file's content, unless it is a pickle."""
    data = read_bytes(file)
    zipped = data[:4] == b"PK\x03\x04" and zipfile.is_zipfile(io.BytesIO(data))
    if data[0] == 0x80 or (
        zipped and any(n.endswith("data.pkl") for n in zipfile.ZipFile(io.BytesIO(data)).namelist())
    ):
        raise LabError(_PICKLED.format(file))
    return data


def read_table(file: FilePath, notes: list[str] | None = None) -> pd.DataFrame:
    """Read a CSV, every cell as text, or a Parquet file; adds the columns of `WHERE`.

    Cells are separated by commas, semicolons, tabs or bars. What is taken for granted about them
    is added to `notes`.
    """
    if {".pkl", ".pickle"} & {suffix.lower() for suffix in file.suffixes}:
        raise LabError(_PICKLED.format(file))
    data = _unpickled(file)
    if file.suffix.lower() == ".parquet":
        table = _parquet(file, data)
    elif file.suffix.lower() in (".csv", ".tsv"):
        table = _csv(file, [] if notes is None else notes)
    else:
        raise LabError(f"{file} must be a .csv or .parquet file.")
    if table.empty:
        raise LabError(f"{file} is empty: it has columns but no row.")
    return table.assign(**{"@file": str(file), "@row": np.arange(1, len(table) + 1)})


def _parquet(file: FilePath, data: bytes) -> pd.DataFrame:
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        _require_unique(table.column_names, f"{file}")
        return table.to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LabError(
            f"{file} is no whole Parquet file: {error}. Fetch or write it again."
        ) from error


def _csv(file: FilePath, notes: list[str]) -> pd.DataFrame:
    separator, ((_, header), *rows) = csv_rows(file)
    table = pd.DataFrame([cells for _, cells in rows], columns=header, dtype=str)
    if separator != ",":
        notes.append(f"{_SEPARATORS[separator]} separate the cells of {file.name}")
        _read_decimal_commas(file, table, notes)
    return table


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@_cells_of_any_length()
def csv_rows(file: FilePath) -> tuple[str, list[tuple[int, list[str]]]]:
    """Return what separates the cells of a CSV file, and its rows with the line each begins in.

    The first row is the header, whose names have no space around them. If spaces follow separators
    in it, they do in all rows. Rows of empty cells at the end, as Excel writes them, are none.
    Raises a `LabError` for a row that is not like the header, and for a header that names a column
    twice.
    """
    text = read_text(file)
    if text.startswith("sep="):  # a line that Excel writes and reads, before the header
        text = re.sub(r"\Asep=[^\r\n]*", "", text)  # its end stays: it counts as a line
    first = next((line for line in lines(text) if line.strip()), "")
    separator = max(_SEPARATORS, key=lambda one: len(_cells(first, one)))
    spaced = any(name.startswith(" ") for name in _cells(first, separator))
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=spaced
    )
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for row in reader:
            if row and rows and len(row) != len(rows[0][1]):
                raise LabError(
                    f"{file} is no CSV table: line {line} has {len(row)} cells, its header"
                    f" {len(rows[0][1])}. A row is cut, or a text with a separator or quote in it"
                    " is not quoted."
                )
            rows += [(line, row)] if row else []
            line = reader.line_num + 1
    except csv.Error as error:
        raise LabError(
            f"{file} is no CSV table: the row that begins in line {line} has a quote that is never"
            f" closed, or closed too early ({error}). Double the quotes inside quoted texts."
        ) from error
    if not rows:
        raise LabError(f"{file} is no CSV table: there is no header.")
    while len(rows) > 1 and not any(map(str.strip, rows[-1][1])):
        rows.pop()
    line, header = rows[0]
    rows[0] = (line, [name.strip() for name in header])
    _require_unique(rows[0][1], f"{file}:{line}")
    return separator, rows


def _require_unique(header: Sequence[str], where: str) -> None:
    twice = [name for name, n in Counter(header).items() if n > 1]
    if twice:
        raise LabError(
            f"{where}: the header must name every column once; {', '.join(map(repr, twice))}"
            " occurs more than once. Rename or remove one."
        )


def _read_decimal_commas(file: FilePath, table: pd.DataFrame, notes: list[str]) -> None:
    """Write numbers with a decimal comma with a point, in place, in columns that hold no others."""
    changed = []
    for name in table:
        cells = table[name][~table[name].str.strip().str.lower().isin(NOT_RECORDED)]
        if cells.str.contains(",").any() and cells.str.fullmatch(_DECIMAL_COMMA.pattern).all():
            plain = table[name].str.replace(".", "", regex=False)
            table[name] = plain.str.replace(",", ".", regex=False)
            changed.append(str(name))
    if changed:
        notes.append(f"commas in {', '.join(changed)} of {file.name} are decimal points")


def require_columns(table: pd.DataFrame, file: FilePath, names: Sequence[str], hint: str) -> None:
    """Raise a `LabError` that names the columns a table lacks."""
    missing = [name for name in names if name not in table]
    if missing:
        there = ", ".join(map(str, table.columns.drop(WHERE)))
        raise LabError(
            f"{file} has no column {', '.join(missing)}; it has: {there}. Expected {hint}."
        )


def numbers(frame: pd.DataFrame, column: str, top: float | None = None) -> pd.Series:
    """Return a column as floats from 0 to `top`, NaN where nothing is recorded.

    true and false are 1 and 0; blank, NaN, NA, none and null are NaN; anything else is an error.
    Quality has the top 1 if none is given.
    """
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values):
        words = values.astype(object).where(values.notna(), "").astype(str).str.strip().str.lower()
        words = words.replace({"true": "1", "false": "0", **dict.fromkeys(NOT_RECORDED, "")})
        values = words.where(words != "")
    floats = values.map(_float, na_action="ignore").astype(float)
    if top is None:
        top = 1.0 if column == "quality" else MOST
    wrong = values.notna() & ~floats.between(0, top)
    if column in ("cost_usd", "latency_s"):
        wrong |= floats.between(0, LEAST, inclusive="neither")
    if wrong.any():
        limits = f">= 0 and finite (0 or from {LEAST:g} to {MOST:g})"
        hint = "Correct the source, or exclude such rows."
        got = str(frame.loc[wrong, column].iloc[0])
        if column == "quality":
            limits = f"within [0, {top:g}]"
            hint += " If these are percent, say so: --unit quality=percent." * (top == 1)
        raise LabError(
            f"{at(frame[wrong])}: {column} must be a number {limits}, got {got[:60]!r}. {hint}"
        )
    return floats


def _float(value: object) -> float:
    """Return a cell as a number, NaN if it is none; Python's underscores are no digits."""
    try:
        return float("nan") if "_" in str(value) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def at(rows: pd.DataFrame) -> str:
    """Return where the first of some rows stood: file and row."""
    return f"{rows['@file'].iloc[0]}, row {rows['@row'].iloc[0]}"
