"""Traces that can be worked by hand, for the tests of figures, policies and benchmarks."""

from dataclasses import replace

import numpy as np

from ecollm_lab.policies import Decision
from ecollm_lab.records import InfeasibleSLO
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, SMALL, make_trace


class Fixed:
    """Chooses one path under an SLO with a limit, another without one."""

    reads_text = False

    def __init__(self, name, tight, loose):
        self.name, self.tight, self.loose = name, tight, loose

    def decide(self, queries, slo, ask=None):
        path = self.loose if slo.max_cost_usd is None and slo.max_latency_s is None else self.tight
        if path is None:
            raise InfeasibleSLO("no path")
        chosen = np.array([path] * len(queries), dtype=object)
        return Decision.single(chosen)


def priced(trace, **models):
    return Trace(trace.outcomes, trace.queries, {**trace.provenance, "models": models})


def declared_trace(quality=(0.5, 1.0), tokens=1000):
    """Path 0 on the edge: 0.1 s, 1e-6 USD. Path 1 in the cloud: 0.3 s of which 0.08 declared, 1e-3
    USD of which 1e-3 for tokens.
    """
    trace = make_trace([quality] * 4, [[1e-6, 1e-3]] * 4, [[0.1, 0.3]] * 4)
    trace.outcomes["tokens_in"] = np.tile([0, tokens], 4)
    trace.outcomes["tokens_out"] = 0
    cloud = {
        "placement": "cloud",
        "price_in_usd_per_mtok": 1.0,
        "price_out_usd_per_mtok": 4.0,
        "network_delay_s": 0.08,
    }
    return priced(trace, **{SMALL: {"placement": "edge", "network_delay_s": 0.0}, LARGE: cloud})


def stage_trace(quality, cost=1e-6, latency=0.1):
    """One outcome per path of a 2 × 2 grid: retrieve bm25-1 or bm25-3, generate the small or the
    large model, in that order.
    """
    trace = make_trace(quality, cost, latency)
    names = [f"none/bm25-{k}/none/{model}" for k in (1, 3) for model in (SMALL, LARGE)]
    return replace(trace, outcomes=trace.outcomes.assign(path_id=np.tile(names, len(quality))))


def two_paths():
    """A fast path on the edge that is half right, a slow mixed one that is right."""
    return make_trace([[0.5, 1.0]] * 20, [[1e-6, 1e-3]] * 20, [[0.1, 1.0]] * 20)


def source_of(figure):
    return figure.layout.annotations[-1].text


def embeddings(n):
    """Return unit embeddings that have nothing in common, shape (n, n)."""
    return np.eye(n, dtype=np.float32)
