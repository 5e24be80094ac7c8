"""Our policy against every baseline, on measured domains and on recorded outcomes.

`python -m benchmarks.routing --json OUT.json [--parquet FILE] [--quick] [--traces NAME,NAME]`

Measured domains: fitted on the training split, scored on the held-out split; and once more, as
NAME_crossed, in folds over all queries. Folds: five by text (by product and person, where known),
five times, every query scored once each time, by policies that never saw its text. So are recorded
traces scored (llmrouter_9models: the recorded split). bfcl has no costs: those of
`benchmarks.list_prices` are declared.
A cascade pays for every path it runs. Limits of the SLO grid are 95th percentiles of
paths in training, moved into the gap to the next path: up to five of latency × five of cost.
Choices with prefer="quality" are scored over the whole grid, "cost" and "latency" without limits.
What is recorded, and how policies are compared, stands in `benchmarks.routing_scores`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.list_prices import priced
from benchmarks.routing_groups import cluster_of, together
from benchmarks.routing_scores import METRICS, WITH_PRICE, records
from benchmarks.routing_tables import averaged, markdown
from benchmarks.spaces import POCKET, RECORDED, keep, require_at_hand, require_whole, trace_file
from ecollm_lab.files import write
from ecollm_lab.models import CachedEncoder, default_encoder
from ecollm_lab.policies import POLICIES, Decision, Policy, fit_policy
from ecollm_lab.policies.choosing import oracle_choice
from ecollm_lab.policies.replays import folds_of, outcomes_of, recorded_answers
from ecollm_lab.records import SLO, InfeasibleSLO
from ecollm_lab.study import DOMAINS, complete
from ecollm_lab.traces import Trace, import_outcomes
from ecollm_lab.traces.path_ids import have_pipelines

LONG: dict[str, dict[str, Any]] = {
    "homeassistant": {
        "columns": {"query_id": "query_unit", "cost_usd": "cost_usd_est", "kind": "category"},
        "repeats": "mean",
        "exclude": [
            ("domain", "ha-automations"),
            ("path_id", "qwen3-4b"),
            ("path_id", "qwen3-4b-instruct-2507-iq4-nl"),
        ],
    },
    "bfcl": {},
    "hotpotqa_rag": {},
    "llmrouter_9models": {"columns": {"kind": "domain"}},
    "routellm_mmlu_gsm8k": {"exclude": [("contaminated", True)]},
}
# of a recorded trace: a fixed sample, and all that are held out where the trace says which; with
# 1,000 queries five fold seeds of all policies take minutes
MOST_QUERIES, SAMPLE = 3000, 1000
N_SEEDS, N_FOLDS, N_LIMITS = 5, 5, 5
FIXED_CLOUD = "gpt-4.1"
ROUTERS = ("ours", "knn", "threshold", "best_single")  # also fitted as routers of models
# further forms of policies, by the terms they are fitted on
FORMS: dict[str, dict[str, Any]] = {
    "ours_giving_up_nothing": {"tolerance": 0.0},
    "ours_giving_up_0.05": {"tolerance": 0.05},
    "ours_giving_up_0.1": {"tolerance": 0.1},
}
COST_OF_VIOLATION = 0.7  # in quality, of which every policy that can weigh it is told in a form
CROSSED = {f"{name}_crossed": name for name in DOMAINS}  # scored in folds over all queries
GO_BY = {"cheapest": "cost_usd", "fastest": "latency_s"}
READ_ANSWERS, PRICED = ("cascade", "raser"), ("bfcl",)


@dataclass(frozen=True, eq=False)
class Fold:
    """Training and scoring parts of a trace."""

    train: Trace
    test: Trace


def available() -> list[str]:
    """Return the names of the traces that can be loaded here."""
    names = (*DOMAINS, *CROSSED, *POCKET, *LONG)
    return [name for name in names if trace_file(CROSSED.get(name, name)).exists()]


@cache
def encoder() -> CachedEncoder:
    """Return the default encoder; every text is embedded once in a process."""
    return CachedEncoder(default_encoder())


def folds(name: str, seed: int, *, quick: bool = False) -> Iterator[Fold]:
    """Yield the folds of a trace; queries of one text are always on one side."""
    measured = name in (*DOMAINS, *CROSSED, *POCKET)
    trace = _measured(name) if measured else load_recorded(name, 120 if quick else SAMPLE)
    if name not in CROSSED and set(trace.queries["split"]) == {"train", "heldout"}:
        pairs = [(trace.split("train"), trace.split("heldout"))]
    else:
        n_folds = 2 if quick else N_FOLDS
        fold = folds_of(trace, n_folds, seed)
        pairs = [(trace.where(fold != f), trace.where(fold == f)) for f in range(n_folds)]
    yield from (Fold(*pair) for pair in pairs)


@cache
def _measured(name: str) -> Trace:
    """Return the queries of a measured trace that are whole on every path."""
    return complete(Trace.load(trace_file(CROSSED.get(name, name))))


@cache
def load_recorded(name: str, most: int = MOST_QUERIES) -> Trace:
    """Return the queries of a recorded trace that are whole on every path, at most so many."""
    trace = import_outcomes("long", RECORDED / f"{name}.parquet", heldout_share=0.0, **LONG[name])
    if name in PRICED:
        trace = Trace.from_frame(priced(trace.outcomes), trace.queries, trace.provenance)
    drawn = np.random.default_rng(0).permutation(len(trace.queries)).argsort() < most
    held_out = (trace.queries["split"] == "heldout") & (most >= SAMPLE)
    return complete(trace.where(drawn | held_out))


def slo_grid(train: Trace, n_limits: int = N_LIMITS) -> dict[str, SLO]:
    """Return SLOs by name, "c2 t3" for the second cost and third latency; the last is no limit."""
    limits: dict[str, list[float | None]] = {}
    for column in ("cost_usd", "latency_s"):
        values = train.array(column)
        if np.isnan(values).all():
            limits[column] = [None]
            continue
        tails = np.unique(np.nanquantile(values, 0.95, axis=0))
        at = np.unique(np.linspace(0, len(tails) - 1, n_limits + 1).round().astype(int))[1:-1]
        found = [float(tails[i : i + 2].mean()) for i in at]
        limits[column] = [*(limit for limit in found if limit > 0), None]
    return {
        f"c{i} t{j}": SLO(max_cost_usd=cost, max_latency_s=latency)
        for i, cost in enumerate(limits["cost_usd"])
        for j, latency in enumerate(limits["latency_s"])
    }


def fitted(fold: Fold) -> list[Policy]:
    """Return every policy that the trace allows, fitted on a fold's training part.

    What differs in its terms only is fitted once.
    """
    train = fold.train
    needs = dict.fromkeys(READ_ANSWERS, "answer") | GO_BY
    done = {
        name: fit_policy(train, name, encoder=encoder())
        for name in POLICIES
        if (name != "cloud_only" or train.provenance.get("models"))
        and (name not in needs or _records(train, needs[name]))
    }
    ours = done["ours"]
    for name, terms in FORMS.items():
        done[name] = replace(ours, name=name, terms=replace(ours.terms, **terms))
    if have_pipelines(train.path_ids):
        for name in ROUTERS:
            router = fit_policy(train, name, encoder=encoder(), models_only=True)
            done[router.name] = router
    told = replace(ours.terms, violation_cost=COST_OF_VIOLATION)
    for name in [name for name in done if name not in FORMS and weighs_violations(done[name])]:
        done[name + WITH_PRICE] = replace(done[name], name=name + WITH_PRICE, terms=told)
    return list(done.values())


def _records(trace: Trace, column: str) -> bool:
    """Tell whether a trace has anything in a column; an empty answer is nothing."""
    return column in trace.outcomes and bool((trace.outcomes[column].fillna("") != "").any())


def weighs_violations(policy: Policy) -> bool:
    """Tell whether a policy weighs what a violation costs; pairs and fixed orders do not."""
    return type(policy) is Policy and policy.order == "quality"


def outcomes(fold: Fold, n_limits: int = N_LIMITS) -> Iterator[dict[str, Any]]:
    """Yield what each policy's choices delivered, by policy, prefer and SLO.

    `broken_if_free`: whether the choice of ours without limits would break the SLO.
    """
    drawn = together(fold.test)
    slos = {("quality", key): slo for key, slo in slo_grid(fold.train, n_limits).items()}
    for prefer, column in (("cost", "cost_usd"), ("latency", "latency_s")):
        if not np.isnan(fold.train.array(column)).all():
            slos[prefer, "none"] = SLO(prefer=prefer)  # type: ignore[arg-type]
    slos["quality", "none"] = SLO()

    def row(name: str, at: tuple[str, str], decision: Decision) -> dict[str, Any]:
        slo = slos[at]
        quality, cost, latency = outcomes_of(fold.test, decision)[list(METRICS)].to_numpy().T
        return {
            "policy": name,
            "prefer": at[0],
            "slo": at[1],
            "group": drawn,
            "kind": fold.test.queries["kind"].to_numpy(),
            "quality": quality,
            "cost_usd": cost,
            "latency_s": latency,
            "violated": ~slo.keeps(cost, latency),
            "limited": bool(slo.limits),
            "broken_if_free": ~slo.keeps(*free),
        }

    policies, ask = fitted(fold), recorded_answers(fold.test)
    texts = fold.test.queries["text"].tolist()
    asked = {policy.name: policy.embed(texts) for policy in policies}
    ours = next(policy for policy in policies if policy.name == "ours")
    free = outcomes_of(fold.test, ours.decide(asked["ours"], SLO()))[list(METRICS[1:])].to_numpy().T
    for at, slo in slos.items():
        for policy in policies:
            if policy.name.endswith(WITH_PRICE) and at[1] == "none":
                continue  # beside the grid nothing can be violated: they choose as without a price
            try:
                yield row(policy.name, at, policy.decide(asked[policy.name], slo, ask=ask))
            except InfeasibleSLO:
                continue
        best = oracle_choice(fold.test, slo)
        yield row("oracle", at, Decision.single(best))
    if FIXED_CLOUD in fold.test.path_ids:
        one = np.full(len(texts), FIXED_CLOUD, dtype=object)
        yield row(FIXED_CLOUD, ("quality", "none"), Decision.single(one))


def collect(name: str, *, quick: bool = False, seeds: int = N_SEEDS) -> pd.DataFrame:
    """Return a row per query, policy, prefer and SLO; in each fold, of the SLOs ours attains."""
    parts = []
    for seed in range(1 if quick else seeds):
        found = list(folds(name, seed, quick=quick))
        if seed == 0:
            texts = [text for fold in found for text in fold.test.queries["text"]]
            cluster = cluster_of(texts, encoder())
        for i, fold in enumerate(found):
            rows = list(outcomes(fold, 3 if quick else N_LIMITS))
            attained = {(one["prefer"], one["slo"]) for one in rows if one["policy"] == "ours"}
            for one in rows:
                if (one["prefer"], one["slo"]) in attained:
                    query = [f"{seed}.{i}.{j}" for j in range(len(one["group"]))]
                    at = {"seed": seed, "fold": i, "query": query}
                    at["cluster"] = fold.test.queries["text"].map(cluster).to_numpy()
                    parts.append(pd.DataFrame({**one, **at}))
        if len(found) == 1:  # there is one split, whatever the seed
            break
    return pd.concat(parts, ignore_index=True).assign(trace=name)


def main() -> None:
    """Run, write records and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument(
        "--parquet", type=Path, help="also write the records here; those of other traces stay"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer queries of recorded traces, folds and limits; ends within a minute",
    )
    parser.add_argument("--traces", help="names separated by commas; default: all that are at hand")
    parser.add_argument("--seeds", type=int, default=N_SEEDS, help="of the folds")
    args = parser.parse_args()
    names = args.traces.split(",") if args.traces else available()
    require_at_hand(names, available())
    require_whole(parser, args)
    found: list[dict[str, Any]] = []
    for name in names:
        started = time.perf_counter()
        found += records(collect(name, quick=args.quick, seeds=args.seeds))
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    plain = json.loads(pd.DataFrame(found).to_json(orient="records"))
    every = [*plain, *averaged(pd.DataFrame(plain))]
    rows = [{k: v for k, v in row.items() if v is not None} for row in every]
    write(json.dumps(rows, indent=1) + "\n", args.json)
    frame = pd.DataFrame(plain)
    keep(frame, args.parquet)
    print(markdown(frame))


if __name__ == "__main__":
    main()
