"""What paths have in common, and what queries have in common, as columns of a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.sparse as sp

from ecollm_lab.traces.path_ids import path_factors

N_DIRECTIONS = 8  # principal directions of the embeddings at most


@dataclass(frozen=True, eq=False)
class Design:
    """What paths have in common, and what queries have in common.

    Attributes
    ----------
    main
        One-hot path features, sparse, shape (paths, effects): components, their names and numbers,
        pairs of them, the path itself.
    group
        Which variance each column of `main` shares, shape (effects,); `kinds` names the variances.
    slopes, slope_group
        The columns of `main` whose effect may vary with the query, shape (paths, slopes), and their
        stage, shape (slopes,).
    basis, basis_group
        What it may vary with, shape (queries, features): clusters (group 0) and principal
        directions of the embeddings (1).

    """

    main: sp.csr_array
    group: np.ndarray
    kinds: tuple[str, ...]
    slopes: sp.csr_array
    slope_group: np.ndarray
    basis: np.ndarray
    basis_group: np.ndarray

    @classmethod
    def over(cls, path_ids: Sequence[str], embeddings: np.ndarray, labels: np.ndarray) -> Design:
        """Read components from path ids: "a/b-3/c" has three stages.

        "b-3" counts as itself, as "b" and as "3". Ids of a single part have nothing in common: each
        path stands alone. Of the queries there are the embeddings, shape (queries, dimension), and
        the cluster of each as `labels`, shape (queries,).
        """
        factors = path_factors(path_ids)
        columns = [_one_hot(levels) for _, levels in factors]
        kinds: list[tuple[str, object]] = [("component", stage) for stage, _ in factors]
        slopes, stages = list(columns), [stage for stage, _ in factors]
        for (stage_a, a), (stage_b, b) in combinations(factors, 2):
            if stage_a != stage_b:
                columns.append(_one_hot([f"{x}\n{y}" for x, y in zip(a, b, strict=True)]))
                kinds.append(("pair", (stage_a, stage_b)))
        alone = sp.eye_array(len(path_ids), format="csr")
        columns.append(alone)
        kinds.append(("path" if factors else "alone", 0))
        if not factors:
            slopes, stages = [alone], [0]
        groups = list(dict.fromkeys(kinds))
        clusters = _one_hot(labels).toarray()
        basis = [clusters - clusters.mean(axis=0), _directions(embeddings)]
        return cls(
            main=sp.hstack(columns, format="csr"),
            group=np.repeat([groups.index(kind) for kind in kinds], [c.shape[1] for c in columns]),
            kinds=tuple(kind for kind, _ in groups),
            slopes=sp.hstack(slopes, format="csr"),
            slope_group=np.repeat(stages, [s.shape[1] for s in slopes]),
            basis=np.hstack(basis),
            basis_group=np.repeat([0, 1], [b.shape[1] for b in basis]),
        )


def _one_hot(levels: Sequence[object] | np.ndarray) -> sp.csr_array:
    known, index = np.unique(np.asarray(levels), return_inverse=True)
    at = np.arange(len(index))
    return sp.csr_array((np.ones(len(index)), (at, index)), shape=(len(index), len(known)))


def _directions(embeddings: np.ndarray) -> np.ndarray:
    """Return up to `N_DIRECTIONS` principal directions, of unit mean square together.

    Shape (queries, directions).
    """
    centred = np.asarray(embeddings, dtype=float) - np.mean(embeddings, axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    keep = np.flatnonzero(s > 1e-6)[:N_DIRECTIONS]
    return (
        u[:, keep] * s[keep] / np.sqrt(np.mean(np.square(s[keep])) / len(embeddings))
        if len(keep)
        else u[:, keep]
    )
