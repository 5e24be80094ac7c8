"""Tables of the benchmark of the pocket testbed."""

from __future__ import annotations

from typing import Any

import numpy as np

Record = dict[str, Any]


def verdict(record: Record) -> str:
    """Return "yes" or "no": whether a record meets its aim; "" if it has none.

    What is not a number meets nothing.
    """
    if "at_least" not in record and "at_most" not in record:
        return ""
    met = record["value"] >= record.get("at_least", -np.inf) and record["value"] <= record.get(
        "at_most", np.inf
    )
    return "yes" if met else "no"


def aimed(records: list[Record]) -> list[Record]:
    """Return the records that have an aim."""
    return [record for record in records if verdict(record)]


def markdown(records: list[Record]) -> str:
    """Return the records as a table, where they come from, and judged answers that differ."""
    lines = ["| domain | figure | of | n | value | aim | met |", "|---|---|---|---|---|---|---|"]
    for record in records:
        of = [
            record.get("model"),
            {"any": "any wording"}.get(record.get("wording", ""), record.get("wording")),
        ]
        of += [record.get("kind"), record.get("queries")]
        aim = "".join(
            f"{sign} {record[key]:g}"
            for sign, key in (("≥", "at_least"), ("≤", "at_most"))
            if key in record
        )
        value = (
            f"{record['value']:.3f}" if isinstance(record["value"], float) else f"{record['value']}"
        )
        cells = [
            record["domain"],
            record["metric"],
            ", ".join(filter(None, of)),
            record.get("n", ""),
            value,
            aim,
            verdict(record),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    if records and "measured_at" in records[0]:
        quick = (
            ", --quick: fewer queries and outcomes than the aims are set for"
            if records[0]["quick"]
            else ""
        )
        lines += [
            "",
            f"Measured {records[0]['measured_at']}, revision {records[0]['git_revision']}{quick}.",
        ]
    apart = [row for record in records for row in record.get("disagreements", [])]
    if apart:
        lines += [
            "",
            "| domain | question | reference | answer | judged | graded | verdict differs |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in apart:
            cells = [
                row["domain"],
                *(
                    " ".join(str(row[key]).split()).replace("|", "\\|")
                    for key in ("question", "reference", "answer")
                ),
            ]
            cells += [
                f"{row['label']:.2f}",
                f"{row['score']:.2f}",
                "yes" if row["verdict_differs"] else "no",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_size(records: list[Record]) -> str:
    """Return how well each size reads, a row per domain and size.

    On held-out queries; and how often it names the right one of two values.
    """
    value = {
        (r["domain"], r["metric"], r.get("model"), r.get("wording"), r.get("kind")): r["value"]
        for r in records
    }
    columns = (
        ("gold_passages_quality", "template"),
        ("gold_passages_quality", "free"),
        ("gold_passages_quality", "any"),
        ("six_passages_quality", "any"),
        ("winner_given_values", None),
    )
    lines = [
        "| domain | model | gold passages, template wording | free wording | any | six passages,"
        " any wording | right winner |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for domain, model in dict.fromkeys(
        (r["domain"], r["model"]) for r in records if r["metric"] == "six_passages_quality"
    ):
        cells = [
            f"{value[domain, metric, model, wording, None]:.3f}" for metric, wording in columns
        ]
        lines.append(f"| {domain} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines)
