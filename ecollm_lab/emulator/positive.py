"""Cost and latency of paths from few outcomes: levels, spreads and tails of their logarithms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecollm_lab.emulator.design import Design
from ecollm_lab.emulator.mixed import STEADY, MixedModel
from ecollm_lab.emulator.seen import Seen
from ecollm_lab.traces import require_memory

FREEDOM = 1.0  # degrees of freedom of a path's spread beside those of its outcomes
FURTHEST = 20.0  # a logarithm is at most so far from its level: a factor of 5e8


class PositiveModel:
    """Cost or latency: a mixed model of the logarithm's level, and one of the spread around it.

    A path seen only at zero counts as free; where both occur the share of zeros is kept.
    """

    def __init__(self, design: Design) -> None:
        self._level, self._spread = (
            MixedModel(design, slopes=False, start=STEADY),
            MixedModel(design, slopes=False),
        )

    def fit(
        self,
        table: np.ndarray | Seen,
        *,
        rng: np.random.Generator,
        n_draws: int,
        iterations: int,
    ) -> None:
        """Fit to values (queries, paths) >= 0, NaN where not seen.

        A single iteration leaves a spread that was learned before as it is.
        """
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
        if self._spread.fitted and iterations == 1:
            return
        deviation = y.values - self._level.levels()[y.columns]
        # the logarithm of a deviation that happens to be zero
        floor = 0.02 * deviation.std() + 1e-9
        widths = replace(y, values=np.log(np.abs(deviation) + floor))
        self._spread.fit(widths, rng=rng, n_draws=n_draws, iterations=iterations)
        width = np.exp(self._spread.levels())
        self._shape = np.quantile(deviation / width[y.columns], (np.arange(200) + 0.5) / 200)
        factors = np.exp(np.clip(width[:, None] * self._shape, -FURTHEST, FURTHEST))
        self._factor, self._relative_sd = factors.mean(axis=1), factors.std(axis=1)

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
        noise = (
            np.sqrt(left)
            * typical
            * self._relative_sd[:, None]
            * rng.standard_normal(typical.shape)
        )
        total = (
            np.asarray(self._sum[rows].sum(axis=0))[:, None]
            + left * typical * self._factor[:, None]
            + noise
        )
        return np.maximum(total / len(rows), 0.0).T

    def quantile_draws(self, q: float, rng: np.random.Generator, n_draws: int) -> np.ndarray:
        """Return draws of each path's quantile over all queries, shape (draws, paths).

        Outcomes that were seen enter as they are.
        """
        if not self._any:
            return np.full((n_draws, len(self._share)), self._nothing)
        levels, widths = self._level.level_draws(), np.exp(self._spread.level_draws())
        # A tail that few outcomes sampled may be far wider than the spread of what was seen: widths
        # follow a scaled inverse chi with as many degrees of freedom as there are outcomes.
        freedom = FREEDOM + self._seen.of_path()
        widths *= np.sqrt(freedom[:, None] / rng.chisquare(freedom[:, None], widths.shape))
        out, seen = np.empty((n_draws, len(self._share))), self._seen
        require_memory(
            32 * seen.shape[0] * seen.shape[1],
            f"Drawing what {seen.shape[0]:,} queries cost or take on {seen.shape[1]:,} paths",
            "Fit the policy to fewer paths, those on the fronts, or to fewer queries.",
        )
        for i in range(n_draws):
            apart = widths[:, i] * rng.choice(self._shape, seen.shape)
            drawn = np.exp(levels[:, i] + apart.clip(-FURTHEST, FURTHEST))
            drawn[rng.random(drawn.shape) >= self._share] = 0.0
            drawn[seen.rows, seen.columns] = seen.values
            out[i] = np.quantile(drawn, q, axis=0)
        return out
