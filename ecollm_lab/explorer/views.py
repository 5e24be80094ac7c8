"""A selection of queries as small tables per path: means, tails, resamples, front states."""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.explorer import resampling
from ecollm_lab.explorer.labels import clusters_of, stages_of
from ecollm_lab.explorer.resampling import FRONT, STATES
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces import Trace, path_ids

STATISTICS = ("mean", "p95")
FILTERS = ("split", "kind", "cluster")
ANY = "all"
# of the table of paths, beside the path itself; the stages are columns too
USUAL_COLUMNS = (
    "runs on",
    "quality",
    "USD per 1,000",
    "mean latency",
    "p95 latency",
    "queries",
    "state",
)
OTHER_COLUMNS = ("p95 USD per 1,000",)
MOST_OUTCOMES = 400_000  # beyond so many, single outcomes are sent for the front only


@dataclass(frozen=True, eq=False)
class View:
    """What a selection of queries says about every path; arrays have the shape (paths,).

    Paths are in the trace's order. A view is computed once and decided upon often.

    Attributes
    ----------
    path_ids, parts, placement
        Names, their components by stage, and where each path runs: "edge", "mixed", "cloud" or
        "not stated".
    rows
        Indices of the selected queries.
    n, quality
        Outcomes of each path among them, and their mean quality; NaN where nothing was recorded.
    cost, latency
        US dollars and seconds, each by statistic: "mean" and "p95".
    low, high
        95 % percentile interval of mean quality over resampled queries.
    replicates
        Mean quality in each resample as integers, shape (REPLICATES, paths). Where outcomes are
        missing, of the deviations from each query's mean, so that a path seen on easier queries
        gains nothing.
    raw
        The same of the outcomes themselves; the same array where none are missing.
    state, dominator
        By statistic, an index into `STATES` and which path beats it in most resamples, -1 if none
        does in the means.
    kinds
        Kind of query: its share of the selection, and mean quality, cost and latency of each path.

    """

    path_ids: list[str]
    parts: list[tuple[str, ...]]
    placement: np.ndarray
    rows: np.ndarray
    n: np.ndarray
    quality: np.ndarray
    cost: dict[str, np.ndarray]
    latency: dict[str, np.ndarray]
    low: np.ndarray
    high: np.ndarray
    replicates: np.ndarray
    raw: np.ndarray
    state: dict[str, np.ndarray]
    dominator: dict[str, np.ndarray]
    kinds: dict[str, tuple[float, list[np.ndarray]]]

    def frame(self, statistic: str = "mean") -> pd.DataFrame:
        """Return one row per path, best quality first (of equals the cheapest)."""
        columns = {
            "path_id": list(self.path_ids),
            "placement": self.placement,
            "quality": self.quality,
            "quality_low": self.low,
            "quality_high": self.high,
            "cost_usd": self.cost["mean"],
            "usd_per_1k": 1000 * self.cost["mean"],
            "latency_s": self.latency["mean"],
            "latency_p95_s": self.latency["p95"],
            "n": self.n,
            "on_front": self.state[statistic] == FRONT,
            "state": np.array(STATES, dtype=object)[self.state[statistic]],
        }
        return pd.DataFrame(columns).sort_values(
            ["quality", "cost_usd"], ascending=[False, True], ignore_index=True, kind="stable"
        )

    def tables(self) -> dict[str, Any]:
        """Return what the screen needs of it: plain numbers, and arrays as bytes."""
        kinds = [
            {"name": name, "share": share, "means": [_bytes(m) for m in means]}
            for name, (share, means) in self.kinds.items()
        ]
        return {
            "queries": len(self.rows),
            "outcomes": int(self.n.sum()),
            "n": _bytes(self.n),
            "quality": _bytes(self.quality),
            "low": _bytes(self.low),
            "high": _bytes(self.high),
            "replicates": self.replicates.tobytes(),
            **({} if self.raw is self.replicates else {"raw": self.raw.tobytes()}),
            "cost": {s: _bytes(self.cost[s]) for s in STATISTICS},
            "latency": {s: _bytes(self.latency[s]) for s in STATISTICS},
            "state": {s: _bytes(self.state[s]) for s in STATISTICS},
            "dominator": {s: _bytes(self.dominator[s]) for s in STATISTICS},
            "kinds": kinds,
        }


def _bytes(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, dtype=np.float64).tobytes()


