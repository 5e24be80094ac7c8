"""Whether the grader `facts` says of labelled answers what a reader says.

`python -m benchmarks.grading --json OUT.json [--quick]`

Each pair is a fact, an answer, and a label written by hand: does the answer state the fact? The
pairs cover ten scripts, signs, units, comparators, currencies, separators of thousands, refusals
and actions; they were written for this benchmark. `facts_agreement_rate` is the share of pairs on
which grader and label agree, over all and by subject. It takes a second, so `--quick` is the same.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecollm_lab.domains import grade
from ecollm_lab.files import write
from ecollm_lab.records import Query

PAIRS = Path(__file__).parent / "grading_pairs.jsonl"


def read_pairs(file: Path = PAIRS) -> list[dict[str, Any]]:
    """Return the labelled pairs: subject, fact or action or refutes, answer, label."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def grade_pair(pair: dict[str, Any]) -> float:
    """Grade the answer of a pair as a query with its fact, refutes and action would be."""
    facts = (pair["fact"],) if "fact" in pair else ()
    action = json.dumps(pair["action"]) if "action" in pair else ""
    refutes = tuple(pair.get("refutes", ()))
    query = Query("q", "?", "lookup", ("r",), facts, (), "train", refutes=refutes, action=action)
    return grade(query, pair["answer"])


def run(pairs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one record over all pairs and one for each subject."""
    agree = [(pair, grade_pair(pair) == pair["label"]) for pair in pairs]
    wrong = [{**pair, "grade": grade_pair(pair)} for pair, right in agree if not right]
    records: list[dict[str, Any]] = [
        {
            "metric": "facts_agreement_rate",
            "value": sum(right for _, right in agree) / len(agree),
            "at_least": 1.0,
            "n": len(agree),
            "disagreements": wrong,
        }
    ]
    for subject in dict.fromkeys(pair["subject"] for pair in pairs):
        mine = [right for pair, right in agree if pair["subject"] == subject]
        share = sum(mine) / len(mine)
        records.append(
            {"metric": "agreement_rate", "subject": subject, "value": share, "n": len(mine)}
        )
    return records


def main() -> None:
    """Run, write the records, print a table and what grader and label disagree on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    args = parser.parse_args()
    records = run(read_pairs())
    write(json.dumps(records, indent=1, ensure_ascii=False) + "\n", args.json)
    for row in records:
        print(f"{row['metric']:22} {row.get('subject', 'all'):14} {row['n']:4} {row['value']:.3f}")
    for pair in records[0]["disagreements"]:
        print(f"grade {pair['grade']:g}, label {pair['label']}: {pair}")


if __name__ == "__main__":
    main()
