"""How near to the truth a budgeted exploration comes: ours against random search, Optuna, racing; `python -m benchmarks.emulator`.

Every method spends the same number of outcomes on the same table. Raw, its estimates are the means
of what it saw; with `+ours` in its name, our estimator reads what it saw, which tells estimator and
allocation apart.

`hypervolume_ratio`: hypervolume of the true means of the recommended paths over the true front's.
`slo_loss`: true quality lost against the best feasible path, mean over 25 SLOs; an infeasible pick
scores 0. `heldout_kept`: quality over 25 SLOs (limits on 95th percentiles) of the policy `ours` on
held-out queries, a pick whose percentile over all training outcomes breaks a limit scoring 0,
fitted on the partial trace over fitted on the full one. `optimism`: estimated minus true mean
quality of the recommended paths. `coverage`: share of 90 % intervals of quality that hold the true
mean.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import (
    SIZES,
    Space,
    available,
    edition,
    load,
    made_now,
    recorded,
    renewed,
    synthetic,
)
from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.emulator import Budget, Emulator, Estimates, emulate
from ecollm_lab.emulator.estimates import slo_regret
from ecollm_lab.policies import Policy, fit_policy
from ecollm_lab.records import SLO, InfeasibleSLO, Outcome
from ecollm_lab.traces import OBJECTIVES, Trace, hypervolume, is_on_front, path_ids

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
ON_TOP = (0.01, 0.05)  # budgets at which our estimator is also tried on what the others saw
MOST_SEEDS = {"synthetic_300": 10, "synthetic_2000": 3}  # where a seed takes minutes
BASELINES = (
    "uniform",
    "cluster_stratified",
    "path_first",
    "racing",
    "tpe_10",
    "tpe_20",
    "tpe_40",
    "nsga2_10",
    "nsga2_20",
    "nsga2_40",
)
# The number after an Optuna sampler is how many queries a trial takes; it is reported with the one
# that serves it best on each trace.


@dataclass(eq=False)
class Truth:
    """What the whole table says: true means, front, limits of the SLO grids, and the policy fitted on all of it."""

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
        self.full = self.heldout_quality(
            fit_policy(
                _trace(self.space, np.ones(tables.shape[1:], dtype=bool)),
                embeddings=self.space.embeddings,
                violation_rate=None,
            )
        )

    def hypervolume_ratio(self, paths: np.ndarray) -> float:
        """Return the share of the true front's hypervolume that the true means of these paths have."""
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

    def heldout_quality(self, policy: Policy) -> float:
        """Return the policy's mean quality on held-out queries over the grid; what breaks a limit by the true percentiles scores 0."""
        column = {path_id: i for i, path_id in enumerate(self.space.path_ids)}
        rows = np.arange(len(self.space.heldout_embeddings))
        got = []
        for cost, latency in self.tail_boxes:
            try:
                chosen = policy.select(
                    self.space.heldout_embeddings,
                    SLO(max_cost_usd=cost if cost > 0 else None, max_latency_s=latency),
                )
            except InfeasibleSLO:
                got.append(0.0)
                continue
            paths = np.array([column[path_id] for path_id in chosen])
            kept = (self.tails[paths, 0] <= cost) & (self.tails[paths, 1] <= latency)
            got.append(float((self.space.heldout[0][rows, paths] * kept).mean()))
        return float(np.mean(got))


def _boxes(cost: np.ndarray, latency: np.ndarray) -> np.ndarray:
    return np.array(list(itertools.product(_limits(cost), _limits(latency))))


def _limits(values: np.ndarray, k: int = 5) -> np.ndarray:
    """Return one limit in each k-th part of the sorted values, in the middle of the widest relative gap there."""
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
    """Return k paths by estimated points (paths, 3): the front, cut greedily by hypervolume, or filled up from the next fronts."""
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
    policy = fit_policy(
        trace,
        embeddings=space.embeddings[[int(query_id) for query_id in trace.query_ids]],
        violation_rate=None,
    )
    return _score(truth, paths, picks, points, policy)


