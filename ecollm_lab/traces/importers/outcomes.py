"""Recorded outcome sets as traces: Home Assistant reports, RouterBench, RouteLLM, and any table with one row per outcome."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces.importers.homeassistant import read_homeassistant
from ecollm_lab.traces.importers.reading import WHERE, at, numbers, read_table, require_columns
from ecollm_lab.traces.importers.tables import read_long, read_routellm, read_routerbench
from ecollm_lab.traces.path_ids import model_of
from ecollm_lab.traces.tables import COLUMNS, QUERY_COLUMNS
from ecollm_lab.traces.trace import Trace

FORMATS = ("homeassistant", "routerbench", "routellm", "long")
_SPLITS = {"train": "train", "heldout": "heldout", "test": "heldout"}
_ABOUT = {
    "homeassistant": {
        "url": "https://github.com/allenporter/home-assistant-datasets",
        "licence": "Apache-2.0",
    },
    "routerbench": {
        "url": "https://huggingface.co/datasets/withmartian/routerbench"
    },  # its card states no licence
    "routellm": {"url": "https://github.com/lm-sys/RouteLLM", "licence": "Apache-2.0"},
    "long": {},
}


def import_outcomes(
    format: str,
    source: FilePath | str,
    *,
    columns: Mapping[str, str] | None = None,
    exclude: Iterable[tuple[str, Any]] = (),
    repeats: str = "error",
    prices: FilePath | str | None = None,
    heldout_share: float = 0.2,
    seed: int = 0,
) -> Trace:
    """Read recorded outcomes as a trace; what the source does not record stays NaN, nothing is imputed.

    Parameters
    ----------
    format
        One of `FORMATS`: "homeassistant", a clone of home-assistant-datasets; "routerbench", its
        wide table as CSV or Parquet; "routellm", a CSV of its evals or a folder of them; "long", a
        CSV or Parquet with one row per (query, path).
    source
        The file or folder. CSV is UTF-8. A pickle is refused: it could run code.
    columns
        For "long": {one of `tables.NAMES`: the file's column}, e.g. {"quality": "score", "kind":
        "domain"}. Only query_id, path_id and quality must be there; `placement` is "edge" or
        "cloud".
    exclude
        (column, value) pairs; rows with that value are dropped. A column is the trace's or, for
        "long", also the file's.
    repeats
        "error": a repeated (query_id, path_id) is an error; "mean": the mean of what is recorded,
        the number of rows in `n_repeats`. Home Assistant reports are always averaged: they repeat
        each request.
    prices
        CSV with path_id, price_in_usd_per_mtok, price_out_usd_per_mtok. Gives cost_usd = tokens ×
        price where cost is not recorded and tokens and price are.
    heldout_share
        In [0, 1): the share of distinct texts that is held out, at random, unless the source
        records both train and heldout (or test). Queries with the same text are on the same side.
    seed
        Of that random split; it does not depend on the order of rows.

    Returns
    -------
    Trace
        Source "recorded". Provenance: format, file, sha256 (of the file, or of the sorted relative
        names and contents of the files read), imported_at, url and licence where known, rows read,
        dropped and averaged, columns not recorded, how it was split, and the placement of models
        where recorded. Further columns of the file are not kept.

    Raises
    ------
    LabError
        If the source cannot be read, a column is missing, a number is out of range, a pair repeats
        or nothing is left.

    """
    require_choice("format", format, FORMATS)
    require_choice("repeats", repeats, ("error", "mean"))
    if not 0 <= heldout_share < 1:
        raise LabError(f"heldout_share must be within [0, 1), got {heldout_share!r}.")
    if columns and format != "long":
        raise LabError(
            f"columns maps the columns of a 'long' table; the layout of {format!r} is fixed. Leave"
            " columns out."
        )
    if not (isinstance(seed, int) and seed >= 0):
        raise LabError(f"seed must be a whole number >= 0, got {seed!r}.")
    source, readers = (
        FilePath(source),
        {
            "homeassistant": read_homeassistant,
            "routerbench": read_routerbench,
            "routellm": read_routellm,
        },
    )
    if not source.exists():
        raise LabError(f"Cannot read {source}: there is no such file or folder.")
    frame, files, dropped = (
        read_long(source, columns or {}) if format == "long" else readers[format](source)
    )
    n_read = len(frame)
    frame = _without(frame, exclude)
    dropped["excluded_rows"] = n_read - len(frame)
    _complete(frame)
    known = frame["quality"].notna()
    dropped["rows_without_quality"] = int((~known).sum())
    frame = frame[known]
    dropped = {reason: n for reason, n in dropped.items() if n}
    if frame.empty:
        raise LabError(
            f"No outcome is left of {source.name}: {n_read} rows read, dropped {dropped}. Exclude"
            " less, or name another source."
        )
    notes: dict[str, Any] = {}
    if prices is not None:
        frame["cost_usd"] = frame["cost_usd"].fillna(_cost(frame, FilePath(prices)))
        notes["price_source"] = FilePath(prices).name
    placed = frame.loc[
        frame["placement"].isin(["edge", "cloud"]), ["path_id", "placement"]
    ].drop_duplicates()
    if len(placed):  # by the last part of the path: its model
        notes["models"] = {
            model_of(row.path_id): {"placement": row.placement} for row in placed.itertuples()
        }
    queries = _queries(frame)
    queries["split"], notes["split"] = _split(queries, heldout_share, seed)
    outcomes, n_averaged = _one_per_pair(frame, mean=repeats == "mean" or format == "homeassistant")
    absent = [c for c in COLUMNS[3:] if outcomes[c].isna().all()]
    absent += [c for c, blank in (("text", ""), ("kind", "unknown")) if (queries[c] == blank).all()]
    provenance = {
        "source": "recorded",
        "domain": source.resolve().stem,
        "format": format,
        "file": source.resolve().name,
        **_ABOUT[format],
        "sha256": _sha256(files, source),
        "imported_at": date.today().isoformat(),
        "rows_read": n_read,
        "dropped": dropped,
        "rows_averaged": n_averaged,
        "not_recorded": absent,
        **notes,
    }
    return Trace.from_frame(outcomes, queries, provenance)


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
    """Give a table, in place, every column of `NAMES`: ids and words as text, numbers as floats, NaN where not recorded."""
    for column in ("query_id", "path_id"):
        blank = frame[column].isna() | (frame[column].astype(str) == "")
        if blank.any():
            raise LabError(f"{at(frame[blank])}: {column} is missing.")
        frame[column] = frame[column].astype(str)
    for column, default in (("text", ""), ("kind", "unknown"), ("split", ""), ("placement", "")):
        words = (
            frame[column].astype(object)
            if column in frame
            else pd.Series(default, index=frame.index)
        )
        words = words.where(words.notna(), default).astype(str)
        frame[column] = words.where(words != "", default)
    for column in COLUMNS[2:]:
        frame[column] = numbers(frame, column) if column in frame else np.nan


def _cost(frame: pd.DataFrame, file: FilePath) -> pd.Series:
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


def _queries(frame: pd.DataFrame) -> pd.DataFrame:
    queries = frame[list(QUERY_COLUMNS)].drop_duplicates("query_id").reset_index(drop=True)
    for column in ("text", "split"):
        several = frame[["query_id", column]].drop_duplicates()["query_id"].duplicated()
        if several.any():
            query = several.index[several][0]
            raise LabError(
                f"{at(frame.loc[[query]])}: query {frame.loc[query, 'query_id']} has another"
                f" {column} than before; give each query one."
            )
    return queries


def _split(queries: pd.DataFrame, share: float, seed: int) -> tuple[pd.Series, str]:
    """Return each query's split and how it came about."""
    recorded = queries["split"].str.lower().map(_SPLITS)
    if set(recorded.dropna()) == {"train", "heldout"}:
        if recorded.isna().any():
            other = sorted(set(queries.loc[recorded.isna(), "split"]))
            raise LabError(
                "split must be train, heldout or test where both sides are recorded; there are"
                f" also {other}. Drop them with exclude."
            )
        return recorded, "recorded"
    # by id where there is no text; sorted, so that the order of rows does not matter
    group, texts = pd.factorize(
        ("t" + queries["text"]).where(queries["text"] != "", "i" + queries["query_id"]), sort=True
    )
    n_heldout = min(max(round(share * len(texts)), 1), len(texts) - 1) if share else 0
    if share and not n_heldout:
        raise LabError(
            f"heldout_share {share} needs two different texts; there is one. Give heldout_share=0"
            " to keep all for training."
        )
    heldout = np.random.default_rng(seed).permutation(len(texts))[:n_heldout]
    return (
        pd.Series(np.where(np.isin(group, heldout), "heldout", "train")),
        f"at random by text, heldout_share {share}, seed {seed}",
    )


def _one_per_pair(frame: pd.DataFrame, *, mean: bool) -> tuple[pd.DataFrame, int]:
    """Return one outcome per (query_id, path_id) and how many rows went into means of several."""
    pair = ["query_id", "path_id"]
    twice = frame.duplicated(pair, keep=False)
    if not mean:
        if twice.any():
            again = frame[frame.duplicated(pair)]
            row = again.iloc[0]
            raise LabError(
                f"{at(again)}: the pair ({row.query_id}, {row.path_id}) was there before;"
                f" {len(again)} rows repeat a pair. Average them with repeats='mean', or name a"
                " query_id that tells them apart."
            )
        return frame[list(COLUMNS)], 0
    grouped = frame.groupby(pair, sort=False)
    outcomes = grouped[list(COLUMNS[2:])].mean().assign(n_repeats=grouped.size()).reset_index()
    return outcomes, int(twice.sum())


def _sha256(files: Iterable[FilePath], source: FilePath) -> str:
    if source.is_file():
        return hashlib.sha256(source.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for name, file in sorted(
        (os.path.relpath(file, source).replace(os.sep, "/"), file) for file in files
    ):
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
