"""Published tables: RouterBench, RouteLLM, and any table with one row per outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath

import numpy as np
import pandas as pd

from ecollm_lab.files import json_lines
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces.importers.reading import WHERE, read_table, require_columns
from ecollm_lab.traces.tables import COLUMNS, QUERY_COLUMNS

NAMES = tuple(dict.fromkeys([*COLUMNS, *QUERY_COLUMNS, "placement"]))


def read_long(
    source: FilePath, columns: Mapping[str, str]
) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    """Read a table with one row per outcome; `columns` says which column is which."""
    for name in columns:
        require_choice("A name in columns", name, NAMES)
    table = read_table(source)
    wanted = {name: columns.get(name, name) for name in NAMES}
    needed = [
        column
        for name, column in wanted.items()
        if name in columns or name in ("query_id", "path_id", "quality")
    ]
    require_columns(
        table,
        source,
        needed,
        "these, or others mapped to them, e.g. columns={'quality': 'score'} (--column"
        " quality=score)",
    )
    return (
        table.assign(**{name: table[column] for name, column in wanted.items() if column in table}),
        [source],
        {},
    )


def read_routerbench(source: FilePath) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    """Read the wide table as published: one column per model, further ones for its cost and answer."""
    table = read_table(source)
    told = [
        column.rsplit("|", 1)[0]
        for column in table
        if column.endswith(("|total_cost", "|model_response"))
    ]
    models = sorted(dict.fromkeys(told), key=[*table, *told].index)
    if not models:
        raise LabError(
            f"{source.name} is no RouterBench table: it has no column '<model>|total_cost' or"
            " '<model>|model_response'."
        )
    require_columns(
        table, source, ["sample_id", "prompt", "eval_name", *models], "the wide table as published"
    )
    shared = table[WHERE].assign(
        query_id=table["sample_id"], text=table["prompt"], kind=table["eval_name"]
    )
    return _stacked(table, models, shared), [source], {}


def read_routellm(source: FilePath) -> tuple[pd.DataFrame, list[FilePath], dict[str, int]]:
    """Read a CSV or all CSVs of a folder; prompts in a contaminated_prompts.jsonl beside a CSV or one folder up are left out."""
    files = sorted(source.rglob("*.csv")) if source.is_dir() else [source]
    if not files:
        raise LabError(
            f"{source} has no CSV file; name RouteLLM's routellm/evals, a folder in it, or one of"
            " its CSVs."
        )
    root = source if source.is_dir() else source.parent
    parts, lists, dropped = [], set(), 0
    for file in files:
        table = read_table(file)
        require_columns(table, file, ["prompt"], "prompt and one column per model")
        lists_near = [
            folder / "contaminated_prompts.jsonl" for folder in (file.parent, file.parent.parent)
        ]
        answers = [f"{column}_response" for column in table]
        models = [column for column in table if column not in ("prompt", *WHERE, *answers)]
        if not models:
            raise LabError(f"{file} has no column besides prompt; expected one per model.")
        ids = (
            file.relative_to(root).with_suffix("").as_posix()
            + "/"
            + (table["@row"] - 1).astype(str)
        )
        shared = table[WHERE].assign(query_id=ids, text=table["prompt"], kind=file.stem)
        for near in [f for f in lists_near if f.is_file()][:1]:
            lists.add(near)
            bad = table["prompt"].isin(_contaminated(near))
            dropped += int(bad.sum())
            table, shared = table[~bad], shared[~bad]
        parts.append(_stacked(table, models, shared))
    return pd.concat(parts, ignore_index=True), [*files, *lists], {"contaminated_prompts": dropped}


def _contaminated(file: FilePath) -> set[str]:
    prompts = set()
    for number, row in json_lines(file):
        if not isinstance(row, dict) or "eval_prompt" not in row:
            raise LabError(
                f"{file}:{number}: expected a JSON object with eval_prompt; got {row!r:.60}."
            )
        prompts.add(row["eval_prompt"])
    return prompts


def _stacked(table: pd.DataFrame, models: Sequence[str], shared: pd.DataFrame) -> pd.DataFrame:
    """Turn one column per model into one row per (query, model), in the order of the table."""
    parts = [
        shared.assign(
            path_id=model, quality=table[model], cost_usd=table.get(f"{model}|total_cost", np.nan)
        )
        for model in models
    ]
    return pd.concat(parts).sort_values("@row", kind="stable", ignore_index=True)
