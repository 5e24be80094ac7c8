"""Draw answers of the measured traces to be judged, and write the judgements down.

    python -m benchmarks.judging draw [--n 300] [--seed 0]
    python -m benchmarks.judging show data/smart_home/labels.jsonl
    python -m benchmarks.judging set data/smart_home/labels.jsonl 1 1 0 0.5

`draw` writes data/<domain>/labels.jsonl with all labels open, for each domain that has a
trace; `show` prints the open ones with their numbers; `set` fills the first open ones in this
order.

A label is the share of what the reference says that the answer says too, in [0, 1]; 0 if the answer
contradicts itself or says something else as well. The file shows neither the grade nor the path, so
that neither sways who judges; a text editor does as well as `set`. `ecollm-lab grade-agreement`
reads the file once no label is open, and so does `python -m benchmarks.testbed`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import domain_trace
from ecollm_lab import files
from ecollm_lab.domains import Domain, grade, load_domain
from ecollm_lab.domains.grader_agreement import compute_agreement, disagreements, read_labels
from ecollm_lab.records import DATA, LabError
from ecollm_lab.study import DOMAINS
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import model_of


def draw(trace: Trace, domain: Domain, n: int, seed: int) -> list[dict[str, Any]]:
    """Return `n` answers to judge, evenly over kind, wording, model and grade, in random order.

    The strata are every combination that occurs. Each gives one answer before any gives two; where
    they are more than `n`, every one is as likely to be drawn, rare or common. The same answer to
    the same query is drawn once. Partly right answers are few in a trace and many here, so
    agreement on this sample is harder to reach than on the trace.
    """
    queries = {query.id: query for query in domain.queries}
    rng = np.random.default_rng(seed)
    frame = trace.outcomes[["query_id", "path_id", "quality", "answer"]].sample(
        frac=1, random_state=rng, ignore_index=True
    )
    frame = frame.drop_duplicates(["query_id", "answer"])
    asked = [queries[query_id] for query_id in frame["query_id"]]
    strata = pd.DataFrame(
        {
            "kind": [query.kind for query in asked],
            "wording": [query.wording for query in asked],
            "model": frame["path_id"].map(model_of),
            "grade": np.select(
                [frame["quality"] == 1, frame["quality"] == 0], ["right", "wrong"], "partly right"
            ),
        },
        index=frame.index,
    )
    turn = strata.groupby(list(strata)).cumcount()
    chosen = frame.loc[
        turn.sample(frac=1, random_state=rng).sort_values(kind="stable").index[:n]
    ].sample(frac=1, random_state=rng)
    texts = {passage.id: passage.text for passage in domain.passages}
    return [
        {
            "label": None,
            "query_id": row.query_id,
            "question": queries[str(row.query_id)].text,
            "answer": row.answer,
            "reference": " | ".join(queries[str(row.query_id)].references),
            "gold": [texts[one] for one in queries[str(row.query_id)].gold],
        }
        for row in chosen.itertuples()
    ]


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of labels, open ones too."""
    return [row for _, row in files.json_lines(file)]


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    files.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), file)


def show(rows: list[dict[str, Any]]) -> str:
    """Return the open rows as text to read, numbered as they stand in the file."""
    blocks = []
    for number, row in enumerate(rows, start=1):
        if row["label"] is None:
            gold = "".join(f"\n     passage:   {text}" for text in row["gold"])
            lines = (
                f"{number:4d} question:  {row['question']}\n     reference: {row['reference']}\n   "
                f"  answer:    {row['answer']}"
            )
            blocks.append(lines + gold)
    return "\n\n".join(blocks) or "No label is open."


def fill(rows: list[dict[str, Any]], labels: list[float]) -> list[dict[str, Any]]:
    """Return the rows with the first open labels filled.

    Raises `LabError` for a label outside [0, 1] or too many of them.
    """
    places = [i for i, row in enumerate(rows) if row["label"] is None]
    if len(labels) > len(places):
        raise LabError(
            f"There are {len(labels)} labels for {len(places)} open rows; nothing was written."
        )
    wrong = [label for label in labels if not 0 <= label <= 1]
    if wrong:
        raise LabError(f"A label must be within [0, 1], got {wrong[0]!r}; nothing was written.")
    given = dict(zip(places, labels, strict=False))
    return [{**row, "label": given.get(i, row["label"])} for i, row in enumerate(rows)]


def graded(domains: list[Domain], folder: Path) -> Iterator[dict[str, Any]]:
    """Compare the domains' grader with the judgements that were written down."""
    scores: list[float] = []
    labels: list[float] = []
    apart: list[dict[str, Any]] = []
    for domain in domains:
        file = folder / domain.name / "labels.jsonl"
        if not file.exists() or any(row["label"] is None for row in read(file)):
            continue
        queries, known = {query.id: query for query in domain.queries}, read_labels(file, domain)
        here = [
            grade(queries[str(query_id)], answer)
            for query_id, answer in zip(known["query_id"], known["answer"], strict=True)
        ]
        value = compute_agreement(here, known["label"].tolist())["agreement_rate"]
        yield {
            "domain": domain.name,
            "metric": "grading_agreement_rate",
            "value": value,
            "n": len(known),
        }
        scores, labels = scores + here, labels + known["label"].tolist()
        apart += [
            {"domain": domain.name, **row}
            for row in disagreements(domain, known, grade).to_dict("records")
        ]
    yield {"domain": "both", "metric": "judged_answers", "value": len(labels), "at_least": 300}
    if labels:
        found = compute_agreement(scores, labels)
        intervals = {
            key: found[key]
            for key in ("agreement_rate_low", "agreement_rate_high", "cohen_kappa", "spearman")
        }
        about = {"n": len(labels), **intervals, "disagreements": apart}
        yield {
            "domain": "both",
            "metric": "grading_agreement_rate",
            "value": found["agreement_rate"],
            "at_least": 0.95,
            **about,
        }


def main() -> None:
    """Draw, show or set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("--n", type=int, default=300, help="answers per domain")
    drawing.add_argument("--seed", type=int, default=0)
    for name in ("show", "set"):
        commands.add_parser(name).add_argument("file", type=Path)
    commands.choices["set"].add_argument("labels", type=float, nargs="+")
    args = parser.parse_args()
    if args.command != "draw":
        rows = read(args.file)
        if args.command == "show":
            print(show(rows))
            return
        rows = fill(rows, args.labels)
        write(args.file, rows)
        print(f"{sum(row['label'] is None for row in rows)} of {len(rows)} labels are open.")
        return
    for name in DOMAINS:
        file = DATA / name / "labels.jsonl"
        domain = load_domain(file.parent)
        if (trace := domain_trace(domain)) is None:
            print(f"{name} is not measured yet: nothing to judge.")
            continue
        if file.exists() and any(row["label"] is not None for row in read(file)):
            sys.exit(f"{file} holds judgements; move it away to draw anew.")
        rows = draw(trace, domain, args.n, args.seed)
        write(file, rows)
        print(f"{len(rows)} answers to judge: {file}")


if __name__ == "__main__":
    main()