class Board:
    """The dense arrays of a trace, and the views cut from them.

    Parameters
    ----------
    trace
        Any trace; outcomes may be missing.
    embeddings
        Unit embeddings of its queries in order, shape (queries, dimension): they are clustered, and
        clusters become a filter. A column `cluster` of the queries table serves as well.

    """

    def __init__(self, trace: Trace, embeddings: np.ndarray | None = None) -> None:
        self.path_ids = trace.path_ids
        self.stages, self.parts = stages_of(self.path_ids)
        self.placement = np.array(path_ids.path_placements(trace), dtype=object)
        self._busy = RLock()
        self.grow(trace)
        queries = trace.queries
        self.labels = {
            "split": queries["split"].astype(str).to_numpy(dtype=object),
            "kind": queries["kind"].astype(str).to_numpy(dtype=object),
            "cluster": clusters_of(trace, embeddings),
        }

    def grow(self, trace: Trace) -> None:
        """Take in a trace of the same queries and paths with more outcomes."""
        with self._busy:
            self.trace = trace
            self.quality, self.cost, self.latency = (
                resampling.paths_first(trace.array(c)) for c in ("quality", "cost_usd", "latency_s")
            )
            self._views: dict[tuple[str, ...], View] = {}

    @property
    def choices(self) -> dict[str, list[str]]:
        """What each filter may be set to; the first means no filter."""
        return {name: [ANY, *sorted(set(values))] for name, values in self.labels.items()}

    @property
    def columns(self) -> list[str]:
        """What the table of paths can show of each."""
        return [*USUAL_COLUMNS, *OTHER_COLUMNS, *self.stages]

    def view(self, split: str = ANY, kind: str = ANY, cluster: str = ANY) -> View:
        """Return the tables of some queries; computed once per selection.

        Raises
        ------
        LabError
            If a name is unknown or no query is in all of the parts asked for.

        """
        with self._busy:
            return self._view((split, kind, cluster))

    def _view(self, key: tuple[str, str, str]) -> View:
        split, kind, cluster = key
        if key not in self._views:
            mask = np.ones(len(self.trace.query_ids), dtype=bool)
            for name, value in zip(FILTERS, key, strict=True):
                if value != ANY:
                    require_choice(name, value, self.choices[name])
                    mask &= self.labels[name] == value
            if not mask.any():
                raise LabError(
                    f"No query is in split {split}, kind {kind} and cluster {cluster} at once;"
                    " widen one of them."
                )
            self._views[key] = self._cut(np.flatnonzero(mask))
        return self._views[key]

    def _cut(self, rows: np.ndarray) -> View:
        whole = len(rows) == len(self.trace.query_ids)
        tables = [t if whole else t[:, rows] for t in (self.quality, self.cost, self.latency)]
        seen = ~np.isnan(tables[0])
        n, complete = seen.sum(axis=1), bool(seen.all())
        blocks = resampling.draw_blocks(len(rows))
        means = [resampling.mean(t) for t in tables]
        tails = [resampling.p95(t) for t in tables[1:]]
        raw = resampling.resample(tables[0], blocks)
        centred = tables if complete else [resampling.centred(t) for t in tables]
        first = raw if complete else resampling.resample(centred[0], blocks)
        compared = [first, *(resampling.resample(t, blocks) for t in centred[1:])]
        fixed = [np.broadcast_to(t.astype(np.float32), raw.shape) for t in tails]
        low, high = resampling.interval(raw)
        whole_numbers = resampling.as_integers(raw)
        states = {
            "mean": resampling.states(means, compared, n),
            "p95": resampling.states([means[0], *tails], [compared[0], *fixed], n),
        }
        return View(
            path_ids=self.path_ids,
            parts=self.parts,
            placement=self.placement,
            rows=rows,
            n=n,
            quality=means[0],
            cost={"mean": means[1], "p95": tails[0]},
            latency={"mean": means[2], "p95": tails[1]},
            low=low,
            high=high,
            replicates=whole_numbers if complete else resampling.as_integers(first),
            raw=whole_numbers,
            state={name: state for name, (state, _) in states.items()},
            dominator={name: by for name, (_, by) in states.items()},
            kinds=self._by_kind(rows, tables),
        )

    def _by_kind(
        self, rows: np.ndarray, tables: list[np.ndarray]
    ) -> dict[str, tuple[float, list[np.ndarray]]]:
        labels = self.labels["kind"][rows]
        found = {}
        for kind in sorted(set(labels)):
            part = labels == kind
            means = [resampling.mean(t if part.all() else t[:, part]) for t in tables]
            found[kind] = (float(part.mean()), means)
        return found

    def fixed(self) -> dict[str, Any]:
        """Return what the screen needs and no filter changes: paths, labels, single outcomes."""
        choices = self.choices
        codes = {
            name: np.array([choices[name].index(v) for v in values], dtype=np.uint16).tobytes()
            for name, values in self.labels.items()
        }
        which = np.arange(len(self.path_ids))
        if self.cost.size > MOST_OUTCOMES:
            which = np.flatnonzero(self.view().state["mean"] == FRONT)
        return {
            "paths": list(self.path_ids),
            "placement": [str(place) for place in self.placement],
            "stages": self.stages,
            "parts": [list(part) for part in self.parts],
            "columns": self.columns,
            "choices": choices,
            "codes": codes,
            "outcomes": {
                "paths": which.tolist(),
                "cost32": self.cost[which].astype(np.float32).tobytes(),
                "latency32": self.latency[which].astype(np.float32).tobytes(),
            },
            "source": self.trace.source_line,
        }
