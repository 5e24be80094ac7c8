"""How near to the truth a part of the outcomes comes."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import Space
from ecollm_lab.emulator import Estimates
from ecollm_lab.emulator.estimates import slo_regret
from ecollm_lab.policies import Policy, fit_policy
from ecollm_lab.policies.limits import TermsOptions
from ecollm_lab.policies.policy import Infeasible
from ecollm_lab.records import SLO, InfeasibleSLO
from ecollm_lab.traces import OBJECTIVES, Trace, hypervolume, is_on_front


@dataclass(eq=False)
class Truth:
    """What the whole table says: means, front, limits of the SLO grids, the policy fitted on it."""

    space: Space

    def __post_init__(self) -> None:
        tables = self.space.tables
        self.means = tables.mean(axis=1).T
        self.front = is_on_front(self.means)
        self.reference = np.array(
            [self.means[:, 0].min(), self.means[:, 1].max(), self.means[:, 2].max()]
        )
        self.reference += np.array([-1.0, 1.0, 1.0]) * (
            np.ptp(self.means, axis=0) == 0
        )  # what is the same for all gets a unit extent
        self.volume = hypervolume(self.means[self.front], self.reference)
        self.boxes = _boxes(self.means[:, 1], self.means[:, 2])
        self.tails = np.quantile(tables[1:], 0.95, axis=1).T
        self.tail_boxes = _boxes(self.tails[:, 0], self.tails[:, 1])
        whole = _trace(self.space, np.ones(tables.shape[1:], dtype=bool))
        self.full = {
            score: self.heldout_quality(policy, score)
            for score, policy in _policies(whole, embeddings=self.space.embeddings).items()
        }

    def hypervolume_ratio(self, paths: np.ndarray) -> float:
        """Return how much of the true front's hypervolume the true means of these paths have."""
        return hypervolume(self.means[paths], self.reference) / self.volume

    def slo_loss(self, picks: np.ndarray) -> float:
        """Return the mean true quality lost by one pick per box, -1 for none."""
        lost = []
        for (cost, latency), pick in zip(self.boxes, picks, strict=True):
            kept = (self.means[:, 1] <= cost) & (self.means[:, 2] <= latency)
            if kept.any():
                lost.append(
                    self.means[kept, 0].max()
                    - (self.means[pick, 0] if pick >= 0 and kept[pick] else 0.0)
                )
        return float(np.mean(lost))

    def heldout_quality(self, policy: Policy, score: str) -> float:
        """Return the policy's mean quality on held-out queries over the grid of SLOs.

        What breaks a limit scores 0: in "answers_kept" an answer, in "heldout_kept" a path, by its
        true percentiles. There an SLO that is refused scores 0 as well; where answers count, it is
        answered by the path that breaks it least often, as some of the answers keep it anyhow.
        """
        column = {path_id: i for i, path_id in enumerate(self.space.path_ids)}
        rows = np.arange(len(self.space.heldout_embeddings))
        quality, costs, latencies = self.space.heldout
        infeasible: Infeasible = "least_violating" if score == "answers_kept" else "raise"
        got = []
        for cost, latency in self.tail_boxes:
            slo = SLO(max_cost_usd=cost or None, max_latency_s=latency or None)
            try:
                with warnings.catch_warnings(action="ignore", category=UserWarning):
                    chosen = policy.select(
                        self.space.heldout_embeddings, slo, infeasible=infeasible
                    )
            except InfeasibleSLO:
                got.append(0.0)
                continue
            paths = np.array([column[path_id] for path_id in chosen])
            if score == "answers_kept":
                kept = (costs[rows, paths] <= cost) & (latencies[rows, paths] <= latency)
            else:
                kept = (self.tails[paths, 0] <= cost) & (self.tails[paths, 1] <= latency)
            got.append(float((quality[rows, paths] * kept).mean()))
        return float(np.mean(got))


def _boxes(cost: np.ndarray, latency: np.ndarray) -> np.ndarray:
    return np.array(list(itertools.product(_limits(cost), _limits(latency))))


def _limits(values: np.ndarray, k: int = 5) -> np.ndarray:
    """Return a limit in each k-th part of the sorted values, in the widest relative gap there."""
    known = np.unique(values)
    if len(known) == 1:
        return known
    gaps = known[1:] / np.maximum(known[:-1], known[known > 0].min() / 2)
    middles = (known[1:] + known[:-1]) / 2
    return np.array(
        [
            middles[part[gaps[part].argmax()]]
            for part in np.array_split(np.arange(len(gaps)), k)
            if len(part)
        ]
    )


