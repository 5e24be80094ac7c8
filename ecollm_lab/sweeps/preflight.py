"""Estimates, before a sweep starts, what it will owe to endpoints, from what calls cost so far."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from ecollm_lab.models import Catalog
from ecollm_lab.records import Path, Query
from ecollm_lab.sweeps.options import SweepOptions
from ecollm_lab.sweeps.store.store import Store

FIRST = 8  # calls made ahead to a model that has answered none so far
Pair = tuple[str, str]  # of the ids of a query and a path


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the missing pairs of one hosted model will cost in US dollars, with a 90 % interval.

    `pairs` counts a pair once for each call that it needs. `n_calls` answered calls are the ground
    of the estimate.
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
    only: Container[Pair] | None = None,
) -> dict[str, list[Pair]]:
    """Return the pairs that the store lacks, by the hosted model that answers.

    A hosted judge is asked about every pair, and has those that it answers itself twice. The model
    that rewrites runs on the edge and owes nobody anything. With `only`, no other pairs count.
    """
    have = {mark: store.pairs(mark) for mark in {fingerprints[path.id] for path in paths}}
    missing = [
        (q.id, path)
        for q in queries
        for path in paths
        if (q.id, path.id) not in have[fingerprints[path.id]]
        and (only is None or (q.id, path.id) in only)
    ]
    lacking: dict[str, list[Pair]] = {
        name: [] for name in [*(path.model for path in paths), *([judge] if judge else [])]
    }
    for query_id, path in missing:
        lacking[path.model].append((query_id, path.id))
        if judge:
            lacking[judge].append((query_id, path.id))
    return {name: pairs for name, pairs in lacking.items() if catalog[name].base_url is not None}


def first_calls(missing: Mapping[str, list[Pair]], store: Store, seed: int = 0) -> set[Pair]:
    """Choose a few pairs at random on each model with too few answered calls for an estimate."""
    rng = np.random.default_rng(seed)
    chosen: set[Pair] = set()
    for name, several in missing.items():
        pairs = list(dict.fromkeys(several))
        if len(store.tokens_paid(name)) < FIRST < len(pairs):
            chosen |= {pairs[i] for i in rng.choice(len(pairs), FIRST, replace=False)}
    return chosen


def calls_left(
    missing: Mapping[str, list[Pair]],
    made: Container[Pair],
    options: SweepOptions,
    judge: str | None = None,
) -> dict[str, float]:
    """Return how many calls each model has yet to answer, without those of the pairs just `made`.

    A share of the calls that answer is repeated; a judge is asked about each pair once.

    Examples
    --------
    Model m answers one pair and judges two, then answers one of two that are missing:

    >>> options = SweepOptions(repeats=3, repeat_share=0.25)
    >>> calls_left({"m": [("q", "p"), ("q", "p"), ("q", "o")]}, set(), options, "m")
    {'m': 3.5}
    >>> calls_left({"m": [("q", "p"), ("q", "o")]}, {("q", "o")}, options)
    {'m': 1.5}

    """
    times = 1 + options.repeat_share * (options.repeats - 1)
    calls = {}
    for name, pairs in missing.items():
        left = [pair for pair in pairs if pair not in made]
        judged = len(set(left)) if name == judge else 0
        calls[name] = judged + times * (len(left) - judged)
    return calls


def estimate(calls: Mapping[str, float], store: Store, catalog: Catalog) -> list[Estimate]:
    """Estimate the price of so many more calls to each model, at the prices of the catalog.

    The interval covers the spread from call to call and the doubt about the mean (Student's t).
    Pairs that share a prompt share a call, so the true price may lie below. A model without any
    answered call is left out.

    Examples
    --------
    >>> class Paid:
    ...     def tokens_paid(self, model):
    ...         return [(1000, 0), (1000, 0), (1000, 0)]
    >>> class Priced:
    ...     def cost_usd(self, compute_s, tokens_in, tokens_out):
    ...         return tokens_in / 1000
    >>> print(estimate({"m": 100}, Paid(), {"m": Priced()})[0].usd)
    100.0

    """
    from scipy.stats import t

    found = []
    for name, n in calls.items():
        model = catalog[name]
        prices = np.array([model.cost_usd(0.0, *tokens) for tokens in store.tokens_paid(name)])
        if not n or not len(prices):
            continue
        half = 0.0
        if len(prices) > 1:
            half = float(
                t.ppf(0.95, len(prices) - 1) * prices.std(ddof=1) * np.sqrt(n + n**2 / len(prices))
            )
        usd = float(n * prices.mean())
        low = max(0.0, usd - half)
        found.append(Estimate(name, ceil(round(n, 6)), len(prices), usd, low, usd + half))
    return found
