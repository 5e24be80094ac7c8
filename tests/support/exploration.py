"""A small trace with structure, and an Emulator on it."""

import numpy as np

from ecollm_lab.emulator import Emulator
from tests.conftest import make_trace

N, P = 40, 12


def a_trace(seed=0, n=N):
    """Twelve structured paths: dearer is better, up to a point; half the paths are dominated on
    purpose.
    """
    rng = np.random.default_rng(seed)
    chance = np.tile([0.2, 0.4, 0.6, 0.7, 0.8, 0.85], 2) - np.repeat([0.0, 0.2], 6)
    cost = (
        np.tile(np.geomspace(1e-6, 1e-4, 6), 2)
        * np.repeat([1.0, 3.0], 6)
        * np.exp(0.1 * rng.standard_normal((n, P)))
    )
    return make_trace(
        rng.random((n, P)) < chance, cost, cost * 1e4 * np.exp(0.1 * rng.standard_normal((n, P)))
    )


def an_emulator(trace, seed=0, **changes):
    rng = np.random.default_rng(99)
    labels = np.arange(len(trace.query_ids)) % 3
    embeddings = np.eye(8)[labels] + 0.1 * rng.standard_normal((len(labels), 8))
    return Emulator(
        **{
            "space": trace.path_ids,
            "queries": trace.query_ids,
            "embeddings": embeddings,
            "labels": labels,
            "seed": seed,
        }
        | changes
    )
