"""What the pocket testbed is worth: how well its models read, how far its paths differ, and whether it can be measured again.

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
from random import Random
from typing import Any

import numpy as np

from benchmarks.judging import read
from ecollm_lab.domains import Domain, grade, load_domain
from ecollm_lab.domains.grader_agreement import compute_agreement, disagreements, read_labels
from ecollm_lab.figures.whole_paths import MODEL_ONLY, SINGLE, WHOLE, compute_oracles
from ecollm_lab.models import Catalog, ModelPool, default_encoder, load_catalog
from ecollm_lab.paths.sources import Indexes, Sources
from ecollm_lab.paths.stages import build_prompt
from ecollm_lab.paths.stages.retrieve import hybrid
from ecollm_lab.records import LabError, Passage, Query
from ecollm_lab.study import DOMAINS
from ecollm_lab.sweeps import live_check
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import model_of

BOTH = "both"
SIZES = ("pocket-s", "pocket-m", "pocket-l", "pocket-xl")
GOLD_AIMS = {
    ("pocket-xl", "template"): 0.90,
    ("pocket-xl", "free"): 0.65,
    ("pocket-s", "template"): 0.65,
    ("pocket-l", "template"): 0.80,
}
LOSS_AIMS: dict[str, dict[str, float]] = {
    "pocket-s": {"at_least": 15.0},
    "pocket-xl": {"at_most": 8.0},
}
N_PASSAGES = 6
Record = dict[str, Any]


def most_exact(catalog: Catalog) -> dict[str, str]:
    """Return, by size, the catalog name of its most exact file: `pocket-s-f16`, or `pocket-xl` where a size has one file of any type."""
    named = {
        size: next((name for name in (f"{size}-f16", size) if name in catalog.models), None)
        for size in SIZES
    }
    return {size: name for size, name in named.items() if name}


def among_others(
    query: Query, found: tuple[Passage, ...], passages: dict[str, Passage]
) -> list[Passage]:
    """Return the gold passages of a query at places drawn by its id among the best of what was found, six in all."""
    out = [passage for passage in found if passage.id not in query.gold][
        : N_PASSAGES - len(query.gold)
    ]
    rng = Random(query.id)
    for one in query.gold:
        out.insert(rng.randrange(len(out) + 1), passages[one])
    return out


def reading(domain: Domain, catalog: Catalog, models: ModelPool, quick: bool) -> Iterator[Record]:
    """Ask held-out queries with their gold passages, alone and among others."""
    queries = [query for query in domain.split("heldout") if query.gold]
    queries = queries[:: max(1, len(queries) // 12)] if quick else queries
    passages = {passage.id: passage for passage in domain.passages}
    encoder = default_encoder()
    sources = Sources(Indexes(domain.passages, encoder), lambda text: encoder.encode([text])[0])
    gold = [[passages[one] for one in query.gold] for query in queries]
    found = [hybrid(sources, query.text) for query in queries]
    six = [among_others(query, best, passages) for query, best in zip(queries, found, strict=True)]
    for size, name in most_exact(catalog).items():
        values = {}
        for metric, contexts in (("gold_passages_quality", gold), ("six_passages_quality", six)):
            prompts = [
                build_prompt([one.text for one in context], query.text)
                for query, context in zip(queries, contexts, strict=True)
            ]
            values[metric] = np.array(
                [
                    grade(query, models[name].reply(prompt).text)
                    for query, prompt in zip(queries, prompts, strict=True)
                ]
            )
        lost = 100 * (values["gold_passages_quality"] - values["six_passages_quality"])
        for wording in ("template", "free", "any"):
            mask = np.array([wording in (query.wording, "any") for query in queries])
            if not mask.any():
                continue
            kinds = sorted({query.kind for query, kept in zip(queries, mask, strict=True) if kept})
            about = {
                "domain": domain.name,
                "model": name,
                "wording": wording,
                "queries": "heldout",
                "n": int(mask.sum()),
                "kinds": kinds,
            }
            for metric, value in values.items():
                bound = (
                    GOLD_AIMS.get((size, wording)) if metric == "gold_passages_quality" else None
                )
                yield {
                    **about,
                    "metric": metric,
                    "value": value[mask].mean(),
                    **({"at_least": bound} if bound else {}),
                }
            bounds = LOSS_AIMS.get(size, {}) if wording == "any" else {}
            yield {**about, "metric": "points_lost_with_six", "value": lost[mask].mean(), **bounds}
        for kind in sorted({query.kind for query in queries}):
            mask = np.array([query.kind == kind for query in queries])
            about = {
                "domain": domain.name,
                "model": name,
                "kind": kind,
                "queries": "heldout",
                "n": int(mask.sum()),
            }
            yield from (
                {**about, "metric": metric, "value": value[mask].mean()}
                for metric, value in values.items()
            )


def without_retrieval(trace: Trace, catalog: Catalog) -> Iterator[Record]:
    """Read from a trace what every model says of personal queries, and the cloud's of general ones, when nothing is retrieved."""
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
    """Read from a trace how often a model that states both values of a comparison names the right one of the two."""
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
    """Compare the best path of each query with the best for all, and with the best pipeline whose model varies."""
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
    """Count what a domain is made of, and how near a held-out query comes to one of the training queries."""
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


def graded(domains: list[Domain], folder: Path) -> Iterator[Record]:
    """Compare the domains' grader with the judgements that a person wrote down."""
    scores: list[float] = []
    labels: list[float] = []
    apart: list[Record] = []
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
    yield {"domain": BOTH, "metric": "judged_answers", "value": len(labels), "at_least": 200}
    if labels:
        found = compute_agreement(scores, labels)
        intervals = {
            key: found[key]
            for key in ("agreement_rate_low", "agreement_rate_high", "cohen_kappa", "spearman")
        }
        about = {"n": len(labels), **intervals, "disagreements": apart}
        yield {
            "domain": BOTH,
            "metric": "grading_agreement_rate",
            "value": found["agreement_rate"],
            "at_least": 0.97,
            **about,
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


def verdict(record: Record) -> str:
    """Return "yes" or "no": whether a record meets its aim; "" if it has none. What is not a number meets nothing."""
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
    """Return the records as a table, where they come from, and the hand-judged answers on which grader and person differ."""
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
    """Return how well each size reads on held-out queries and how often it names the right one of two values; a row per domain and size."""
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
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n")
    print(markdown(records))


if __name__ == "__main__":
    main()