def score_estimates(space: Space, truth: Truth, estimates: Estimates) -> dict[str, float]:
    """Score what the estimator makes of a sample."""
    draws = estimates.draws()
    points = draws.mean(axis=0)
    paths = recommend(points, int(truth.front.sum()))
    picks = slo_regret(draws, truth.boxes)[1]
    low, high = np.quantile(draws[:, :, 0], (0.05, 0.95), axis=0)
    policy = fit_policy(
        _trace(space, np.eye(*space.tables.shape[1:], dtype=bool)), estimates=estimates
    )
    covered = (low - 1e-9 <= truth.means[:, 0]) & (truth.means[:, 0] <= high + 1e-9)
    return _score(truth, paths, picks, points, policy) | {"coverage": float(covered.mean())}


def _score(
    truth: Truth, paths: np.ndarray, picks: np.ndarray, points: np.ndarray, policy: Policy
) -> dict[str, float]:
    return {
        "hypervolume_ratio": truth.hypervolume_ratio(paths),
        "front_size": len(paths),
        "slo_loss": truth.slo_loss(picks),
        "heldout_kept": truth.heldout_quality(policy) / truth.full,
        "optimism": float((points[paths, 0] - truth.means[paths, 0]).mean()),
    }


# --- allocation rules: each yields cells (query, path), new ones only, in the order it would pay
# for them -----------------------


