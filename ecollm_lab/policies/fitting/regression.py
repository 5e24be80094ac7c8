"""Kernel ridge regression over queries and paths at once: what an embedding says about each path's quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from ecollm_lab.traces.path_ids import path_factors

LINEAR = float("inf")  # the bandwidth that stands for a linear kernel
BANDWIDTHS = (0.1, 0.2, 0.4, 0.8)
NOISES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SHARINGS = ("none", "learned")
MOST_LANDMARKS = 128
# of a path's variance that no other path shares, in the part of the covariance that components make
OWN_SHARE = 0.05
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted regression of each path's deviation from its mean quality.

    Attributes
    ----------
    landmarks, coefficients, offset
        Prediction is offset + kernel(x, landmarks) @ coefficients; shapes (landmarks, dimension),
        (landmarks, paths) and (paths,).
    bandwidth, noise, sharing
        The candidate with the least error; noise is relative to the kernel's variance.
    left_out
        Prediction for each training query from the other groups of queries alone, shape (queries,
        paths); only the covariance between paths and the landmarks are those of all.
    errors
        Mean squared error of every candidate, left out by group and centred per query.

    """

    landmarks: np.ndarray
    coefficients: np.ndarray
    offset: np.ndarray
    bandwidth: float
    noise: float
    sharing: str
    left_out: np.ndarray
    errors: dict[tuple[object, ...], float]

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the expected deviation from the path means, shape (queries, paths)."""
        return self.offset + kernel(embeddings, self.landmarks, self.bandwidth) @ self.coefficients


def kernel(a: np.ndarray, b: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return exp((cosine - 1) / bandwidth) between unit rows of `a` (n, d) and `b` (m, d), shape (n, m); a @ b.T if linear."""
    out = a @ b.T
    if bandwidth == LINEAR:
        return out
    out -= 1.0
    out /= bandwidth
    return np.exp(out, out=out)


def centred(residual: np.ndarray) -> np.ndarray:
    """Return deviations with the mean of each query taken off, then that of each path: only differences between paths matter."""
    y = residual - residual.mean(axis=1, keepdims=True)
    return y - y.mean(axis=0)


