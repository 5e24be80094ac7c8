"""Which predictor of quality, and which of broken limits, a policy should stand on.

    python -m benchmarks.predictors --json OUT.json [--parquet FILE] [--traces NAME ...] [--quick]

Each candidate is fitted on four fifths of a trace's queries and scored on the rest, in five folds
that leave out whole groups of related queries (or, on the pocket traces and llmrouter_9models, on
the trace's own split); what it has to be tuned for is tuned on inner folds,
by `ecollm_lab.policies.fitting.learners`, as in every policy. Records of a trace and a `candidate`:

- `explained_share`: of the squared differences between paths, beyond what the paths' means explain,
  the share that is explained; 0 for the means, below 0 for what is worse than they are.
- `gained`: mean quality of the path with the highest prediction, less that of the best single path.
- `gained_over_ours`: the same less that of `ours`, the basis that our policy chooses.
- `limit_skill`: of forecasts whether a path breaks a limit, how much smaller their Brier score is
  than that of the path's own rate among training queries, as a share; limits are those of the
  routing benchmark's grid, one at a time.

`low` and `high` are 95 % intervals of a bootstrap over groups of related queries.

The candidates are described in `benchmarks.predictor_candidates`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.predictor_candidates import candidates, risks
from benchmarks.routing import Fold, available, folds
from benchmarks.routing_groups import together
from benchmarks.spaces import keep, made_now, recorded, require_at_hand, require_whole
from ecollm_lab.files import write
from ecollm_lab.study import DOMAINS
from ecollm_lab.traces import Trace
from ecollm_lab.traces.intervals import group_weights, interval

Record = dict[str, Any]
N_RESAMPLES = 1000


def in_order(fold: Fold) -> Fold:
    """Return a fold whose scoring part has the paths in the order of the training part."""
    order = pd.CategoricalDtype(fold.train.path_ids)
    rows = fold.test.outcomes.assign(order=fold.test.outcomes["path_id"].astype(order))
    rows = rows.sort_values("order", kind="stable").drop(columns="order")
    return replace(fold, test=Trace.from_frame(rows, fold.test.queries, fold.test.provenance))


def outcomes(name: str, seeds: int, *, quick: bool = False) -> pd.DataFrame:
    """Return, per query left out, what each candidate came to: one row a candidate and seed."""
    rows = []
    for seed in range(seeds):
        for i, given in enumerate(folds(name, seed, quick=quick)):
            fold = in_order(given)
            table, single = fold.test.array("quality"), fold.train.array("quality").mean(axis=0)
            centred = table - table.mean(axis=1, keepdims=True)
            about = {"seed": seed, "query_id": fold.test.query_ids, "fold": i}
            about["group"] = together(fold.test)
            for candidate, predicted, _ in candidates(fold, seed):
                wrong = predicted - predicted.mean(axis=1, keepdims=True) - centred
                best = table[np.arange(len(table)), predicted.argmax(axis=1)]
                rows.append(
                    pd.DataFrame(
                        {
                            **about,
                            "candidate": candidate,
                            "squares": np.square(wrong).sum(axis=1),
                            "gained": best - table[:, single.argmax()],
                        }
                    )
                )
            for candidate, forecast, truth in risks(fold, seed):
                brier = np.square(forecast - truth).mean(axis=(1, 2))
                rows.append(pd.DataFrame({**about, "candidate": candidate, "brier": brier}))
    return pd.concat(rows, ignore_index=True)


def records(frame: pd.DataFrame) -> Iterator[Record]:
    """Yield the figures of each candidate on a trace."""
    groups = pd.factorize(frame.drop_duplicates(["seed", "query_id"])["group"])[0]
    weights = group_weights(groups, N_RESAMPLES, seed=0)
    order = pd.MultiIndex.from_frame(frame[["seed", "query_id"]].drop_duplicates())

    def drawn(column: str) -> dict[str, np.ndarray]:
        part = frame[frame[column].notna()]
        summed = part.groupby(["candidate", "seed", "query_id"], sort=False)[column].mean()
        return {
            str(name): weights @ summed.xs(name).reindex(order).to_numpy()
            for name in part["candidate"].unique()
        }

    squares, gained = drawn("squares"), drawn("gained")
    figures = {
        "explained_share": {k: 1 - v / squares["means"] for k, v in squares.items()},
        "gained": gained,
        "gained_over_ours": {k: v - gained["ours"] for k, v in gained.items()},
    }
    if "brier" in frame:
        brier = drawn("brier")
        figures["limit_skill"] = {k: 1 - v / brier["rate"] for k, v in brier.items()}
    for metric, by_candidate in figures.items():
        for candidate, value in by_candidate.items():
            low, high = interval(value[1:])
            about = {"low": float(low), "high": float(high), "n": len(order)}
            yield {"metric": metric, "candidate": candidate, "value": float(value[0]), **about}


def markdown(frame: pd.DataFrame) -> str:
    """Return a table for each figure: a row for each candidate, a column for each trace."""
    titles = {
        "explained_share": "share explained of the differences between paths",
        "gained": "quality over the best single path",
        "limit_skill": "forecasts of broken limits: Brier score below the rate's by",
    }
    parts = []
    for metric, title in titles.items():
        part = frame[frame["metric"] == metric]
        if part.empty:
            continue
        cells = {
            key: f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
            for key, row in part.set_index(["candidate", "trace"]).iterrows()
        }
        traces = list(part["trace"].unique())
        lines = [f"| {title} | {' | '.join(traces)} |", "|---" * (len(traces) + 1) + "|"]
        for candidate in part["candidate"].unique():
            row = (cells.get((candidate, trace), "–") for trace in traces)
            lines.append(f"| {candidate} | {' | '.join(row)} |")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, "\n".join(recorded(frame))])


def main() -> None:
    """Run, print the tables, write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    at_hand = [name for name in available() if name not in DOMAINS]
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--parquet", type=Path, help="too; other traces' rows stay there")
    parser.add_argument("--traces", nargs="+", default=at_hand)
    parser.add_argument("--seeds", type=int, default=1, help="of the folds")
    parser.add_argument("--quick", action="store_true", help="two folds, few recorded queries")
    options = parser.parse_args()
    require_at_hand(options.traces, available())
    require_whole(parser, options)
    found, made = [], made_now()
    for name in options.traces:
        frame = outcomes(name, options.seeds, quick=options.quick)
        found += [{"trace": name, **one, **made} for one in records(frame)]
        write(json.dumps(found, indent=1) + "\n", options.json)
        print(f"{name}: done", flush=True)
    table = pd.DataFrame(found)
    keep(table, options.parquet)
    print(markdown(table))


if __name__ == "__main__":
    main()
