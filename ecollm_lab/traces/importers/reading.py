"""Files as text and tables of text: no pickle is read, and what is wrong is named with its file and line or row."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path as FilePath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecollm_lab.files import read_bytes, read_text
from ecollm_lab.records import LabError

# where each outcome stood, for messages; the first row under the header is row 1
WHERE = ["@file", "@row"]
_PICKLED = (
    "{} is a pickle, and reading one can run code that its author put there, so untrusted files are"
    " never unpickled here. Convert it once: in a throwaway environment without network or secrets"
    " open it with pandas, write it with DataFrame.to_parquet, import that."
)


def _unpickled(file: FilePath) -> bytes:
    """Return a file's content, unless it is a pickle."""
    data = read_bytes(file)
    zipped = data[:4] == b"PK\x03\x04" and zipfile.is_zipfile(io.BytesIO(data))
    if data[0] == 0x80 or (
        zipped and any(n.endswith("data.pkl") for n in zipfile.ZipFile(io.BytesIO(data)).namelist())
    ):
        raise LabError(_PICKLED.format(file))
    return data


def read_table(file: FilePath) -> pd.DataFrame:
    """Read a CSV, every cell as text, or a Parquet file; adds the columns of `WHERE`."""
    if {".pkl", ".pickle"} & {suffix.lower() for suffix in file.suffixes}:
        raise LabError(_PICKLED.format(file))
    data = _unpickled(file)
    try:
        if file.suffix.lower() == ".parquet":
            table = pq.ParquetFile(pa.BufferReader(data)).read().to_pandas(ignore_metadata=True)
        elif file.suffix.lower() == ".csv":
            table = pd.read_csv(io.StringIO(read_text(file)), dtype=str, keep_default_na=False)
        else:
            raise LabError(f"{file} must be a .csv or .parquet file.")
    except (pa.ArrowException, OSError) as error:
        raise LabError(
            f"{file} is no whole Parquet file: {error}. Fetch or write it again."
        ) from error
    except ValueError as error:  # pandas' ParserError and EmptyDataError
        raise LabError(f"{file} is no CSV table: {str(error).strip()}.") from error
    if not isinstance(table.index, pd.RangeIndex) or not table.columns.is_unique:
        raise LabError(
            f"{file}: its header must name every column once, and no row may have more cells."
        )
    if table.empty:
        raise LabError(f"{file} is empty: it has columns but no row.")
    return table.assign(**{"@file": str(file), "@row": np.arange(1, len(table) + 1)})


def require_columns(table: pd.DataFrame, file: FilePath, names: Sequence[str], hint: str) -> None:
    """Raise a `LabError` that names the columns a table lacks."""
    missing = [name for name in names if name not in table]
    if missing:
        there = ", ".join(map(str, table.columns.drop(WHERE)))
        raise LabError(
            f"{file} has no column {', '.join(missing)}; it has: {there}. Expected {hint}."
        )


def numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as floats: true and false are 1 and 0, blank, NaN, NA, none and null are NaN; anything else is an error."""
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values):
        words = values.astype(object).where(values.notna(), "").astype(str).str.strip().str.lower()
        words = words.replace(
            {
                "true": "1",
                "false": "0",
                **dict.fromkeys(("nan", "na", "n/a", "none", "null", "<na>"), ""),
            }
        )
        values = words.where(words != "")
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    top = 1 if column == "quality" else np.finfo(float).max
    wrong = values.notna() & ~numbers.between(0, top)
    if wrong.any():
        limits = "within [0, 1]" if column == "quality" else ">= 0 and finite"
        got = str(frame.loc[wrong, column].iloc[0])
        raise LabError(
            f"{at(frame[wrong])}: {column} must be a number {limits}, got {got!r}. Mend the source,"
            " or exclude such rows."
        )
    return numbers


def at(rows: pd.DataFrame) -> str:
    """Return where the first of some rows stood: file and row."""
    return f"{rows['@file'].iloc[0]}, row {rows['@row'].iloc[0]}"
