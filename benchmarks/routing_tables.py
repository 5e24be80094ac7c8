"""The tables of docs/routing.md, and what is saved on average: from `benchmarks.routing`'s records.

`averaged` returns how much of the best fixed path's cost and time ours saves, as a mean over the
traces of `AVERAGED`, with the difference in quality that goes with it. Its interval combines those
of the traces, whose queries are independent of each other: the distance from the mean to a bound is
the root of the traces' squared distances, divided by their number.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.routing_scores import NO_HARM, NOTHING, SAVINGS
from benchmarks.spaces import recorded
from ecollm_lab.study import DOMAINS

AVERAGED = (*(f"{name}_crossed" for name in DOMAINS), "homeassistant", "bfcl")
AVERAGE = "average"
LEAST_SAVED = 0.6  # on average, giving up nothing
COMPETITOR = ("quality_over_", "quality_if_kept_over_")  # so start differences to competitors
REPORTED = (
    "slo_violation_rate",
    "limits_binding",
)  # so start figures that are shown without an aim
COLUMNS = ("at_least", "at_most", "against", "seeds_low", "seeds_high", "kind", "cluster")
SHOWN = (
    "ours",
    "ours_where_violations_cost",
    "threshold",
    "matrix_factorisation",
    "knn",
    "carrot",
    "brane",
    "cluster",
    "cascade",
    "raser",
    "best_single",
    "ours_router",
    "oracle",
)


def averaged(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return records of what is saved on average; none where a trace is missing."""
    out: list[dict[str, Any]] = []
    if not set(AVERAGED) <= set(frame["trace"]):
        return out
    rows = frame[frame["trace"].isin(AVERAGED)].set_index(["metric", "policy"]).sort_index()
    for (prefer, (column, *_)), policy in product(SAVINGS.items(), ("ours", NOTHING)):
        about = {"trace": AVERAGE, "policy": policy, "prefer": prefer, "against": "best_single"}
        nothing = policy == NOTHING
        share = rows[rows.index.isin([(f"{column}_of_best_single", policy)])]
        if len(share) < len(AVERAGED):  # what it saves is not recorded everywhere
            continue
        saved = share.assign(value=1 - share["value"])
        saved[["ci_low", "ci_high"]] = 1 - share[["ci_high", "ci_low"]].to_numpy()
        gained = rows[rows.index.isin([(f"{prefer}_quality_over_best_single", policy)])]
        for metric, part, least in (
            (f"{column}_saved", saved, LEAST_SAVED),
            (f"{prefer}_quality_over_best_single", gained, NO_HARM),
        ):
            bound = {"at_least": least} if nothing else {}
            out.append(about | {"metric": metric, "n_traces": len(AVERAGED)} | _mean(part) | bound)
    return out


def _mean(rows: pd.DataFrame) -> dict[str, float]:
    """Return the mean of independent figures with its interval."""
    value, low, high = (rows[name].to_numpy(float) for name in ("value", "ci_low", "ci_high"))
    below, above = (np.sqrt(((value - end) ** 2).sum()) / len(rows) for end in (low, high))
    mean = value.mean()
    return {"value": float(mean), "ci_low": float(mean - below), "ci_high": float(mean + above)}


def markdown(frame: pd.DataFrame) -> str:
    """Return both tables of docs/routing.md."""
    return f"{quality_table(frame)}\n\n{differences(frame)}"


def differences(frame: pd.DataFrame) -> str:
    """Return the differences to competitors, violations and savings with their aims, averages."""
    lines = ["| trace | figure | value | aim | p |", "|---|---|---|---|---|"]
    every = pd.concat([frame[frame["metric"].notna()], pd.DataFrame(averaged(frame))])
    every = every.reindex(columns=every.columns.union(list(COLUMNS), sort=False))
    lines += filter(None, map(_line, every.to_dict("records")))
    said = recorded(frame)
    return "\n".join([*lines, *([""] if said else []), *said])


def _line(row: dict[str, Any]) -> str:
    """Return a row of the table of figures; nothing for one that is not shown."""
    metric = row["metric"]
    bounds = [
        f"{sign} {row[bound]:g}"
        for sign, bound in (("≥", "at_least"), ("≤", "at_most"))
        if not np.isnan(row[bound])
    ]
    competitor = metric.startswith(COMPETITOR) and not metric.endswith("_without_limits")
    shown = competitor or metric.startswith(REPORTED) or row["against"] == "best_single"
    if not bounds and not shown:
        return ""
    value = f"{row['value']:.3f}"
    if not np.isnan(row["ci_low"]):
        value += f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    if not np.isnan(row["seeds_low"]):
        value += f", by fold seed {row['seeds_low']:.3f} to {row['seeds_high']:.3f}"
    aim, p = " and ".join(bounds) or "–", ""
    if competitor:
        aim, p = ("above" if bounds else "not below"), f"{row['p_holm']:.3f}"
    if row["policy"] == NOTHING:
        metric += " (giving up nothing)"
    elif row["against"] == "best_single":
        metric += " (giving up 0.02)"
    metric += "".join(f" ({row[of]})" for of in ("kind", "cluster") if isinstance(row[of], str))
    trace = f"average of {', '.join(AVERAGED)}" if row["trace"] == AVERAGE else row["trace"]
    return f"| {trace} | {metric} | {value} | {aim} | {p} |"


def quality_table(frame: pd.DataFrame) -> str:
    """Return quality over the SLO grid; a star where a policy can attain fewer SLOs than ours."""
    grid = frame[frame["slo"] == "grid"].set_index(["trace", "policy"])
    lines = [f"| quality over the SLO grid | {' | '.join(SHOWN)} |", f"|---|{'---|' * len(SHOWN)}"]
    for trace in grid.index.unique("trace"):
        found = grid.loc[trace].reindex(list(SHOWN))
        fewer = found["n_choices"] < found["n_choices"]["ours"]
        cells = [
            "–" if np.isnan(value) else f"{value:.3f}{'*' * star}"
            for value, star in zip(found["quality"], fewer, strict=True)
        ]
        lines.append(f"| {trace} | {' | '.join(cells)} |")
    return "\n".join(lines)
