"""The table of the benchmark of the testbed."""

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


def markdown(records: list[Record]) -> str:
    """Return the records as a table, and where they come from."""
    lines = ["| domain | figure | n | value | aim | met |", "|---|---|---|---|---|---|"]
    for record in records:
        aim = " ".join(
            f"{sign} {record[key]:g}"
            for sign, key in (("≥", "at_least"), ("≤", "at_most"))
            if key in record
        )
        cells = [record["domain"], record["metric"], record.get("n", ""), _value(record), aim]
        lines.append(f"| {' | '.join(map(str, [*cells, verdict(record)]))} |")
    if records and "measured_at" in records[0]:
        quick = ", --quick: rougher intervals" if records[0]["quick"] else ""
        revision = records[0]["git_revision"]
        lines += ["", f"Computed {records[0]['measured_at']}, revision {revision}{quick}."]
    return "\n".join(lines)


def _value(record: Record) -> str:
    """Return a value, with its interval and the kinds that it counts where there are any."""
    value = record["value"]
    text = f"{value:g}" if float(value).is_integer() else f"{value:.3f}"
    if verdict(record) == "no" and float(text) in (record.get("at_least"), record.get("at_most")):
        text = f"{value:.6f}"  # rounded, it would look as if it met its aim
    if "low" in record:
        text += f" [{record['low']:.3g}, {record['high']:.3g}]"
    return f"{text}: {record['kinds']}" if record.get("kinds") else text


def apart(records: list[Record]) -> str:
    """Return a table of the judged answers on which grader and judge are apart."""
    lines = [
        "| domain | question | reference | answer | judged | graded | verdict differs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in (row for record in records for row in record.get("disagreements", [])):
        texts = (" ".join(str(row[key]).split()) for key in ("question", "reference", "answer"))
        cells = [row["domain"], *(text.replace("|", "\\|") for text in texts)]
        cells += [f"{row['label']:.2f}", f"{row['score']:.2f}"]
        cells.append("yes" if row["verdict_differs"] else "no")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
