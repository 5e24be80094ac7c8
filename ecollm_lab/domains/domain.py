"""A domain on disk: `passages.jsonl`, `queries.jsonl` and, if wanted, `domain.toml`, checked line by line."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ecollm_lab.records import DATA, LabError, Passage, Query, require_choice

KINDS_OF = {
    "split": ("train", "heldout"),
    "wording": ("template", "free"),
    "source": ("manual", "notes"),
}
REQUIRED: dict[str, dict[str, type]] = {
    "passages.jsonl": {"id": str, "title": str, "source": str, "text": str},
    "queries.jsonl": {
        "id": str,
        "text": str,
        "kind": str,
        "references": list,
        "facts": list,
        "gold": list,
        "split": str,
    },
}
OPTIONAL: dict[str, dict[str, type]] = {"passages.jsonl": {}, "queries.jsonl": {"wording": str}}
GRADERS = {
    "facts": 1,
    "token_f1": 1,
    "embedding": 1,
    "judge": 1,
}  # name: version, raised whenever the grader would score otherwise
SETTINGS = {"name", "description", "grading", "judge_model"}  # of domain.toml


@dataclass(frozen=True, slots=True)
class Grading:
    """How answers of a domain are graded: one of `GRADERS`, and for "judge" the catalog name of the model that judges."""

    name: str = "facts"
    judge_model: str | None = None

    def __post_init__(self) -> None:
        require_choice("grading", self.name, tuple(GRADERS))
        if (self.name == "judge") != (self.judge_model is not None):
            raise LabError(
                f'judge_model goes with grading = "judge" and only with it; got {self.name!r} and'
                f" {self.judge_model!r}."
            )

    @property
    def slug(self) -> str:
        """Name and version, for provenance and fingerprints: `facts-1`, `judge-1:gpt-4o-mini`."""
        return f"{self.name}-{GRADERS[self.name]}" + (
            f":{self.judge_model}" if self.judge_model else ""
        )


@dataclass(frozen=True)
class Domain:
    """Queries and passages of one application, in file order, and how answers are graded."""

    name: str
    passages: tuple[Passage, ...]
    queries: tuple[Query, ...]
    grading: Grading = field(default_factory=Grading)
    description: str = ""

    def split(self, name: str) -> tuple[Query, ...]:
        """Return the queries of one split, "train" or "heldout"."""
        return tuple(query for query in self.queries if query.split == name)

    @property
    def digest(self) -> str:
        """Content hash of passages, queries and grading; changes when anything that can change an outcome does."""
        graded = "" if self.grading.slug == "facts-1" else self.grading.slug
        return hashlib.sha256((repr((self.passages, self.queries)) + graded).encode()).hexdigest()[
            :16
        ]


def check_domain(folder: FilePath | str) -> list[str]:
    """Return every fault of a domain folder as "file:line: what is wrong"; an empty list means it is sound."""
    return _read(FilePath(folder))[1]


def load_domain(folder: FilePath | str) -> Domain:
    """Load a domain folder.

    Raises
    ------
    LabError
        If a file is missing or any line is at fault; the message lists the first faults with file
        and line.

    """
    domain, faults = _read(FilePath(folder))
    if faults:
        more = f"\n… and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise LabError(
            f"The domain {folder} has {len(faults)} fault(s):\n"
            + "\n".join(faults[:10])
            + more
            + f"\nMend them, then run: ecollm-lab check-domain {folder}"
        )
    return domain


def _read(folder: FilePath) -> tuple[Domain, list[str]]:
    faults: list[str] = []
    about = _settings(folder / "domain.toml", faults)
    rows = {file: dict(_rows(folder / file, faults)) for file in REQUIRED}
    ids = {row["id"] for row in rows["passages.jsonl"].values()}
    for number, row in rows["queries.jsonl"].items():
        where = f"{folder / 'queries.jsonl'}:{number}"
        faults += [
            f"{where}: gold passage {g!r} does not exist in passages.jsonl"
            for g in row["gold"]
            if g not in ids
        ]
        needed = (
            ("references", "facts")
            if about.get("grading", Grading()).name == "facts"
            else ("references",)
        )
        faults += [f"{where}: {key} is empty; give at least one" for key in needed if not row[key]]
    for file, sound in rows.items():
        if not sound and not faults:
            faults.append(f"{folder / file}: no records; a domain needs at least one")
    if faults:
        return Domain(folder.name, (), ()), sorted(faults, key=_by_line)
    queries = (Query(**_frozen(row)) for row in rows["queries.jsonl"].values())
    passages = (Passage(**row) for row in rows["passages.jsonl"].values())
    return (
        Domain(
            **{"name": folder.resolve().name, **about},
            passages=tuple(passages),
            queries=tuple(queries),
        ),
        [],
    )


def _settings(file: FilePath, faults: list[str]) -> dict[str, Any]:
    """Read what `domain.toml` sets of a `Domain`; nothing if there is no such file."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{file}: cannot be read ({error})")
        return {}
    faults += [
        f"{file}: unknown setting {key!r}; known: {', '.join(sorted(SETTINGS))}"
        for key in table
        if key not in SETTINGS
    ]
    wrong = [
        key
        for key in SETTINGS & set(table)
        if not (isinstance(table[key], str) and table[key].strip())
    ]
    faults += [
        f"{file}: {key} must be a text in quotes, got {table[key]!r}" for key in sorted(wrong)
    ]
    if wrong:
        return {}
    if not re.fullmatch(r"[\w-]+", table.get("name", "x")):
        faults.append(f"{file}: name must be letters, digits, '-' and '_', got {table['name']!r}")
    try:
        grading = Grading(table.get("grading", "facts"), table.get("judge_model"))
    except LabError as error:
        faults.append(f"{file}: {error}")
        return {}
    return {key: table[key] for key in ("name", "description") if key in table} | {
        "grading": grading
    }


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _by_line(fault: str) -> tuple[str, int]:
    file, line, *_ = fault.split(":", 2)
    return file, int(line) if line.isdigit() else 0


