"""The rows of a source: what is left out, one outcome per query and path, costs from prices."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces.importers.failed_runs import are_failed
from ecollm_lab.traces.importers.queries import text_id
from ecollm_lab.traces.importers.reading import WHERE, at, numbers, read_table, require_columns
from ecollm_lab.traces.tables import COLUMNS


def recorded(
    frame: pd.DataFrame,
    exclude: Iterable[tuple[str, Any]],
    source: FilePath,
    notes: dict[str, Any],
) -> pd.DataFrame:
    """Return the rows that are outcomes, with every column; notes count what is left out."""
    dropped = notes["dropped"]
    n_read = len(frame)
    frame = _without(frame, exclude)
    dropped["excluded_rows"] = n_read - len(frame)
    _complete(frame)
    failed = are_failed(frame["answer"], frame["quality"])
    if failed.any():
        dropped["failed_runs"] = dropped.get("failed_runs", 0) + int(failed.sum())
        notes["failed_runs"] = frame.loc[failed, "path_id"].value_counts().to_dict()
    graded = frame["quality"].notna()
    dropped["rows_without_quality"] = int((~graded & ~failed).sum())
    frame = frame[graded & ~failed].copy()
    notes["dropped"] = {reason: n for reason, n in dropped.items() if n}
    if frame.empty:
        raise LabError(
            f"No outcome is left of {source.name}: {n_read} rows read, dropped {notes['dropped']}."
            " Exclude less, or name another source."
        )
    return frame


def _without(frame: pd.DataFrame, exclude: Iterable[tuple[str, Any]]) -> pd.DataFrame:
    drop = np.zeros(len(frame), dtype=bool)
    for column, value in exclude:
        require_choice("A column in exclude", column, [c for c in frame if c not in WHERE])
        values = frame[column].astype(str)
        hit = values == str(value)
        if not hit.any():
            raise LabError(
                f"exclude: no row has {column} {str(value)!r}; there are e.g."
                f" {', '.join(map(repr, values.unique()[:5]))}."
            )
        drop |= hit.to_numpy()
    return frame[~drop].copy()


def _complete(frame: pd.DataFrame) -> None:
    """Give a table, in place, every column of `NAMES`: words as text, numbers as floats."""
    for column in ("query_id", "path_id"):
        _require_words(frame, column)
        blank = frame[column].isna() | (frame[column].astype(str) == "")
        if blank.any():
            raise LabError(f"{at(frame[blank])}: {column} is missing.")
        frame[column] = frame[column].astype(str)
    words_of = {"text": "", "kind": "unknown", "split": "", "placement": "", "answer": ""}
    for column, default in words_of.items():
        words = (
            frame[column].astype(object)
            if column in frame
            else pd.Series(default, index=frame.index)
        )
        words = words.where(words.notna(), default).astype(str)
        frame[column] = words.where(words != "", default)
    for column in COLUMNS[2:]:
        frame[column] = numbers(frame, column) if column in frame else np.nan


def _require_words(frame: pd.DataFrame, column: str) -> None:
    """Raise a `LabError` if ids are lists, dicts or the like, as Parquet can hold them."""
    odd = frame[column].map(lambda value: isinstance(value, (list, dict, np.ndarray, bytes)))
    if odd.any():
        kind = type(frame.loc[odd, column].iloc[0]).__name__
        raise LabError(f"{at(frame[odd])}: {column} must be a text or a number, got a {kind}.")


def cost_of(frame: pd.DataFrame, file: FilePath) -> pd.Series:
    """Return tokens × price in US dollars, NaN where either is not known."""
    table = read_table(file)
    names = ["price_in_usd_per_mtok", "price_out_usd_per_mtok"]
    require_columns(
        table,
        file,
        ["path_id", *names],
        "one row per path with its prices in US dollars per million tokens",
    )
    if table["path_id"].duplicated().any() or not set(table["path_id"]) & set(frame["path_id"]):
        raise LabError(
            f"{file} must give each path once and at least one of:"
            f" {', '.join(frame['path_id'].unique()[:5])}."
        )
    price_in, price_out = (
        frame["path_id"].map(dict(zip(table["path_id"], numbers(table, name), strict=True)))
        for name in names
    )
    return (frame["tokens_in"] * price_in + frame["tokens_out"] * price_out) / 1e6


def ids_of_texts(frame: pd.DataFrame) -> pd.Series:
    """Return an id for each row's text, the same where `plain` makes texts the same."""
    blank = frame["text"] == ""
    if blank.any():
        raise LabError(f"{at(frame[blank])}: there is no text to make an id of.")
    return frame["text"].map({text: text_id(text) for text in frame["text"].unique()})


def one_per_pair(frame: pd.DataFrame, *, mean: bool) -> tuple[pd.DataFrame, int]:
    """Return one outcome per (query_id, path_id) and how many rows went into means of several."""
    pair = ["query_id", "path_id"]
    twice = frame.duplicated(pair, keep=False)
    answered = ["answer"] if (frame["answer"] != "").any() else []
    if twice.any() and not mean:
        again = frame[frame.duplicated(pair)]
        row = again.iloc[0]
        rows = ", ".join(map(str, frame.loc[twice, "@row"].head(6)))
        raise LabError(
            f"{at(again)}: the pair ({row.query_id}, {row.path_id}) was there before;"
            f" {len(again)} rows repeat a pair (rows {rows}{' …' if twice.sum() > 6 else ''})."
            " Average them with repeats='mean' (--repeats mean), or name a query_id that tells"
            " them apart."
        )
    if not mean:
        return frame[[*COLUMNS, *answered]], 0
    grouped = frame.groupby(pair, sort=False)
    outcomes = grouped[list(COLUMNS[2:])].mean().assign(n_repeats=grouped.size()).reset_index()
    if answered and not twice.any():
        outcomes["answer"] = frame["answer"].to_numpy()
    return outcomes, int(twice.sum())
