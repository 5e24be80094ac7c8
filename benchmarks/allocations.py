"""Rules that say which pairs to measure next: what people would use instead of the Emulator.

Each yields cells (query, path), new ones only, in the order in which it would pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.spaces import (
    Space,
)
from ecollm_lab.traces import path_ids

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
ROUNDING = 1e-12  # by which means of the same numbers may differ


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
    """All paths left get the same next query; after five, beaten paths drop out.

    A path is beaten if another one's 95 % box dominates its own; a cost that is the same for both
    decides nothing. No path beats itself, since no box is flat in quality.
    """
    n_queries, n_paths = space.tables.shape[1:]
    alive, done = np.ones(n_paths, dtype=bool), []
    for q in rng.permutation(n_queries):
        yield from ((int(q), int(p)) for p in rng.permutation(np.flatnonzero(alive)))
        done.append(q)
        if len(done) >= 5:
            means = space.tables[:, done].mean(axis=1)
            half = 1.96 * space.tables[:, done].std(axis=1, ddof=1) / np.sqrt(len(done))
            least = 1.96 * 0.5 / np.sqrt(len(done)) * 0.5  # five equal answers prove little
            half[0] = np.maximum(half[0], least)
            costs = means * np.array([-1, 1, 1])[:, None]  # less is better
            high, low = costs + half, costs - half + ROUNDING
            beaten = [(high[:, alive] <= low[:, [p]]).all(axis=0).any() for p in range(n_paths)]
            alive &= ~np.array(beaten)
    yield from uniform(space, labels, rng)


def optuna_trials(
    space: Space, labels: np.ndarray, rng: np.random.Generator, *, sampler: str, m: int
) -> Iterator[tuple[int, int]]:
    """Try a path on m queries that it has not had.

    Repeats of a path are judged by all its outcomes so far.
    """
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


def cells_of(
    method: str,
) -> Callable[[Space, np.ndarray, np.random.Generator], Iterator[tuple[int, int]]]:
    """Return the rule of a name in `BASELINES`."""
    if method.startswith(("tpe", "nsga2")):
        sampler, m = method.split("_")
        return partial(optuna_trials, sampler=sampler, m=int(m))
    return {
        "uniform": uniform,
        "cluster_stratified": cluster_stratified,
        "path_first": path_first,
        "racing": racing,
    }[method]
