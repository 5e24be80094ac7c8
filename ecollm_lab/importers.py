"""Recorded outcome sets as traces: Home Assistant reports, RouterBench, RouteLLM, and any table with one row per outcome."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces import COLUMNS, QUERY_COLUMNS, Trace

FORMATS = ("homeassistant", "routerbench", "routellm", "long")
NAMES = tuple(dict.fromkeys([*COLUMNS, *QUERY_COLUMNS, "placement"]))
_WHERE = ["@file", "@row"]  # where each outcome stood, for messages; the first row under the header is row 1
_SPLITS = {"train": "train", "heldout": "heldout", "test": "heldout"}
_ABOUT = {
    "homeassistant": {"url": "https://github.com/allenporter/home-assistant-datasets", "licence": "Apache-2.0"},
    "routerbench": {"url": "https://huggingface.co/datasets/withmartian/routerbench"},  # its card states no licence
    "routellm": {"url": "https://github.com/lm-sys/RouteLLM", "licence": "Apache-2.0"},
    "long": {},
}
_PICKLED = (
    "{} is a pickle, and reading one can run code that its author put there, so untrusted files are never unpickled here. Convert it "
    "once: in a throwaway environment without network or secrets open it with pandas, write it with DataFrame.to_parquet, import that."
)
_YAML_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # text, lists and dicts only; tags are not followed


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
        One of `FORMATS`: "homeassistant", a clone of home-assistant-datasets; "routerbench", its wide table as CSV or Parquet;
        "routellm", a CSV of its evals or a folder of them; "long", a CSV or Parquet with one row per (query, path).
    source
        The file or folder. CSV is UTF-8. A pickle is refused: it could run code.
    columns
        For "long": {one of `NAMES`: the file's column}, e.g. {"quality": "score", "kind": "domain"}. Only query_id, path_id and
        quality must be there; `placement` is "edge" or "cloud".
    exclude
        (column, value) pairs; rows with that value are dropped. A column is the trace's or, for "long", also the file's.
    repeats
        "error": a repeated (query_id, path_id) is an error; "mean": the mean of what is recorded, the number of rows in `n_repeats`.
        Home Assistant reports are always averaged: they repeat each request.
    prices
        CSV with path_id, price_in_usd_per_mtok, price_out_usd_per_mtok. Gives cost_usd = tokens × price where cost is not recorded
        and tokens and price are.
    heldout_share
        In [0, 1): the share of distinct texts that is held out, at random, unless the source records both train and heldout (or test).
        Queries with the same text are on the same side.
    seed
        Of that random split; it does not depend on the order of rows.

    Returns
    -------
    Trace
        Source "recorded". Provenance: format, file, sha256 (of the file, or of the sorted relative names and contents of the files
        read), imported_at, url and licence where known, rows read, dropped and averaged, columns not recorded, how it was split, and
        the placement of models where recorded. Further columns of the file are not kept.

    Raises
    ------
    LabError
        If the source cannot be read, a column is missing, a number is out of range, a pair repeats or nothing is left.

    """
    require_choice("format", format, FORMATS)
    require_choice("repeats", repeats, ("error", "mean"))
    if not 0 <= heldout_share < 1:
        raise LabError(f"heldout_share must be within [0, 1), got {heldout_share!r}.")
    if columns and format != "long":
        raise LabError(f"columns maps the columns of a 'long' table; the layout of {format!r} is fixed. Leave columns out.")
    if not (isinstance(seed, int) and seed >= 0):
        raise LabError(f"seed must be a whole number >= 0, got {seed!r}.")
    source, readers = FilePath(source), {"homeassistant": _homeassistant, "routerbench": _routerbench, "routellm": _routellm}
    if not source.exists():
        raise LabError(f"Cannot read {source}: there is no such file or folder.")
    frame, files, dropped = _long(source, columns or {}) if format == "long" else readers[format](source)
    n_read = len(frame)
    frame = _without(frame, exclude)
    dropped["excluded_rows"] = n_read - len(frame)
    _complete(frame)
    known = frame["quality"].notna()
    dropped["rows_without_quality"] = int((~known).sum())
    frame = frame[known]
    dropped = {reason: n for reason, n in dropped.items() if n}
    if frame.empty:
        raise LabError(f"No outcome is left of {source.name}: {n_read} rows read, dropped {dropped}. Exclude less, or name another source.")
    notes: dict[str, Any] = {}
    if prices is not None:
        frame["cost_usd"] = frame["cost_usd"].fillna(_cost(frame, FilePath(prices)))
        notes["price_source"] = FilePath(prices).name
    placed = frame.loc[frame["placement"].isin(["edge", "cloud"]), ["path_id", "placement"]].drop_duplicates()
    if len(placed):  # by the last part of the path: its model
        notes["models"] = {row.path_id.rsplit("/", 1)[-1]: {"placement": row.placement} for row in placed.itertuples()}
    queries = _queries(frame)
    queries["split"], notes["split"] = _split(queries, heldout_share, seed)
    outcomes, n_averaged = _one_per_pair(frame, mean=repeats == "mean" or format == "homeassistant")
    absent = [c for c in COLUMNS[3:] if outcomes[c].isna().all()]
    absent += [c for c, blank in (("text", ""), ("kind", "unknown")) if (queries[c] == blank).all()]
    provenance = {
        "source": "recorded", "domain": source.resolve().stem, "format": format, "file": source.resolve().name, **_ABOUT[format],
        "sha256": _sha256(files, source), "imported_at": date.today().isoformat(), "rows_read": n_read, "dropped": dropped,
        "rows_averaged": n_averaged, "not_recorded": absent, **notes,
    }  # fmt: skip
    return Trace.from_frame(outcomes, queries, provenance)


