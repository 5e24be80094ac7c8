"""Writes the folder of a new domain: examples to replace, or what the user's own files hold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from ecollm_lab.domains.review import EXAMPLE, MIN_HELDOUT, MIN_TRAIN
from ecollm_lab.files import lines, read_text, resolved, write
from ecollm_lab.records import LabError
from ecollm_lab.traces import csv_rows

# with or without #s behind it, before which stands a space; "##" alone is an empty one
_HEADING = re.compile(r"#{1,6}(?=[ \t]|$)[ \t]*(.*?)(?:[ \t]+#+)?[ \t]*$")
# begins and ends a block of code: the same sign at least as often, and at the end nothing behind it
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)")

_COLUMNS = ("text", "reference", "facts", "gold", "kind", "split")  # of a CSV file of queries
SETTINGS = """\
# What this domain is, and how its answers are graded.
name = "{name}"
description = "Who asks what, and what it is looked up in."

# facts      the share of a query's facts that the answer states, word by word: recommended
# token_f1   overlap of words with the nearest reference answer: needs no facts, but a wrong
#            number costs little
# embedding  cosine similarity to the nearest reference answer: needs no facts, but rewards
#            being on the subject more than being right
# judge      a model of your catalog compares with the reference answers: set judge_model; its
#            calls are paid like any other
# See how far a grader agrees with your own labels: ecollm-lab grade-agreement
grading = "{grading}"  # {why}
# judge_model = "gpt-4o-mini"

# What policies ask about a query before they choose a path: yes where the regular expression is
# found in its text. Ask what tells your kinds of queries apart. Keep this table last.
[characteristics]
# "names two drinks" = '\\b(coffee|tea)\\b.*\\b(?!\\1)(coffee|tea)\\b'
"""

PASSAGES = (
    {
        "id": "p1",
        "title": "Coffee machine: cleaning",
        "text": "Empty the drip tray every evening. Descale the machine every 6 weeks.",
    },
    {
        "id": "p2",
        "title": "Coffee machine: faults",
        "text": "If the red lamp blinks, refill the water. If it stays on, call 555-0134.",
    },
    {
        "id": "p3",
        "title": "Notes: who drinks what",
        "text": "Ada takes her coffee black. Ben takes oat milk.",
        "source": "notes",
    },
)
QUERIES = (
    {
        "id": "q1",
        "text": "How often must the coffee machine be descaled?",
        "kind": "lookup",
        "references": ["Every 6 weeks."],
        "facts": ["6 weeks | six weeks"],
        "gold": ["p1"],
        "split": "train",
    },
    {
        "id": "q2",
        "text": "the red lamp of the coffee machine blinks, what now",
        "kind": "diagnose",
        "references": ["Refill the water."],
        "facts": ["refill the water | fill up the water"],
        "gold": ["p2"],
        "split": "train",
    },
    {
        "id": "q3",
        "text": "What do Ada and Ben take in their coffee?",
        "kind": "personal",
        "references": ["Ada takes it black, Ben with oat milk."],
        "facts": ["black", "oat milk"],
        "gold": ["p3"],
        "split": "heldout",
    },
)

README = """\
# The domain `{name}`

Fill in three files, then run `ecollm-lab check-domain {folder}`: it lists every fault with its
line, and what is still missing.