def mean_left_out(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the path means over the other groups of queries, centred per query, shape of `y`: what predicting no deviation comes to."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.zeros((group.max() + 1, y.shape[1]))
    np.add.at(sums, group, y)
    left = (y.sum(axis=0) - sums[group]) / np.maximum(len(y) - np.bincount(group)[group], 1)[
        :, None
    ]
    return left - left.mean(axis=1, keepdims=True)


def stacked(parts: list[np.ndarray], y: np.ndarray) -> np.ndarray:
    """Return weights >= 0 of left-out predictions, each of the shape of `y`, whose sum comes nearest to it (Breiman 1996).

    Examples
    --------
    >>> stacked([np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])], np.array([[0.5, -0.5]])).tolist()
    [0.5, 0.0]

    """
    return nnls(np.stack([part.ravel() for part in parts], axis=1), y.ravel())[0]


def fit_regression(
    embeddings: np.ndarray,
    residual: np.ndarray,
    path_ids: list[str],
    groups: np.ndarray,
    bandwidths: Sequence[float] = BANDWIDTHS,
) -> Regression:
    """Fit to deviations from the path means.

    Parameters
    ----------
    embeddings
        Unit rows, shape (queries, dimension).
    residual
        Deviation of each outcome from its path's mean, shape (queries, paths), without NaN.
    path_ids
        Shape (paths,); components are read from them.
    groups
        Group of each query, shape (queries,). Errors are those of predictions that saw no query of
        the same group.
    bandwidths
        Of the kernel between queries, tried in turn; `LINEAR` for a linear one.

    Notes
    -----
    The covariance of deviations is k(query, query') × B(path, path') plus independent noise: the
    intrinsic coregionalisation model (Bonilla et al. 2007). B is the identity (sharing "none") or
    the mean of the covariance seen between paths and, where paths have components, the share of
    components they have in common ("learned"). Bandwidth, noise and sharing minimise the squared
    error of predictions left out by group, in closed form, centred per query because only
    differences between paths matter for a choice. The path means are left out with the queries: k
    is centred, and an intercept is fitted beside it. More than `MOST_LANDMARKS` queries are
    represented by as many landmarks (Nyström), chosen greedily; for a linear kernel the landmarks
    are the principal directions.

    """
    y = centred(residual)
    errors: dict[tuple[object, ...], float] = {}
    best, chosen = np.inf, None
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    members = [rows for rows in members if len(rows) > 1]
    covariances = [(name, *np.linalg.eigh(_covariance(name, y, path_ids))) for name in SHARINGS]
    for bandwidth, vectors, values, lift, centre, landmarks in _query_bases(embeddings, bandwidths):
        for sharing, gammas, paths in covariances:
            scale = values[:, None] * np.maximum(gammas, 0.0)
            rotated = y @ paths
            projected = vectors.T @ rotated
            for noise in NOISES:
                gain = np.vstack([np.ones(len(gammas)), scale[1:] / (scale[1:] + noise)])
                wrong = _left_out_errors(vectors, gain, projected, rotated, members) @ paths.T
                wrong -= wrong.mean(axis=1, keepdims=True)
                error = float(np.square(wrong).mean())
                errors[bandwidth, noise, sharing] = error
                if error < best:
                    best = error
                    slopes = (
                        lift
                        @ (projected[1:] / (scale[1:] + noise) * np.maximum(gammas, 0.0))
                        @ paths.T
                    )
                    chosen = Regression(
                        landmarks,
                        slopes,
                        -centre @ slopes,
                        bandwidth,
                        noise,
                        sharing,
                        y - wrong,
                        errors,
                    )
    assert chosen is not None
    return chosen


def _query_bases(
    embeddings: np.ndarray, bandwidths: Sequence[float]
) -> Iterator[tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, per bandwidth, orthonormal query vectors and eigenvalues of the centred kernel, map onto landmarks, its centre, landmarks.

    The first vector is the constant one, of the intercept; it is not mapped.
    """
    constant = np.full((len(embeddings), 1), len(embeddings) ** -0.5)
    for bandwidth in bandwidths:
        if bandwidth == LINEAR:
            centre = embeddings.mean(axis=0, dtype=np.float64)
            u, s, vt = np.linalg.svd(embeddings - centre, full_matrices=False)
            yield (
                bandwidth,
                np.hstack([constant, u]),
                np.append(0.0, s**2),
                np.diag(s),
                vt @ centre,
                vt,
            )
            continue
        landmarks = (
            embeddings
            if len(embeddings) <= MOST_LANDMARKS
            else embeddings[_spread(embeddings, bandwidth)]
        )
        values, vectors = np.linalg.eigh(kernel(landmarks, landmarks, bandwidth).astype(np.float64))
        keep = values > _SMALL * values[-1]
        root = vectors[:, keep] / np.sqrt(values[keep])
        near = kernel(embeddings, landmarks, bandwidth)
        centre = near.mean(axis=0)
        u, s, vt = np.linalg.svd((near - centre) @ root, full_matrices=False)
        yield (
            bandwidth,
            np.hstack([constant, u]),
            np.append(0.0, s**2),
            root @ (vt.T * s),
            centre,
            landmarks,
        )


def _spread(embeddings: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return rows that represent the rest best, one after the other: pivoted Cholesky of the kernel."""
    left = np.ones(len(embeddings))
    factor = np.zeros((len(embeddings), MOST_LANDMARKS))
    rows = []
    for i in range(MOST_LANDMARKS):
        row = int(left.argmax())
        rows.append(row)
        column = kernel(embeddings, embeddings[[row]], bandwidth)[:, 0] - factor @ factor[row]
        factor[:, i] = column / np.sqrt(max(left[row], _SMALL))
        left = np.maximum(left - factor[:, i] ** 2, 0.0)
    return np.array(rows)


def _covariance(sharing: str, y: np.ndarray, path_ids: list[str]) -> np.ndarray:
    """Return the covariance between paths, shape (paths, paths), of mean variance one."""
    n_paths = y.shape[1]
    if sharing == "none":
        return np.eye(n_paths)
    seen = y.T @ y
    if not seen.any():
        return np.eye(n_paths)
    seen *= n_paths / np.trace(seen)
    factors = path_factors(path_ids)
    if not factors:
        return seen
    stages = sorted({stage for stage, _ in factors})
    common = np.zeros((n_paths, n_paths))
    for stage in stages:
        levels = [np.unique(level, return_inverse=True)[1] for s, level in factors if s == stage]
        common += np.mean([level[:, None] == level for level in levels], axis=0) / len(stages)
    return (seen + (1 - OWN_SHARE) * common + OWN_SHARE * np.eye(n_paths)) / 2


def _left_out_errors(
    vectors: np.ndarray,
    gain: np.ndarray,
    projected: np.ndarray,
    rotated: np.ndarray,
    members: list[np.ndarray],
) -> np.ndarray:
    """Return what predictions get wrong that leave out the query's whole group: (I - H_gg)^-1 (y - H y)_g, per path direction."""
    wrong = rotated - vectors @ (gain * projected)
    out = wrong / np.maximum(1 - np.square(vectors) @ gain, _SMALL)
    for rows in members:
        part = vectors[rows]
        hat = np.einsum("ir,rp,jr->pij", part, gain, part, optimize=True)
        out[rows] = np.linalg.solve(np.eye(len(rows)) - hat, wrong[rows].T[:, :, None])[:, :, 0].T
    return out