def _long(source: FilePath, columns: Mapping[str, str]) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    for name in columns:
        require_choice("A name in columns", name, NAMES)
    table = _read_table(source)
    wanted = {name: columns.get(name, name) for name in NAMES}
    needed = [column for name, column in wanted.items() if name in columns or name in ("query_id", "path_id", "quality")]
    _require(table, source, needed, "these, or others mapped to them, e.g. columns={'quality': 'score'} (--column quality=score)")
    return table.assign(**{name: table[column] for name, column in wanted.items() if column in table}), [source], {}


def _routerbench(source: FilePath) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    table = _read_table(source)
    told = [column.rsplit("|", 1)[0] for column in table if column.endswith(("|total_cost", "|model_response"))]
    models = sorted(dict.fromkeys(told), key=[*table, *told].index)
    if not models:
        raise LabError(f"{source.name} is no RouterBench table: it has no column '<model>|total_cost' or '<model>|model_response'.")
    _require(table, source, ["sample_id", "prompt", "eval_name", *models], "the wide table as published")
    shared = table[_WHERE].assign(query_id=table["sample_id"], text=table["prompt"], kind=table["eval_name"])
    return _stacked(table, models, shared), [source], {}


def _routellm(source: FilePath) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    """Read a CSV or all CSVs of a folder; prompts in a contaminated_prompts.jsonl beside a CSV or one folder up are left out."""
    files = sorted(source.rglob("*.csv")) if source.is_dir() else [source]
    if not files:
        raise LabError(f"{source} has no CSV file; name RouteLLM's routellm/evals, a folder in it, or one of its CSVs.")
    root = source if source.is_dir() else source.parent
    parts, lists, dropped = [], set(), 0
    for file in files:
        table = _read_table(file)
        _require(table, file, ["prompt"], "prompt and one column per model")
        lists_near = [folder / "contaminated_prompts.jsonl" for folder in (file.parent, file.parent.parent)]
        answers = [f"{column}_response" for column in table]
        models = [column for column in table if column not in ("prompt", *_WHERE, *answers)]
        if not models:
            raise LabError(f"{file} has no column besides prompt; expected one per model.")
        ids = file.relative_to(root).with_suffix("").as_posix() + "/" + (table["@row"] - 1).astype(str)
        shared = table[_WHERE].assign(query_id=ids, text=table["prompt"], kind=file.stem)
        for near in [f for f in lists_near if f.is_file()][:1]:
            lists.add(near)
            bad = table["prompt"].isin(_contaminated(near))
            dropped += int(bad.sum())
            table, shared = table[~bad], shared[~bad]
        parts.append(_stacked(table, models, shared))
    return pd.concat(parts, ignore_index=True), [*files, *lists], {"contaminated_prompts": dropped}


def _contaminated(file: FilePath) -> set[str]:
    prompts = set()
    for number, line in enumerate(_text(file).splitlines(), start=1):
        try:
            prompts.add(json.loads(line)["eval_prompt"])
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"{file}:{number}: expected a JSON object with eval_prompt; got {line[:60]!r}.") from error
    return prompts


