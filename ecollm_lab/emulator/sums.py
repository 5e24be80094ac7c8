"""Sums over the cells seen, from which the effects of a mixed model follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from ecollm_lab.emulator.seen import Seen


@dataclass(frozen=True, eq=False)
class Features:
    """What cells of a table have in common.

    A cell's effects are those of the columns of `main` on its path, those of all products of a
    feature of its query with a slope of its path (features first), and its query's own.

    Attributes
    ----------
    main, slopes
        Of paths, shapes (paths, effects) and (paths, slopes), sparse.
    basis
        Of queries, shape (queries, features).

    """

    main: sp.csr_array
    slopes: sp.csr_array
    basis: np.ndarray

    def by_feature(self, slopes: np.ndarray) -> np.ndarray:
        """Return slopes (features · slopes, draws) by path: (paths, features, draws)."""
        k, width, draws = self.basis.shape[1], self.slopes.shape[1], slopes.shape[1]
        by_slope = slopes.reshape(k, width, draws).transpose(1, 0, 2).reshape(width, -1)
        return np.asarray(self.slopes @ by_slope).reshape(-1, k, draws)

    def summed(self, of_paths: np.ndarray) -> np.ndarray:
        """Return the sums by slope of (paths, features, draws), (features · slopes, draws)."""
        n, k, draws = of_paths.shape
        out = np.asarray(self.slopes.T @ of_paths.reshape(n, -1))
        return out.reshape(-1, k, draws).transpose(1, 0, 2).reshape(-1, draws)


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of products of features over the cells seen, weighted by their precision.

    Attributes
    ----------
    gram, right
        Of the effects of `Features` but the queries' own, with each other, (effects, effects), and
        with the values, (effects,).
    cross
        Of queries with these effects, shape (queries, effects).
    by_path, first
        Precision seen of each path, (paths,), and the same times the queries' features, (paths,
        features).
    by_query, z_query
        Precision seen of each query, and the sum of its values, (queries,).

    """

    gram: np.ndarray
    right: np.ndarray
    cross: np.ndarray
    by_path: np.ndarray
    first: np.ndarray
    by_query: np.ndarray
    z_query: np.ndarray

    @classmethod
    def over(cls, features: Features, cells: Seen, weights: np.ndarray) -> Sums:
        """Sum over cells; `weights` are the precision of each, shape (cells,)."""
        precision, z = cells.matrix(weights), cells.matrix(weights * cells.values)
        main, slopes, basis = features.main, features.slopes, features.basis
        n, k, width = main.shape[1], basis.shape[1], slopes.shape[1]
        by_path = np.asarray(precision.sum(axis=0))
        first = np.asarray(precision.T @ basis)
        gram = np.zeros((n + k * width, n + k * width))
        gram[:n, :n] = (main.T @ sp.diags_array(by_path) @ main).toarray()
        right, cross = [main.T @ np.asarray(z.sum(axis=0))], [(precision @ main).toarray()]
        if k:
            gram[:n, n:] = main.T @ products(first, slopes.toarray())
            gram[n:, :n] = gram[:n, n:].T
            gram[n:, n:] = _squares(slopes, np.asarray(precision.T @ products(basis, basis)), k)
            right.append(np.asarray(slopes.T @ (z.T @ basis)).T.ravel())
            cross.append(products(basis, (precision @ slopes).toarray()))
        return cls(
            gram=gram,
            right=np.concatenate(right),
            cross=np.hstack(cross),
            by_path=by_path,
            first=first,
            by_query=np.asarray(precision.sum(axis=1)),
            z_query=np.asarray(z.sum(axis=1)),
        )

    def ordered(self, order: np.ndarray) -> Sums:
        """Return the same with the effects in another order."""
        return replace(
            self,
            gram=self.gram[np.ix_(order, order)],
            right=self.right[order],
            cross=self.cross[:, order],
        )

    def explained(self, effects: np.ndarray, queries: np.ndarray) -> float:
        """Return by how much effects, (effects, draws), and queries' own change the sum of squares.

        It is the mean over draws.
        """
        u, a = effects, queries
        change = np.einsum("is,is->s", u, self.gram @ u) - 2 * (self.right @ u + self.z_query @ a)
        change += 2 * np.einsum("is,is->s", a, self.cross @ u) + self.by_query @ np.square(a)
        return float(change.mean())


def _squares(slopes: sp.csr_array, second: np.ndarray, k: int) -> np.ndarray:
    """Return the products of slopes times features with each other, both features · slopes.

    `second` has those of the features, summed by path, shape (paths, features²).
    """
    width, by_column = slopes.shape[1], slopes.tocsc()
    blocks = np.empty((k, width, k, width))
    for j in range(width):
        part = slice(by_column.indptr[j], by_column.indptr[j + 1])
        paths = by_column.indices[part]
        of_column = slopes[paths].T @ (by_column.data[part][:, None] * second[paths])
        blocks[:, :, :, j] = np.asarray(of_column).reshape(width, k, k).transpose(1, 0, 2)
    return blocks.reshape(k * width, k * width)


def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return all products of a column of `a` (n, i) with one of `b` (n, j), shape (n, i · j)."""
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
