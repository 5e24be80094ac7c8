"""Write the tables of README.md and docs/ anew from the committed summary and benchmark records.

    python -m benchmarks.tables

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; what stands there by hand
is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import (
    characteristics,
    claims,
    decision,
    drift,
    emulator_summary,
    live,
    predictors,
    routing_tables,
    scale_projection,
    serve,
    testbed_tables,
    wide_report,
)
from benchmarks.spaces import POCKET
from ecollm_lab.domains import load_domain
from ecollm_lab.study import DOMAINS, headline
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import model_of

NOT_YET = "Not measured yet."
STUDY = Path("data/benchmarks/study.json")  # what `make record` copies from figures/summary.json
PAGES = (Path("README.md"), *sorted(Path("docs").glob("*.md")))
Record = dict[str, Any]
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def study() -> str:
    """Return the study's headline table, as `make reproduce` prints it."""
    return f"```\n{headline(json.loads(STUDY.read_text()))}\n```"


def gains() -> str:
    """Return how far ours, the best other policy and the oracle are above the best single path.

    In quality, each query held out once.
    """
    lines = [
        (
            "| queries of | best single path | ours | best other policy | oracle | limits"
            " broken: ours | the other |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in json.loads(STUDY.read_text())["domains"].items():
        for prefer, policies in one["every_query"].items():
            single = policies["best_single"]["quality"]
            others = {
                policy: row
                for policy, row in policies.items()
                if policy not in ("ours", "best_single", "oracle")
            }
            best = max(others, key=lambda policy: others[policy]["quality"])
            ours, other, oracle = policies["ours"], others[best], policies["oracle"]
            gained = [f"{row['quality'] - single:+.3f}" for row in (ours, other, oracle)]
            broken = " | ".join(f"{row['slo_violation_rate']:.1%}" for row in (ours, other))
            lines.append(
                f"| {name}, {prefer} | {single:.3f} | {gained[0]} | {gained[1]} ({best}) |"
                f" {gained[2]} | {broken} |"
            )
    return "\n".join(lines)


def kinds() -> str:
    """Return the best path and its quality for each kind of query, a row per kind and domain."""
    lines = ["| kind | domain | best path | quality |", "|---|---|---|---|"]
    domains = json.loads(STUDY.read_text())["domains"]
    for kind in dict.fromkeys(
        kind for one in domains.values() for kind in one["best_path_by_kind"]
    ):
        for name, one in domains.items():
            if best := one["best_path_by_kind"].get(kind):
                lines.append(f"| {kind} | {name} | `{best['path_id']}` | {best['quality']:.3f} |")
    return "\n".join(lines)


def measured() -> str:
    """Return what the committed traces hold, and how long an answer took on the median."""
    lines = [
        (
            "| domain | queries measured (held out) | of the domain's | paths | outcomes | median"
            " seconds on the edge, in the cloud | measured until | machine |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in DOMAINS:
        file = Path(f"data/traces/{name}.parquet")
        if not file.exists():
            lines.append(f"| {name} | {NOT_YET} | | | | | | |")
            continue
        trace = Trace.load(file)
        p, heldout = trace.provenance, int((trace.queries["split"] == "heldout").sum())
        edge = {name for name, model in p["models"].items() if model["placement"] == "edge"}
        on_edge = trace.outcomes["path_id"].map(model_of).isin(edge)
        taken = (trace.outcomes.loc[side, "latency_s"].median() for side in (on_edge, ~on_edge))
        lines.append(
            f"| {name} | {len(trace.query_ids):,} ({heldout:,}) | {len(load_domain(name).queries)}"
            f" | {len(trace.path_ids):,} | {len(trace.outcomes):,} |"
            f" {', '.join(f'{seconds:.2f}' for seconds in taken)} | {p['measured_at']} |"
            f" {p['machine']} |"
        )
    return "\n".join(lines)


def records(name: str, markdown: Callable[[pd.DataFrame], str]) -> Callable[[], str]:
    """Return a function that turns the records of a benchmark into rows."""
    return lambda: markdown(pd.read_parquet(f"data/benchmarks/{name}.parquet"))


def whole_section(name: str, markdown: Callable[[pd.DataFrame], str]) -> Callable[[], str]:
    """Return a function that turns records into a section, or into nothing if there are none."""
    file = Path(f"data/benchmarks/{name}.parquet")
    return lambda: markdown(pd.read_parquet(file)) if file.exists() else ""


def kept(frame: pd.DataFrame) -> str:
    """Return what a policy keeps of its held-out quality on the lab's own domains."""
    return emulator_summary.kept(frame[frame["trace"].isin([*DOMAINS, *POCKET])])


def listed(name: str, markdown: Callable[[list[Record]], str]) -> Callable[[], str]:
    """Return a function that turns the JSON of a benchmark into a table, or says there is none."""

    def table() -> str:
        file = Path(f"data/benchmarks/{name}.json")
        return markdown(json.loads(file.read_text())) if file.exists() else NOT_YET

    return table


TABLES = {
    "testbed": listed("testbed", testbed_tables.markdown),
    "judged": listed("testbed", testbed_tables.apart),
    "wide": whole_section("wide", wide_report.markdown),
    "study": study,
    "gains": gains,
    "kinds": kinds,
    "measured": measured,
    "emulator": records("emulator", emulator_summary.markdown),
    "kept": records("emulator", kept),
    "calls": records("emulator", emulator_summary.calls),
    "routing_quality": records("routing", routing_tables.quality_table),
    "routing": records("routing", routing_tables.differences),
    "predictors": whole_section("predictors", predictors.markdown),
    "characteristics": whole_section("characteristics", characteristics.markdown),
    "decision": listed("decision", decision.markdown),
    "drift": listed("drift", drift.markdown),
    "serve": listed("serve", serve.markdown),
    "live": listed("live", live.markdown),
    "claims": records("claims", claims.markdown),
    "paper": records("claims", claims.short),
    "scale": listed("scale", scale_projection.markdown),
    "scale_others": listed("scale", scale_projection.others),
    "projection": listed("scale", scale_projection.projection),
}


def filled(text: str) -> str:
    """Return a page with each of its tables as the committed data has it."""
    return _BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]]()}\n{block[3]}", text)


def main() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text()))


if __name__ == "__main__":
    main()