def _homeassistant(source: FilePath) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    """Read reports/<dataset>/<version>/report.csv (verdicts) and <model>/<task_id>.yaml beside it (request, duration, tokens).

    A run's quality is the share of its tests that are labelled Good: 1 or 0, but for tasks with several tests (automations). A task id
    ends in the number of the repeat; what stands before it, after the dataset, is the query_id. Of a model that was run with several
    versions of Home Assistant the newest is kept, per dataset. Tokens are summed over a run's calls. Placement comes from the categories
    "local" and "cloud" in models/*.yaml. Runs that no report.csv judges and hidden folders (.archive) are left out. This layout was
    checked on single files of the datasets assist, questions and automations from 2024 to 2026, not on a whole clone.
    """
    base = source / "reports"
    reports = sorted(f for f in base.glob("*/*/report.csv") if not f.relative_to(base).as_posix().startswith("."))
    if not reports:
        raise LabError(f"{source} has no reports/<dataset>/<version>/report.csv; name the folder of a clone of home-assistant-datasets.")
    parts = []
    for file in reports:
        table = _read_table(file)
        _require(table, file, ["task_id", "model_id", "label", "category", "text"], "one row per test of a run")
        wrong = table[~table["label"].isin(["Good", "Bad"])]
        if len(wrong):
            raise LabError(f"{_at(wrong)}: label must be Good or Bad, got {wrong['label'].iloc[0]!r}. Restore the file.")
        parts.append(table.assign(folder=file.parent, dataset=file.parts[-3], version=file.parts[-2], quality=table["label"] == "Good"))
    tests = pd.concat(parts, ignore_index=True)
    run = ["folder", "model_id", "task_id"]
    runs = tests.drop_duplicates(run).reset_index(drop=True).assign(quality=tests.groupby(run, sort=False)["quality"].mean().to_numpy())
    details = {(f.parents[1], f.parent.name, f.stem): f for f in sorted(base.glob("*/*/*/*.yaml")) if f.stem != "_scrape_context"}
    key = pd.Series(list(runs[run].itertuples(index=False, name=None)))
    judged, folders = set(key), set(runs["folder"])
    n_unjudged = sum(at[0] in folders and at not in judged for at in details)
    age = {version: place for place, version in enumerate(sorted(set(runs["version"]), key=_release))}
    order = runs["version"].map(age)
    newest = order == order.groupby([runs["dataset"], runs["model_id"]]).transform("max")
    dropped = {"runs_of_older_versions": int((~newest).sum()), "runs_without_a_verdict": n_unjudged}
    runs, files = runs[newest], [details.get(at) for at in key[newest]]
    found = pd.DataFrame([_run(file) if file else {} for file in files], runs.index, ["asked", "latency_s", "tokens_in", "tokens_out"])
    unit = runs["dataset"] + "/" + runs["task_id"].str.replace(r"-\d+$", "", regex=True)
    runs = runs.join(found).assign(query_id=unit, path_id=runs["model_id"], kind=runs["category"])
    runs["text"] = runs["asked"].fillna(runs["text"]).groupby(unit).transform("first")
    models = sorted((source / "models").rglob("*.yaml"))
    runs["placement"] = runs["path_id"].map(_placements(models))
    return runs, [*reports, *models, *(file for file in files if file)], dropped


def _release(version: str) -> tuple[list[int], int, list[int]]:
    """Order versions of Home Assistant: 2025.5.0.dev0 < 2025.5.0b1 < 2025.5.0 < 2025.5.1."""
    numbers = [int(n) for n in re.findall(r"\d+", version)]
    return numbers[:3], 0 if "dev" in version else 1 if re.search("[a-z]", version) else 2, numbers[3:]


def _run(file: FilePath) -> dict[str, Any]:
    run = _yaml(file)
    context = _inside(run, "context")
    if not isinstance(context, dict):
        raise LabError(f"{file}:1: this is no report of a run: it has no context. Restore the file.")
    stats = [s for s in (_inside(event, "data", "stats") for event in context.get("conversation_trace") or []) if isinstance(s, dict)]
    tokens = [sum(_amount(file, s, key) for s in stats) if stats else np.nan for key in ("input_tokens", "output_tokens")]
    latency_s = _amount(file, context, "duration_ms") / 1000
    return {"asked": _inside(run, "task", "input_text"), "latency_s": latency_s, "tokens_in": tokens[0], "tokens_out": tokens[1]}


def _amount(file: FilePath, values: dict[str, Any], key: str) -> float:
    try:
        return float(values.get(key, "nan"))
    except (TypeError, ValueError) as error:
        line = next((n for n, text in enumerate(_text(file).splitlines(), 1) if text.strip() == f"{key}: {values[key]}"), 1)
        raise LabError(f"{file}:{line}: {key} must be a number, got {values[key]!r}. Restore the file.") from error