- `domain.toml`: name, description, how answers are graded, and what policies ask about a query.
- `passages.jsonl`, one JSON object a line: what can be looked up.
  - `id`: unique. `title`: searched together with the text.
  - `text`: one subject in a few sentences; the model reads several passages at once.
  - `source`: `manual` (what anybody may read) or `notes` (what is this user's own).
- `queries.jsonl`, one JSON object a line: what people ask, in their own words, typos and all.
  - `id`: unique. `text`: the question.
  - `kind`: your own word for the kind of question; results are also shown by kind, and policies
    learn to tell the kinds apart.
  - `references`: right answers, at least one.
  - `facts`: what a right answer must state; " | " separates wordings of one fact. They are needed
    for `grading = "facts"` only. The fact "<refusal>" means: the answer says that it does not know.
  - `refutes`, if wanted: texts that make an answer wrong wherever they occur.
  - `action`, if wanted: the JSON object that a right answer holds.
  - `gold`: ids of the passages that hold the answer; `[]` if no passage does.
  - `split`: `train` (the lab learns from it) or `heldout` (the lab is only judged on it). Keep
    rewordings of one question on one side.

Give at least {train} training and {heldout} held-out queries; a hundred of each give intervals
that one can decide by. Ids that start with `example-` are examples: replace them. Say here where
passages and queries come from and what licence they have.
"""


def write_new_domain(
    folder: FilePath, *, passages: FilePath | None = None, queries: FilePath | None = None
) -> list[FilePath]:
    """Write a domain folder to start from and return its files; what is there is never overwritten.

    Parameters
    ----------
    folder
        The new folder; its last part is the domain's name.
    passages
        Take passages from this file instead of examples, see `read_passages`.
    queries
        Take queries from this CSV file instead of examples, see `read_queries`.

    Raises
    ------
    LabError
        If the folder is there and not empty, its name cannot name a domain, or a source cannot be
        read.

    """
    folder = resolved(folder)
    name = folder.resolve().name
    if not re.fullmatch(r"[\w-]+", name):
        raise LabError(f"A domain's name must be letters, digits, '-' and '_', got {name!r}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(
            f"{folder} is there already and is left as it is. Name another folder, or move it away."
        )
    texts = (
        read_passages(passages)
        if passages
        else [{**row, "id": EXAMPLE + row["id"]} for row in PASSAGES]
    )
    ids = {row["id"] for row in texts}
    if queries:
        asked = read_queries(queries)
    else:
        asked = [
            {
                **row,
                "id": f"{EXAMPLE}{row['id']}",
                "gold": [g for g in (EXAMPLE + row["gold"][0],) if g in ids],
            }
            for row in QUERIES
        ]
    without = sum(not row["facts"] for row in asked)
    grading = "token_f1" if without else "facts"
    why = f"{without} of {len(asked)} queries have no facts" if without else "all have facts"
    contents = {
        "domain.toml": SETTINGS.format(name=name, grading=grading, why=why),
        "passages.jsonl": "".join(
            json.dumps({**row, "source": row.get("source", "manual")}, ensure_ascii=False) + "\n"
            for row in texts
        ),
        "queries.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked),
        "README.md": README.format(name=name, folder=folder, train=MIN_TRAIN, heldout=MIN_HELDOUT),
    }
    return [write(text, folder / file) for file, text in contents.items()]


def read_passages(file: FilePath) -> list[dict[str, str]]:
    """Cut a file into passages, numbered p001 and on.

    Markdown (.md): one passage a heading. Plain text (.txt): one a paragraph. CSV (.csv): one a
    row, with the columns `text` and, if there, `title`. What has no title gets its first words.

    Raises
    ------
    LabError
        If the file cannot be read, is of another kind, or holds no passage.

    """
    match file.suffix.lower():
        case ".md":
            found = _sections(file)
        case ".txt":
            text = "\n".join(lines(read_text(file)))
            found = [("", part) for part in re.split(r"\n\s*\n", text)]
        case ".csv":
            found = [(row.get("title", ""), row["text"]) for row in _rows(file, ("text",))]
        case _:
            raise LabError(
                f"Passages come from .md, .txt or .csv files, got {file}. Others: write"
                " passages.jsonl yourself."
            )
    rows = [(title.strip(), text.split()) for title, text in found if text.strip()]
    if not rows:
        raise LabError(f"{file} holds no passage: no text below a heading, no paragraph or no row.")
    return [
        {"id": f"p{i:03d}", "title": title or " ".join(words[:6]), "text": " ".join(words)}
        for i, (title, words) in enumerate(rows, start=1)
    ]


def read_queries(file: FilePath) -> list[dict[str, Any]]:
    """Read queries from a CSV file, one a row, numbered q001 and on.

    Columns `text` and `reference`; if there, `facts` and `gold` (several separated by ";"), `kind`
    ("query" where left out) and `split` (where left out, every third row is held out). Capitals in
    their names do not matter.

    Raises
    ------
    LabError
        If the file cannot be read, a column is missing, or one is none of these.

    """
    out = []
    for i, row in enumerate(_rows(file, ("text", "reference"), _COLUMNS), start=1):
        several = {
            key: [part.strip() for part in row.get(key, "").split(";") if part.strip()]
            for key in ("facts", "gold")
        }
        split = row.get("split") or ("train" if i % 3 else "heldout")
        out.append(
            {
                "id": f"q{i:03d}",
                "text": row["text"],
                "kind": row.get("kind") or "query",
                "references": [row["reference"]],
                **several,
                "split": split,
            }
        )
    return out


def _sections(file: FilePath) -> list[tuple[str, str]]:
    """Return the headings of a Markdown file, first its own name, each with the text below it.

    In a block of code, what looks like a heading is a comment.
    """
    found: list[tuple[str, list[str]]] = [(file.stem, [])]
    fence = ""
    for line in lines(read_text(file)):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        elif not fence and (heading := _HEADING.match(line)):
            found.append((heading[1], []))
            continue
        found[-1][1].append(line)
    return [(title, "\n".join(text)) for title, text in found]


def _rows(file: FilePath, needed: Sequence[str], known: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a CSV file as texts by column.

    A row without a needed text is a fault, and a column that is none of the `known`, if any are.
    """
    _, ((line, header), *rows) = csv_rows(file)
    names = [name.lower() for name in header]
    for column in needed:
        if column not in names:
            raise LabError(
                f"{file} has no column {column!r}; it has: {', '.join(header)}. A CSV file needs"
                f" {' and '.join(needed)}."
            )
    for i, name in enumerate(names):
        twice = name in names[:i]
        if twice or (known and name not in known):
            what = "stands there twice" if twice else f"is none of {', '.join(known)}"
            raise LabError(
                f"{file}:{line}: the column {header[i]!r} {what}. Rename it, or take it out."
            )
    found = []
    for line, cells in rows:
        row = dict(zip(names, map(str.strip, cells), strict=True))
        for column in needed:
            if not row[column]:
                raise LabError(f"{file}:{line}: {column!r} is empty. Fill it in, or cut the row.")
        found.append(row)
    return found
