"""A small trace with structure, an Emulator on it, and a source of outcomes that breaks down."""

import numpy as np

from ecollm_lab.emulator import Emulator
from ecollm_lab.records import LabError
from tests.conftest import LetterEncoder, make_trace

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


def emulator_of(trace):
    """An Emulator whose embeddings tell three sorts of queries apart."""
    texts = [f"query {i} {'abc'[i % 3] * 5}" for i in range(len(trace.query_ids))]
    return Emulator(trace.path_ids, trace.query_ids, LetterEncoder().encode(texts))


def breaking_down(look_up):
    """A source that fails when it is called for the third time, and what it was asked for."""
    calls = []

    def run(pairs):
        calls.append(pairs)
        if len(calls) == 3:
            raise LabError("the endpoint is gone")
        return look_up(pairs)

    return run, calls