def uniform(
    space: Space, labels: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Any cell with equal chance."""
    shape = space.tables.shape[1:]
    for cell in rng.permutation(shape[0] * shape[1]):
        yield divmod(int(cell), shape[1])


def cluster_stratified(
    space: Space, labels: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Clusters by turns in proportion to their queries; any cell within."""
    n_paths = space.tables.shape[2]
    turns = []
    for label in np.unique(labels):
        cells = [(int(q), p) for q in np.flatnonzero(labels == label) for p in range(n_paths)]
        turns += [
            ((i + rng.random()) / len(cells), cells[j])
            for i, j in enumerate(rng.permutation(len(cells)))
        ]
    yield from (cell for _, cell in sorted(turns))


def path_first(
    space: Space, labels: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Every path once on a random query, then every path again."""
    n_queries, n_paths = space.tables.shape[1:]
    orders = [rng.permutation(n_queries) for _ in range(n_paths)]
    for i in range(n_queries):
        yield from ((int(orders[p][i]), int(p)) for p in rng.permutation(n_paths))


def racing(space: Space, labels: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """All paths left on the same next query; after five, those whose 95 % boxes another's box dominates drop out."""
    n_queries, n_paths = space.tables.shape[1:]
    alive, done = np.ones(n_paths, dtype=bool), []
    for q in rng.permutation(n_queries):
        yield from ((int(q), int(p)) for p in rng.permutation(np.flatnonzero(alive)))
        done.append(q)
        if len(done) >= 5:
            means = space.tables[:, done].mean(axis=1)
            half = 1.96 * (space.tables[:, done].std(axis=1, ddof=1) + 1e-12) / np.sqrt(len(done))
            half[0] = np.maximum(
                half[0], 1.96 * 0.5 / np.sqrt(len(done)) * 0.5
            )  # five equal answers prove little
            best = np.stack(
                [-(means[0] - half[0]), means[1] + half[1], means[2] + half[2]]
            )  # the worst it may be
            worst = np.stack(
                [-(means[0] + half[0]), means[1] - half[1], means[2] - half[2]]
            )  # the best it may be
            beaten = np.array(
                [(best[:, alive] <= worst[:, [p]]).all(axis=0).any() for p in range(n_paths)]
            )
            alive &= ~beaten
    yield from uniform(space, labels, rng)


def optuna_trials(
    space: Space, labels: np.ndarray, rng: np.random.Generator, *, sampler: str, m: int
) -> Iterator[tuple[int, int]]:
    """Try a path on m queries it has not had; repeats of a path are judged by all its outcomes so far."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = int(rng.integers(2**31))
    made = {"tpe": optuna.samplers.TPESampler, "nsga2": optuna.samplers.NSGAIISampler}[sampler](
        seed=seed
    )
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"], sampler=made)
    keys = [path_ids.parts(path_id) for path_id in space.path_ids]
    if len(set(map(len, keys))) > 1:
        keys = [(path_id,) for path_id in space.path_ids]
    column = {key: i for i, key in enumerate(keys)}
    choices = [sorted(set(levels)) for levels in zip(*keys, strict=True)]
    orders = [list(rng.permutation(space.tables.shape[1])) for _ in keys]
    seen: list[list[int]] = [[] for _ in keys]
    refused = 0
    while refused < 2000:
        trial = study.ask()
        key = tuple(
            trial.suggest_categorical(f"stage_{i}", levels) for i, levels in enumerate(choices)
        )
        p = column.get(key)
        if p is None or not orders[p]:  # no such path, or nothing new to ask of it: costs nothing
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            refused += 1
            continue
        refused = 0
        new = [int(orders[p].pop()) for _ in range(min(m, len(orders[p])))]
        yield from ((q, p) for q in new)
        seen[p] += new
        study.tell(trial, space.tables[:, seen[p], p].mean(axis=1).tolist())
    yield from uniform(space, labels, rng)


def _cells(
    method: str,
) -> Callable[[Space, np.ndarray, np.random.Generator], Iterator[tuple[int, int]]]:
    if method.startswith(("tpe", "nsga2")):
        sampler, m = method.split("_")
        return partial(optuna_trials, sampler=sampler, m=int(m))
    return {
        "uniform": uniform,
        "cluster_stratified": cluster_stratified,
        "path_first": path_first,
        "racing": racing,
    }[method]


def run_seed(
    name: str, seed: int, shares: tuple[float, ...], baselines: tuple[str, ...], on_top: bool
) -> list[dict[str, Any]]:
    """Run every method on one space with one seed; returns the records."""
    space = load(name, seed)
    truth = Truth(space)
    labels = find_clusters(space.embeddings).assign(space.embeddings)
    records = _ours(space, truth, labels, seed, shares)
    queries = [str(i) for i in range(space.tables.shape[1])]
    for method in baselines:
        seen = np.zeros(space.tables.shape[1:], dtype=bool)
        cells = _cells(method)(space, labels, np.random.default_rng([seed, *method.encode()]))
        for share in shares:
            target = round(share * seen.size)
            while seen.sum() < target:
                for q, p in itertools.islice(cells, int(target - seen.sum())):
                    seen[q, p] = True
            where = {"trace": name, "budget_share": share, "seed": seed, "calls": target}
            records.append(where | {"method": method} | score_raw(space, truth, seen))
            if (
                on_top
                and share in ON_TOP
                and not method.endswith(("_10", "_40") if name in SIZES else "_20")
            ):
                estimates = Estimates(
                    space.path_ids, queries, space.embeddings, labels=labels, seed=seed
                )
                estimates.update(*np.where(seen, space.tables, np.nan), iterations=12, n_draws=256)
                records.append(
                    where | {"method": f"{method}+ours"} | score_estimates(space, truth, estimates)
                )
    return [record | made_now() | {"edition": edition(name)} for record in records]


def reusable(records: list[dict[str, Any]], traces: list[str]) -> list[dict[str, Any]]:
    """Return the records of seeds that stand: those of traces not asked for, and of the asked ones those on today's edition."""
    return [
        r
        for r in records
        if "seed" in r and (r["trace"] not in traces or r.get("edition") == edition(r["trace"]))
    ]


def _look_up(space: Space, pairs: list[tuple[str, str]]) -> list[Outcome]:
    column = {path_id: i for i, path_id in enumerate(space.path_ids)}
    cells = ((query, path, space.tables[:, int(query), column[path]]) for query, path in pairs)
    return [
        Outcome(query, path, float(q), float(c), float(t), 0, 0) for query, path, (q, c, t) in cells
    ]


def _ours(
    space: Space, truth: Truth, labels: np.ndarray, seed: int, shares: tuple[float, ...]
) -> list[dict[str, Any]]:
    queries = [str(i) for i in range(space.tables.shape[1])]
    emulator = Emulator(space.path_ids, queries, space.embeddings, labels=labels, seed=seed)
    records, deciding, batches, slowest = [], 0.0, 0, 0.0
    for share in shares:
        target = round(share * space.tables[0].size)
        if target < len(space.path_ids):
            continue
        history = emulate(emulator, partial(_look_up, space), Budget(outcomes=target))
        deciding, batches = deciding + history["deciding_s"].sum(), batches + len(history)
        slowest = max(slowest, history["deciding_s"].max())
        told = emulator.outcomes
        where = {
            "trace": space.name,
            "method": "ours",
            "budget_share": share,
            "seed": seed,
            "calls": len(told),
        }
        extra = {
            "deciding_s": deciding,
            "batches": batches,
            "slowest_batch_s": slowest,
            "outcomes_s": sum(o.latency_s for o in told),
        }
        records.append(
            where | score_estimates(space, truth, emulator.refresh(thorough=True)) | extra
        )
    return records


# --- summary
# ---------------------------------------------------------------------------------------------------------------


def best_of_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep, per trace and sampler, the number of queries a trial that serves it best; `tpe_10+ours` becomes `tpe+ours`."""
    parts = frame["method"].str.extract(r"^(tpe|nsga2)_(\d+)(\+ours)?$")
    tuned = frame[parts[0].notna()].assign(sampler=parts[0] + parts[2].fillna(""), m=parts[1])
    score = tuned.groupby(["trace", "sampler", "m"])[
        ["hypervolume_ratio", "heldout_kept", "slo_loss"]
    ].mean()
    best = (
        (score["hypervolume_ratio"] + score["heldout_kept"] - score["slo_loss"])
        .groupby(["trace", "sampler"])
        .idxmax()
    )
    kept = tuned[[(row.trace, row.sampler, row.m) in set(best) for row in tuned.itertuples()]]
    kept = kept.assign(method=kept["sampler"], queries_per_trial=kept["m"].astype(int)).drop(
        columns=["sampler", "m"]
    )
    return pd.concat([frame[parts[0].isna()], kept], ignore_index=True)


DOMAINS, SYNTHETIC, HOME = ("smart_home", "automotive"), tuple(SIZES), ("homeassistant",)
AIMS = (  # traces, budget share, metric, at_least or at_most, bound: medians over seeds of ours
    (DOMAINS, 0.05, "hypervolume_ratio", "at_least", 0.97),
    (DOMAINS, 0.05, "slo_loss", "at_most", 0.03),
    (DOMAINS, 0.05, "heldout_kept", "at_least", 0.97),
    (DOMAINS, 0.01, "hypervolume_ratio", "at_least", 0.94),
    (DOMAINS, 0.01, "slo_loss", "at_most", 0.08),
    (DOMAINS, 0.01, "heldout_kept", "at_least", 0.90),
    (DOMAINS, 0.05, "optimism", "at_most", 0.02),
    (DOMAINS, 0.05, "coverage", "at_least", 0.85),
    (DOMAINS, 0.05, "coverage", "at_most", 0.95),
    (SYNTHETIC, 0.05, "hypervolume_ratio", "at_least", 0.98),
    (SYNTHETIC, 0.05, "slo_loss", "at_most", 0.025),
    (HOME, 0.05, "hypervolume_ratio", "at_least", 0.96),
    (HOME, 0.05, "slo_loss", "at_most", 0.05),
    (HOME, 0.1, "hypervolume_ratio", "at_least", 0.98),
    (HOME, 0.1, "slo_loss", "at_most", 0.035),
)
CALLS_RATIO = {"smart_home": 4.0, "automotive": 4.0, "homeassistant": 2.0}
DIRECTIONS = {"hypervolume_ratio": 1, "slo_loss": -1, "heldout_kept": 1}


def aims(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one record per figure that was asked for: medians over seeds of ours, calls ratios, competitors that do better."""
    out: list[dict[str, Any]] = []
    ours = (
        frame[frame["method"] == "ours"]
        .groupby(["trace", "budget_share"])
        .median(numeric_only=True)
    )
    for traces, share, metric, bound, value in AIMS:
        for trace in traces:
            if (trace, share) in ours.index:
                got = float(ours.loc[(trace, share), metric])
                out.append(
                    {"metric": f"{metric}_at_{share}", "trace": trace, "value": got, bound: value}
                )
    for trace, least in CALLS_RATIO.items():
        if (trace, 0.05) in ours.index:
            ratio, exact = calls_ratio(frame[frame["trace"] == trace])
            note = (
                ""
                if exact
                else "no competitor gets there with the largest budget tried: at least this"
            )
            out.append(
                {
                    "metric": "calls_ratio_best_competitor",
                    "trace": trace,
                    "value": ratio,
                    "at_least": least,
                    "note": note,
                }
            )
    better = beaten_by(frame)
    out.append(
        {
            "metric": "competitors_better_beyond_interval",
            "value": len(better),
            "at_most": 0,
            "cases": better,
        }
    )
    return out


def calls_ratio(frame: pd.DataFrame, share: float = 0.05) -> tuple[float, bool]:
    """Return how many times our calls at 5 % the best raw competitor needs for the same median heldout_kept, and if it gets there.

    Between budgets the median is interpolated over the logarithm of the budget.
    """
    medians = frame.groupby(["method", "budget_share"])["heldout_kept"].median().unstack()
    aim = medians.loc["ours", share]
    raw = [method for method in medians.index if method != "ours" and "+" not in method]
    ratios = []
    for method in raw:
        kept = np.maximum.accumulate(medians.loc[method].to_numpy())
        if kept[-1] >= aim:
            need = (
                float(np.exp(np.interp(aim, kept, np.log(medians.columns.to_numpy()))))
                if kept[0] < aim
                else min(medians.columns)
            )
            ratios.append(need / share)
    return (min(ratios), True) if ratios else (max(medians.columns) / share, False)


def beaten_by(frame: pd.DataFrame) -> list[str]:
    """Return where a raw competitor's paired mean difference to ours lies beyond its 95 % interval, in its favour."""
    cases = []
    for metric, sign in DIRECTIONS.items():
        table = frame.pivot_table(
            index=["trace", "budget_share", "seed"], columns="method", values=metric
        )
        if "ours" not in table:
            continue
        for method in (m for m in table if m != "ours" and "+" not in m):
            for (trace, share), part in (
                (sign * (table[method] - table["ours"])).dropna().groupby(["trace", "budget_share"])
            ):
                half = 1.96 * part.std() / len(part) ** 0.5
                if len(part) > 2 and part.mean() > half:
                    cases.append(
                        f"{trace} {share:g} {metric}: {method} by {part.mean():.3f} ± {half:.3f}"
                    )
    return cases


def table(frame: pd.DataFrame) -> str:
    """Return medians over seeds as text: one row per trace and method, one column group per budget."""
    columns = ["hypervolume_ratio", "slo_loss", "heldout_kept"]
    wide = (
        frame.groupby(["trace", "method", "budget_share"])[columns].median().unstack("budget_share")
    )
    wide.columns = [f"{name[:4]} {share:.0%}" for name, share in wide.columns]
    return wide.round(3).to_string()


def markdown(frame: pd.DataFrame, share: float = 0.05) -> str:
    """Return a table of medians over seeds at one budget: ours, and for each metric the best raw competitor."""
    rows = [
        "| trace | | hypervolume ratio | SLO loss | held-out quality kept |",
        "|---|---|---|---|---|",
    ]
    at = frame[(frame["budget_share"] == share) & ~frame["method"].str.contains("+", regex=False)]
    for trace, part in at.groupby("trace", sort=False):
        medians = part.groupby("method")[list(DIRECTIONS)].median()
        others = medians.drop(index="ours")
        best = {metric: (others[metric] * sign).idxmax() for metric, sign in DIRECTIONS.items()}
        ours = " | ".join(f"{medians.loc['ours', metric]:.3f}" for metric in DIRECTIONS)
        rivals = " | ".join(
            f"{others.loc[best[metric], metric]:.3f} ({best[metric]})" for metric in DIRECTIONS
        )
        rows += [
            f"| {trace}, {part['seed'].nunique()} seeds | ours | {ours} |",
            f"| | best other | {rivals} |",
        ]
    return "\n".join(rows)


def kept(frame: pd.DataFrame) -> str:
    """Return a table of the held-out quality that a policy keeps at 1 and 5 % of the outcomes, medians over seeds."""
    rows = [
        "| trace | outcomes at 5 % | ours, 1 % | best other, 1 % | ours, 5 % | best other, 5 % |",
        "|---|---|---|---|---|---|",
    ]
    raw = frame[~frame["method"].str.contains("+", regex=False)]
    for trace, part in raw.groupby("trace", sort=False):
        medians = part.groupby(["budget_share", "method"])["heldout_kept"].median()
        cells = []
        for share in (0.01, 0.05):
            others = medians[share].drop("ours")
            cells.append(f"{medians[share]['ours']:.2f} | {others.max():.2f} ({others.idxmax()})")
        n_outcomes = part.loc[
            (part["method"] == "ours") & (part["budget_share"] == 0.05), "calls"
        ].median()
        rows.append(f"| {trace} | {n_outcomes:,.0f} | {' | '.join(cells)} |")
    return "\n".join(rows)


def calls(frame: pd.DataFrame, share: float = 0.05) -> str:
    """Return what ours saves at one budget, where the gain comes from, and how far its estimates are off; medians over seeds."""
    rows = [
        (
            "| trace | calls that the best other method needs for as much, × ours | kept by ours on"
            " a uniform sample | by ours | front too good by: ours | uniform | 90 % intervals that"
            " hold |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for trace, part in frame.groupby("trace", sort=False):
        ratio, exact = calls_ratio(part)
        medians = (
            part[part["budget_share"] == share]
            .groupby("method")[["heldout_kept", "optimism", "coverage"]]
            .median()
        )
        sampled, ours = medians.reindex(["uniform", "uniform+ours"]), medians.loc["ours"]
        shown = [
            f"{value:.3f}" if np.isfinite(value) else "–"
            for value in (
                sampled.loc["uniform+ours", "heldout_kept"],
                ours["heldout_kept"],
                ours["optimism"],
                sampled.loc["uniform", "optimism"],
                ours["coverage"],
            )
        ]
        rows.append(
            f"| {trace} | {'' if exact else 'more than '}{ratio:.1f} | {' | '.join(shown)} |"
        )
    return "\n".join([*rows, "", *recorded(frame)])


def timing(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what deciding costs: share of the time of the outcomes it asked for, and seconds per batch."""
    ours = frame[(frame["method"] == "ours") & (frame["budget_share"] == 0.05)]
    out: list[dict[str, Any]] = []
    for trace, part in ours.groupby("trace"):
        share = float((part["deciding_s"] / part["outcomes_s"]).median())
        record = {"metric": "deciding_share_of_sweep_time", "trace": trace, "value": share}
        out.append(record | ({"at_most": 0.05} if trace in ("smart_home", "automotive") else {}))
        out.append(
            {
                "metric": "deciding_s_per_batch",
                "trace": trace,
                "value": float((part["deciding_s"] / part["batches"]).median()),
            }
        )
    return out


def large_batch(n_queries: int = 1000, n_batches: int = 4) -> list[dict[str, Any]]:
    """Time deciding at 2,000 paths × 1,000 queries: the slowest and the median batch after the first outcomes."""
    space = synthetic("synthetic_2000", 0, n_queries=n_queries)
    emulator = Emulator(space.path_ids, [str(i) for i in range(n_queries)], space.embeddings)
    seconds = []
    for _ in range(n_batches + 1):
        started = time.perf_counter()
        pairs = emulator.ask(len(space.path_ids))
        seconds.append(time.perf_counter() - started)
        emulator.tell(_look_up(space, pairs))
    size = f"{len(space.path_ids)} × {n_queries}"
    return [
        {
            "metric": "deciding_s_median_batch",
            "size": size,
            "value": float(np.median(seconds[1:])),
            "at_most": 2.0,
        },
        {
            "metric": "deciding_s_slowest_batch",
            "size": size,
            "value": max(seconds[1:]),
            "at_most": 2.0,
        },
    ]


def main() -> None:
    """Run, print the table and the aims, write records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json",
        type=Path,
        required=True,
        help="where the records go; seeds it holds of the same trace file are not run again",
    )
    parser.add_argument(
        "--parquet",
        type=Path,
        help="also write the records of the best trials here; those of other traces stay",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two traces, two seeds, two budgets, no estimator on top: within a minute",
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--traces", nargs="+", default=available())
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count(),
        help="seeds at a time; all methods of a seed run in one process",
    )
    options = parser.parse_args()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    traces, seeds = options.traces, options.seeds
    shares: tuple[float, ...] = SHARES
    baselines: tuple[str, ...] = BASELINES
    if options.quick:
        traces, seeds, shares, baselines = (
            ["smart_home", "synthetic_300"],
            2,
            (0.01, 0.05),
            ("uniform", "path_first", "racing", "tpe_20"),
        )
    found = json.loads(options.json.read_text()) if options.json.exists() else []
    records = reusable(found, traces)
    have = {(record["trace"], record["seed"]) for record in records}
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in traces:
            big = (
                name == "synthetic_2000"
            )  # the largest budgets and short trials would take Optuna days
            some = tuple(b for b in baselines if not b.endswith("_10" if name in SIZES else "_40"))
            budgets = tuple(share for share in shares if not big or share <= 0.05)
            work = partial(
                run_seed, name, shares=budgets, baselines=some, on_top=not options.quick and not big
            )
            todo = [
                seed
                for seed in range(min(seeds, MOST_SEEDS.get(name, seeds)))
                if (name, seed) not in have
            ]
            started = time.monotonic()
            for done in pool.map(work, todo):
                records += done
                options.json.write_text(json.dumps(records))
            print(f"{name}: {len(todo)} seeds in {time.monotonic() - started:.0f} s", flush=True)
    frame = best_of_trials(pd.DataFrame(records))
    if options.parquet:
        options.parquet.parent.mkdir(parents=True, exist_ok=True)
        renewed(options.parquet, frame).to_parquet(options.parquet, index=False)
    summary = finish(frame)
    summary += [] if options.quick else large_batch()
    options.json.write_text(json.dumps(records + summary, indent=0))
    for record in summary:
        print(
            {
                key: round(value, 4) if isinstance(value, float) else value
                for key, value in record.items()
            },
            flush=True,
        )


def finish(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Print the table of medians; return the records of what was asked for."""
    print(table(frame))
    print(markdown(frame))
    return aims(frame) + timing(frame)


if __name__ == "__main__":
    main()
