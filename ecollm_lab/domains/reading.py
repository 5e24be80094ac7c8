"""Reads a domain folder and reports all its faults, each with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from ecollm_lab.domains.domain import Domain, Grading, find_folder
from ecollm_lab.domains.grading import CHOICE, REFUSAL
from ecollm_lab.domains.words import alternatives, normalise
from ecollm_lab.files import lines, parse_json, read_text, read_toml
from ecollm_lab.records import LabError, Passage, Query

SHOWN = 10  # faults that an error lists; `check_domain` lists all


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is empty")
    return text


def _is_pattern(text: str) -> str:
    try:
        re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise PydanticCustomError(
            "pattern", "should be a regular expression ({why})", {"why": str(error)}
        ) from error
    return _not_blank(text)


Text = Annotated[str, AfterValidator(_not_blank)]
Pattern = Annotated[str, AfterValidator(_is_pattern)]


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
    refutes: tuple[Text, ...] = ()
    action: dict[str, Any] | None = Field(default=None, min_length=1)


class _Settings(_Row):
    name: Annotated[str, Field(pattern=r"^[\w-]+$")] | None = None
    description: Text = ""
    grading: Text = "facts"
    judge_model: Text | None = None
    characteristics: dict[Text, Pattern] = Field(default_factory=dict)


Model = TypeVar("Model", bound=_Row)


def check_domain(folder: FilePath | str) -> list[str]:
    """Return every fault of a domain as "file:line: what is wrong", none if it is sound.

    `folder` is a folder or the name of one of the lab's own domains.
    """
    return _read(find_folder(folder))[1]


def load_domain(folder: FilePath | str) -> Domain:
    """Load a domain: `passages.jsonl`, `queries.jsonl` and, if wanted, `domain.toml`.

    `folder` is a folder or the name of one of the lab's own domains.

    Raises
    ------
    LabError
        If a file is missing or any line is at fault; the message lists the first faults with file
        and line.

    """
    domain, faults = _read(find_folder(folder))
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
    there, ids = passages_file.exists(), {row.id for row in passages.values()}
    for number, query in queries.items():
        where = f"{queries_file}:{number}"
        faults += [
            f"{where}: gold passage {gold!r} does not exist in passages.jsonl"
            for gold in query.gold
            if there and gold not in ids  # without the file that would be said of every query
        ]
        if settings.get("grading", Grading()).name == "facts":
            faults += [f"{where}: {fault}" for fault in _about_facts(query)]
    for file, rows in ((passages_file, passages), (queries_file, queries)):
        if not rows and not any(str(file) in fault for fault in faults):
            faults.append(f"{file}: no records; a domain needs at least one")
    if faults:
        return Domain(folder.name, (), ()), sorted(faults, key=_by_line)
    domain = Domain(
        **{"name": folder.resolve().name, **settings},
        passages=tuple(Passage(**row.model_dump()) for row in passages.values()),
        queries=tuple(map(_as_query, queries.values())),
    )
    return domain, []


def _about_facts(query: _QueryRow) -> Iterator[str]:
    """Yield why a query's facts cannot be checked."""
    if not query.facts and query.action is None:
        yield "field 'facts' is empty; give at least one, or an 'action'"
    elif query.action is None and all(fact.startswith(CHOICE) for fact in query.facts):
        yield (
            f"field 'facts' has nothing but {CHOICE}, which counts only in an answer that states"
            " all other facts; give at least one other fact, or an 'action'"
        )
    for name, texts in (("facts", query.facts), ("refutes", query.refutes)):
        for text in texts:
            wordings = alternatives(text.removeprefix(CHOICE))
            if text != REFUSAL and not all(map(normalise, wordings)):
                yield (
                    f"field {name!r}: {text!r} cannot be checked, because a wording of it has no"
                    " letter, digit or sign"
                )


def _as_query(row: _QueryRow) -> Query:
    values = row.model_dump()
    action = row.action
    values["action"] = "" if action is None else json.dumps(action, ensure_ascii=False)
    return Query(**values)


def _settings(file: FilePath, faults: list[str]) -> dict[str, Any]:
    """Read what `domain.toml` sets of a `Domain`; nothing if there is no such file."""
    if not file.exists():
        return {}
    try:
        table = read_toml(file)
    except LabError as error:
        faults.append(str(error))
        return {}
    row = _checked(table, _Settings, str(file), faults)
    if row is None:
        return {}
    if misplaced := sorted(set(row.characteristics) & set(_Settings.model_fields)):
        faults.append(
            f"{file}: {misplaced[0]!r} stands below [characteristics], where it is a question about"
            " queries; move it above"
        )
    try:
        grading = Grading(row.grading, row.judge_model)
    except LabError as error:
        faults.append(f"{file}: {error}")
        return {}
    named = {} if row.name is None else {"name": row.name}
    rest = row.model_dump(include={"description", "characteristics"})
    return {**named, **rest, "grading": grading}


def _by_line(fault: str) -> tuple[str, int]:
    found = re.match(r"(.*?):(\d+): ", fault)
    return (found[1], int(found[2])) if found else (fault, 0)


def _rows(file: FilePath, model: type[Model], faults: list[str]) -> Iterator[tuple[int, Model]]:
    """Yield the sound records of a file by line number; append the faults of the other lines."""
    try:
        text = read_text(file)
    except LabError as error:
        faults.append(f"{error} A domain folder needs passages.jsonl and queries.jsonl.")
        return
    seen: dict[str, int] = {}
    for number, line in enumerate(lines(text), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, f"{file}:{number}")
        except LabError as error:
            faults.append(str(error))
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
    field = repr(key) + "".join(f"[{part!r}]" for part in inside)
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
