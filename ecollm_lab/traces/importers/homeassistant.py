"""Reports of home-assistant-datasets: verdicts, requests, durations and tokens of each run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ecollm_lab.files import lines, read_text
from ecollm_lab.records import LabError
from ecollm_lab.traces.importers.failed_runs import are_failed
from ecollm_lab.traces.importers.reading import Found, at, read_table, require_columns

_YAML_LOADER: Any = getattr(
    yaml, "CBaseLoader", yaml.BaseLoader
)  # text, lists and dicts only; tags are not followed
_NULLS = (None, "", "null", "Null", "NULL", "~")


# the newest version that answered this share of what any version answered is the one that counts
_COMPLETE = 0.9
_RUN = ["folder", "model_id", "task_id"]


def read_homeassistant(source: FilePath) -> Found:
    """Read a clone of home-assistant-datasets.

    reports/<dataset>/<version>/report.csv has the verdicts, <model>/<task_id>.yaml beside it each
    run's request, answer, duration and tokens, models/*.yaml a model's placement ("local" or
    "cloud") and its prices in US dollars per million tokens.

    A run's quality is the share of its tests that are labelled Good: 1 or 0, but for tasks with
    several tests (automations). A task id ends in the number of the repeat; what stands before it,
    after the dataset, is the query_id. Runs that failed (see `are_failed`) are left out. Of a model
    that was run with several versions of Home Assistant one is taken, per dataset: the newest that
    answered at least nine tenths of the requests that any of them answered. Tokens are summed over
    a run's calls, and unknown if one call does not record them. Runs that no report.csv judges and
    hidden folders (.archive) are left out.
    """
    base = source / "reports"
    reports = _shown(base, base.glob("*/*/report.csv"))
    if not reports:
        raise LabError(
            f"{source} has no reports/<dataset>/<version>/report.csv; name the folder of a clone of"
            " home-assistant-datasets."
        )
    tests = pd.concat([_verdicts(file) for file in reports], ignore_index=True)
    runs = tests.drop_duplicates(_RUN).reset_index(drop=True)
    runs["quality"] = tests.groupby(_RUN, sort=False)["quality"].mean().to_numpy()
    unit = runs["task_id"].str.replace(r"-\d+$", "", regex=True)
    runs = runs.assign(query_id=runs["dataset"] + "/" + unit, path_id=runs["model_id"])
    details = {
        (f.parents[1], f.parent.name, f.stem): f
        for f in sorted(base.glob("*/*/*/*.yaml"))
        if f.stem != "_scrape_context"
    }
    judged, folders = set(runs[_RUN].itertuples(index=False, name=None)), set(runs["folder"])
    dropped = {"runs_without_a_verdict": sum(k[0] in folders and k not in judged for k in details)}
    failed = are_failed(runs["answer"], runs["quality"])
    dropped["failed_runs"] = int(failed.sum())
    by_path = runs.loc[failed, "path_id"].value_counts().to_dict()
    chosen = _of_one_version(runs, failed)
    dropped["runs_of_other_versions"] = int((~failed & ~chosen).sum())
    runs = runs[chosen]
    files = [details.get(key) for key in runs[_RUN].itertuples(index=False, name=None)]
    found = pd.DataFrame([_run(file) if file else {} for file in files], runs.index, _DETAILS)
    runs = runs.join(found).assign(kind=runs["category"])
    runs["text"] = runs["asked"].fillna(runs["text"]).groupby(runs["query_id"]).transform("first")
    models = _shown(source, (source / "models").rglob("*.yaml"))
    about = {_inside(model, "model_id"): model for model in map(_yaml, models)}
    runs["placement"] = runs["path_id"].map(_placements(about))
    runs["cost_usd"] = _costs(runs, about)
    notes = ["costs are tokens × the prices in models/*.yaml"] * bool(
        runs["cost_usd"].notna().any()
    )
    read = [*reports, *models, *(file for file in files if file)]
    return Found(runs, read, dropped, notes, by_path)


def _shown(base: FilePath, files: Iterable[FilePath]) -> list[FilePath]:
    """Return files in order, without those that are hidden or in hidden folders below `base`."""
    return sorted(
        file
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(base).parts)
    )


def _verdicts(file: FilePath) -> pd.DataFrame:
    """Read a report.csv: one row per test of a run."""
    table = read_table(file)
    needed = ["task_id", "model_id", "label", "category", "text"]
    require_columns(table, file, needed, "one row per test of a run")
    wrong = table[~table["label"].isin(["Good", "Bad"])]
    if len(wrong):
        raise LabError(
            f"{at(wrong)}: label must be Good or Bad, got {wrong['label'].iloc[0]!r}. Restore the"
            " file."
        )
    return table.assign(
        folder=file.parent,
        dataset=file.parts[-3],
        version=file.parts[-2],
        quality=table["label"] == "Good",
        answer=table.get("response", ""),
    )


def _of_one_version(runs: pd.DataFrame, failed: pd.Series) -> pd.Series:
    """Tell which runs are of the version that counts for their dataset and model, and answered."""
    versions = sorted(set(runs["version"]), key=_release)
    age = runs["version"].map({version: place for place, version in enumerate(versions)})
    group = ["dataset", "model_id"]
    answered = runs.assign(age=age)[~failed].groupby([*group, "age"])["query_id"].nunique()
    most = answered.groupby(group).transform("max")
    newest = answered[answered >= _COMPLETE * most].reset_index("age").groupby(group)["age"].max()
    counts = pd.MultiIndex.from_frame(runs[group]).map(newest.to_dict())
    return pd.Series(age.to_numpy() == np.asarray(counts, dtype=float), runs.index) & ~failed


def _release(version: str) -> tuple[list[int], int, list[int]]:
    """Order versions of Home Assistant: 2025.5.0.dev0 < 2025.5.0b1 < 2025.5.0 < 2025.5.1."""
    numbers = [int(n) for n in re.findall(r"\d+", version)]
    return (
        numbers[:3],
        0 if "dev" in version else 1 if re.search("[a-z]", version) else 2,
        numbers[3:],
    )


_DETAILS = ["asked", "latency_s", "tokens_in", "tokens_out"]


def _run(file: FilePath) -> dict[str, Any]:
    run = _yaml(file)
    context = _inside(run, "context")
    if not isinstance(context, dict):
        raise LabError(
            f"{file}:1: this is no report of a run: it has no context. Restore the file."
        )
    events = context.get("conversation_trace")
    stats = [_inside(event, "data", "stats") for event in events or [] if isinstance(events, list)]
    calls = [one for one in stats if isinstance(one, dict)]
    tokens = [
        sum(_amount(file, one, key) for one in calls) if calls else np.nan
        for key in ("input_tokens", "output_tokens")
    ]
    latency_s = _amount(file, context, "duration_ms") / 1000
    return dict(
        zip(_DETAILS, (_inside(run, "task", "input_text"), latency_s, *tokens), strict=True)
    )


def _amount(file: FilePath, values: dict[str, Any], key: str) -> float:
    """Return a recorded number, NaN where there is none or it is null."""
    value = values.get(key)
    if value in _NULLS:
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        spelt = f"{key}: {value}"
        numbered = enumerate(lines(read_text(file)), 1)
        line = next((n for n, text in numbered if text.strip() == spelt), 1)
        raise LabError(
            f"{file}:{line}: {key} must be a number, got {value!r:.60}. Restore the file."
        ) from error


def _inside(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _placements(about: Mapping[str, Any]) -> dict[str, str]:
    """Return where models run, by their categories."""
    labels = {model: _inside(one, "categories") or [] for model, one in about.items()}
    return {
        model: "edge" if "local" in words else "cloud"
        for model, words in labels.items()
        if {"local", "cloud"} & set(words)
    }


def _costs(runs: pd.DataFrame, about: Mapping[str, Any]) -> pd.Series:
    """Return tokens × the prices that a model's file gives; NaN where either is not recorded."""
    prices = {
        model: [_number(_inside(one, "cost", f"{way}_tokens")) for way in ("input", "output")]
        for model, one in about.items()
    }
    table = pd.DataFrame.from_dict(prices, orient="index", columns=["in", "out"], dtype=float)
    table = table.reindex(runs["path_id"]).set_axis(runs.index)
    return (runs["tokens_in"] * table["in"] + runs["tokens_out"] * table["out"]) / 1e6


def _number(value: Any) -> float:
    """Return a price; NaN where it is no number, as it is in a file without prices."""
    try:
        return np.nan if value in _NULLS else float(value)
    except (TypeError, ValueError):
        return np.nan


def _yaml(file: FilePath) -> Any:
    try:
        return yaml.load(read_text(file), Loader=_YAML_LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise LabError(
            f"{file}:{line}: not YAML: {getattr(error, 'problem', None) or error}. Restore the"
            " file."
        ) from error
