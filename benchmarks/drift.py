"""How answers keep their limits while the world drifts: adaptive, frozen and oracle choices.

`python -m benchmarks.drift --json OUT.json [--quick]`

Recorded held-out outcomes are replayed, one question after another, while the model that the policy
chooses most slows down by 2 s, is down for a third of the time, or costs ten times as much. The
policy is fitted to the training split, and limits are set there. Traces are the lab's own and,
where they are present, the recorded ones of Home Assistant and BFCL.

- `violation_rate`, `quality`: of the adaptive choices, of those of the policy as it was fitted
  (`frozen`), and of an oracle that knows every outcome.
- `bound`: the most that the adaptive rate can be by the end, whatever happens; see `Adaptation`.
- `over_bound`: how far the adaptive rate is above it.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.routing import Fold, available, encoder, folds
from benchmarks.spaces import POCKET
from ecollm_lab.files import write
from ecollm_lab.policies import Policy, fit_policy
from ecollm_lab.records import SLO
from ecollm_lab.serving import Drift, drift_summary, replay_drift
from ecollm_lab.study import DOMAINS
from ecollm_lab.traces.path_ids import model_of

TRACES = (*DOMAINS, *POCKET, "homeassistant", "bfcl")
ADDED_S, PRICE_FACTOR = 2.0, 10.0
DECIDERS = ("adaptive", "frozen", "oracle")


def drifts(
    policy: Policy, fold: Fold, slo: SLO, embeddings: np.ndarray
) -> Iterator[tuple[str, SLO, Drift]]:
    """Yield a name, an SLO and what happens to the model that the policy chooses most."""
    n = len(fold.test.query_ids)
    chosen = policy.select(embeddings, slo, infeasible="least_violating")
    model = Counter(model_of(path_id) for path_id in chosen).most_common(1)[0][0]
    yield "none", slo, Drift(model)
    yield "delay", slo, Drift(model, start=n // 3, added_latency_s=ADDED_S)
    yield "outage", slo, Drift(model, start=n // 3, end=2 * n // 3, down=True)
    seen = fold.train.outcomes
    usual = float(seen.loc[seen["path_id"].map(model_of) == model, "cost_usd"].quantile(0.95))
    if not np.isnan(fold.test.array("cost_usd")).any() and usual > 0:
        limited = replace(slo, max_cost_usd=3 * usual)
        yield "price", limited, Drift(model, start=n // 3, price_factor=PRICE_FACTOR)


def replayed(name: str, quick: bool) -> dict[str, list[pd.DataFrame]]:
    """Return a trace's replays by what drifts: one, or one a fold where no split is given."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for fold in folds(name, 0, quick=quick):
        policy = fit_policy(fold.train, encoder=encoder())
        embeddings = policy.embed(fold.test.queries["text"].tolist())
        slo = SLO(max_latency_s=float(fold.train.outcomes["latency_s"].quantile(0.75)))
        for what, limits, drift in drifts(policy, fold, slo, embeddings):
            frame = replay_drift(policy, fold.test, limits, [drift], embeddings=embeddings)
            frames.setdefault(what, []).append(frame)
        if quick:
            break
    return frames


def summarised(name: str, what: str, frames: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the records of one kind of drift: means over all questions of all folds."""
    tables = [drift_summary(frame) for frame in frames]
    sizes = [len(frame) // len(DECIDERS) for frame in frames]
    where = {"trace": name, "drift": what, "questions": sum(sizes), "folds": len(frames)}
    records = []
    for metric in ("violation_rate", "quality"):
        for decider in DECIDERS:
            values = [table.loc[decider, metric] for table in tables]
            value = float(np.average(values, weights=sizes))
            records.append({"metric": metric, "value": value, "decider": decider, **where})
    bounds = [float(table.loc["adaptive", "bound"]) for table in tables]
    rates = [float(table.loc["adaptive", "violation_rate"]) for table in tables]
    over = max(max(rate - bound, 0.0) for rate, bound in zip(rates, bounds, strict=True))
    bound = float(np.average(bounds, weights=sizes))
    return [
        *records,
        {"metric": "bound", "value": bound, "decider": "adaptive", **where},
        {"metric": "over_bound", "value": round(over, 12), "at_most": 0.0, **where},
    ]


def markdown(records: list[dict[str, Any]]) -> str:
    """Return a row for each trace and drift, by decider: adaptive, frozen, oracle."""
    names = " / ".join(DECIDERS)
    lines = [
        f"| trace | drift | questions | broken limits: {names} | bound | quality: {names} |",
        "|---|---|---|---|---|---|",
    ]
    for (trace, drift), part in pd.DataFrame(records).groupby(["trace", "drift"], sort=False):
        by = part.set_index(["metric", "decider"])["value"]
        broken = " / ".join(f"{by['violation_rate', one]:.1%}" for one in DECIDERS)
        quality = " / ".join(f"{by['quality', one]:.3f}" for one in DECIDERS)
        bound, n = by["bound", "adaptive"], part["questions"].iloc[0]
        lines.append(
            f"| {trace} | {drift} | {n} | {broken} | {round(bound, 6) + 0.0:.1%} | {quality} |"
        )
    return "\n".join(lines)


def shown(records: list[dict[str, Any]]) -> str:
    """Return a table: a row for each trace and drift, violation rates and qualities by decider."""
    frame = pd.DataFrame(records).fillna({"decider": ""})
    table = frame.pivot_table("value", ["trace", "drift"], ["metric", "decider"], sort=False)
    return str(table.round(3).to_string())


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one fold of one trace")
    args = parser.parse_args()
    names = [name for name in TRACES if name in available()]
    records = []
    for name in names[:1] if args.quick else names:
        for what, frames in replayed(name, args.quick).items():
            records += summarised(name, what, frames)
        print(f"{name}: done", flush=True)
    records = [{**row, "quick": args.quick} for row in records]
    write(json.dumps(records, indent=1) + "\n", args.json)
    print(shown(records))


if __name__ == "__main__":
    main()
