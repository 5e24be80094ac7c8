"""Policies on recorded outcomes."""

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy, replay, replay_all
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace
from tests.conftest import make_trace
from tests.support.policies import ONE_PATH, topics


@pytest.mark.parametrize(
    "slo",
    [
        SLO(),
        SLO(max_latency_s=0.25),
        SLO(max_cost_usd=5e-6, prefer="cost"),
        SLO(max_latency_s=0.01),
    ],
)
def test_the_oracle_has_no_regret_and_nobody_beats_it(slo):
    trace, embeddings, _ = topics(2)
    assert replay("oracle", trace, slo)["regret"] == 0.0
    for name in ONE_PATH if slo.max_latency_s != 0.01 else ():
        assert (
            replay(
                fit_policy(trace, name, embeddings=embeddings), trace, slo, embeddings=embeddings
            ).choices["regret"]
            >= 0
        ).all()


def test_replay_looks_outcomes_up_and_counts_violations():
    trace = make_trace([[1.0, 0.5], [0.0, 1.0]], [[1e-6, 2e-6]], [[0.1, 0.2], [0.1, 0.9]])
    single = fit_policy(trace, "best_single")
    done = replay(single, trace, SLO(), embeddings=np.eye(2))
    assert done.choices["path_id"].tolist() == [trace.path_ids[1]] * 2
    assert (done["quality"], done["cost_usd"], done["latency_s"], done["regret"]) == pytest.approx(
        (0.75, 2e-6, 0.55, 0.25)
    )
    strict = SLO(
        max_latency_s=0.88
    )  # above the 95th percentile of what was seen, 0.865, below one outcome
    late = replay(
        fit_policy(trace, "best_single", violation_rate=None), trace, strict, embeddings=np.eye(2)
    )
    assert late["slo_violation_rate"] == 0.5
    assert late.choices["regret"].tolist() == [
        0.5,
        0.0,
    ]  # the violating pick delivers nothing; the oracle had 0 there too
    table = replay_all([single, "oracle"], trace, SLO(), embeddings=np.eye(2))
    assert (table["quality_low"] <= table["quality"]).all()
    assert table.index.tolist() == ["best_single", "oracle"]


def test_a_replay_on_another_domain_warns():
    trace, embeddings, _ = topics(0)
    garden, sea = (
        Trace(trace.outcomes, trace.queries, trace.provenance | {"domain": name})
        for name in ("garden", "sea")
    )
    policy = fit_policy(garden, embeddings=embeddings)
    with pytest.warns(
        UserWarning, match="ours learned from the domain garden, and the trace is of sea"
    ):
        replay(policy, sea, SLO(), embeddings=embeddings)
    for same in (garden, trace):  # warnings are errors: there is none
        replay(policy, same, SLO(), embeddings=embeddings)


def test_the_oracle_is_the_best_where_cost_and_latency_are_not_recorded():
    trace, _, _ = topics(0)
    bare = Trace.from_frame(trace.outcomes.assign(cost_usd=np.nan, latency_s=np.nan), trace.queries)
    assert replay("oracle", bare, SLO())["quality"] == trace.array("quality").max(axis=1).mean()
