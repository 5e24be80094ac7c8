"""Reads a domain folder and reports all its faults, each with file and line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from ecollm_lab.domains.domain import Domain, Grading
from ecollm_lab.records import LabError, Passage, Query

SHOWN = 10  # faults that an error lists; `check_domain` lists all


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is empty")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _PassageRow(_Row):
    id: Text
    title: Text
    source: Literal["manual", "notes"]
    text: Text


class _QueryRow(_Row):
    id: Text
    text: Text
    kind: Text
    references: tuple[Text, ...] = Field(min_length=1)
    facts: tuple[Text, ...]
    gold: tuple[Text, ...]
    split: Literal["train", "heldout"]
    wording: Literal["template", "free"] = "template"


class _Settings(_Row):
    name: Annotated[str, Field(pattern=r"^[\w-]+$")] | None = None
    description: Text = ""
    grading: Text = "facts"
    judge_model: Text | None = None


Model = TypeVar("Model", bound=_Row)


def check_domain(folder: FilePath | str) -> list[str]:
    """Return every fault of a domain folder as "file:line: what is wrong", none if it is sound."""
    return _read(FilePath(folder))[1]


def load_domain(folder: FilePath | str) -> Domain:
    """Load a domain folder: `passages.jsonl`, `queries.jsonl` and, if wanted, `domain.toml`.

    Raises
    ------
    LabError
        If a file is missing or any line is at fault; the message lists the first faults with file
        and line.

    """
    domain, faults = _read(FilePath(folder))
    if faults:
        more = f"\n… and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise LabError(
            f"The domain {folder} has {len(faults)} fault(s):\n"
            + "\n".join(faults[:SHOWN])
            + more
            + f"\nMend them, then run: ecollm-lab check-domain {folder}"
        )
    return domain


def _read(folder: FilePath) -> tuple[Domain, list[str]]:
    faults: list[str] = []
    settings = _settings(folder / "domain.toml", faults)
    passages_file, queries_file = folder / "passages.jsonl", folder / "queries.jsonl"
    passages = dict(_rows(passages_file, _PassageRow, faults))
    queries = dict(_rows(queries_file, _QueryRow, faults))
    ids = {row.id for row in passages.values()}
    for number, query in queries.items():
        where = f"{queries_file}:{number}"
        faults += [
            f"{where}: gold passage {gold!r} does not exist in passages.jsonl"
            for gold in query.gold
            if gold not in ids
        ]
        if settings.get("grading", Grading()).name == "facts" and not query.facts:
            faults.append(f"{where}: field 'facts' is empty; give at least one")
    for file, rows in ((passages_file, passages), (queries_file, queries)):
        if not rows and not faults:
            faults.append(f"{file}: no records; a domain needs at least one")
    if faults:
        return Domain(folder.name, (), ()), sorted(faults, key=_by_line)
    domain = Domain(
        **{"name": folder.resolve().name, **settings},
        passages=tuple(Passage(**row.model_dump()) for row in passages.values()),
        queries=tuple(Query(**row.model_dump()) for row in queries.values()),
    )
    return domain, []


def _settings(file: FilePath, faults: list[str]) -> dict[str, Any]:
    """Read what `domain.toml` sets of a `Domain`; nothing if there is no such file."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{file}: cannot be read ({error})")
        return {}
    row = _checked(table, _Settings, str(file), faults)
    if row is None:
        return {}
    try:
        grading = Grading(row.grading, row.judge_model)
    except LabError as error:
        faults.append(f"{file}: {error}")
        return {}
    named = {} if row.name is None else {"name": row.name}
    return {**named, "description": row.description, "grading": grading}


def _by_line(fault: str) -> tuple[str, int]:
    file, line, *_ = fault.split(":", 2)
    return file, int(line) if line.isdigit() else 0


def _rows(file: FilePath, model: type[Model], faults: list[str]) -> Iterator[tuple[int, Model]]:
    """Yield the sound records of a file by line number; append the faults of the other lines."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        faults.append(
            f"{file}: cannot be read ({error.strerror}); a domain folder needs passages.jsonl and"
            " queries.jsonl"
        )
        return
    except UnicodeDecodeError as error:
        faults.append(f"{file}: not UTF-8 text ({error.reason} at byte {error.start})")
        return
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            faults.append(f"{file}:{number}: not JSON ({error.msg} at column {error.colno})")
            continue
        record = _checked(row, model, f"{file}:{number}", faults)
        if record is None:
            continue
        name = record.model_dump()["id"]
        if name in seen:
            faults.append(
                f"{file}:{number}: duplicate id {name!r}, first used on line {seen[name]}"
            )
            continue
        seen[name] = number
        yield number, record


def _checked(row: Any, model: type[Model], where: str, faults: list[str]) -> Model | None:
    """Return the record that a row holds, or append what is wrong with the row and return None."""
    if not isinstance(row, dict):
        faults.append(f"{where}: must be a JSON object, got {type(row).__name__}")
        return None
    try:
        return model.model_validate(row)
    except ValidationError as error:
        faults += [f"{where}: {_sentence(fault, model)}" for fault in error.errors()]
        return None


def _sentence(fault: ErrorDetails, model: type[_Row]) -> str:
    """Say in plain words what pydantic found."""
    key, *inside = fault["loc"] or ("",)
    field = repr(key) + "".join(f"[{part}]" for part in inside if isinstance(part, int))
    match fault["type"]:
        case "missing":
            return f"missing field {field}"
        case "extra_forbidden":
            return f"unknown field {field}; known: {', '.join(model.model_fields)}"
        case "blank":
            return f"field {field} is empty"
        case "too_short":
            return f"field {field} is empty; give at least one"
    rule = fault["msg"].removeprefix("Input ").removeprefix("String ")
    return f"field {field} {rule}; got {fault['input']!r}"
