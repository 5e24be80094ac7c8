"""What some outcomes say about every path: quality, cost and latency, with uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.emulator.design import Design
from ecollm_lab.emulator.mixed import MixedModel
from ecollm_lab.emulator.positive import PositiveModel
from ecollm_lab.emulator.seen import Seen
from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.records import LabError
from ecollm_lab.traces import OBJECTIVES, Trace, is_on_front, require_trace

# Steps of learning variances for final results, with more cells than `LARGE` one, and draws then.
STEPS, DRAWS, LARGE = 20, 256, 500_000
INTERVAL = (0.05, 0.95)
LEAST_VARIANCE = 0.03 * 0.97  # of a quality near 0 or 1, where a few equal outcomes prove little
MIN_QUERIES_TO_CLUSTER = 16
# queries of a cluster, and how many clusters there may be: each has a front of its own to find
SMALLEST_CLUSTER, MOST_CLUSTERS = 8, 64


class Estimates:
    """Quality, cost and latency of every path on every query, from the outcomes seen so far.

    Parameters
    ----------
    path_ids, query_ids
        All paths and queries, seen or not.
    embeddings
        Unit embeddings of the queries, shape (queries, dimension).
    labels
        Cluster of each query, a whole number >= 0, shape (queries,); found with `find_clusters` if
        left out.
    seed
        Of the posterior draws.

    Notes
    -----
    Means are those over exactly these queries: an outcome that was seen enters as it is, so with
    all of them seen the estimate is the measured mean and its uncertainty nil. Quality noise is
    taken as that of a share: proportional to m (1 - m).

    """

    def __init__(
        self,
        path_ids: Sequence[str],
        query_ids: Sequence[str],
        embeddings: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        self.path_ids, self.query_ids = list(path_ids), list(query_ids)
        self.embeddings = np.asarray(embeddings)
        for what, ids in (("paths", self.path_ids), ("queries", self.query_ids)):
            if not ids or len(set(ids)) < len(ids):
                raise LabError(
                    f"{what} must be at least one and all different, got {len(ids)} with"
                    f" {len(set(ids))} different ids."
                )
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.query_ids):
            raise LabError(
                f"embeddings must have one row per query: {len(self.query_ids)}, got the shape"
                f" {self.embeddings.shape}."
            )
        if labels is None:
            labels = np.zeros(len(self.query_ids), dtype=int)
            smallest = max(SMALLEST_CLUSTER, len(labels) // MOST_CLUSTERS)
            if len(labels) >= MIN_QUERIES_TO_CLUSTER:
                labels = find_clusters(self.embeddings, smallest).assign(self.embeddings)
        self.labels = np.asarray(labels)
        whole = self.labels.dtype.kind in "iu" and (self.labels >= 0).all()
        if self.labels.shape != (len(self.query_ids),) or not whole:
            raise LabError(
                f"labels must be a cluster >= 0 for each of the {len(self.query_ids)} queries, as a"
                f" whole number; got {self.labels!s:.80} of type {self.labels.dtype}."
            )
        self._rng = np.random.default_rng(seed)
        design = Design.over(self.path_ids, self.embeddings, self.labels)
        self._quality = MixedModel(design)
        self._spends = {name: PositiveModel(design) for name in ("cost_usd", "latency_s")}
        self.n_outcomes = np.zeros(len(self.path_ids), dtype=int)

    @classmethod
    def of(cls, trace: Trace, *, encoder: Encoder | None = None, seed: int = 0) -> Estimates:
        """Return what the outcomes of a trace, such as the Emulator leaves, say about every path.

        Parameters
        ----------
        trace
            It has at least one outcome of each of its paths and queries.
        encoder
            Embeds the queries; the default encoder if left out. A policy that is fitted on the
            estimates has to be given the same one.
        seed
            Of the posterior draws.

        Raises
        ------
        LabError
            If it is no trace, or has no outcome with a quality.

        Examples
        --------
        A policy for unseen queries, fitted on what was explored::

            explored = Trace.load("build/emulated/smart_home.parquet")
            policy = fit_policy(explored, estimates=Estimates.of(explored))

        """
        require_trace(trace)
        embeddings = (encoder or default_encoder()).encode(trace.queries["text"].tolist())
        found = cls(trace.path_ids, trace.query_ids, embeddings, seed=seed)
        tables = [trace.array(name) for name in OBJECTIVES]
        steps = STEPS if tables[0].size <= LARGE else 1
        found.update(*tables, iterations=steps, n_draws=DRAWS)
        return found

    def update(
        self,
        quality: np.ndarray | Seen,
        cost: np.ndarray | Seen,
        latency: np.ndarray | Seen,
        *,
        iterations: int = 3,
        n_draws: int = 64,
    ) -> None:
        """Fit to tables (queries, paths), NaN where not seen; goes on from the last fit.

        A cost or a latency that no outcome has stays unknown: NaN in all that is estimated.

        Raises
        ------
        LabError
            If no quality was seen.

        """
        quality = Seen.of(quality)
        if not len(quality):
            raise LabError("There is no outcome with a quality to estimate from.")
        self.n_outcomes = quality.of_path()
        for _ in range(iterations):
            weights = self._quality_precision(self.n_outcomes)
            self._quality.fit(quality, rng=self._rng, n_draws=n_draws, weights=weights)
        for model, seen in zip(self._spends.values(), (cost, latency), strict=True):
            model.fit(seen, rng=self._rng, n_draws=n_draws, iterations=iterations)

    def _quality_precision(self, n: np.ndarray) -> np.ndarray | None:
        """Return each path's precision relative to the average outcome, shape (paths,).

        `n` are the outcomes of each path. None before the first fit.
        """
        if not self._quality.fitted:
            return None
        level = np.clip(self._quality.mean_cells(), 0.0, 1.0)
        variance = np.maximum(level * (1 - level), LEAST_VARIANCE)
        return (n @ variance) / n.sum() / variance

    def draws(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return posterior draws of the paths' mean quality, cost_usd and latency_s.

        Over the queries `rows`, all if left out; shape (draws, paths, 3).
        """
        rows = np.arange(len(self.query_ids)) if rows is None else np.asarray(rows)
        quality = np.clip(self._quality.mean_draws(rows, self._rng), 0.0, 1.0)
        spends = [one.mean_draws(rows, self._rng) for one in self._spends.values()]
        return np.stack([quality, *spends], axis=2)

    def tail_draws(self, column: str, q: float = 0.95, n_draws: int = 32) -> np.ndarray:
        """Return posterior draws of the paths' quantile of cost_usd or latency_s over all queries.

        Shape (draws, paths).
        """
        return self._spends[column].quantile_draws(q, self._rng, n_draws)

    def likely_outcomes(self, column: str, n_draws: int = 32) -> np.ndarray:
        """Return what an answer of each path may cost or take, as equally likely values.

        They are ascending, shape (queries, paths): the share of a path's values beyond a limit is
        the probability that an answer exceeds it.
        """
        return self._spends[column].likely(self._rng, n_draws)

    def expected_quality(self) -> np.ndarray:
        """Return the posterior mean quality of every query on every path, shape (queries, paths).

        It is not clipped to [0, 1].
        """
        return self._quality.cells()

    def fronts(self, left_out: np.ndarray | None = None) -> pd.DataFrame:
        """Return a row per path for all queries ("all") and for each cluster ("cluster 0", …).

        Columns: scope, path_id, then for quality, cost_usd and latency_s the mean and a 90 %
        credible interval (`_low`, `_high`), on_front (by the means), front_probability (share of
        posterior draws), n (outcomes seen, in any scope).

        Paths `left_out`, a mask of shape (paths,), are never on a front and dominate nothing; None
        = no path is.
        """
        scopes = {"all": np.arange(len(self.labels))}
        known = np.unique(self.labels)
        if len(known) > 1:
            scopes |= {f"cluster {label}": np.flatnonzero(self.labels == label) for label in known}
        if left_out is None:
            left_out = np.zeros(len(self.path_ids), dtype=bool)
        return pd.concat(
            [self._front(scope, rows, left_out) for scope, rows in scopes.items()],
            ignore_index=True,
        )

    def _front(self, scope: str, rows: np.ndarray, left_out: np.ndarray) -> pd.DataFrame:
        draws = self.draws(rows)
        mean, (low, high) = draws.mean(axis=0), np.quantile(draws, INTERVAL, axis=0)
        frame = pd.DataFrame({"scope": scope, "path_id": self.path_ids})
        for i, name in enumerate(OBJECTIVES):
            for end, values in (("", mean), ("_low", low), ("_high", high)):
                frame[name + end] = values[:, i]
        draws, mean = np.nan_to_num(draws), np.nan_to_num(mean)
        draws[:, left_out], mean[left_out] = np.nan, np.nan
        frame["on_front"] = is_on_front(mean)
        frame["front_probability"] = np.mean([is_on_front(draw) for draw in draws], axis=0)
        frame["n"] = self.n_outcomes
        return frame


def slo_regret(draws: np.ndarray, boxes: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the quality expected to be lost by not knowing better, and the picks.

    The quality is lost to the best path within each box, averaged over the boxes.

    Parameters
    ----------
    draws
        Posterior draws, shape (draws, paths, 3).
    boxes
        Limits of cost_usd and latency_s, shape (boxes, 2).

    Notes
    -----
    Picks maximise expected quality where a path that breaks a limit delivers 0; -1 where no path
    keeps the limits in any draw. The regret is the best feasible quality of each draw minus the
    pick's, averaged over draws and the boxes with a pick.

    """
    kept = (draws[None, :, :, 1] <= boxes[:, None, None, 0]) & (
        draws[None, :, :, 2] <= boxes[:, None, None, 1]
    )
    value = np.where(kept, draws[None, :, :, 0], 0.0)
    expected = value.mean(axis=1)
    picks = np.where(expected.max(axis=1) > 0, expected.argmax(axis=1), -1)
    lost = value.max(axis=2).mean(axis=1) - expected.max(axis=1)
    return float(lost[picks >= 0].mean()) if (picks >= 0).any() else 0.0, picks
