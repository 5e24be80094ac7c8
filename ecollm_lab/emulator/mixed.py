"""A Gaussian mixed model of a table (queries × paths) of which few cells were seen."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from ecollm_lab.emulator.design import Design

# Where expectation maximisation starts, as shares of the variance of what is fitted. Single answers
# are mostly noise; among paths, stages explain most, their pairs little, a path's own part less,
# but never nothing. Cost and latency are mostly the path's.
NOISY = {
    "alone": 0.1,
    "component": 0.05,
    "pair": 0.001,
    "path": 0.001,
    "slope": 0.01,
    "query": 0.2,
    "noise": 0.6,
}
STEADY = {
    "alone": 0.5,
    "component": 0.3,
    "pair": 0.02,
    "path": 0.02,
    "slope": 0.01,
    "query": 0.1,
    "noise": 0.2,
}
# How many effects the start weighs against those seen; keeps every variance above zero.
PRIOR_WEIGHT = 2.0
RELAXATION = 1.7  # exponent on each step of expectation maximisation, which creeps without it


class MixedModel:
    """A table of queries and paths as a sum of effects and noise.

    y[query, path] is a mean, the effects of the path, the effect of the query, slopes of components
    on the query's features, and noise. All effects are Gaussian with mean zero and one variance per
    group, learned by expectation maximisation from posterior draws: structure that the data do not
    show shrinks away, and a path's own effect never vanishes. Query effects or the paths' own
    effects, whichever are more, are integrated out; a fit costs one Cholesky factor of the rest,
    however many cells are seen.

    Attributes
    ----------
    variances
        Of each group, then of query effects, then of the noise, as shares of the variance of y;
        kept between fits.
    effects, query_effects
        Posterior draws, shapes (effects, draws) and (queries, draws), and their means `effect`,
        `query_effect`.

    """

    def __init__(
        self, design: Design, *, slopes: bool = True, start: dict[str, float] = NOISY
    ) -> None:
        self._main = sp.csr_matrix(np.hstack([np.ones((len(design.main), 1)), design.main]))
        self._slopes = design.slopes
        self._basis = design.basis if slopes else design.basis[:, :0]
        groups = len(design.kinds)
        self._group = np.concatenate(
            [
                design.group,
                *(
                    groups + 2 * design.slope_group + g
                    for g in design.basis_group[: self._basis.shape[1]]
                ),
            ]
        ).astype(int)
        n_slopes = 2 * (int(design.slope_group.max()) + 1)
        self._start = np.array(
            [
                *(start[kind] for kind in design.kinds),
                *[start["slope"]] * n_slopes,
                start["query"],
                start["noise"],
            ]
        )
        self.variances = self._start.copy()
        self.fitted = False

    def fit(
        self,
        y: np.ndarray,
        *,
        rng: np.random.Generator,
        n_draws: int = 64,
        iterations: int = 1,
        weights: np.ndarray | None = None,
    ) -> None:
        """Fit to y (queries, paths), NaN where not seen, from the variances of the last fit.

        Parameters
        ----------
        y
            At least one cell seen.
        rng, n_draws
            Source and number of posterior draws.
        iterations
            Steps of expectation maximisation.
        weights
            Relative precision of each path's noise, shape (paths,); ones if left out.

        """
        seen = ~np.isnan(y)
        self.offset, spread = float(y[seen].mean()), float(y[seen].std())
        self.scale = spread if spread > 1e-9 else 1.0
        self.weights = np.ones(y.shape[1]) if weights is None else weights
        self._seen, self._z = seen, np.where(seen, (y - self.offset) / self.scale, 0.0)
        self._accumulate()
        for _ in range(iterations):
            self._solve(rng, n_draws)
            self._learn_variances()
        self.fitted = True

    def _accumulate(self) -> None:
        """Sum products of features over the cells seen: everything the posterior needs."""
        precision = self._seen * self.weights
        z = self._z * self.weights
        main, slopes, basis = self._main, self._slopes, self._basis
        n, k, width = main.shape[1], basis.shape[1], slopes.shape[1]
        by_path, by_query = precision.sum(axis=0), precision.sum(axis=1)
        gram = np.zeros((n + k * width, n + k * width))
        gram[:n, :n] = (main.T @ sp.diags_array(by_path) @ main).toarray()
        right, cross = [main.T @ z.sum(axis=0)], [(main.T @ precision.T).T]
        if k:
            first, second = precision.T @ basis, precision.T @ _products(basis, basis)
            gram[:n, n:] = main.T @ _products(first, slopes)
            gram[n:, :n] = gram[:n, n:].T
            blocks = (second.T @ _products(slopes, slopes)).reshape(k, k, width, width)
            gram[n:, n:] = blocks.transpose(0, 2, 1, 3).reshape(k * width, k * width)
            right.append(((z.T @ basis).T @ slopes).ravel())
            cross.append(_products(basis, precision @ slopes))
        self._gram, self._right, self._cross = gram, np.concatenate(right), np.hstack(cross)
        self._by_query, self._z_query = by_query, z.sum(axis=1)
        self._square, self._n_main = float((z * self._z).sum()), n

    def _solve(self, rng: np.random.Generator, n_draws: int) -> None:
        """Draw from the posterior of all effects.

        One diagonal block is integrated out; the rest is drawn, then that block given the rest.
        """
        noise, prior = self.variances[-1], np.concatenate([[1e-4], 1 / self.variances[self._group]])
        n_queries, n_paths = self._seen.shape
        prior_query = np.full(n_queries, 1 / self.variances[-2])
        own = np.arange(
            self._n_main - n_paths, self._n_main
        )  # the paths' own effects: diagonal in the gram matrix
        if n_paths <= n_queries:
            gram, cross, by = self._gram, self._cross, self._by_query
            right, right_out, prior_out = self._right, self._z_query, prior_query
        else:
            rest = np.setdiff1d(np.arange(len(self._right)), own)
            gram = np.block(
                [
                    [self._gram[np.ix_(rest, rest)], self._cross[:, rest].T],
                    [self._cross[:, rest], np.diag(self._by_query)],
                ]
            )
            cross = np.hstack([self._gram[np.ix_(own, rest)], self._cross[:, own].T])
            by, right, right_out = (
                self._gram[own, own],
                np.concatenate([self._right[rest], self._z_query]),
                self._right[own],
            )
            prior, prior_out = np.concatenate([prior[rest], prior_query]), prior[own]
        w = by / noise + prior_out
        scaled = cross / (noise * np.sqrt(w))[:, None]
        precision = gram / noise - scaled.T @ scaled
        precision[np.diag_indices_from(precision)] += prior
        factor = scipy.linalg.cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
        mean = scipy.linalg.cho_solve(
            (factor, True),
            right / noise - cross.T @ (right_out / (noise**2 * w)),
            check_finite=False,
        )
        normal = rng.standard_normal((len(right), n_draws))
        kept = mean[:, None] + scipy.linalg.solve_triangular(
            factor, normal, lower=True, trans="T", check_finite=False
        )
        kept = np.hstack([mean[:, None], kept])
        out = (right_out[:, None] - cross @ kept) / (noise * w)[:, None]
        out[:, 1:] += rng.standard_normal((len(out), n_draws)) / np.sqrt(w)[:, None]
        if n_paths <= n_queries:
            effects, queries = kept, out
        else:
            effects, queries = np.empty((len(self._right), n_draws + 1)), kept[len(rest) :]
            effects[rest], effects[own] = kept[: len(rest)], out
        self.effect, self.effects = effects[:, 0], effects[:, 1:]
        self.query_effect, self.query_effects = queries[:, 0], queries[:, 1:]

    def _learn_variances(self) -> None:
        u, a, start = self.effects, self.query_effects, self._start
        size = np.bincount(self._group, minlength=len(start) - 2)
        total = np.bincount(self._group, weights=np.square(u[1:]).mean(axis=1), minlength=len(size))
        residual = (
            self._square
            - 2 * (self._right @ u + self._z_query @ a)
            + np.einsum("is,is->s", u, self._gram @ u)
        )
        residual += 2 * np.einsum("is,is->s", a, self._cross @ u) + self._by_query @ np.square(a)
        sums = np.concatenate([total, [np.square(a).mean(axis=1).sum(), residual.mean()]])
        sizes = np.concatenate([size, [len(a), self._seen.sum()]])
        new = (sums + PRIOR_WEIGHT * start) / (sizes + PRIOR_WEIGHT)
        self.variances = np.clip(self.variances * (new / self.variances) ** RELAXATION, 1e-5, 10.0)

    def _slope_effects(self, effects: np.ndarray) -> np.ndarray:
        """Return the slopes among effects (effects, draws), shape (features, slopes, draws)."""
        return effects[self._n_main :].reshape(
            self._basis.shape[1], self._slopes.shape[1], effects.shape[1]
        )

    def levels(self) -> np.ndarray:
        """Return each path's expected y for the average query, shape (paths,)."""
        return self.offset + self.scale * (self._main @ self.effect[: self._n_main])

    def level_draws(self) -> np.ndarray:
        """Return posterior draws of `levels`, shape (paths, draws)."""
        return self.offset + self.scale * (self._main @ self.effects[: self._n_main])

    def cells(self) -> np.ndarray:
        """Return the posterior mean of every cell without its noise, shape (queries, paths)."""
        slopes = self._slope_effects(self.effect[:, None])[:, :, 0]
        paths = (self._main @ self.effect[: self._n_main])[
            None, :
        ] + self._basis @ slopes @ self._slopes.T
        return self.offset + self.scale * (paths + self.query_effect[:, None])

    def mean_draws(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return draws of each path's mean y over the queries `rows`, shape (draws, paths).

        Cells that were seen enter as they are.
        """
        seen, z, basis, a = (
            self._seen[rows].astype(float),
            self._z[rows],
            self._basis[rows],
            self.query_effects[rows],
        )
        n, n_seen = len(rows), seen.sum(axis=0)
        main = self._main @ self.effects[: self._n_main]
        by_feature = np.einsum(
            "pw,kws->kps", self._slopes, self._slope_effects(self.effects), optimize=True
        )
        expected = main + a.mean(axis=0) + np.einsum("k,kps->ps", basis.mean(axis=0), by_feature)
        fitted = (
            n_seen[:, None] * main
            + seen.T @ a
            + np.einsum("pk,kps->ps", seen.T @ basis, by_feature)
        )
        noise = np.sqrt(self.variances[-1] / self.weights * (n - n_seen))[
            :, None
        ] * rng.standard_normal(expected.shape)
        return (
            self.offset + self.scale * (expected + (z.sum(axis=0)[:, None] - fitted + noise) / n)
        ).T


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return all products of a column of `a` (n, i) with one of `b` (n, j), shape (n, i · j)."""
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