def recommend(points: np.ndarray, k: int) -> np.ndarray:
    """Return k paths by estimated points, shape (paths, 3).

    The front, cut greedily by hypervolume, or filled up from the next fronts.
    """
    left = ~np.isnan(points).any(axis=1)
    reference = np.array(
        [np.nanmin(points[:, 0]), np.nanmax(points[:, 1]), np.nanmax(points[:, 2])]
    )
    chosen: list[int] = []
    while len(chosen) < k and left.any():
        front = np.flatnonzero(left)[is_on_front(points[left])].tolist()
        left[front] = False
        if len(chosen) + len(front) <= k:
            chosen += front
        while len(chosen) < k and front and front[0] not in chosen:
            gains = [hypervolume(points[[*chosen, path]], reference) for path in front]
            chosen.append(front.pop(int(np.argmax(gains))))
    return np.array(chosen)


def _trace(space: Space, seen: np.ndarray) -> Trace:
    rows, columns = np.nonzero(seen)
    frame = pd.DataFrame(
        {"query_id": rows.astype(str), "path_id": np.array(space.path_ids, dtype=object)[columns]}
    )
    for name, table in zip(OBJECTIVES, space.tables, strict=True):
        frame[name] = table[rows, columns]
    return Trace.from_frame(frame)


def score_raw(space: Space, truth: Truth, seen: np.ndarray) -> dict[str, float]:
    """Score a sample by the means of what was seen."""
    tables = np.where(seen, space.tables, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a path without outcomes has no mean
        points = np.nanmean(tables, axis=1).T
    paths = recommend(points, int(truth.front.sum()))
    known = np.nan_to_num(points, nan=np.inf)
    quality = np.where(np.isnan(points[:, 0]), -1.0, points[:, 0])
    kept = (known[None, :, 1] <= truth.boxes[:, :1]) & (known[None, :, 2] <= truth.boxes[:, 1:])
    value = np.where(kept, quality, -1.0)
    picks = np.where(value.max(axis=1) >= 0, value.argmax(axis=1), -1)
    trace = _trace(space, seen)
    embeddings = space.embeddings[[int(query_id) for query_id in trace.query_ids]]
    policies = _policies(trace, embeddings=embeddings)
    return _score(truth, paths, picks, points, policies)


def score_estimates(space: Space, truth: Truth, estimates: Estimates) -> dict[str, float]:
    """Score what the estimator makes of a sample."""
    draws = np.nan_to_num(estimates.draws())  # what is not recorded is the same for all
    points = draws.mean(axis=0)
    paths = recommend(points, int(truth.front.sum()))
    picks = slo_regret(draws, truth.boxes)[1]
    low, high = np.quantile(draws[:, :, 0], (0.05, 0.95), axis=0)
    some = _trace(space, np.eye(*space.tables.shape[1:], dtype=bool))
    policies = _policies(some, estimates=estimates)
    covered = (low - 1e-9 <= truth.means[:, 0]) & (truth.means[:, 0] <= high + 1e-9)
    return _score(truth, paths, picks, points, policies) | {"coverage": float(covered.mean())}


def _policies(trace: Trace, **known: Any) -> dict[str, Policy]:
    """Return the policy of each score: it keeps limits with most of its answers, or percentiles."""
    terms: dict[str, TermsOptions] = {"answers_kept": {}, "heldout_kept": {"violation_rate": None}}
    return {score: fit_policy(trace, **known, **rate) for score, rate in terms.items()}


def _score(
    truth: Truth,
    paths: np.ndarray,
    picks: np.ndarray,
    points: np.ndarray,
    policies: dict[str, Policy],
) -> dict[str, float]:
    kept = {
        score: truth.heldout_quality(policy, score) / truth.full[score]
        for score, policy in policies.items()
    }
    return {
        "hypervolume_ratio": truth.hypervolume_ratio(paths),
        "front_size": len(paths),
        "slo_loss": truth.slo_loss(picks),
        "optimism": float((points[paths, 0] - truth.means[paths, 0]).mean()),
        **kept,
    }
