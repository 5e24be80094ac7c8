"""Reports of home-assistant-datasets: verdicts, requests, durations and tokens of each run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ecollm_lab.files import lines, read_text
from ecollm_lab.records import LabError
from ecollm_lab.traces.importers.reading import at, read_table, require_columns

_YAML_LOADER: Any = getattr(
    yaml, "CBaseLoader", yaml.BaseLoader
)  # text, lists and dicts only; tags are not followed


def read_homeassistant(source: FilePath) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    """Read reports/<dataset>/<version>/report.csv (verdicts) and <model>/<task_id>.yaml beside it (request, duration, tokens).

    A run's quality is the share of its tests that are labelled Good: 1 or 0, but for tasks with
    several tests (automations). A task id ends in the number of the repeat; what stands before it,
    after the dataset, is the query_id. Of a model that was run with several versions of Home
    Assistant the newest is kept, per dataset. Tokens are summed over a run's calls. Placement comes
    from the categories "local" and "cloud" in models/*.yaml. Runs that no report.csv judges and
    hidden folders (.archive) are left out. This layout was checked on single files of the datasets
    assist, questions and automations from 2024 to 2026, not on a whole clone.
    """
    base = source / "reports"
    reports = sorted(
        f for f in base.glob("*/*/report.csv") if not f.relative_to(base).as_posix().startswith(".")
    )
    if not reports:
        raise LabError(
            f"{source} has no reports/<dataset>/<version>/report.csv; name the folder of a clone of"
            " home-assistant-datasets."
        )
    parts = []
    for file in reports:
        table = read_table(file)
        require_columns(
            table,
            file,
            ["task_id", "model_id", "label", "category", "text"],
            "one row per test of a run",
        )
        wrong = table[~table["label"].isin(["Good", "Bad"])]
        if len(wrong):
            raise LabError(
                f"{at(wrong)}: label must be Good or Bad, got {wrong['label'].iloc[0]!r}. Restore"
                " the file."
            )
        parts.append(
            table.assign(
                folder=file.parent,
                dataset=file.parts[-3],
                version=file.parts[-2],
                quality=table["label"] == "Good",
            )
        )
    tests = pd.concat(parts, ignore_index=True)
    run = ["folder", "model_id", "task_id"]
    runs = (
        tests.drop_duplicates(run)
        .reset_index(drop=True)
        .assign(quality=tests.groupby(run, sort=False)["quality"].mean().to_numpy())
    )
    details = {
        (f.parents[1], f.parent.name, f.stem): f
        for f in sorted(base.glob("*/*/*/*.yaml"))
        if f.stem != "_scrape_context"
    }
    key = pd.Series(list(runs[run].itertuples(index=False, name=None)))
    judged, folders = set(key), set(runs["folder"])
    n_unjudged = sum(one[0] in folders and one not in judged for one in details)
    age = {
        version: place for place, version in enumerate(sorted(set(runs["version"]), key=_release))
    }
    order = runs["version"].map(age)
    newest = order == order.groupby([runs["dataset"], runs["model_id"]]).transform("max")
    dropped = {"runs_of_older_versions": int((~newest).sum()), "runs_without_a_verdict": n_unjudged}
    runs, files = runs[newest], [details.get(one) for one in key[newest]]
    found = pd.DataFrame(
        [_run(file) if file else {} for file in files],
        runs.index,
        ["asked", "latency_s", "tokens_in", "tokens_out"],
    )
    unit = runs["dataset"] + "/" + runs["task_id"].str.replace(r"-\d+$", "", regex=True)
    runs = runs.join(found).assign(query_id=unit, path_id=runs["model_id"], kind=runs["category"])
    runs["text"] = runs["asked"].fillna(runs["text"]).groupby(unit).transform("first")
    models = sorted((source / "models").rglob("*.yaml"))
    runs["placement"] = runs["path_id"].map(_placements(models))
    return runs, [*reports, *models, *(file for file in files if file)], dropped


def _release(version: str) -> tuple[list[int], int, list[int]]:
    """Order versions of Home Assistant: 2025.5.0.dev0 < 2025.5.0b1 < 2025.5.0 < 2025.5.1."""
    numbers = [int(n) for n in re.findall(r"\d+", version)]
    return (
        numbers[:3],
        0 if "dev" in version else 1 if re.search("[a-z]", version) else 2,
        numbers[3:],
    )


def _run(file: FilePath) -> dict[str, Any]:
    run = _yaml(file)
    context = _inside(run, "context")
    if not isinstance(context, dict):
        raise LabError(
            f"{file}:1: this is no report of a run: it has no context. Restore the file."
        )
    stats = [
        s
        for s in (
            _inside(event, "data", "stats") for event in context.get("conversation_trace") or []
        )
        if isinstance(s, dict)
    ]
    tokens = [
        sum(_amount(file, s, key) for s in stats) if stats else np.nan
        for key in ("input_tokens", "output_tokens")
    ]
    latency_s = _amount(file, context, "duration_ms") / 1000
    return {
        "asked": _inside(run, "task", "input_text"),
        "latency_s": latency_s,
        "tokens_in": tokens[0],
        "tokens_out": tokens[1],
    }


def _amount(file: FilePath, values: dict[str, Any], key: str) -> float:
    try:
        return float(values.get(key, "nan"))
    except (TypeError, ValueError) as error:
        line = next(
            (
                n
                for n, text in enumerate(lines(read_text(file)), 1)
                if text.strip() == f"{key}: {values[key]}"
            ),
            1,
        )
        raise LabError(
            f"{file}:{line}: {key} must be a number, got {values[key]!r}. Restore the file."
        ) from error


def _inside(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _placements(files: Sequence[FilePath]) -> dict[str, str]:
    models = [_yaml(file) for file in files]
    labels = {_inside(model, "model_id"): _inside(model, "categories") or [] for model in models}
    return {
        model: "edge" if "local" in words else "cloud"
        for model, words in labels.items()
        if {"local", "cloud"} & set(words)
    }


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
