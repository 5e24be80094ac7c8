"""What the Emulator predicted of the paths it recommends in the wide space, beside the measured.

Predictions are about the training queries, and rest on the outcomes of these that were asked for.
Measured are the held-out queries, which are of other products and persons. Records of a domain:

- `wide_paths`, `outcomes_spent`, `recommended`: paths explored, outcomes asked for, and paths that
  are measured.
- `queries_measured`: held-out queries measured on all of these.
- `predicted_within_05_share`: share of the recommended paths whose predicted mean quality is at
  most .05 from the measured one.
- `split_shift`: by how much the paths of the core grid are better on held-out queries than on
  training queries, on average. `predicted_within_05_share_shifted`: as above, after the shift was
  subtracted from what was measured: what is left is not the difference of the queries.
- `core_over_pick`: the quality of the best path of the core grid less that of the Emulator's pick,
  under the SLO of the study where this is most (`slo`). `core_over_pick_<slo>`: under each. An
  answer that breaks a limit counts 0. Both are measured on the same held-out queries, `n`, and the
  best path is found on these very queries, which flatters it.
- `core_within_05_share`: the same share for paths of the core grid, predicted by their means over
  every training query. More than this can hardly be asked of an Emulator that measured a part.
- `cost_ratio`, `latency_ratio`: measured ÷ predicted mean, at the median of the recommended paths.
- `quality`, `cost_usd`, `latency_s` of a `path_id`: the measured mean, and what was `predicted`.

`low` and `high` are 95 % intervals of a bootstrap over groups of held-out queries (of one product
or person), those of predictions the Emulator's 90 % credible intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import recorded
from benchmarks.testbed_tables import markdown as listed
from ecollm_lab.domains import Domain
from ecollm_lab.records import SLO, LabError
from ecollm_lab.study import complete
from ecollm_lab.traces import OBJECTIVES, Trace
from ecollm_lab.traces.groups import drawn_together
from ecollm_lab.traces.intervals import group_weights, interval

NEAR = 0.05
AIMS: dict[str, dict[str, float]] = {
    "wide_paths": {"at_least": 300},
    "outcomes_spent": {"at_most": 3000},
    "predicted_within_05_share": {"at_least": 0.8},
    "core_over_pick": {"at_most": 0.03},
}
N_RESAMPLES = 1000
Record = dict[str, Any]

ABOUT = """\
## The wide space: predicted and measured

