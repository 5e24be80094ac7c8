"""Mistakes are named: the argument, the rule, what arrived, what to do."""

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy, replay
from ecollm_lab.records import SLO, InfeasibleSLO, LabError
from ecollm_lab.traces import Trace
from tests.support.policies import topics


def test_mistakes_are_named():
    trace, embeddings, _ = topics(0)
    with pytest.raises(LabError, match="ours, knn, cluster"):
        fit_policy(trace, "magic")
    with pytest.raises(
        LabError, match=r"one row per query of the trace: 60, got the shape \(3, 8\)"
    ):
        fit_policy(trace, embeddings=embeddings[:3])
    with pytest.raises(
        LabError, match=r"one row per query of the trace: 60, got the shape \(60,\)"
    ):
        fit_policy(trace, embeddings=np.ones(60))
    with pytest.raises(LabError, match="wrap a single one"):
        fit_policy(trace, embeddings=embeddings).select("one text", SLO())
    with pytest.raises(LabError, match="fit one with fit_policy"):
        replay("ours", trace, SLO())
    for value, how in (
        (trace.outcomes, "from_frame"),
        ("t.parquet", r"load\('t.parquet'\)"),
        (None, "load"),
    ):
        told = rf"trace must be a Trace, got {type(value).__name__}\..*Trace\.{how}"
        with pytest.raises(LabError, match=told):
            fit_policy(value)
        with pytest.raises(LabError, match=told):
            replay("oracle", value, SLO())
    with pytest.raises(
        LabError,
        match=(
            r"policy must be a fitted policy or 'oracle', got Trace.*replay\(policy, trace, slo\)"
        ),
    ):
        replay(trace, fit_policy(trace, "cheapest"), SLO())
    empty = trace.outcomes.assign(
        quality=trace.outcomes["quality"].where(trace.outcomes["path_id"] != trace.path_ids[2])
    )
    with pytest.raises(LabError, match=r"bm25-3.* has no quality"):
        fit_policy(
            type(trace).from_frame(empty, trace.queries, trace.provenance), embeddings=embeddings
        )


def test_a_trace_that_cannot_be_learned_from_is_refused():
    trace, embeddings, _ = topics(0)
    with pytest.raises(LabError, match="the table is empty"):
        Trace.from_frame(trace.outcomes[:0], trace.queries)
    stranger = trace.outcomes.assign(query_id=trace.outcomes["query_id"].replace("q0", "nobody"))
    with pytest.raises(LabError, match=r"no row in the queries table, e\.g\. 'nobody'"):
        Trace.from_frame(stranger, trace.queries)
    unknown = Trace.from_frame(trace.outcomes.assign(quality=np.nan), trace.queries)
    with pytest.raises(LabError, match="has no quality in the trace"):
        fit_policy(unknown, embeddings=embeddings)
    with pytest.raises(
        LabError, match=r"no outcome of query q0 on path .*; replay needs every chosen pair"
    ):
        replay(fit_policy(trace, embeddings=embeddings), unknown, SLO(), embeddings=embeddings)
    few = Trace.from_frame(
        trace.outcomes[trace.outcomes["path_id"] == trace.path_ids[3]], trace.queries
    )
    with pytest.raises(LabError, match="is not in the trace it is replayed on"):
        replay(fit_policy(trace, "cheapest"), few, SLO(), embeddings=embeddings)


def test_what_is_no_query_or_slo_is_refused():
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, embeddings=embeddings)
    with pytest.raises(LabError, match="Queries must be Query records, texts or one array"):
        policy.select([1, 2], SLO())
    with pytest.raises(LabError, match="one array of embeddings; got int"):
        policy.select(["a", 1], SLO())
    with pytest.raises(LabError, match=r"wrap a single one in a list\. Got NoneType"):
        policy.select(None, SLO())
    with pytest.raises(LabError, match="dimension 8 of those ours was fitted on, got 3"):
        policy.select(embeddings[:, :3], SLO())
    for texts in (["a text"], np.array(["a text"])):  # the default encoder embeds it
        with pytest.raises(LabError, match="dimension 8 of those ours was fitted on, got 384"):
            policy.select(texts, SLO())
    with pytest.raises(LabError, match="infeasible must be one of"):
        policy.select(embeddings, SLO(), infeasible="never mind")
    with pytest.raises(LabError, match=r"one embedding of shape \(dimension,\), got \(1, 8\)"):
        policy.explain(embeddings[:1], SLO())
    for slo in ({"max_latency_s": 1}, None):
        with pytest.raises(LabError, match="slo must be an SLO"):
            replay("oracle", trace, slo)
    with pytest.raises(LabError, match=r"shape \(queries, dimension\), got \(8,\)"):
        policy.select(embeddings[0], SLO())
    with pytest.raises(LabError, match=r"slo must be an SLO.*got 'fast'"):
        policy.select(embeddings, "fast")
    for slo in ({"max_latency_s": 0.1}, None):
        with pytest.raises(LabError, match="slo must be an SLO"):
            policy.select(embeddings, slo)
    for none in ([], ()):
        with pytest.raises(
            LabError, match=f"at least one query; got an empty {type(none).__name__}"
        ):
            policy.select(none, SLO())
    for many in (["a"], None):
        with pytest.raises(LabError, match=f"explain takes one query.*got {type(many).__name__}"):
            policy.explain(many, SLO())
    with pytest.raises(LabError, match="one row per query of the trace: 60, got 3"):
        replay(policy, trace, SLO(), embeddings=embeddings[:3])
    assert len(policy.select(embeddings[:0], SLO())) == 0
    assert (
        policy.select(embeddings, SLO(max_latency_s=1e300)) == policy.select(embeddings, SLO())
    ).all()
    with pytest.raises(InfeasibleSLO, match="needs max_latency_s"):
        policy.select(embeddings, SLO(max_latency_s=1e-300))


def test_embeddings_with_nan_are_refused():
    trace, embeddings, _ = topics(0)
    with pytest.raises(LabError, match="embeddings must be finite"):
        fit_policy(trace, embeddings=embeddings * np.nan)
    with pytest.raises(LabError, match="finite"):
        fit_policy(trace, embeddings=embeddings).select(embeddings * np.nan, SLO())
    with pytest.raises(LabError, match=r"violation_rate must be within \(0, 1\)"):
        fit_policy(trace, embeddings=embeddings, violation_rate=5)
    with pytest.raises(LabError, match=r"tolerance must be within \[0, 1\], got None"):
        fit_policy(trace, embeddings=embeddings, tolerance=None)
    assert fit_policy(trace, embeddings=embeddings.tolist()).dimension == 8


@pytest.mark.parametrize(("name", "column"), [("cheapest", "cost_usd"), ("fastest", "latency_s")])
def test_a_policy_cannot_go_by_what_was_not_recorded(name, column):
    trace, _, _ = topics(0)
    unknown = Trace.from_frame(trace.outcomes.assign(**{column: np.nan}), trace.queries)
    with pytest.raises(LabError, match=f"has no {column}, so a policy cannot go by it"):
        fit_policy(unknown, name)
