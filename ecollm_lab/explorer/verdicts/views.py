"""A selection of queries as small tables per path: means, tails, bootstrap replicates, front states. Built once, re-thresholded often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ecollm_lab.explorer.verdicts import front_states as resampling
from ecollm_lab.explorer.verdicts.front_states import (
    BLOCKS,
    CERTAIN,
    FEW,
    FRONT,
    REPLICATES,
    STATES,
)
from ecollm_lab.records import LabError, require_choice
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import path_placements

STATISTICS = ("mean", "p95")
ANY = "all"


@dataclass(frozen=True, eq=False)
class View:
    """What a selection of queries says about every path; arrays have the shape (paths,) in the trace's order of paths.

    Attributes
    ----------
    path_ids, placement
        Names, and where each path runs: "edge", "mixed", "cloud" or "not stated".
    n_queries, n
        Queries selected, and outcomes of each path among them.
    quality, cost_usd, latency_s, cost_p95_usd, latency_p95_s
        Means and 95th percentiles; NaN where nothing was recorded.
    cost, latency
        The statistic that limits are compared with and axes show: means or 95th percentiles.
    low, high
        95 % percentile interval of mean quality over resampled queries.
    replicates
        Mean quality in each resample, shape (REPLICATES, paths). Where outcomes are missing, of the
        deviations from each query's mean, so that a path seen on easier queries gains nothing.
    state
        Index into `STATES`: on the front of the means; beaten there, but not in `CERTAIN` of the
        resamples; beaten beyond doubt; not recorded. A path with fewer than `FEW` queries beats
        nothing and is ambiguous; it does not win either (see `able`).
    dominator
        Which path beats it in most resamples, -1 if none does in the means.
    kinds, kind_share, kind_quality, kind_cost, kind_latency
        Kinds of query, their share of the selection, and means per kind, shape (kinds, paths).

    """

    path_ids: Sequence[str]
    placement: np.ndarray
    rows: np.ndarray
    n: np.ndarray
    quality: np.ndarray
    cost_usd: np.ndarray
    latency_s: np.ndarray
    cost_p95_usd: np.ndarray
    latency_p95_s: np.ndarray
    statistic: str
    low: np.ndarray
    high: np.ndarray
    replicates: np.ndarray
    state: np.ndarray
    dominator: np.ndarray
    kinds: tuple[str, ...]
    kind_share: np.ndarray
    kind_quality: np.ndarray
    kind_cost: np.ndarray
    kind_latency: np.ndarray
    _separable: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def n_queries(self) -> int:
        """Number of queries selected."""
        return len(self.rows)

    @cached_property
    def able(self) -> np.ndarray:
        """Paths that may win: those with at least `FEW` queries; all, if none has; shape (paths,)."""
        many = self.n >= FEW
        return many if many.any() else np.ones(len(self.n), dtype=bool)

    @property
    def cost(self) -> np.ndarray:
        """Cost in US dollars by the chosen statistic."""
        return self.cost_usd if self.statistic == "mean" else self.cost_p95_usd

    @property
    def latency(self) -> np.ndarray:
        """Latency in seconds by the chosen statistic."""
        return self.latency_s if self.statistic == "mean" else self.latency_p95_s

    def separable(self, i: int) -> np.ndarray:
        """Tell which paths differ from path i in quality, in 97.5 % of the resamples the same way; shape (paths,)."""
        if i not in self._separable:
            difference = self.replicates - self.replicates[:, [i]]
            most = np.maximum((difference > 0).mean(axis=0), (difference < 0).mean(axis=0))
            self._separable[i] = (
                (most >= (1 + CERTAIN) / 2) & (self.n >= FEW) & bool(self.n[i] >= FEW)
            )
        return self._separable[i]

    def difference(self, i: int, j: int) -> tuple[float, float, float]:
        """Return quality of path i minus that of j, paired by query, with its 95 % interval: difference, low, high."""
        values = self.replicates[:, i] - self.replicates[:, j]
        low, high = np.quantile(values, [(1 - CERTAIN) / 2, (1 + CERTAIN) / 2])
        return float(self.quality[i] - self.quality[j]), float(low), float(high)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per path, best quality first (of equals the cheapest): the table beside the plot."""
        return pd.DataFrame(
            {
                "path_id": list(self.path_ids),
                "placement": self.placement,
                "quality": self.quality,
                "quality_low": self.low,
                "quality_high": self.high,
                "cost_usd": self.cost_usd,
                "usd_per_1k": 1000 * self.cost_usd,
                "latency_s": self.latency_s,
                "latency_p95_s": self.latency_p95_s,
                "n": self.n,
                "on_front": self.state == FRONT,
                "state": np.array(STATES, dtype=object)[self.state],
            }
        ).sort_values(
            ["quality", "cost_usd"], ascending=[False, True], ignore_index=True, kind="stable"
        )


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
        self.trace = trace
        self.path_ids = trace.path_ids
        self.placement = np.array(path_placements(trace), dtype=object)
        self.quality, self.cost, self.latency = (
            np.ascontiguousarray(trace.array(c).T) for c in ("quality", "cost_usd", "latency_s")
        )
        self.kind = trace.queries["kind"].astype(str).to_numpy(dtype=object)
        self.split = trace.queries["split"].astype(str).to_numpy(dtype=object)
        self.cluster = _clusters(trace, embeddings)
        self._views: dict[tuple[str, str, str, str], View] = {}

    @property
    def choices(self) -> dict[str, list[str]]:
        """What each filter may be set to; the first means no filter."""
        parts = {"split": self.split, "kind": self.kind, "cluster": self.cluster}
        return {name: [ANY, *sorted(set(values))] for name, values in parts.items()}

    def view(
        self, split: str = ANY, kind: str = ANY, cluster: str = ANY, statistic: str = "mean"
    ) -> View:
        """Return the tables of some queries; computed once per selection.

        Raises
        ------
        LabError
            If a name is unknown or no query is in all of the parts asked for.

        """
        require_choice("statistic", statistic, STATISTICS)
        mask = np.ones(len(self.kind), dtype=bool)
        for name, value, labels in (
            ("split", split, self.split),
            ("kind", kind, self.kind),
            ("cluster", cluster, self.cluster),
        ):
            if value != ANY:
                require_choice(name, value, self.choices[name])
                mask &= labels == value
        if not mask.any():
            raise LabError(
                f"No query is in split {split}, kind {kind} and cluster {cluster} at once; widen"
                " one of them."
            )
        key = (split, kind, cluster, statistic)
        if key not in self._views:
            self._views[key] = self._cut(np.flatnonzero(mask), statistic)
        return self._views[key]

    def heldout(self, kind: str = ANY, cluster: str = ANY) -> np.ndarray:
        """Return the indices of the held-out queries of a kind and a cluster; empty if there are none."""
        mask = self.split == "heldout"
        for value, labels in ((kind, self.kind), (cluster, self.cluster)):
            if value != ANY:
                mask = mask & (labels == value)
        return np.flatnonzero(mask)

    def _cut(self, rows: np.ndarray, statistic: str) -> View:
        whole = len(rows) == len(self.kind)
        tables = [t if whole else t[:, rows] for t in (self.quality, self.cost, self.latency)]
        seen = ~np.isnan(tables[0])
        n = seen.sum(axis=1)
        rng = np.random.default_rng(0)
        order = rng.permutation(len(rows))
        blocks = min(len(rows), BLOCKS)
        starts = np.linspace(0, len(rows), blocks, endpoint=False).astype(int)
        weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=REPLICATES).astype(
            np.float32
        )
        means = [resampling.mean(t) for t in tables]
        tails = [resampling.p95(t) for t in tables[1:]]
        raw = resampling.resample(tables[0], order, starts, weights)
        complete = bool(seen.all())
        compared = [
            (
                raw
                if complete
                else resampling.resample(resampling.centred(tables[0]), order, starts, weights)
            )
        ]
        points = [means[0], *(means[1:] if statistic == "mean" else tails)]
        for table, point in zip(tables[1:], points[1:], strict=True):
            if statistic == "mean":
                compared.append(
                    resampling.resample(
                        table if complete else resampling.centred(table), order, starts, weights
                    )
                )
            else:
                compared.append(np.broadcast_to(point.astype(np.float32), raw.shape))
        low, high = resampling.interval(raw)
        state, dominator = resampling.states(points, compared, n)
        labels = self.kind[rows]
        kinds = tuple(sorted(set(labels)))
        by_kind = [
            (
                [resampling.mean(t[:, labels == kind]) for kind in kinds]
                if len(kinds) > 1
                else [resampling.mean(t)]
            )
            for t in tables
        ]
        return View(
            path_ids=self.path_ids,
            placement=self.placement,
            rows=rows,
            n=n,
            quality=means[0],
            cost_usd=means[1],
            latency_s=means[2],
            cost_p95_usd=tails[0],
            latency_p95_s=tails[1],
            statistic=statistic,
            low=low,
            high=high,
            replicates=compared[0],
            state=state,
            dominator=dominator,
            kinds=kinds,
            kind_share=np.array([np.mean(labels == kind) for kind in kinds]),
            kind_quality=np.array(by_kind[0]),
            kind_cost=np.array(by_kind[1]),
            kind_latency=np.array(by_kind[2]),
        )


def _clusters(trace: Trace, embeddings: np.ndarray | None) -> np.ndarray:
    if embeddings is not None:
        from ecollm_lab.domains.clusters import find_clusters

        if len(embeddings) != len(trace.query_ids):
            raise LabError(
                f"embeddings must have one row per query of the trace, {len(trace.query_ids)}; got"
                f" {len(embeddings)}."
            )
        labels = find_clusters(np.asarray(embeddings)).labels
        return np.array(
            ["none (noise)" if label < 0 else f"cluster {label:02d}" for label in labels],
            dtype=object,
        )
    if "cluster" in trace.queries:
        return trace.queries["cluster"].astype(str).to_numpy(dtype=object)
    return np.full(len(trace.query_ids), "not clustered", dtype=object)
