"""The benchmark of drift, on what can be worked by hand."""

import numpy as np
import pytest

from benchmarks.drift import drifts
from benchmarks.routing import Fold
from ecollm_lab.records import SLO
from tests.conftest import SMALL, make_trace


class Always:
    """Chooses one path."""

    def __init__(self, path_id):
        self.path_id = path_id

    def select(self, queries, slo, infeasible):
        return [self.path_id] * len(queries)


def test_the_limit_on_cost_is_set_on_the_training_part():
    fold = Fold(*(make_trace([[1, 1]] * 6, usd, 0.1) for usd in (1e-6, 1e-3)))
    policy = Always(fold.train.path_ids[0])
    found = {
        name: (slo, drift)
        for name, slo, drift in drifts(policy, fold, SLO(max_latency_s=1.0), np.zeros((6, 2)))
    }
    assert list(found) == ["none", "delay", "outage", "price"]
    slo, drift = found["price"]
    assert (slo.max_cost_usd, slo.max_latency_s) == (pytest.approx(3e-6, rel=1e-9, abs=0), 1.0)
    assert (drift.model, drift.start) == (SMALL, 2)
