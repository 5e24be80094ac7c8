"""A Gaussian mixed model of a table (queries × paths) of which few cells were seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from ecollm_lab.emulator.design import Design
from ecollm_lab.emulator.posterior import Drawn, Prior, drawn_at_once, drawn_by_iteration
from ecollm_lab.emulator.seen import Seen
from ecollm_lab.emulator.sums import Features, Sums
from ecollm_lab.traces import require_memory

# Where expectation maximisation starts, as shares of the variance of what is fitted. Single answers
# are mostly noise; among paths, stages explain most, their pairs little, a path's own part less,
# but never nothing. Cost and latency are mostly the path's.
KINDS = ("alone", "component", "pair", "path", "slope", "query", "noise")
NOISY = dict(zip(KINDS, (0.1, 0.05, 0.001, 0.001, 0.01, 0.2, 0.6), strict=True))
STEADY = dict(zip(KINDS, (0.5, 0.3, 0.02, 0.02, 0.01, 0.1, 0.2), strict=True))
# How many effects the start weighs against those seen; keeps every variance above zero.
PRIOR_WEIGHT = 2.0
RELAXATION = 1.7  # exponent on each step of expectation maximisation, which creeps without it
MOST_EFFECTS = 2000  # drawn with one factor, whose time grows with their cube; more by iteration
_BLOCK = 2**12  # cells whose residuals are computed at once


class MixedModel:
    """A table of queries and paths as a sum of effects and noise.

    y[query, path] is a mean, the effects of the path, the effect of the query, slopes of components
    on the query's features, and noise. All effects are Gaussian with mean zero and one variance per
    group, learned by expectation maximisation from posterior draws: structure that the data do not
    show shrinks away, and a path's own effect never vanishes. The time of a fit grows with the
    cells seen and not with those of the table. Up to `MOST_EFFECTS` effects cost one Cholesky
    factor; beyond, the paths' own effects are found by iteration.

    Attributes
    ----------
    variances
        Of each group, then of query effects, then of the noise, as shares of the variance of y;
        kept between fits.
    effects, query_effects
        Posterior draws, shapes (effects, draws) and (queries, draws), and their means `effect`,
        `query_effect`. Effects are in the order of `Design.main` after a first one of the mean,
        then slopes on each feature.

    """

    def __init__(
        self, design: Design, *, slopes: bool = True, start: dict[str, float] = NOISY
    ) -> None:
        n_paths = design.main.shape[0]
        main = sp.hstack([np.ones((n_paths, 1)), design.main], format="csr")
        basis = design.basis if slopes else design.basis[:, :0]
        self._features = Features(main, design.slopes, basis)
        self._n_main, self._n_paths = main.shape[1], n_paths
        groups, by_feature = len(design.kinds), design.basis_group[: basis.shape[1]]
        more = [groups + 2 * design.slope_group + g for g in by_feature]
        self._group = np.concatenate([design.group, *more]).astype(int)
        n_slopes = 2 * (int(design.slope_group.max()) + 1)
        kinds = [*design.kinds, *["slope"] * n_slopes, "query", "noise"]
        self._start = np.array([start[kind] for kind in kinds])
        self.variances = self._start.copy()
        kept = n_paths if n_paths <= len(basis) else len(basis)
        self._at_once = len(self._group) + 1 - n_paths + kept <= MOST_EFFECTS
        self.fitted = False

    def fit(
        self,
        y: np.ndarray | Seen,
        *,
        rng: np.random.Generator,
        n_draws: int = 64,
        iterations: int = 1,
        weights: np.ndarray | None = None,
    ) -> None:
        """Fit to y (queries, paths), NaN where not seen, from the variances of the last fit.

        At least one cell was seen. `iterations` are steps of expectation maximisation; `weights`
        are the relative precision of each path's noise, shape (paths,), ones if left out.
        """
        seen = Seen.of(y)
        self.offset, spread = float(seen.values.mean()), float(seen.values.std())
        self.scale = spread if spread > 1e-9 else 1.0
        self.weights = np.ones(seen.shape[1]) if weights is None else weights
        z = (seen.values - self.offset) / self.scale
        self._seen = Seen(seen.shape, seen.rows, seen.columns, z)
        self._count, self._sum = seen.matrix(np.ones(len(seen))), seen.matrix(z)
        self._of_cell = self.weights[seen.columns]
        draw = self._drawing_at_once() if self._at_once else self._drawing_by_iteration()
        for _ in range(iterations):
            self._keep(*draw(self._prior(), rng, n_draws))
            self._learn_variances()
        self.fitted = True

    def _prior(self) -> Prior:
        precisions = np.concatenate([[1e-4], 1 / self.variances[self._group]])
        own = slice(self._n_main - self._n_paths, self._n_main)
        query, noise = 1 / self.variances[-2], self.variances[-1]
        return Prior(np.delete(precisions, own), precisions[own], query, noise)

    def _drawing_at_once(self) -> Callable[[Prior, np.random.Generator, int], Drawn]:
        self._sums = Sums.over(self._features, self._seen, self._of_cell)
        n_effects, shared = len(self._sums.right), self._n_main - self._n_paths
        order = np.r_[0:shared, self._n_main : n_effects, shared : self._n_main]
        sums = self._sums.ordered(order)
        return lambda prior, rng, n_draws: drawn_at_once(sums, prior, rng, n_draws)

    def _drawing_by_iteration(self) -> Callable[[Prior, np.random.Generator, int], Drawn]:
        asked, rows = np.unique(self._seen.rows, return_inverse=True)
        cells = Seen((len(asked), self._n_paths), rows, self._seen.columns, self._seen.values)
        all_of, shared = self._features, self._n_main - self._n_paths
        features = Features(all_of.main[:, :shared], all_of.slopes, all_of.basis[asked])

        def draw(prior: Prior, rng: np.random.Generator, n_draws: int) -> Drawn:
            drawn = drawn_by_iteration(features, cells, self._of_cell, prior, rng, n_draws)
            shape = self._seen.shape[0], n_draws + 1
            queries = rng.standard_normal(shape) / np.sqrt(prior.query)
            queries[:, 0] = 0.0
            queries[asked] = drawn[2]
            return drawn[0], drawn[1], queries

        return draw

    def _keep(self, shared: np.ndarray, own: np.ndarray, queries: np.ndarray) -> None:
        """Keep the mean and the draws of all effects in their order."""
        at = self._n_main - self._n_paths
        effects = np.vstack([shared[:at], own, shared[at:]])
        self.effect, self.effects = effects[:, 0], effects[:, 1:]
        self.query_effect, self.query_effects = queries[:, 0], queries[:, 1:]
        vars(self).pop("_by_feature", None)

    def _learn_variances(self) -> None:
        u, a, start = self.effects, self.query_effects, self._start
        size = np.bincount(self._group, minlength=len(start) - 2)
        total = np.bincount(self._group, weights=np.square(u[1:]).mean(axis=1), minlength=len(size))
        sums = np.concatenate([total, [np.square(a).mean(axis=1).sum(), self._residual()]])
        sizes = np.concatenate([size, [len(a), len(self._seen)]])
        new = (sums + PRIOR_WEIGHT * start) / (sizes + PRIOR_WEIGHT)
        self.variances = np.clip(self.variances * (new / self.variances) ** RELAXATION, 1e-5, 10.0)

    def _residual(self) -> float:
        """Return the weighted sum of squares that the effects leave, the mean over draws."""
        seen, basis = self._seen, self._features.basis
        if self._at_once:
            square = float(self._of_cell @ np.square(seen.values))
            return square + self._sums.explained(self.effects, self.query_effects)
        level, total = self._features.main @ self.effects[: self._n_main], 0.0
        for start in range(0, len(seen), _BLOCK):
            part = slice(start, start + _BLOCK)
            rows, columns = seen.rows[part], seen.columns[part]
            left = seen.values[part][:, None] - level[columns] - self.query_effects[rows]
            if basis.shape[1]:
                left -= np.einsum("ck,cks->cs", basis[rows], self._by_feature[columns])
            total += float((self._of_cell[part] @ np.square(left)).mean())
        return total

    @cached_property
    def _by_feature(self) -> np.ndarray:
        """What each feature of a query adds on a path, shape (paths, features, draws)."""
        return self._features.by_feature(self.effects[self._n_main :])

    def levels(self) -> np.ndarray:
        """Return each path's expected y for the average query, shape (paths,)."""
        return self.offset + self.scale * (self._features.main @ self.effect[: self._n_main])

    def level_draws(self) -> np.ndarray:
        """Return posterior draws of `levels`, shape (paths, draws)."""
        return self.offset + self.scale * (self._features.main @ self.effects[: self._n_main])

    def cells(self) -> np.ndarray:
        """Return the posterior mean of every cell without its noise, shape (queries, paths)."""
        n_queries, n_paths = len(self.query_effect), self._n_paths
        require_memory(
            24 * n_queries * n_paths,
            f"The expected outcome of {n_queries:,} queries on {n_paths:,} paths",
            "Estimate fewer queries or paths at a time.",
        )
        main, basis = self._features.main, self._features.basis
        out = basis @ self._on_features().T + main @ self.effect[: self._n_main]
        out += self.query_effect[:, None]
        return self.offset + self.scale * out

    def mean_cells(self) -> np.ndarray:
        """Return the mean of `cells` over the queries, shape (paths,)."""
        features = self._features
        out = features.main @ self.effect[: self._n_main]
        out += self._on_features() @ features.basis.mean(axis=0) + self.query_effect.mean()
        return np.asarray(self.offset + self.scale * out)

    def _on_features(self) -> np.ndarray:
        """Return the expected slope of each path on each feature, shape (paths, features)."""
        if not self._features.basis.shape[1]:
            return np.zeros((self._n_paths, 0))
        return self._features.by_feature(self.effect[self._n_main :, None])[:, :, 0]

    def mean_draws(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return draws of each path's mean y over the queries `rows`, shape (draws, paths).

        Cells that were seen enter as they are.
        """
        seen, z = self._count[rows], np.asarray(self._sum[rows].sum(axis=0))
        basis, a = self._features.basis[rows], self.query_effects[rows]
        n, n_seen = len(rows), np.asarray(seen.sum(axis=0))
        main = self._features.main @ self.effects[: self._n_main]
        expected = main + a.mean(axis=0)
        fitted = n_seen[:, None] * main + seen.T @ a
        if basis.shape[1]:
            expected += np.einsum("k,pks->ps", basis.mean(axis=0), self._by_feature)
            fitted += np.einsum("pk,pks->ps", seen.T @ basis, self._by_feature)
        spread = np.sqrt(self.variances[-1] / self.weights * (n - n_seen))
        noise = spread[:, None] * rng.standard_normal(expected.shape)
        return (self.offset + self.scale * (expected + (z[:, None] - fitted + noise) / n)).T
