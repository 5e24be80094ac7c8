"""What real answers keep of their limits, and how far forecasts are from what happens.

`python -m benchmarks.live --json OUT.json [--catalog FILE] [--domain NAME] [--questions N]`

A policy is fitted to the training split of what is measured of a domain. A Runtime then answers
held-out questions with the real models of a catalog, one after another, under a tight, a middle and
a loose limit on latency, which the training split sets. OUT.json is renewed after each limit, and
so are OUT.parquet with all answers and a figure of predicted against actual quality and latency.
`--quick` asks three questions.

- `kept_share`: the share of questions whose limit was kept, of those that were answered, or given
  up at the deadline: an answer that comes late, or is cut at its limit, breaks it. Its bound is
  0.95 less the margin by which so many questions may fall short of it by chance: 1.645 standard
  deviations of a binomial.
- `refused_share`: the other questions, refused because no path was expected to keep the limit, or
  because no model answered, even where a path was tried.
- `quality`, `quality_predicted`: means over the answers.
- `latency_ratio`: actual ÷ predicted latency, at the median.
- `cost_ratio`: mean cost ÷ that of always asking the cloud's best path, on those answered questions
  of which the trace recorded what the cloud does; `cloud_quality` and `quality_beside_cloud` are
  the mean qualities there, recorded and answered now.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import domain_trace, made_now
from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.figures.pages import write_figure
from ecollm_lab.figures.policies import plot_predictions
from ecollm_lab.files import write
from ecollm_lab.models import ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import Pipeline
from ecollm_lab.policies import fit_policy
from ecollm_lab.policies.slos import slo_grid
from ecollm_lab.records import SLO, LabError, Query
from ecollm_lab.serving import Answer, Reason, Runtime
from ecollm_lab.traces import Trace

TARGET, MARGIN_SD = 0.95, 1.645
FIGURE = Path("figures/live_predictions.html")
COLUMNS = (
    "slo query_id path_id quality kept latency_s cost_usd predicted_quality predicted_latency_s"
    " predicted_cost_usd attempts refused"
)


def limits(train: Trace) -> dict[str, SLO]:
    """Return the limits at the quarters of a grid over the paths' training tails of latency."""
    found = slo_grid(train)
    if len(found) < 3:
        raise LabError(
            f"The paths of the trace leave room for {len(found)} limits on latency, and three are"
            " needed; measure more paths."
        )
    names = ("tight", "middle", "loose")
    return {name: found[i * len(found) // 4] for i, name in enumerate(names, start=1)}


def heldout_questions(domain: Domain, trace: Trace, n: int) -> list[Query]:
    """Return n held-out questions, evenly: those that the trace recorded, then others."""
    recorded = set(trace.split("heldout").query_ids)
    everything = domain.split("heldout")
    if not 1 <= n <= len(everything):
        raise LabError(f"--questions must be within 1 and {len(everything)}, got {n}.")
    first = [query for query in everything if query.id in recorded]
    others = [query for query in everything if query.id not in recorded]
    return [*_evenly(first, n), *_evenly(others, max(0, n - len(first)))]


def _evenly(queries: Sequence[Query], n: int) -> list[Query]:
    n = min(n, len(queries))
    return [queries[i] for i in np.linspace(0, len(queries) - 1, n).round().astype(int)]


def answered(runtime: Runtime, questions: Sequence[Query], name: str, slo: SLO) -> pd.DataFrame:
    """Ask questions one after another; return a row for each, refused ones without a path."""
    rows = []
    for query in questions:
        result = runtime.answer(query, slo)
        row: dict[str, Any] = {"slo": name, "query_id": query.id, "attempts": len(result.attempts)}
        row |= {"latency_s": result.latency_s, "cost_usd": result.cost_usd}
        if isinstance(result, Answer):
            row |= {
                "path_id": result.path_id,
                "quality": result.quality,
                "kept": result.kept,
                "predicted_quality": result.expected.quality,
                "predicted_latency_s": result.expected.latency_s,
                "predicted_cost_usd": result.expected.cost_usd,
            }
        else:
            row["refused"] = result.reason.name.lower()
            if result.reason is Reason.DEADLINE:
                row["kept"] = False
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS.split())


def cloud_outcomes(train: Trace, heldout: Trace) -> pd.DataFrame:
    """Return the recorded outcomes of always asking the best cloud path, by question."""
    policy = fit_policy(train, "cloud_only")
    asked = heldout.queries["text"].iloc[:1].tolist()
    path_id = policy.select(asked, SLO(), infeasible="least_violating")[0]
    return heldout.of_path(path_id).set_index("query_id")


def records_of(
    frame: pd.DataFrame, cloud: pd.DataFrame, slos: dict[str, SLO]
) -> list[dict[str, Any]]:
    """Return the records of all answers, by SLO; `cloud` is what the cloud did, by question."""
    records = []
    for name, part in frame.groupby("slo", sort=False):
        ended, answers = part[part["kept"].notna()], part[part["path_id"].notna()]
        beside = answers[answers["query_id"].isin(cloud.index)]
        recorded = cloud.loc[beside["query_id"]]
        values = {
            "refused_share": 1 - len(ended) / len(part),
            "quality": answers["quality"].mean(),
            "quality_predicted": answers["predicted_quality"].mean(),
            "latency_ratio": (answers["latency_s"] / answers["predicted_latency_s"]).median(),
            "cost_ratio": beside["cost_usd"].mean() / recorded["cost_usd"].mean(),
            "cloud_quality": recorded["quality"].mean(),
            "quality_beside_cloud": beside["quality"].mean(),
        }
        where = {
            "slo": name,
            "max_latency_s": slos[str(name)].max_latency_s,
            "questions": len(part),
            "answers": len(answers),
            "beside_cloud": len(beside),
        }
        if len(ended):
            least = TARGET - MARGIN_SD * sqrt(TARGET * (1 - TARGET) / len(ended))
            kept = {"metric": "kept_share", "value": float(ended["kept"].astype(bool).mean())}
            records.append({**kept, "at_least": round(least, 6), **where})
        records += [
            {"metric": key, "value": float(value), **where}
            for key, value in values.items()
            if isfinite(value)
        ]
    return records


@dataclass(frozen=True, eq=False)
class Part:
    """All answers so far, and their records."""

    answers: pd.DataFrame
    records: list[dict[str, Any]]
    source: str


def run(catalog_file: Path, name: str, n: int) -> Iterator[Part]:
    """Answer n held-out questions under each limit; yield what there is after each."""
    domain = load_domain(name)
    trace = domain_trace(domain)
    if trace is None:
        raise LabError(f"Nothing is measured of {name} yet; data/traces/README.md says how.")
    train, heldout = trace.split("train"), trace.split("heldout")
    questions, slos = heldout_questions(domain, trace, n), limits(train)
    cloud, encoder, parts = cloud_outcomes(train, heldout), default_encoder(), []
    policy, catalog = fit_policy(train, encoder=encoder), load_catalog(catalog_file)
    with ModelPool(catalog, persistent=True) as models:
        pipeline = Pipeline(domain, catalog, encoder, models)
        for what, slo in slos.items():
            with Runtime(policy, pipeline) as runtime:
                runtime.warm_up()
                began = time.perf_counter()
                parts.append(answered(runtime, questions, what, slo))
            seconds = time.perf_counter() - began
            print(f"{what}, at most {slo.max_latency_s:.2f} s: took {seconds:.0f} s", flush=True)
            frame = pd.concat(parts, ignore_index=True)
            yield Part(frame, records_of(frame, cloud, slos), trace.source_line)


def markdown(records: list[dict[str, Any]]) -> str:
    """Return a row for each limit, and the figure."""
    lines = [
        (
            "| limit | questions | refused | limit kept (at least) |"
            " quality: delivered / predicted | latency ÷ predicted | cost ÷ always cloud |"
            " quality on questions with a cloud outcome: ours / always cloud (questions) |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    frame = pd.DataFrame(records)
    for name, part in frame.groupby("slo", sort=False):
        by, first = part.set_index("metric")["value"], part.iloc[0]
        least = part["at_least"].max()
        lines.append(
            f"| {name}, {first['max_latency_s']:.1f} s | {first['questions']} |"
            f" {by['refused_share']:.1%} | {by.get('kept_share', np.nan):.1%} ({least:.1%}) |"
            f" {by.get('quality', np.nan):.3f}, {by.get('quality_predicted', np.nan):.3f} |"
            f" {by.get('latency_ratio', np.nan):.2f} | {by.get('cost_ratio', np.nan):.2f} |"
            f" {by.get('quality_beside_cloud', np.nan):.3f}, {by.get('cloud_quality', np.nan):.3f}"
            f" ({first['beside_cloud']}) |"
        )
    made = records[0]
    return "\n".join(
        [
            *lines,
            "",
            f"Asked {made['measured_at']}, revision {made['git_revision']}; {made['source']}.",
            "",
            "![Predicted against actual quality and latency](../figures/live_predictions.png)",
        ]
    )


def main() -> None:
    """Run; after each limit write the answers, the records and the figure; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, default=Path("data/models.toml"))
    parser.add_argument("--domain", default="smart_home")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--quick", action="store_true", help="three questions")
    args = parser.parse_args()
    n = 3 if args.quick else args.questions
    for part in run(args.catalog, args.domain, n):
        made = {"domain": args.domain, "source": part.source, "quick": args.quick, **made_now()}
        records = [{**row, **made} for row in part.records]
        write(json.dumps(records, indent=1) + "\n", args.json)
        part.answers.to_parquet(args.json.with_suffix(".parquet"))
        write_figure(plot_predictions(part.answers, part.source), args.figure)
    for row in records:
        aim = f"   aim at least {row['at_least']:.3f}" if "at_least" in row else ""
        print(f"{row['slo']:16} {row['metric']:20} {row['value']:10.4f}{aim}")


if __name__ == "__main__":
    main()
