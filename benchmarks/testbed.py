"""What the pocket testbed is worth: its models, its paths, and whether it can be measured again.

`python -m benchmarks.testbed --json OUT.json [--quick]`

Quality is the share of a query's facts that an answer states, mean over queries, as everywhere in
the lab; "points" are hundredths of it.

- `gold_passages_quality`: held-out queries that have gold passages, asked with exactly these; by
  model, and wording or kind.
- `six_passages_quality`: the same with six, the gold ones among those that hybrid retrieval brings
  first, at places drawn by the query's id; `points_lost_with_six` is the difference.
- `personal_without_retrieval`, `general_without_retrieval`: from the traces, the paths that
  retrieve nothing.
- `winner_given_values`: share of the comparisons on the paths none/hybrid-3 and none/hybrid-6 whose
  answer states both values and names the right one of the two; chance is 1/2. By model, all
  queries.
- `oracle_over_best_path`, `oracle_over_model_oracle`: points that the best path of each query
  stands above the best path for all, and above the best fixed pipeline with the best model for each
  query. In hindsight on the same queries: upper bounds.
- `same_quality_share`, `latency_rank_correlation`: random outcomes measured anew; Spearman's, of
  the paths' mean latency.
- `stage_execution_share`: stage executions of the sweep over those of one that shares nothing, from
  the log of its runs.
- `grading_agreement_rate`: share of hand-judged answers (data/<domain>/labels.jsonl, drawn by
  `benchmarks.judging`) on which grader and person both say right or both say wrong; `disagreements`
  lists the others, and those apart by more than 1/4.
- Counts and sizes of what is committed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judging import graded
from benchmarks.reading import reading
from benchmarks.testbed_tables import markdown
from ecollm_lab.domains import Domain, grade, load_domain
from ecollm_lab.figures.whole_paths import MODEL_ONLY, SINGLE, WHOLE, compute_oracles
from ecollm_lab.files import write
from ecollm_lab.models import Catalog, ModelPool, default_encoder, load_catalog
from ecollm_lab.records import LabError
from ecollm_lab.study import DOMAINS
from ecollm_lab.sweeps import live_check
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import model_of

Record = dict[str, Any]


BOTH = "both"


def without_retrieval(trace: Trace, catalog: Catalog) -> Iterator[Record]:
    """Read what every model says of personal queries when nothing is retrieved.

    And what the cloud says of general ones.
    """
    for split in ("all", "heldout"):
        part = trace if split == "all" else trace.split(split)
        for path_id in part.path_ids:
            if not path_id.startswith("none/none/none/"):
                continue
            name = model_of(path_id)
            for kind, bound in (("personal", {"at_most": 0.05}), ("general", {"at_least": 0.8})):
                if kind == "general" and catalog[name].placement != "cloud":
                    continue
                of_kind = part.where(part.queries["kind"] == kind)
                about = {
                    "domain": part.provenance["domain"],
                    "model": name,
                    "queries": split,
                    "n": len(of_kind.query_ids),
                }
                value = of_kind.of_path(path_id)["quality"].mean()
                yield {
                    **about,
                    "metric": f"{kind}_without_retrieval",
                    "value": value,
                    **(bound if split == "all" else {}),
                }


def winners(trace: Trace, domain: Domain) -> Iterator[Record]:
    """Read how often a model that states both values of a comparison names the right one."""
    asked = {query.id: query for query in domain.queries if query.kind == "compare"}
    reading_all = trace.outcomes["path_id"].str.match(r"none/hybrid-[36]/none/")
    frame = trace.outcomes[reading_all & trace.outcomes["query_id"].isin(asked)]
    for name, part in frame.groupby(frame["path_id"].map(model_of), sort=False):
        named = []
        for query_id, answer in zip(part["query_id"], part["answer"], strict=True):
            *values, winner = asked[query_id].facts
            if grade(replace(asked[query_id], facts=tuple(values)), answer) == 1:
                named.append(grade(replace(asked[query_id], facts=(winner,)), answer))
        value = float(np.mean(named)) if named else float("nan")
        yield {
            "domain": domain.name,
            "model": name,
            "metric": "winner_given_values",
            "value": value,
            "n": len(named),
            "queries": "all",
        }


def oracles(trace: Trace) -> Iterator[Record]:
    """Compare the best path of each query with the best for all, and with a model per query."""
    for split in ("heldout", "all"):
        part = trace if split == "all" else trace.split(split)
        found = compute_oracles(part)
        quality, at = found["quality"], found["path_id"]
        about = {
            "domain": part.provenance["domain"],
            "queries": split,
            "n": len(part.query_ids),
            "oracle_quality": quality[WHOLE],
        }
        best = {"best_path": at[SINGLE], "best_path_quality": quality[SINGLE]}
        yield {
            **about,
            **best,
            "metric": "oracle_over_best_path",
            "value": 100 * (quality[WHOLE] - quality[SINGLE]),
            "at_least": 10.0,
        }
        router = {"pipeline": at[MODEL_ONLY], "model_oracle_quality": quality[MODEL_ONLY]}
        yield {
            **about,
            **router,
            "metric": "oracle_over_model_oracle",
            "value": 100 * (quality[WHOLE] - quality[MODEL_ONLY]),
            "at_least": 5.0,
        }


def again(trace: Trace, domain: Domain, catalog: Catalog, quick: bool) -> Iterator[Record]:
    """Measure random outcomes anew."""
    found = live_check(trace, domain, catalog, 40 if quick else 500, seed=0)
    about = {"domain": domain.name, "n": found["n_outcomes"]}
    yield {
        **about,
        "metric": "same_quality_share",
        "value": found["quality_agreement_rate"],
        "at_least": 0.995,
    }
    yield {
        **about,
        "metric": "latency_rank_correlation",
        "value": found["latency_rank_correlation"],
        "at_least": 0.9,
    }
    yield {**about, "metric": "latency_ratio_median", "value": found["latency_ratio_median"]}


def sharing(trace: Trace) -> Iterator[Record]:
    """Add up the stage executions of the sweep's runs, as the trace's provenance has them."""
    runs = trace.provenance.get("runs") or [trace.provenance]
    made, asked = (
        sum(_total(run.get(key, 0)) for run in runs)
        for key in ("stage_executions", "stage_executions_without_sharing")
    )
    if asked:
        seconds = sum(run.get("seconds", 0.0) for run in runs)
        about = {
            "domain": trace.provenance["domain"],
            "executions": made,
            "without_sharing": asked,
            "sweep_seconds": seconds,
        }
        yield {**about, "metric": "stage_execution_share", "value": made / asked, "at_most": 0.4}


def _total(count: int | dict[str, int]) -> int:
    return sum(count.values()) if isinstance(count, dict) else count


def committed(domain: Domain, trace: Trace, quick: bool) -> Iterator[Record]:
    """Count what a domain is made of, and how near held-out queries come to training ones."""
    free = float(np.mean([query.wording == "free" for query in domain.queries]))
    counts = {
        "passages": (len(domain.passages), 200),
        "queries": (len(domain.queries), 600),
        "free_wording_share": (free, 0.3),
    }
    for metric, (value, bound) in {**counts, "paths": (len(trace.path_ids), 300)}.items():
        yield {"domain": domain.name, "metric": metric, "value": value, "at_least": bound}
    texts = [
        [query.text for query in domain.split(split)][:: 8 if quick else 1]
        for split in ("train", "heldout")
    ]
    seen, unseen = map(default_encoder().encode, texts)
    yield {
        "domain": domain.name,
        "metric": "largest_cosine_heldout_to_training",
        "value": float((unseen @ seen.T).max()),
    }


def sizes(models: Path, traces: Path) -> Iterator[Record]:
    """Weigh the committed models and traces, in MB (10⁶ bytes)."""
    for metric, files, bound in (
        ("models_mb", models.glob("*.gguf"), 60.0),
        ("traces_mb", traces.glob("*.parquet"), 20.0),
    ):
        yield {
            "domain": BOTH,
            "metric": metric,
            "value": sum(file.stat().st_size for file in files) / 1e6,
            "at_most": bound,
        }


def run(quick: bool, data: Path = Path("data")) -> list[Record]:
    """Return all records."""
    catalog, records = load_catalog(data / "models.toml"), []
    domains = [load_domain(data / name) for name in DOMAINS]
    with ModelPool(catalog) as models:
        for domain in domains:
            trace = Trace.load(data / "traces" / f"{domain.name}.parquet")
            if trace.provenance.get("domain_digest") != domain.digest:
                raise LabError(
                    f"The trace of {domain.name} was measured on another edition of the domain;"
                    " run: make sweep"
                )
            records += [
                *committed(domain, trace, quick),
                *reading(domain, catalog, models, quick),
                *without_retrieval(trace, catalog),
            ]
            records += [*winners(trace, domain), *oracles(trace), *sharing(trace)]
            records += again(trace, domain, catalog, quick)
    records += [*sizes(data / "models", data / "traces"), *graded(domains, data)]
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
    parser.add_argument(
        "--quick", action="store_true", help="fewer queries and outcomes; ends within a minute"
    )
    args = parser.parse_args()
    records = run(args.quick)
    write(json.dumps(records, indent=1, ensure_ascii=False) + "\n", args.json)
    print(markdown(records))


if __name__ == "__main__":
    main()
