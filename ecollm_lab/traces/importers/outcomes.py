"""Recorded outcome sets as traces.

Home Assistant reports, RouterBench, RouteLLM, and any table with one row per outcome.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path as FilePath
from typing import Any

import pandas as pd

from ecollm_lab.files import resolved
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces import path_ids
from ecollm_lab.traces.importers.homeassistant import read_homeassistant
from ecollm_lab.traces.importers.published import read_long, read_routellm, read_routerbench
from ecollm_lab.traces.importers.queries import Split, queries_of
from ecollm_lab.traces.importers.reading import Found
from ecollm_lab.traces.importers.rows import cost_of, ids_of_texts, one_per_pair, recorded
from ecollm_lab.traces.tables import COLUMNS
from ecollm_lab.traces.trace import Trace

FORMATS = ("homeassistant", "routerbench", "routellm", "long")
REPEATS = ("error", "mean", "by_text")
_READERS: dict[str, Callable[[FilePath], Found]] = {
    "homeassistant": read_homeassistant,
    "routerbench": read_routerbench,
    "routellm": read_routellm,
}
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
    columns: Mapping[str, str | tuple[str, str]] | None = None,
    exclude: Iterable[tuple[str, Any]] = (),
    repeats: str = "error",
    prices: FilePath | str | None = None,
    heldout_share: float = 0.2,
    seed: int = 0,
) -> Trace:
    """Read recorded outcomes as a trace; what the source does not record stays NaN.

    Runs that a provider refused or cut off are left out and counted; see docs/recorded.md.

    Parameters
    ----------
    format
        One of `FORMATS`.
    source
        The file or folder. A pickle is refused: it could run code.
    columns
        For "long": {a trace column: the file's column, or that and its unit}, for example
        {"quality": ("score", "percent")}. query_id, path_id and quality must be there.
    exclude
        (column, value) pairs; rows with that value are dropped.
    repeats
        A repeated pair: "error" refuses it, "mean" averages, "by_text" makes ids of texts first.
    prices
        CSV with path_id, price_in_usd_per_mtok, price_out_usd_per_mtok, for costs not recorded.
    heldout_share
        In [0, 1): share of distinct texts held out, unless the source records a split.
    seed
        Of that random split; it does not depend on the order of rows.

    Raises
    ------
    LabError
        If the source cannot be read, a column is missing or out of range, or nothing is left.

    """
    require_choice("repeats", repeats, REPEATS)
    split = Split(heldout_share, seed)
    source = resolved(source)
    found = _found(format, source, columns or {})
    notes: dict[str, Any] = {"rows_read": len(found.frame), "dropped": dict(found.dropped)}
    notes |= {"notes": list(found.notes), "failed_runs": found.failed_runs}
    frame = recorded(found.frame, exclude, source, notes)
    if prices is not None:
        frame["cost_usd"] = frame["cost_usd"].fillna(cost_of(frame, resolved(prices)))
        notes["price_source"] = FilePath(prices).name
    if repeats == "by_text":
        frame["query_id"] = ids_of_texts(frame)
    queries = queries_of(frame)
    queries["split"], notes["split"] = split.of(queries)
    mean = repeats != "error" or format == "homeassistant"
    outcomes, notes["rows_averaged"] = one_per_pair(frame, mean=mean)
    notes |= {"not_recorded": _absent(outcomes, queries), **_placed(frame, notes["notes"])}
    about = _ABOUT[format] | {"format": format, "sha256": _sha256(found.files, source)}
    return Trace.from_frame(outcomes, queries, _provenance(source, about | notes))


def _absent(outcomes: pd.DataFrame, queries: pd.DataFrame) -> list[str]:
    """Return the names of the columns that hold nothing recorded."""
    absent = [c for c in COLUMNS[3:] if outcomes[c].isna().all()]
    blank = (("text", ""), ("kind", "unknown"))
    return absent + [c for c, value in blank if (queries[c] == value).all()]


def _provenance(source: FilePath, more: dict[str, Any]) -> dict[str, Any]:
    """Say where a recorded trace comes from and when it was read."""
    file = source.resolve()
    today = date.today().isoformat()
    own = {"source": "recorded", "domain": file.stem, "file": file.name, "imported_at": today}
    return own | more


def _found(format: str, source: FilePath, columns: Mapping[str, str | tuple[str, str]]) -> Found:
    """Read a source with the reader of its format."""
    require_choice("format", format, FORMATS)
    if columns and format != "long":
        raise LabError(
            f"columns maps the columns of a 'long' table; the layout of {format!r} is fixed. Leave"
            " columns out."
        )
    if not source.exists():
        raise LabError(f"Cannot read {source}: there is no such file or folder.")
    return read_long(source, columns) if format == "long" else _READERS[format](source)


def _placed(frame: pd.DataFrame, notes: list[str]) -> dict[str, Any]:
    """Return the placement of models where it is recorded, by model as path ids name it.

    What else stands there is added to `notes`.
    """
    places = frame["placement"].str.strip().str.lower()
    other = frame.loc[~places.isin(["edge", "cloud", ""]), "placement"].unique()
    if len(other):
        found = ", ".join(map(repr, other[:5]))
        notes.append(f"placement is edge or cloud; was not read where it is {found}")
    in_parts = path_ids.have_pipelines(frame["path_id"].unique().tolist())
    placed = frame.assign(placement=places)[places.isin(["edge", "cloud"])]
    models: dict[str, dict[str, str]] = {}
    for path, place in placed[["path_id", "placement"]].drop_duplicates().to_numpy():
        model = path_ids.model_of(path) if in_parts else path
        if models.setdefault(model, {"placement": place})["placement"] != place:
            raise LabError(
                f"{frame['@file'].iloc[0]}: placement must be one for each model; {model} has edge"
                " and cloud. Correct it, or give them path ids of their own."
            )
    return {"models": models} if models else {}


def _sha256(files: Iterable[FilePath], source: FilePath) -> str:
    if source.is_file():
        return hashlib.sha256(source.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for name, file in sorted(
        (os.path.relpath(file, source).replace(os.sep, "/"), file) for file in files
    ):
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
