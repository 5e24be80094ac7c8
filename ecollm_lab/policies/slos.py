"""SLOs to compare policies under."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np

from ecollm_lab.records import SLO, LabError, require_choice
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import placements

_NOTHING = (
    "The trace has no {} above 0, so there is nothing to limit; measure it or import a trace that"
    " records it."
)


def slo_grid(
    train: Trace,
    column: Literal["latency_s", "cost_usd"] = "latency_s",
    n: int = 12,
    slo: SLO | None = None,
) -> list[SLO]:
    """Return at most n SLOs, each with a limit in a gap between the paths' 95th percentiles.

    `train` is where the limits come from, never the split they are scored on; `column` what is
    limited, in seconds or US dollars; `slo` what else is asked. Raises a `LabError` if all is 0.
    """
    require_choice("column", column, ("latency_s", "cost_usd"))
    values = train.array(column)
    values = values[:, ~np.isnan(values).all(axis=0)]
    tails = np.unique(np.nanquantile(values, 0.95, axis=0)) if values.size else values
    tails = tails[tails > 0]
    if not tails.size:
        raise LabError(_NOTHING.format(column))
    gaps = np.append(np.sqrt(tails[:-1] * tails[1:]), 1.1 * tails[-1])
    wanted = np.geomspace(gaps[0], gaps[-1], n)
    limits = np.unique(gaps[np.abs(np.log(gaps)[None] - np.log(wanted)[:, None]).argmin(axis=1)])
    return [replace(slo or SLO(), **cast("Any", {f"max_{column}": float(x)})) for x in limits]


def study_slos(train: Trace) -> dict[str, SLO]:
    """Return the SLO of each preference, set on the training split alone.

    The limits are the upper quartiles, over paths, of the 95th percentiles of latency and cost,
    moved into the middle of the gap to the next path so that no path sits on a limit. Paths that
    generate on the edge and in the cloud have the same weight together, however many there are of
    each: where both are, some of the cloud's paths keep a limit and some do not.
    """
    place = placements(train)
    weights = np.array([1 / place.count(one) for one in place]) / len(set(place))
    limits = {}
    for column in ("latency_s", "cost_usd"):
        values = train.array(column)
        if np.isnan(values).all(axis=0).any():
            raise LabError(
                f"The limits of the study need the {column} of every path, and the trace lacks it."
                " Set limits of your own, or use slo_grid on what is recorded."
            )
        tails = np.nanquantile(values, 0.95, axis=0)
        if not tails.any():
            raise LabError(_NOTHING.format(column))
        steps = np.unique(tails)
        reached = np.array([weights[tails <= step].sum() for step in steps]).round(9)
        i = min(int(np.searchsorted(reached, 0.75, side="right")), len(steps) - 2)
        limits[column] = float(steps[i : i + 2].mean())
    return {
        "prefer_quality": SLO(
            max_latency_s=limits["latency_s"], max_cost_usd=limits["cost_usd"], prefer="quality"
        ),
        "prefer_cost": SLO(max_latency_s=limits["latency_s"], prefer="cost"),
        "prefer_latency": SLO(max_cost_usd=limits["cost_usd"], prefer="latency"),
    }
