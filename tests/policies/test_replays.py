"""Policies on recorded outcomes."""

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy, replay, replay_all
from ecollm_lab.records import SLO, InfeasibleSLO, LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.groups import related
from tests.conftest import make_trace
from tests.support.policies import COST, LATENCY, ONE_PATH, topics


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


def test_cross_validation_scores_every_query_by_a_policy_that_has_not_seen_its_group():
    trace, embeddings, _ = topics(0)
    done = replay("ours", trace, SLO(), embeddings=embeddings, folds=5)
    assert done.policy == "ours"
    assert done.choices["query_id"].tolist() == trace.query_ids
    best = replay("best_single", trace, SLO(), embeddings=embeddings, folds=5)
    assert done["quality"] > best["quality"] + 0.05
    oracle = replay("oracle", trace, SLO(), folds=5)
    assert done["quality"] <= oracle["quality"]
    table = replay_all(["knn", "oracle"], trace, SLO(), embeddings=embeddings, folds=3)
    assert table.index.tolist() == ["knn", "oracle"]
    for policy, folds in (("magic", 5), ("ours", 1), (fit_policy(trace, "cheapest"), 5)):
        with pytest.raises(LabError, match="folds"):
            replay(policy, trace, SLO(), embeddings=embeddings, folds=folds)


def test_folds_of_queries_that_are_all_related_are_refused():
    trace, embeddings, _ = topics(0)
    related_all = Trace(trace.outcomes, trace.queries.assign(product="x"), trace.provenance)
    for one, given in ((related_all, embeddings), (trace.where(np.arange(60) < 1), embeddings[:1])):
        with pytest.raises(LabError, match="folds need at least two groups of related queries"):
            replay("ours", one, SLO(), embeddings=given, folds=5)


def test_queries_of_one_text_product_or_person_are_of_one_group():
    trace = make_trace(np.ones((6, 2)), COST[:, :2], LATENCY[:, :2])
    queries = trace.queries.assign(
        text=["a", "a", "b", "c", "d", "e"],
        product=["x", "y", "y", "", "z", ""],
        person=["", "", "", "", "ann", "ann"],
    )
    group = related(Trace(trace.outcomes, queries, trace.provenance))
    assert [len(set(group[rows])) for rows in ([0, 1, 2], [4, 5])] == [1, 1]
    assert len(set(group)) == 3


def test_an_slo_that_cannot_be_met_can_be_replayed_with_its_violations():
    trace, embeddings, _ = topics(0)
    policy, slo = fit_policy(trace, embeddings=embeddings), SLO(max_latency_s=0.05)
    with pytest.raises(InfeasibleSLO):
        replay_all([policy, "oracle"], trace, slo, embeddings=embeddings)
    with pytest.warns(UserWarning, match="least-violating"):
        table = replay_all(
            [policy, "oracle"], trace, slo, embeddings=embeddings, infeasible="least_violating"
        )
    assert table["slo_violation_rate"].tolist() == [1, 1]


def test_a_limit_on_what_is_not_recorded_is_refused_of_the_oracle_too():
    trace, _, _ = topics(0)
    bare = Trace.from_frame(trace.outcomes.assign(cost_usd=np.nan), trace.queries)
    with pytest.raises(LabError, match="has no cost_usd, so an SLO cannot limit it"):
        replay("oracle", bare, SLO(max_cost_usd=1.0))


def test_replays_of_one_trace_embed_its_texts_once(encoder):
    trace, _, _ = topics(0)
    policy = fit_policy(trace, encoder=encoder)
    before = encoder.texts
    for prefer in ("quality", "cost"):
        replay(policy, trace, SLO(prefer=prefer))
    assert encoder.texts == before + len(trace.query_ids)
