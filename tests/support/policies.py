"""Traces to fit policies to: two topics at right angles, and paths whose latency is noisy."""

import numpy as np

from ecollm_lab.policies import POLICIES
from tests.conftest import make_trace

# the others read answers, or the words of a query
ONE_PATH = [name for name in POLICIES if name not in ("cascade", "raser", "brane")]
COST, LATENCY = np.array([[1e-6, 4e-6, 2e-6, 9e-6]]), np.array([[0.1, 0.4, 0.3, 0.2]])


def topics(seed, n=60):
    """Two topics at right angles; each is served by another path, path 3 serves neither well."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 2, n)
    embeddings = np.eye(8)[topic * 3] + 0.05 * rng.standard_normal((n, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    chance = np.array([[0.1, 0.9, 0.2, 0.6], [0.9, 0.1, 0.2, 0.6]])[topic]
    return make_trace(rng.random((n, 4)) < chance, COST, LATENCY), embeddings, topic


def noisy(seed, n=400):
    """Four paths; the better one is, the longer it takes. Embeddings say nothing."""
    rng = np.random.default_rng(seed)
    latency = np.exp([[-1.5, -1.0, -0.6, -0.2]] + 0.4 * rng.standard_normal((n, 4)))
    embeddings = rng.standard_normal((n, 6))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return make_trace(rng.random((n, 4)) < [0.4, 0.5, 0.7, 0.9], COST, latency), embeddings