All components, all prompts and the three models make many more paths than the core grid has. There
the Emulator asked for a few outcomes of training queries, and recommends paths: its pick under each
SLO of the study, and others of the front that it estimates. These were then measured on all
held-out queries, with `python -m benchmarks.wide`; `benchmarks/wide_report.py` says what the
figures mean. Held-out queries are of other products and persons than training queries. By how much
they are easier or harder is seen on the paths of the core grid (`split_shift`); the figure with
`_shifted` has it taken off."""


def compare(
    domain: Domain,
    recommended: pd.DataFrame,
    explored: Trace,
    measured: Trace,
    core: Trace,
    n_resamples: int = N_RESAMPLES,
) -> list[Record]:
    """Return the records of a domain.

    Parameters
    ----------
    domain
        What was explored.
    recommended
        As `benchmarks.wide.recommend` returns it.
    explored, measured, core
        The outcomes that were asked for, those of the recommended paths, and the core grid's.
    n_resamples
        Of the bootstrap.

    Raises
    ------
    LabError
        If a recommended path was not measured at all.

    """
    paths = recommended.drop_duplicates("path_id")
    if lacking := sorted(set(paths["path_id"]) - set(measured.path_ids)):
        raise LabError(
            f"{lacking[0]} is recommended and was not measured; run benchmarks.wide measure."
        )
    heldout, core = complete(measured.split("heldout")), complete(core)
    n = len(heldout.query_ids)
    records: list[Record] = [
        {"metric": "wide_paths", "value": len(explored.path_ids)},
        {
            "metric": "outcomes_spent",
            "value": len(explored.outcomes),
            "ended": explored.provenance.get("emulator", {}).get("stopped", ""),
        },
        {"metric": "recommended", "value": len(paths)},
        {"metric": "queries_measured", "value": n, "at_least": len(domain.split("heldout"))},
    ]
    splits = core.split("train"), core.split("heldout")
    weights, of_core = (_weights(trace, n_resamples) for trace in (heldout, splits[1]))
    records += _near(paths, heldout, weights, splits, of_core)
    records += _paths(recommended, heldout, weights)
    records += _against_core(recommended, heldout, splits[1], n_resamples)
    return [{"domain": domain.name, **one, **AIMS.get(one["metric"], {})} for one in records]


def _weights(trace: Trace, n_resamples: int) -> np.ndarray:
    """Return weights of queries, (1 + n_resamples, queries): first all alike, then resampled."""
    return group_weights(drawn_together(trace), n_resamples, seed=0)


def _record(metric: str, drawn: np.ndarray, **about: Any) -> Record:
    """Return a record from a figure and its resamples, (1 + resamples,)."""
    drawn = drawn.round(12) + 0.0
    low, high = interval(drawn[1:])
    about |= {"low": float(low), "high": float(high)}
    return {"metric": metric, "value": float(drawn[0]), **about}


def _near(
    paths: pd.DataFrame,
    heldout: Trace,
    weights: np.ndarray,
    core: tuple[Trace, Trace],
    of_core: np.ndarray,
) -> Iterator[Record]:
    """Compare the means that were predicted with those that were measured."""
    n = len(heldout.query_ids)
    at = pd.Index(heldout.path_ids).get_indexer(pd.Index(paths["path_id"]))
    means = {name: weights @ heldout.array(name)[:, at] for name in OBJECTIVES}
    trained, tested = (part.array("quality") for part in core)
    shift = float(tested.mean() - trained.mean())
    error = means["quality"] - paths["quality"].to_numpy()
    for ending, wrong in (("", error), ("_shifted", error - shift)):
        share = (np.abs(wrong) <= NEAR + 1e-9).mean(axis=1)
        yield _record(f"predicted_within_05_share{ending}", share, n=n)
    yield {"metric": "split_shift", "value": shift, "n": len(trained) + len(tested)}
    wrong = of_core @ tested - trained.mean(axis=0)
    share = (np.abs(wrong) <= NEAR + 1e-9).mean(axis=1)
    yield _record("core_within_05_share", share, n=len(tested))
    for name, column in (("cost_ratio", "cost_usd"), ("latency_ratio", "latency_s")):
        yield _record(name, np.median(means[column] / paths[column].to_numpy(), axis=1), n=n)


def _paths(recommended: pd.DataFrame, heldout: Trace, weights: np.ndarray) -> Iterator[Record]:
    """Return what was predicted and what was measured of each recommended path."""
    n = len(heldout.query_ids)
    for path_id, rows in recommended.groupby("path_id", sort=False):
        about = {"path_id": path_id, "picked_for": ", ".join(filter(None, rows["slo"])), "n": n}
        at, row = heldout.path_ids.index(str(path_id)), rows.iloc[0]
        for column in OBJECTIVES:
            ends = {
                f"predicted{end}": float(row[f"{column}{end}"]) for end in ("", "_low", "_high")
            }
            yield _record(column, weights @ heldout.array(column)[:, at], **about, **ends)


def _against_core(
    recommended: pd.DataFrame, heldout: Trace, core: Trace, n_resamples: int
) -> Iterator[Record]:
    """Compare the pick under each SLO with the best path of the core grid there."""
    both = [query_id for query_id in core.query_ids if query_id in set(heldout.query_ids)]
    picked, grid = (
        trace.where(trace.queries["query_id"].isin(both), "both traces")
        for trace in (heldout, core)
    )
    weights, found = _weights(grid, n_resamples), []
    for row in recommended[recommended["slo"] != ""].to_dict("records"):
        limits = ("max_latency_s", "max_cost_usd", "prefer")
        slo = SLO(**{name: row[name] for name in limits if not pd.isna(row[name])})
        best = (weights @ _delivered(grid, slo, both)).max(axis=1)
        pick = weights @ _delivered(picked, slo, both)[:, picked.path_ids.index(row["path_id"])]
        found.append((row["slo"], best - pick, row["path_id"]))
    name, _, path_id = max(found, key=lambda one: one[1][0])
    drawn = np.max([one[1] for one in found], axis=0)
    yield _record("core_over_pick", drawn, slo=name, path_id=path_id, n=len(both))
    for name, over, path_id in found:
        yield _record(f"core_over_pick_{name}", over, slo=name, path_id=path_id, n=len(both))


def _delivered(trace: Trace, slo: SLO, query_ids: list[str]) -> np.ndarray:
    """Return the quality of each outcome, 0 where it breaks a limit, (queries, paths)."""
    rows = pd.Index(trace.query_ids).get_indexer(pd.Index(query_ids))
    kept = slo.keeps(trace.array("cost_usd"), trace.array("latency_s"))
    return (trace.array("quality") * kept)[rows]


def markdown(frame: pd.DataFrame) -> str:
    """Return the records of all domains as a section: text, figures, and the paths one by one."""
    rows = frame.rename(columns={"trace": "domain"}).astype({"n": "Int64"})
    of_paths = rows["metric"].isin(OBJECTIVES)
    columns = [name for name in rows if name not in ("measured_at", "git_revision")]
    figures = [
        {name: value for name, value in row.items() if not pd.isna(value)}
        for row in rows.loc[~of_paths, columns].to_dict("records")
    ]
    lines = [
        "| domain | path | picked for | quality: predicted | measured | USD per 1,000: predicted |"
        " measured | seconds: predicted | measured |",
        f"|{'---|' * 9}",
    ]
    for (domain, path_id), three in rows[of_paths].groupby(["domain", "path_id"], sort=False):
        cells = [domain, f"`{path_id}`", three["picked_for"].iloc[0]]
        for (_, row), scale, digits in zip(three.iterrows(), (1, 1000, 1), (3, 4, 2), strict=True):
            cells += [_cell(row, start, scale, digits) for start in ("predicted", "")]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n\n".join([ABOUT, listed(figures), "\n".join(lines), "\n".join(recorded(frame))])


def _cell(row: pd.Series, start: str, scale: float, digits: int) -> str:
    """Return a mean with its interval; `start` is that of the columns' names."""
    names = (start or "value", *(f"{start}_{end}".strip("_") for end in ("low", "high")))
    value, low, high = (f"{scale * row[name]:.{digits}f}" for name in names)
    return f"{value} [{low}, {high}]"
