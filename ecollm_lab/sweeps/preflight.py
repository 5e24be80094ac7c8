"""Estimates, before a sweep starts, what it will owe to endpoints, from what calls cost so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecollm_lab.models import Catalog
from ecollm_lab.records import Path, Query
from ecollm_lab.sweeps.store.store import Store

FIRST = 8  # calls made ahead to a model that has answered none so far


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the missing pairs of one hosted model will cost in US dollars, with a 90 % interval.

    `n_calls` answered calls are the ground of the estimate.
    """

    model: str
    pairs: int
    n_calls: int
    usd: float
    low_usd: float
    high_usd: float

    def __str__(self) -> str:
        return (
            f"{self.model}: at most {self.pairs} calls, about {self.usd:.4f} USD"
            f" [{self.low_usd:.4f}, {self.high_usd:.4f}] (90 % interval, from {self.n_calls} calls"
            " at the declared prices)"
        )


def missing_pairs(
    queries: Sequence[Query],
    paths: Sequence[Path],
    store: Store,
    fingerprints: Mapping[str, str],
    catalog: Catalog,
    judge: str | None = None,
) -> dict[str, list[tuple[str, str]]]:
    """Return the pairs that the store lacks, by the hosted model that answers.

    A hosted judge is asked about every pair. The model that rewrites runs on the edge and owes
    nobody anything.
    """
    have = {mark: store.pairs(mark) for mark in {fingerprints[path.id] for path in paths}}
    missing = [
        (q.id, path)
        for q in queries
        for path in paths
        if (q.id, path.id) not in have[fingerprints[path.id]]
    ]
    lacking: dict[str, list[tuple[str, str]]] = {
        name: [] for name in [*(path.model for path in paths), *([judge] if judge else [])]
    }
    for query_id, path in missing:
        lacking[path.model].append((query_id, path.id))
        if judge:
            lacking[judge].append((query_id, path.id))
    return {name: pairs for name, pairs in lacking.items() if catalog[name].base_url is not None}


def first_calls(
    missing: Mapping[str, list[tuple[str, str]]], store: Store, seed: int = 0
) -> set[tuple[str, str]]:
    """Choose a few pairs at random on each model with too few answered calls for an estimate."""
    rng = np.random.default_rng(seed)
    chosen: set[tuple[str, str]] = set()
    for name, pairs in missing.items():
        if len(store.prices_paid(name)) < FIRST < len(pairs):
            chosen |= {pairs[i] for i in rng.choice(len(pairs), FIRST, replace=False)}
    return chosen


def estimate(counts: Mapping[str, int], store: Store) -> list[Estimate]:
    """Estimate the price of so many more calls to each model.

    The interval covers the spread from call to call and the doubt about the mean (Student's t).
    Pairs that share a prompt share a call, so the true price may lie below. A model without any
    answered call is left out.

    Examples
    --------
    >>> class Paid:
    ...     def prices_paid(self, model):
    ...         return [1.0, 1.0, 1.0]
    >>> print(estimate({"m": 100}, Paid())[0].usd)
    100.0

    """
    from scipy.stats import t

    found = []
    for name, n in counts.items():
        prices = np.array(store.prices_paid(name))
        if not n or not len(prices):
            continue
        half = 0.0
        if len(prices) > 1:
            half = float(
                t.ppf(0.95, len(prices) - 1) * prices.std(ddof=1) * np.sqrt(n + n**2 / len(prices))
            )
        usd = float(n * prices.mean())
        found.append(Estimate(name, n, len(prices), usd, max(0.0, usd - half), usd + half))
    return found
