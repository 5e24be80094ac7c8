"""Draws from the posterior of a mixed model's effects: by one factor, or by iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from ecollm_lab.emulator.seen import Seen
from ecollm_lab.emulator.sums import Features, Sums
from ecollm_lab.traces import require_memory

ACCURATE = 1e-6  # error of an iteration, relative to the right side
MOST_STEPS = 300


@dataclass(frozen=True, eq=False)
class Prior:
    """What is known before any cell is seen.

    Attributes
    ----------
    effects, own
        Precisions of effects but the paths' own, (effects,), and of the paths' own, (paths,).
    query, noise
        Precision of the queries' own effects, and variance of the noise.

    """

    effects: np.ndarray
    own: np.ndarray
    query: float
    noise: float


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Effects, the paths' own and the queries' own: the mean and draws as columns, (…, 1 + draws)."""


def drawn_at_once(sums: Sums, prior: Prior, rng: np.random.Generator, n_draws: int) -> Drawn:
    """Draw from the posterior with one Cholesky factor.

    Query effects or the paths' own, whichever are more, are integrated out; the rest is drawn, and
    then that block given the rest. `sums` are of the effects, the paths' own last.
    """
    noise, n_paths, n_queries = prior.noise, len(prior.own), len(sums.by_query)
    n = len(prior.effects)
    before_query = np.full(n_queries, prior.query)
    if n_paths <= n_queries:
        gram, cross, by = sums.gram, sums.cross, sums.by_query
        right, right_out = sums.right, sums.z_query
        before, before_out = np.concatenate([prior.effects, prior.own]), before_query
    else:
        gram = np.block(
            [
                [sums.gram[:n, :n], sums.cross[:, :n].T],
                [sums.cross[:, :n], np.diag(sums.by_query)],
            ]
        )
        cross, by = np.hstack([sums.gram[n:, :n], sums.cross[:, n:].T]), sums.by_path
        right, right_out = np.concatenate([sums.right[:n], sums.z_query]), sums.right[n:]
        before, before_out = np.concatenate([prior.effects, before_query]), prior.own
    w = by / noise + before_out
    scaled = cross / (noise * np.sqrt(w))[:, None]
    precision = gram / noise - scaled.T @ scaled
    precision[np.diag_indices_from(precision)] += before
    factor = scipy.linalg.cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
    mean = scipy.linalg.cho_solve(
        (factor, True), right / noise - cross.T @ (right_out / (noise**2 * w)), check_finite=False
    )
    normal = rng.standard_normal((len(right), n_draws))
    kept = mean[:, None] + scipy.linalg.solve_triangular(
        factor, normal, lower=True, trans="T", check_finite=False
    )
    kept = np.hstack([mean[:, None], kept])
    out = (right_out[:, None] - cross @ kept) / (noise * w)[:, None]
    out[:, 1:] += rng.standard_normal((len(out), n_draws)) / np.sqrt(w)[:, None]
    return (kept[:n], kept[n:], out) if n_paths <= n_queries else (kept[:n], out, kept[n:])


def drawn_by_iteration(
    features: Features,
    cells: Seen,
    weights: np.ndarray,
    prior: Prior,
    rng: np.random.Generator,
    n_draws: int,
) -> Drawn:
    """Draw from the same posterior where a factor of all effects would be too large.

    The paths' own effects are found by conjugate gradients, and the others follow exactly: they
    have a factor of their own, and queries are integrated out. A draw is the mean of cells and of a
    prior that were disturbed as much as they are uncertain (Papandreou and Yuille 2010). `features`
    and `weights`, the precision of each cell, are as in `Sums.over`, without the paths' own
    effects; every query has a cell.
    """
    system = _System.of(features, cells, weights, prior)
    rest, own, query = system.right_sides(cells, weights, rng, n_draws)
    right = own - system.of_own(*system.shared(rest, query))
    found = _conjugate_gradients(system.reduced, right, system.own)
    of_rest, of_query = system.of_shared(found)
    effects, queries = system.shared(rest - of_rest, query - of_query)
    return effects, found, queries


def _conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray], right: np.ndarray, diagonal: np.ndarray
) -> np.ndarray:
    """Solve for each column of the right side at once, with the diagonal as preconditioner."""
    x = right / diagonal[:, None]
    left = right - product(x)
    step = near = left / diagonal[:, None]
    enough = ACCURATE * np.linalg.norm(right, axis=0)
    size = (left * near).sum(axis=0)
    for _ in range(MOST_STEPS):
        if (np.linalg.norm(left, axis=0) <= enough).all():
            break
        ahead = product(step)
        length = size / np.maximum((step * ahead).sum(axis=0), 1e-300)
        x = x + length * step
        left = left - length * ahead
        near = left / diagonal[:, None]
        before, size = size, (left * near).sum(axis=0)
        step = near + size / np.maximum(before, 1e-300) * step
    return x


