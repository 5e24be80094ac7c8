"""Cost and latency of paths from few outcomes: levels, and tails that related paths share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ecollm_lab.emulator.design import Design
from ecollm_lab.emulator.mixed import STEADY, MixedModel
from ecollm_lab.emulator.resemblance import Resemblance
from ecollm_lab.emulator.seen import Seen

BORROWED = 30.0  # outcomes of its own that those of all other paths count for at most
# Degrees of freedom of a path's spread beside those of its own outcomes. Borrowed ones give none:
# with them, 90 % intervals of tails held less often than 90 % on training splits of real systems.
FREEDOM = 1.0
FURTHEST = 20.0  # a logarithm is at most so far from its level: a factor of 5e8
_POINTS = (np.arange(200) + 0.5) / 200  # quantiles that stand for what is borrowed


class PositiveModel:
    """Cost or latency: a mixed model of the logarithm's level, and what lies around it.

    Around the level of a path lies what was seen there of it and, with less weight, of the paths
    that resemble it. A path seen only at zero counts as free; where both occur the share of zeros
    is kept.
    """

    def __init__(self, design: Design) -> None:
        self._level = MixedModel(design, slopes=False, start=STEADY)
        self._resemblance = Resemblance(design)

    def fit(
        self,
        table: np.ndarray | Seen,
        *,
        rng: np.random.Generator,
        n_draws: int,
        iterations: int,
    ) -> None:
        """Fit to values (queries, paths) >= 0, NaN where not seen."""
        seen = Seen.of(table)
        positive = seen.where(seen.values > 0)
        n_seen = seen.of_path()
        self._seen, self._n_draws = seen, n_draws
        self._count, self._sum = seen.matrix(np.ones(len(seen))), seen.matrix(seen.values)
        self._share = np.where(
            n_seen > 0,
            positive.of_path() / np.maximum(n_seen, 1),
            float(2 * len(positive) > len(seen)),
        )
        self._any, self._recorded = len(positive) > 0, len(seen) > 0
        if not self._any:
            return
        y = replace(positive, values=np.log(positive.values))
        self._level.fit(y, rng=rng, n_draws=n_draws, iterations=iterations)
        self._typical = np.exp(self._level.level_draws()) * self._share[:, None]
        self._query = np.exp(self._level.scale * self._level.query_effects)
        self._around = replace(y, values=y.values - self._level.levels()[y.columns])
        self._alike = self._resemblance.learn(self._around.columns, self._around.values)
        self._factor, self._relative_sd = np.ones(len(n_seen)), np.zeros(len(n_seen))
        for path, (apart, weights) in enumerate(self._tails()):
            factors = np.exp(apart.clip(-FURTHEST, FURTHEST))
            self._factor[path] = mean = np.average(factors, weights=weights)
            self._relative_sd[path] = np.sqrt(np.average((factors - mean) ** 2, weights=weights))

    def _tails(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield for each path what may lie around its level, and the weight of each value.

        First its own outcomes, of weight 1, then quantiles of those of other paths, which together
        count for at least one outcome.
        """
        order = np.argsort(self._around.values)
        apart, columns = self._around.values[order], self._around.columns[order]
        by_path = np.argsort(columns, kind="stable")
        ends = np.searchsorted(columns[by_path], np.arange(len(self._alike) + 1))
        for path, alike in enumerate(self._alike):
            own = by_path[ends[path] : ends[path + 1]]
            weights = alike[columns].astype(float)
            weights[own] = 0.0
            others = np.cumsum(weights)
            at = np.searchsorted(others, _POINTS * others[-1]).clip(0, len(apart) - 1)
            each = np.clip(others[-1], 1.0, BORROWED) * (others[-1] > 0) / len(_POINTS)
            yield (
                np.concatenate([apart[own], apart[at]]),
                np.concatenate([np.ones(len(own)), np.full(len(_POINTS), each)]),
            )

    @property
    def _nothing(self) -> float:
        """What a path takes where no outcome takes anything: NaN if nothing was recorded."""
        return 0.0 if self._recorded else np.nan

    def mean_draws(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return draws of each path's mean over the queries `rows`, shape (draws, paths).

        Outcomes that were seen enter as they are.
        """
        if not self._any:
            return np.full((self._n_draws, len(self._share)), self._nothing)
        left = (len(rows) - np.asarray(self._count[rows].sum(axis=0)))[:, None]
        typical = self._typical * (self._query[rows].mean(axis=0) / self._query.mean(axis=0))
        noise = np.sqrt(left) * typical * self._relative_sd[:, None]
        noise *= rng.standard_normal(typical.shape)
        seen = np.asarray(self._sum[rows].sum(axis=0))[:, None]
        total = seen + left * typical * self._factor[:, None] + noise
        return np.maximum(total / len(rows), 0.0).T

    def quantile_draws(self, q: float, rng: np.random.Generator, n_draws: int) -> np.ndarray:
        """Return draws of each path's quantile over all queries, shape (draws, paths)."""
        if not self._any:
            return np.full((n_draws, len(self._share)), self._nothing)
        drawn = self._outcome_draws(rng, n_draws)
        return np.stack([np.quantile(every, q, axis=1) for every in drawn], axis=1)

    def likely(self, rng: np.random.Generator, n_draws: int) -> np.ndarray:
        """Return equally likely outcomes of each path, ascending, shape (queries, paths)."""
        n_queries, n_paths = self._seen.shape
        if not self._any:
            return np.full((n_queries, n_paths), self._nothing)
        levels = (np.arange(n_queries) + 0.5) / n_queries
        drawn = self._outcome_draws(rng, n_draws)
        return np.stack([np.quantile(every, levels) for every in drawn], axis=1)

    def _outcome_draws(self, rng: np.random.Generator, n_draws: int) -> Iterator[np.ndarray]:
        """Yield draws of each path's outcomes on all queries, shape (draws, queries).

        Outcomes that were seen enter as they are; the others lie around the path's level as in a
        Bayesian bootstrap. A tail that few outcomes sampled may be far wider than what was seen:
        widths follow a scaled inverse chi with as many degrees of freedom as there are outcomes.
        """
        n_queries, n_paths = self._seen.shape
        levels = self._level.level_draws()
        levels = levels[:, np.arange(n_draws) % levels.shape[1]]
        freedom = FREEDOM + self._seen.of_path()
        wider = np.sqrt(freedom / rng.chisquare(freedom, (n_draws, n_paths)))
        number = np.arange(n_draws)[:, None]
        for path, (apart, weights) in enumerate(self._tails()):
            seen = self._seen.values[self._seen.columns == path]
            found = np.cumsum(rng.gamma(weights, size=(n_draws, len(weights))), axis=1)
            found = number + found / found[:, -1:]
            chance = number + rng.random((n_draws, n_queries - len(seen)))
            at = np.searchsorted(found.ravel(), chance.ravel()).reshape(chance.shape)
            drawn = apart[at % len(apart)] * wider[:, path, None]
            drawn = np.exp(levels[path][:, None] + drawn.clip(-FURTHEST, FURTHEST))
            drawn[rng.random(drawn.shape) >= self._share[path]] = 0.0
            yield np.hstack([drawn, np.broadcast_to(seen, (n_draws, len(seen)))])