def _inside(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _placements(files: Sequence[FilePath]) -> dict[str, str]:
    models = [_yaml(file) for file in files]
    labels = {_inside(model, "model_id"): _inside(model, "categories") or [] for model in models}
    return {model: "edge" if "local" in words else "cloud" for model, words in labels.items() if {"local", "cloud"} & set(words)}


def _yaml(file: FilePath) -> Any:
    try:
        return yaml.load(_text(file), Loader=_YAML_LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise LabError(f"{file}:{line}: not YAML: {getattr(error, 'problem', None) or error}. Restore the file.") from error


def _stacked(table: pd.DataFrame, models: Sequence[str], shared: pd.DataFrame) -> pd.DataFrame:
    """Turn one column per model into one row per (query, model), in the order of the table."""
    parts = [shared.assign(path_id=model, quality=table[model], cost_usd=table.get(f"{model}|total_cost", np.nan)) for model in models]
    return pd.concat(parts).sort_values("@row", kind="stable", ignore_index=True)


def _bytes(file: FilePath) -> bytes:
    """Return a file's content, unless it is empty or a pickle."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LabError(f"Cannot read {file}: {error.strerror or error}.") from error
    if not data:
        raise LabError(f"{file} is empty.")
    zipped = data[:4] == b"PK\x03\x04" and zipfile.is_zipfile(io.BytesIO(data))
    if data[0] == 0x80 or (zipped and any(n.endswith("data.pkl") for n in zipfile.ZipFile(io.BytesIO(data)).namelist())):
        raise LabError(_PICKLED.format(file))
    return data


def _text(file: FilePath) -> str:
    data = _bytes(file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LabError(f"{file}:{line}: not UTF-8 (byte {data[error.start]:#04x}). Save it as UTF-8.") from error


def _read_table(file: FilePath) -> pd.DataFrame:
    """Read a CSV, every cell as text, or a Parquet file; adds the columns of `_WHERE`."""
    if {".pkl", ".pickle"} & {suffix.lower() for suffix in file.suffixes}:
        raise LabError(_PICKLED.format(file))
    try:
        if file.suffix.lower() == ".parquet":
            table = pq.ParquetFile(pa.BufferReader(_bytes(file))).read().to_pandas(ignore_metadata=True)
        elif file.suffix.lower() == ".csv":
            table = pd.read_csv(io.StringIO(_text(file)), dtype=str, keep_default_na=False)
        else:
            _bytes(file)
            raise LabError(f"{file} must be a .csv or .parquet file.")
    except (pa.ArrowException, OSError) as error:
        raise LabError(f"{file} is no whole Parquet file: {error}. Fetch or write it again.") from error
    except ValueError as error:  # pandas' ParserError and EmptyDataError
        raise LabError(f"{file} is no CSV table: {str(error).strip()}.") from error
    if not isinstance(table.index, pd.RangeIndex) or not table.columns.is_unique:
        raise LabError(f"{file}: its header must name every column once, and no row may have more cells.")
    if table.empty:
        raise LabError(f"{file} is empty: it has columns but no row.")
    return table.assign(**{"@file": str(file), "@row": np.arange(1, len(table) + 1)})


def _require(table: pd.DataFrame, file: FilePath, names: Sequence[str], hint: str) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        there = ", ".join(map(str, table.columns.drop(_WHERE)))
        raise LabError(f"{file} has no column {', '.join(missing)}; it has: {there}. Expected {hint}.")


def _without(frame: pd.DataFrame, exclude: Iterable[tuple[str, Any]]) -> pd.DataFrame:
    drop = np.zeros(len(frame), dtype=bool)
    for column, value in exclude:
        require_choice("A column in exclude", column, [c for c in frame if c not in _WHERE])
        values = frame[column].astype(str)
        hit = values == str(value)
        if not hit.any():
            raise LabError(f"exclude: no row has {column} {str(value)!r}; there are e.g. {', '.join(map(repr, values.unique()[:5]))}.")
        drop |= hit.to_numpy()
    return frame[~drop].copy()


def _complete(frame: pd.DataFrame) -> None:
    """Give a table, in place, every column of `NAMES`: ids and words as text, numbers as floats, NaN where not recorded."""
    for column in ("query_id", "path_id"):
        blank = frame[column].isna() | (frame[column].astype(str) == "")
        if blank.any():
            raise LabError(f"{_at(frame[blank])}: {column} is missing.")
        frame[column] = frame[column].astype(str)
    for column, default in (("text", ""), ("kind", "unknown"), ("split", ""), ("placement", "")):
        words = frame[column].astype(object) if column in frame else pd.Series(default, index=frame.index)
        words = words.where(words.notna(), default).astype(str)
        frame[column] = words.where(words != "", default)
    for column in COLUMNS[2:]:
        frame[column] = _numbers(frame, column) if column in frame else np.nan


def _numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as floats: true and false are 1 and 0, blank, NaN, NA, none and null are NaN; anything else is an error."""
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values):
        words = values.astype(object).where(values.notna(), "").astype(str).str.strip().str.lower()
        words = words.replace({"true": "1", "false": "0", **dict.fromkeys(("nan", "na", "n/a", "none", "null", "<na>"), "")})
        values = words.where(words != "")
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    top = 1 if column == "quality" else np.finfo(float).max
    wrong = values.notna() & ~numbers.between(0, top)
    if wrong.any():
        limits = "within [0, 1]" if column == "quality" else ">= 0 and finite"
        got = str(frame.loc[wrong, column].iloc[0])
        raise LabError(f"{_at(frame[wrong])}: {column} must be a number {limits}, got {got!r}. Mend the source, or exclude such rows.")
    return numbers


def _at(rows: pd.DataFrame) -> str:
    return f"{rows['@file'].iloc[0]}, row {rows['@row'].iloc[0]}"


def _cost(frame: pd.DataFrame, file: FilePath) -> pd.Series:
    """Return tokens × price in US dollars, NaN where either is not known."""
    table = _read_table(file)
    names = ["price_in_usd_per_mtok", "price_out_usd_per_mtok"]
    _require(table, file, ["path_id", *names], "one row per path with its prices in US dollars per million tokens")
    if table["path_id"].duplicated().any() or not set(table["path_id"]) & set(frame["path_id"]):
        raise LabError(f"{file} must give each path once and at least one of: {', '.join(frame['path_id'].unique()[:5])}.")
    price_in, price_out = (frame["path_id"].map(dict(zip(table["path_id"], _numbers(table, name), strict=True))) for name in names)
    return (frame["tokens_in"] * price_in + frame["tokens_out"] * price_out) / 1e6


def _queries(frame: pd.DataFrame) -> pd.DataFrame:
    queries = frame[list(QUERY_COLUMNS)].drop_duplicates("query_id").reset_index(drop=True)
    for column in ("text", "split"):
        several = frame[["query_id", column]].drop_duplicates()["query_id"].duplicated()
        if several.any():
            query = several.index[several][0]
            raise LabError(
                f"{_at(frame.loc[[query]])}: query {frame.loc[query, 'query_id']} has another {column} than before; give each query one."
            )
    return queries


def _split(queries: pd.DataFrame, share: float, seed: int) -> tuple[pd.Series, str]:
    """Return each query's split and how it came about."""
    recorded = queries["split"].str.lower().map(_SPLITS)
    if set(recorded.dropna()) == {"train", "heldout"}:
        if recorded.isna().any():
            other = sorted(set(queries.loc[recorded.isna(), "split"]))
            raise LabError(
                f"split must be train, heldout or test where both sides are recorded; there are also {other}. Drop them with exclude."
            )
        return recorded, "recorded"
    # by id where there is no text; sorted, so that the order of rows does not matter
    group, texts = pd.factorize(("t" + queries["text"]).where(queries["text"] != "", "i" + queries["query_id"]), sort=True)
    n_heldout = min(max(round(share * len(texts)), 1), len(texts) - 1) if share else 0
    if share and not n_heldout:
        raise LabError(f"heldout_share {share} needs two different texts; there is one. Give heldout_share=0 to keep all for training.")
    heldout = np.random.default_rng(seed).permutation(len(texts))[:n_heldout]
    return pd.Series(np.where(np.isin(group, heldout), "heldout", "train")), f"at random by text, heldout_share {share}, seed {seed}"


def _one_per_pair(frame: pd.DataFrame, *, mean: bool) -> tuple[pd.DataFrame, int]:
    """Return one outcome per (query_id, path_id) and how many rows went into means of several."""
    pair = ["query_id", "path_id"]
    twice = frame.duplicated(pair, keep=False)
    if not mean:
        if twice.any():
            again = frame[frame.duplicated(pair)]
            row = again.iloc[0]
            raise LabError(f"{_at(again)}: the pair ({row.query_id}, {row.path_id}) was there before; {len(again)} rows repeat a pair. "
                           "Average them with repeats='mean', or name a query_id that tells them apart.")  # fmt: skip
        return frame[list(COLUMNS)], 0
    grouped = frame.groupby(pair, sort=False)
    outcomes = grouped[list(COLUMNS[2:])].mean().assign(n_repeats=grouped.size()).reset_index()
    return outcomes, int(twice.sum())


def _sha256(files: Iterable[FilePath], source: FilePath) -> str:
    if source.is_file():
        return hashlib.sha256(source.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for name, file in sorted((os.path.relpath(file, source).replace(os.sep, "/"), file) for file in files):
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
