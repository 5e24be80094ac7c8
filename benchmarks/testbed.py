"""What the domains are worth: its text, its grading, and what was measured.

`python -m benchmarks.testbed --json OUT.json [--quick] [--again N]`

Quality is the share of a query's facts that an answer states, mean over queries, as everywhere in
the lab. A figure has an aim where one was set; it is reported whether it meets it or not.

- `passages`, `queries`, `kinds`, `heldout_share`, `unique_5gram_share` (share of the word 5-grams
  of the passages that occur once): the text, `data/<domain>`.
- `wide_paths`: paths that the catalog of real models and all components make.
- `queries_measured`, `paths`: how many of the domain's queries the trace covers, each on all its
  paths, `data/traces/<domain>.parquet`. What was not measured has no further records.
- `cloud_over_edge`, `kinds_on_the_edge`, `oracle_over_best_path`, `oracle_cost_share`,
  `oracle_latency_share`: see `ecollm_lab.study.compute_hindsight`.
- `grading_agreement_rate`: share of judged answers (`data/<domain>/labels.jsonl`, drawn by
  `benchmarks.judging`) that grader and judge both call right or both call wrong; `disagreements`
  lists the others, and those that are apart by more than 1/4.
- `same_answer_share`, `latency_rank_correlation` (Spearman's, of the paths' mean latency): outcomes
  of the trace that were measured again. `--again N` measures N of them, with real models, and
  writes `data/traces/<domain>_again.parquet` first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.judging import graded
from benchmarks.spaces import digest, domain_trace, trace_file
from benchmarks.testbed_tables import markdown
from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.domains.review import unique_5gram_share
from ecollm_lab.files import write
from ecollm_lab.models import load_catalog
from ecollm_lab.paths import PathSpace
from ecollm_lab.records import DATA
from ecollm_lab.study import DOMAINS, complete, compute_hindsight
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.sweeps.recheck import compare_outcomes, measure_again
from ecollm_lab.traces import Trace

LEAST_QUERIES = 320  # of a domain, and measured of it
CATALOG = Path("data/models.toml")
EXPECTED: dict[str, dict[str, float]] = {
    "cloud_over_edge": {"at_least": 0.10},
    "kinds_on_the_edge": {"at_least": 3},
    "oracle_over_best_path": {"at_least": 0.10},
    "oracle_cost_share": {"at_most": 0.35},
    "oracle_latency_share": {"at_most": 0.5},
}

Record = dict[str, Any]


def written(domain: Domain) -> Iterator[Record]:
    """Count what a domain is made of."""
    n = len(domain.queries)
    kinds = len({query.kind for query in domain.queries})
    counts: dict[str, tuple[float, dict[str, float]]] = {
        "passages": (len(domain.passages), {"at_least": 110}),
        "queries": (n, {"at_least": LEAST_QUERIES}),
        "kinds": (kinds, {"at_least": 9, "at_most": 9}),
        "heldout_share": (len(domain.split("heldout")) / n, {"at_least": 0.35}),
        "unique_5gram_share": (unique_5gram_share(domain), {"at_least": 0.8}),
    }
    for metric, (value, bound) in counts.items():
        yield {"domain": domain.name, "metric": metric, "value": value, **bound}


def measured(domain: Domain, trace: Trace, n_resamples: int = 1000) -> Iterator[Record]:
    """Say how much of a domain a trace covers, and what choosing among its paths is worth."""
    whole = complete(trace)
    about = {"domain": domain.name, "n": len(whole.query_ids)}
    covers = {"queries_measured": len(whole.query_ids), "paths": len(whole.path_ids)}
    for (metric, value), least in zip(covers.items(), (LEAST_QUERIES, 36), strict=True):
        yield {**about, "metric": metric, "value": value, "at_least": least}
    rows = compute_hindsight(whole, n_resamples=n_resamples).set_index("metric")
    for metric, bound in EXPECTED.items():
        if metric in rows.index:
            kept = rows.loc[metric].dropna().to_dict()
            yield {**kept, **about, "metric": metric, **bound}


def again(domain: Domain, trace: Trace) -> Iterator[Record]:
    """Compare outcomes with the same ones measured again, where there is a file of these."""
    file = again_file(domain.name)
    if not file.exists():
        return
    found = compare_outcomes(trace.outcomes, Trace.load(file).outcomes)
    for metric, key, least in (
        ("same_answer_share", "answer_agreement_rate", 0.99),
        ("latency_rank_correlation", "latency_rank_correlation", 0.9),
    ):
        about = {"domain": domain.name, "n": found["n_outcomes"]}
        yield {**about, "metric": metric, "value": found[key], "at_least": least}


def again_file(name: str) -> Path:
    """Return where outcomes of a domain that were measured again are kept."""
    return trace_file(name).with_name(f"{name}_again.parquet")


def run(quick: bool, n_again: int = 0) -> list[Record]:
    """Return all records; measure outcomes of each trace again before, if there are to be any."""
    catalog, records = load_catalog(CATALOG), []
    domains = [load_domain(name) for name in DOMAINS]
    for domain in domains:
        records += list(written(domain))
        if (trace := domain_trace(domain)) is None:
            none = {"domain": domain.name, "metric": "queries_measured", "value": 0}
            records.append({**none, "at_least": LEAST_QUERIES})
            continue
        if n_again:
            measure_again(trace, domain, catalog, n_again, seed=0).save(again_file(domain.name))
        edition = {"edition": digest(trace_file(domain.name))}
        found = [*measured(domain, trace, 200 if quick else 1000), *again(domain, trace)]
        records += [record | edition for record in found]
    wide = len(PathSpace.of(catalog).paths)
    records.append({"domain": "both", "metric": "wide_paths", "value": wide, "at_least": 300})
    records += graded(domains, DATA)
    about = {
        "git_revision": git_revision(),
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "quick": quick,
    }
    return [{**record, **about} for record in records]


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="fewer resamples")
    parser.add_argument("--again", type=int, default=0, metavar="N", help="measure N outcomes anew")
    args = parser.parse_args()
    records = run(args.quick, args.again)
    write(json.dumps(records, indent=1, ensure_ascii=False) + "\n", args.json)
    print(markdown(records))


if __name__ == "__main__":
    main()
