"""Groups of related queries, and the intervals that draw them together."""

import numpy as np
import pytest

from ecollm_lab.figures.comparisons import compute_equal
from ecollm_lab.policies import fit_policy, replay
from ecollm_lab.records import SLO
from ecollm_lab.study import compute_hindsight
from ecollm_lab.traces import Trace
from ecollm_lab.traces.groups import drawn_together
from tests.conftest import make_trace

N = 80


def with_columns(trace, **columns):
    return Trace(trace.outcomes, trace.queries.assign(**columns), trace.provenance)


def of_replay(trace):
    summary = replay(fit_policy(trace, "best_single"), trace, SLO()).summary
    return summary.loc["quality", ["low", "high"]]


def of_hindsight(trace):
    return compute_hindsight(trace).set_index("metric").loc["cloud_over_edge", ["low", "high"]]


def of_equal(trace):
    policies = [fit_policy(trace, name) for name in ("best_single", "cheapest")]
    frame = compute_equal(policies, trace, [SLO()], embeddings=np.ones((len(trace.queries), 3)))
    row = frame[(frame["policy"] == "cheapest") & (frame["comparison"] == "equal cost")]
    return row[["gain_low", "gain_high"]].iloc[0]


@pytest.mark.parametrize("ends", [of_replay, of_hindsight, of_equal])
def test_an_interval_is_as_wide_as_if_queries_of_one_product_were_one(ends):
    once = (np.random.default_rng(0).random((N, 2)) < [0.4, 0.7]).astype(float)
    single, double = (make_trace(table, [[1e-6, 1e-5]], 0.1) for table in (once, once.repeat(2, 0)))
    product = [f"product {i // 2}" for i in range(2 * N)]
    single, apart, paired = (
        np.diff(ends(trace).to_numpy(float)).item()
        for trace in (single, double, with_columns(double, product=product))
    )
    assert paired == pytest.approx(single, rel=0.15)
    assert paired > 1.25 * apart


def test_where_all_are_one_group_texts_are_drawn_and_of_one_text_single_queries():
    trace = make_trace(np.ones((4, 1)), 1e-6, 0.1)
    one = with_columns(trace, product="x", text=["a", "a", "b", "b"])
    assert drawn_together(one).tolist() == [0, 0, 1, 1]
    assert drawn_together(with_columns(trace, text="a")).tolist() == [0, 1, 2, 3]
    assert drawn_together(with_columns(trace, product=["x", "x", "y", ""])).tolist() == [0, 0, 1, 2]
