"""Write the tables of README.md and docs/ anew from the committed summary and benchmark records.

    python -m scripts.tables

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; what stands there by hand is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks import emulator, routing, testbed
from ecollm_lab.study import headline

PAGES = (Path("README.md"), *sorted(Path("docs").glob("*.md")))
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def short() -> str:
    """Return what ours, the best single path and the oracle deliver on held-out queries, a row per domain and preference."""
    lines = [
        "| held-out queries of | quality: ours | best single path | oracle | USD per 1,000: ours | best single | limits broken: ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in json.loads(Path("figures/summary.json").read_text())["domains"].items():
        for prefer, policies in one["heldout"].items():
            ours, single, oracle = (policies[policy] for policy in ("ours", "best_single", "oracle"))
            quality = " | ".join(f"{row['quality']:.2f} [{row['quality_low']:.2f}, {row['quality_high']:.2f}]" for row in (ours, single))
            costs = " | ".join(f"{1000 * row['cost_usd']:.5f}" for row in (ours, single))
            lines.append(f"| {name}, {prefer} | {quality} | {oracle['quality']:.2f} | {costs} | {ours['slo_violation_rate']:.1%} |")
    return "\n".join(lines)


def study() -> str:
    """Return the study's headline table, as `make reproduce` prints it."""
    return f"```\n{headline(json.loads(Path('figures/summary.json').read_text()))}\n```"


def records(name: str, markdown: Callable[[pd.DataFrame], str]) -> Callable[[], str]:
    """Return a function that turns the records of a benchmark into rows."""
    return lambda: markdown(pd.read_parquet(f"data/benchmarks/{name}.parquet"))


def pocket() -> str:
    """Return what the testbed was asked to reach and does, and the answers on which grader and person differ."""
    return testbed.markdown(testbed.aimed(json.loads(Path("data/benchmarks/testbed.json").read_text())))


TABLES = {
    "pocket": pocket, "short": short, "study": study,
    "emulator": records("emulator", emulator.markdown), "routing": records("routing", routing.markdown),
}  # fmt: skip


def filled(text: str) -> str:
    """Return a page with each of its tables as the committed data has it."""
    return _BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]]()}\n{block[3]}", text)


def main() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text()))


if __name__ == "__main__":
    main()