@dataclass(frozen=True, eq=False)
class _System:
    """The posterior's precision in blocks: shared effects and queries, and the paths' own.

    `factor` is that of the shared effects with queries integrated out; `query` and `own` are the
    diagonals of these blocks, (queries,) and (paths,).
    """

    features: Features
    sums: Sums
    precision: sp.csr_array
    prior: Prior
    factor: np.ndarray
    query: np.ndarray
    own: np.ndarray

    @classmethod
    def of(cls, features: Features, cells: Seen, weights: np.ndarray, prior: Prior) -> _System:
        effects = len(prior.effects)
        require_memory(
            8 * effects * (4 * effects + 3 * cells.shape[0]),
            f"Estimating {effects:,} effects that paths share on {cells.shape[0]:,} queries",
            "Explore fewer paths, or paths with fewer different components; ids of a single part"
            " have none in common.",
        )
        sums, noise = Sums.over(features, cells, weights), prior.noise
        query = sums.by_query / noise + prior.query
        scaled = sums.cross / (noise * np.sqrt(query))[:, None]
        shared = sums.gram / noise - scaled.T @ scaled
        shared[np.diag_indices_from(shared)] += prior.effects
        factor = scipy.linalg.cholesky(shared, lower=True, overwrite_a=True, check_finite=False)
        own = sums.by_path / noise + prior.own
        return cls(features, sums, cells.matrix(weights), prior, factor, query, own)

    def shared(self, rest: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve for shared effects and queries alone."""
        cross, noise = self.sums.cross, self.prior.noise
        right = rest - cross.T @ (query / self.query[:, None]) / noise
        effects = scipy.linalg.cho_solve((self.factor, True), right, check_finite=False)
        return effects, (query - cross @ effects / noise) / self.query[:, None]

    def of_own(self, rest: np.ndarray, query: np.ndarray) -> np.ndarray:
        """Return the block from shared effects and queries to the paths' own, times these."""
        n, k = self.features.main.shape[1], self.features.basis.shape[1]
        out = (
            self.sums.by_path[:, None] * (self.features.main @ rest[:n]) + self.precision.T @ query
        )
        if k:
            out += np.einsum("pk,pks->ps", self.sums.first, self.features.by_feature(rest[n:]))
        return np.asarray(out / self.prior.noise)

    def of_shared(self, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same block, transposed, times the paths' own effects."""
        parts = [self.features.main.T @ (self.sums.by_path[:, None] * own)]
        if self.features.basis.shape[1]:
            parts.append(self.features.summed(self.sums.first[:, :, None] * own[:, None, :]))
        return np.vstack(parts) / self.prior.noise, self.precision @ own / self.prior.noise

    def reduced(self, own: np.ndarray) -> np.ndarray:
        """Return the precision of the paths' own effects, all else integrated out, times these."""
        return self.own[:, None] * own - self.of_own(*self.shared(*self.of_shared(own)))

    def right_sides(
        self, cells: Seen, weights: np.ndarray, rng: np.random.Generator, n_draws: int
    ) -> Drawn:
        """Return the right sides of the mean and of draws: of effects, the paths' own, queries."""
        sums, prior, features = self.sums, self.prior, self.features
        at, ones = np.arange(len(cells)), np.ones(len(cells))
        shape = len(prior.own), len(cells)
        on_path = sp.csr_array((ones, (cells.columns, at)), shape=shape)
        on_query = sp.csr_array((ones, (cells.rows, at)), shape=(cells.shape[0], len(cells)))
        moved = np.sqrt(weights / prior.noise)[:, None] * rng.standard_normal((len(cells), n_draws))
        by_path = on_path @ moved
        parts = [features.main.T @ by_path]
        if features.basis.shape[1]:
            of_feature = [on_path @ (one[cells.rows, None] * moved) for one in features.basis.T]
            parts.append(features.summed(np.stack(of_feature, axis=1)))
        drawn = np.vstack(parts), by_path, on_query @ moved
        means = sums.right, on_path @ (weights * cells.values), sums.z_query
        before = prior.effects, prior.own, np.full(len(sums.by_query), prior.query)
        rest, own, query = (
            mean[:, None] / prior.noise
            + np.column_stack(
                [0 * mean, one + np.sqrt(known)[:, None] * rng.standard_normal(one.shape)]
            )
            for mean, one, known in zip(means, drawn, before, strict=True)
        )
        return rest, own, query