def _rows(file: FilePath, faults: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the sound records of a file by line number; append a fault for each other line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        faults.append(
            f"{file}: cannot be read ({error.strerror}); a domain folder needs"
            f" {' and '.join(REQUIRED)}"
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
        problems = _problems(row, file.name)
        if not problems and row["id"] in seen:
            problems = [f"duplicate id {row['id']!r}, first used on line {seen[row['id']]}"]
        faults += [f"{file}:{number}: {problem}" for problem in problems]
        if not problems:
            seen[row["id"]] = number
            yield number, row


def _problems(row: Any, file: str) -> list[str]:
    if not isinstance(row, dict):
        return [f"must be a JSON object, got {type(row).__name__}"]
    required, known = REQUIRED[file], REQUIRED[file] | OPTIONAL[file]
    out = [f"missing field {key!r}" for key in required if key not in row]
    out += [f"unknown field {key!r}; known: {', '.join(known)}" for key in row if key not in known]
    for key, kind in known.items():
        if key not in row:
            continue
        value: Any = row[key]
        if not isinstance(value, kind):
            out.append(f"field {key!r} must be a {kind.__name__}, got {type(value).__name__}")
        elif isinstance(value, list) and not all(
            isinstance(item, str) and item.strip() for item in value
        ):
            out.append(f"field {key!r} must hold non-empty strings")
        elif isinstance(value, str) and not value.strip():
            out.append(f"field {key!r} is empty")
        elif key in KINDS_OF and value not in KINDS_OF[key]:
            out.append(f"field {key!r} must be one of {', '.join(KINDS_OF[key])}; got {value!r}")
    return out


def domain_folder(domain: str) -> FilePath:
    """Return the folder named so, or else the lab's own domain of that name. Raises `LabError` if there is neither."""
    found = next((folder for folder in (FilePath(domain), DATA / domain) if folder.is_dir()), None)
    if found is None:
        own = ", ".join(sorted(file.parent.name for file in DATA.glob("*/queries.jsonl")))
        raise LabError(
            f"There is no domain or folder {domain!r}. The lab's own domains: {own}. For one of"
            " yours: ecollm-lab new-domain."
        )
    return found
