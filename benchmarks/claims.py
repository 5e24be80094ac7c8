"""The claims of ECO-LLM beside what was measured and recorded: rows of docs/claims.md.

`python -m benchmarks.claims --json OUT.json [--parquet FILE] [--quick] [--traces NAME,NAME]`

Measured: the lab's domains, `data/traces/<domain>.parquet`, as many of their queries as there are.
A domain without a trace is left out. Recorded: homeassistant and bfcl, where
they are at hand. What the rows mean stands in `ecollm_lab.study.compute_claims`; what a trace does
not record has no row. `--parquet` keeps the rows of other traces.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.routing import load_recorded
from benchmarks.spaces import (
    RECORDED,
    digest,
    domain_trace,
    keep,
    recorded,
    require_at_hand,
    trace_file,
)
from ecollm_lab.domains import load_domain
from ecollm_lab.files import write
from ecollm_lab.records import LabError
from ecollm_lab.study import DOMAINS, complete, compute_claims
from ecollm_lab.traces import Trace

SYSTEMS = ("homeassistant", "bfcl")
UNPRICED = "no prices are recorded"
UNPLACED = "it is not recorded which models run on the edge and which in the cloud"
ESTIMATED = {
    "homeassistant": (
        "the source prices no edge model (0 USD), and where a cloud model's tokens are not recorded"
        " its cost is estimated from the median of the same request"
    )
}
# what is compared, the paper's figure, and the metric; shares are shown as changes
ROWS = (
    ("Seen queries: quality of the best cloud path", "0.74", "best_cloud_quality"),
    ("quality of the best path for each query, in hindsight", "0.90", "oracle_quality"),
    ("… of the best path for each kind, cross-validated", "", "kind_quality"),
    ("… of the best path for each cluster, cross-validated", "", "cluster_quality"),
    ("cost against the best cloud path, in hindsight", "−90 %", "oracle_cost_share"),
    ("… chosen for each kind, cross-validated", "", "kind_cost_share"),
    ("… chosen for each cluster, cross-validated", "", "cluster_cost_share"),
    ("latency against the best cloud path, in hindsight", "−55 %", "oracle_latency_share"),
    ("… chosen for each kind, cross-validated", "", "kind_latency_share"),
    ("… chosen for each cluster, cross-validated", "", "cluster_latency_share"),
    ("Unseen queries: quality of the best router", "", "router_quality"),
    ("cost of our policy against it", "−62 %", "cost_share_of_router"),
    ("latency of our policy against it", "−62 %", "latency_share_of_router"),
    (
        "cost of our policy, giving up no quality for it, against it",
        "−62 %",
        "strict_cost_share_of_router",
    ),
    (
        "latency of our policy, giving up no quality for it, against it",
        "−62 %",
        "strict_latency_share_of_router",
    ),
    ("share of limits that our policy keeps", "", "limits_kept"),
    ("Edge and cloud: best cloud path over best edge path", "", "cloud_over_edge"),
    ("best path for each query over best path for all", "", "oracle_over_best_path"),
    ("kinds in which an edge path is enough", "", "kinds_on_the_edge"),
)
SHORT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Best cloud path: quality", ("best_cloud_quality",)),
    ("its lead over the best edge path", ("cloud_over_edge",)),
    ("Best path per query: quality", ("oracle_quality",)),
    ("its cost, latency (quality)", ("oracle_cost_share", "oracle_latency_share")),
    (
        "Unseen queries, policy against router: cost, latency (quality)",
        ("cost_share_of_router", "latency_share_of_router"),
    ),
)
DIFFERENCES = ("cloud_over_edge", "oracle_over_best_path")


def available() -> list[str]:
    """Return the names of the traces that are at hand."""
    return [name for name in (*DOMAINS, *SYSTEMS) if trace_file(name).exists()]


def collect(name: str, *, quick: bool = False) -> pd.DataFrame:
    """Return the claims of one trace, with what it covers and what it lacks."""
    if name in SYSTEMS:
        trace, covers = load_recorded(name), None
    else:
        domain = load_domain(name)
        found = domain_trace(domain)
        if found is None:
            raise LabError(f"Nothing is measured of {name} yet; data/traces/README.md says how.")
        trace, covers = found, len(domain.queries)
    whole = complete(trace)
    part = whole.where(np.arange(len(whole.query_ids)) < 120) if quick else whole
    frame = compute_claims(part, folds=2 if quick else 5, n_resamples=200 if quick else 1000)
    return frame.assign(
        trace=name,
        edition=digest(trace_file(name)),
        source=trace.provenance["source"],
        n_queries=len(part.query_ids),
        n_paths=len(part.path_ids),
        n_domain=covers,
        lacks="; ".join(filter(None, [*lacks(part), ESTIMATED.get(name)])),
        quick=quick,
    )


def lacks(trace: Trace) -> list[str]:
    """Say why a trace has no value for some rows."""
    found = [UNPRICED] if np.isnan(trace.array("cost_usd")).all() else []
    return found + ([] if trace.provenance.get("models") else [UNPLACED])


def markdown(frame: pd.DataFrame) -> str:
    """Return the table of docs/claims.md, and below it what each column covers and lacks."""
    names = [name for name in (*DOMAINS, *SYSTEMS) if name in set(frame["trace"])]
    value = frame[frame["kind"].isna()].set_index(["trace", "metric"])
    lines = [f"| | paper | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for label, paper, metric in ROWS:
        cells = [
            cell(metric, value.loc[(name, metric)]) if (name, metric) in value.index else "–"
            for name in names
        ]
        lines.append(f"| {label} | {paper or '–'} | {' | '.join(cells)} |")
    notes = [f"- {covered(frame[frame['trace'] == name])}" for name in names]
    notes += [f"- {name}: not measured yet." for name in DOMAINS if name not in names]
    blocks = [lines, notes, by_kind(frame), recorded(frame)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def cell(metric: str, row: pd.Series, *, short: bool = False) -> str:
    """Return one value with its interval, and the change in quality that goes with a saving.

    `short`: without intervals.
    """
    value, low, high = row["value"], row["low"], row["high"]
    if metric == "kinds_on_the_edge":
        return f"{value:.0f} of {row['n']:.0f} [{low:.0f}, {high:.0f}]"
    if metric.endswith("_share") or metric.endswith("_share_of_router"):
        change = percent(value)
        if short:
            return f"{change} ({signed(row['quality_over'], 2)})"
        quality = f"quality {signed(row['quality_over'])}"
        near = f"[{signed(row['quality_over_low'])}, {signed(row['quality_over_high'])}]"
        return f"{change} [{percent(low)}, {percent(high)}]; {quality} {near}"
    if short:
        return signed(value, 2) if metric in DIFFERENCES else f"{value:.2f}"
    show = signed if metric in DIFFERENCES else "{:.3f}".format
    return f"{show(value)} [{show(low)}, {show(high)}]"


def percent(share: float) -> str:
    """Return a share as a change: `−75 %` for a quarter."""
    return (
        "unbounded" if not np.isfinite(share) else f"{100 * (share - 1):+.0f} %".replace("-", "−")
    )


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−")


def count(row: pd.Series, of: str = "of") -> str:
    """Say on how many queries a trace's rows rest, and, where it is a domain's, of how many."""
    every = f" {of} {row['n_domain']:.0f}" if pd.notna(row["n_domain"]) else ""
    return f"{row['n_queries']}{every} queries"


def covered(frame: pd.DataFrame) -> str:
    """Say how much of a domain or system a column rests on, and what it cannot show."""
    row = frame.iloc[0]
    queries = count(row, "of the domain's")
    said = f"{row['trace']}, {row['source']}: {queries} on {row['n_paths']} paths"
    router = frame.loc[frame["metric"] == "router_quality", "policy"]
    said += "".join(f"; the best router is `{name}_router`" for name in router)
    quick = " (quick: fewer queries than there are)" if row["quick"] else ""
    return f"{said}{quick}." + (f" Note: {row['lacks']}." if row["lacks"] else "")


def by_kind(frame: pd.DataFrame) -> list[str]:
    """Return, for each measured domain, the best edge path less the best cloud path by kind."""
    rows = frame[(frame["metric"] == "edge_over_cloud") & (frame["source"] == "measured")]
    if rows.empty:
        return []
    lines = [
        "| domain | kind | queries | best edge path over best cloud path |",
        "|---|---|---|---|",
    ]
    for row in rows.to_dict("records"):
        value = f"{signed(row['value'])} [{signed(row['low'])}, {signed(row['high'])}]"
        lines.append(f"| {row['trace']} | {row['kind']} | {row['n']:.0f} | {value} |")
    return lines


def short(frame: pd.DataFrame) -> str:
    """Return the table of the README: of the traces that tell edge from cloud, and have prices."""
    value = frame[frame["kind"].isna()].set_index(["trace", "metric"])
    asked = [metric for _, metrics in SHORT for metric in metrics]
    names = [
        name
        for name in (*DOMAINS, *SYSTEMS)
        if all((name, metric) in value.index for metric in asked)
    ]
    papers = {metric: paper for _, paper, metric in ROWS}
    heads = [f"{name}, {count(value.loc[name].iloc[0])}" for name in names]
    lines = [f"| | Paper | {' | '.join(heads)} |", f"|---|---|{'---|' * len(names)}"]
    for label, metrics in SHORT:
        cells = [[papers[metric] or "–" for metric in metrics]]
        cells += [
            [cell(metric, value.loc[(name, metric)], short=True) for metric in metrics]
            for name in names
        ]
        row = f"| {label} | {' | '.join(', '.join(one) for one in cells)} |"
        lines.append(row.replace(" %", "%"))
    return "\n".join(lines)


def main() -> None:
    """Run, write the records and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--parquet", type=Path, help="also write here; other traces' rows stay")
    parser.add_argument("--quick", action="store_true", help="fewer queries; ends in a minute")
    parser.add_argument("--traces", help="names separated by commas; default: all at hand")
    args = parser.parse_args()
    if not (names := args.traces.split(",") if args.traces else available()):
        raise SystemExit(f"No trace is at hand, in {trace_file(DOMAINS[0]).parent} or {RECORDED}.")
    require_at_hand(names, available())
    parts = []
    for name in names:
        started = time.perf_counter()
        parts.append(collect(name, quick=args.quick))
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    frame = pd.concat(parts, ignore_index=True)
    plain_rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    rows = [{k: v for k, v in row.items() if v is not None} for row in plain_rows]
    write(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", args.json)
    keep(frame, args.parquet)
    print(markdown(frame))


if __name__ == "__main__":
    main()
