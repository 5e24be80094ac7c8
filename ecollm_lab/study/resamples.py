"""A complete trace, resampled by groups of related queries: what every claim is computed from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, require_trace
from ecollm_lab.traces.groups import drawn_together
from ecollm_lab.traces.intervals import group_weights, interval
from ecollm_lab.traces.path_ids import placements

SPENT = {"cost": "cost_usd", "latency": "latency_s"}

Row = dict[str, Any]


def complete(trace: Trace) -> Trace:
    """Return the queries with an outcome on every path, in each column that is recorded at all.

    Raises
    ------
    LabError
        If there is no such query.

    """
    return trace.where(~_has_gaps(trace), "the queries measured on every path")


def _has_gaps(trace: Trace) -> np.ndarray:
    """Tell which queries lack an outcome, shape (queries,)."""
    gaps = np.isnan(trace.array("quality")).any(axis=1)
    for column in SPENT.values():
        missing = np.isnan(trace.array(column))
        gaps |= missing.any(axis=1) & ~missing.all()
    return gaps


class Resamples:
    """A complete trace, with the weight of each query in it and in its resamples.

    Row 0 of `weights`, shape (1 + resamples, queries), is the trace itself. A cloud path is one
    whose model runs in the cloud.
    """

    def __init__(self, trace: Trace, n_resamples: int, seed: int) -> None:
        require_trace(trace)
        if gaps := int(_has_gaps(trace).sum()):
            raise LabError(
                "The claims compare paths on the same queries, so every query must be measured on"
                f" every path; {gaps} of {len(trace.query_ids)} are not. Leave them out:"
                " ecollm_lab.study.complete(trace)."
            )
        self.trace = trace
        self.weights = group_weights(drawn_together(trace), n_resamples, seed)
        self.quality = trace.array("quality")
        self.spent = {name: trace.array(column) for name, column in SPENT.items()}
        self.recorded = [name for name in SPENT if not np.isnan(self.spent[name]).any()]
        place = np.array(placements(trace))
        self.cloud, self.edge = place == "cloud", place == "edge"
        spent = [np.nan_to_num(self.spent[name]).mean(axis=0) for name in SPENT]
        self._order = np.lexsort(spent[::-1])  # the cheaper, then the faster, comes first

    def best(self, among: np.ndarray) -> np.ndarray:
        """Return the path of best mean quality in each resample; of equals, the cheapest."""
        columns = self._order[among[self._order]]
        means = (self.weights @ self.quality[:, columns]).round(12)
        return columns[means.argmax(axis=1)]

    def of_path(self, values: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Return the mean of (queries, paths) for the path that each resample takes."""
        return np.einsum("rq,qr->r", self.weights, values[:, path])

    def row(self, metric: str, drawn: np.ndarray, **about: Any) -> Row:
        """Return a row from the value on the trace and those on its resamples."""
        low, high = interval(drawn[1:])
        return {
            "metric": metric,
            "value": float(drawn[0]),
            "low": float(low),
            "high": float(high),
            **about,
        }

    def share(self, metric: str, spent: np.ndarray, quality: np.ndarray, **about: Any) -> Row:
        """Return a row of a share, from (2, resamples): what is compared, and with what."""
        with np.errstate(divide="ignore", invalid="ignore"):
            over = self.row("quality_over", quality[0] - quality[1])
            named = {f"quality_over_{end}": over[end] for end in ("low", "high")}
            share = spent[0] / spent[1]
        return self.row(metric, share, **about, quality_over=over["value"], **named)
