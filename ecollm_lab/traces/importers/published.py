"""Published tables: RouterBench, RouteLLM, and any table with one row per outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath

import pandas as pd

from ecollm_lab.files import json_lines
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces.importers.reading import WHERE, Found, read_table, require_columns
from ecollm_lab.traces.importers.units import UNITS, converted, lookalikes, unread
from ecollm_lab.traces.tables import COLUMNS, NEEDED, QUERY_COLUMNS

NAMES = tuple(dict.fromkeys([*COLUMNS, *QUERY_COLUMNS, "placement", "answer"]))


def read_long(source: FilePath, columns: Mapping[str, str | tuple[str, str]]) -> Found:
    """Read a table with one row per outcome; `columns` says which column is which, in what unit."""
    for name in columns:
        require_choice("A name in columns", name, NAMES)
    given = {name: (one, "") if isinstance(one, str) else one for name, one in columns.items()}
    for name in [name for name, (_, unit) in given.items() if unit]:
        require_choice("A column with a unit (--unit)", name, tuple(UNITS))
    notes: list[str] = []
    table = read_table(source, notes)
    said = {name: (column, "") for name, column in lookalikes(table).items() if name not in given}
    wanted = {**{name: (name, "") for name in NAMES}, **said, **given}
    needed = [wanted[name][0] for name in wanted if name in given or name in NEEDED]
    require_columns(
        table,
        source,
        needed,
        "these, or others mapped to them, e.g. columns={'quality': 'score'} (--column"
        " quality=score)",
    )
    there = {name: one for name, one in wanted.items() if one[0] in table}
    scaled = converted(table, source, there, notes)
    notes += unread(table, there)
    frame = table.assign(
        **{name: scaled.get(name, table[column]) for name, (column, _) in there.items()}
    )
    return Found(frame, [source], notes=notes)


def read_routerbench(source: FilePath) -> Found:
    """Read the wide table as published: a column per model, others for its cost and answer."""
    notes: list[str] = []
    table = read_table(source, notes)
    named = [
        column.rsplit("|", 1)[0]
        for column in table
        if column.endswith(("|total_cost", "|model_response"))
    ]
    models = sorted(dict.fromkeys(named), key=[*table, *named].index)
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
    more = {"cost_usd": "{}|total_cost", "answer": "{}|model_response"}
    return Found(_stacked(table, models, shared, more), [source], notes=notes)


def read_routellm(source: FilePath) -> Found:
    """Read a CSV or all CSVs of a folder.

    Prompts in a contaminated_prompts.jsonl beside a CSV or one folder up are left out.
    """
    files = sorted(source.rglob("*.csv")) if source.is_dir() else [source]
    if not files:
        raise LabError(
            f"{source} has no CSV file; name RouteLLM's routellm/evals, a folder in it, or one of"
            " its CSVs."
        )
    root = source if source.is_dir() else source.parent
    parts, lists, dropped, notes = [], set(), 0, list[str]()
    for file in files:
        table = read_table(file, notes)
        require_columns(table, file, ["prompt"], "prompt and one column per model")
        answers = [f"{column}_response" for column in table]
        models = [column for column in table if column not in ("prompt", *WHERE, *answers)]
        if not models:
            raise LabError(f"{file} has no column besides prompt; expected one per model.")
        name = file.relative_to(root).with_suffix("").as_posix()
        ids = name + "/" + (table["@row"] - 1).astype(str)
        shared = table[WHERE].assign(query_id=ids, text=table["prompt"], kind=file.stem)
        near = [
            folder / "contaminated_prompts.jsonl" for folder in (file.parent, file.parent.parent)
        ]
        for one in [f for f in near if f.is_file()][:1]:
            lists.add(one)
            bad = table["prompt"].isin(_contaminated(one))
            dropped += int(bad.sum())
            table, shared = table[~bad], shared[~bad]
        parts.append(_stacked(table, models, shared, {"answer": "{}_response"}))
    frame = pd.concat(parts, ignore_index=True)
    return Found(frame, [*files, *lists], {"contaminated_prompts": dropped}, notes)


def _contaminated(file: FilePath) -> set[str]:
    prompts = set()
    for number, row in json_lines(file):
        if not isinstance(row, dict) or not isinstance(row.get("eval_prompt"), str):
            raise LabError(
                f"{file}:{number}: expected a JSON object with eval_prompt; got {row!r:.60}."
            )
        prompts.add(row["eval_prompt"])
    return prompts


def _stacked(
    table: pd.DataFrame, models: Sequence[str], shared: pd.DataFrame, more: Mapping[str, str]
) -> pd.DataFrame:
    """Turn one column per model into one row per (query, model), in the order of the table.

    `more` has patterns for the names of a model's further columns.
    """
    parts = [
        shared.assign(
            path_id=model,
            quality=table[model],
            **{
                name: table[pattern.format(model)]
                for name, pattern in more.items()
                if pattern.format(model) in table
            },
        )
        for model in models
    ]
    return pd.concat(parts).sort_values("@row", kind="stable", ignore_index=True)
