"""Policies of two paths: a threshold between a weak and a strong one, and a cascade with a gate."""

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.policies import fit_policy, load_policy, replay, save_policy
from ecollm_lab.policies.choosing import Decision
from ecollm_lab.policies.fitting.fit import MOST_CANDIDATES
from ecollm_lab.policies.replays import outcomes_of, recorded_answers
from ecollm_lab.records import SLO, InfeasibleSLO, LabError
from ecollm_lab.traces import Trace
from tests.conftest import make_trace
from tests.support.policies import topics

COST, LATENCY = np.array([[1e-6, 4e-6]]), np.array([[0.1, 0.4]])
SURE, LOST = np.eye(8)[1], np.eye(8)[2]


class TwoAnswers:
    """Knows two answers, at right angles to each other."""

    name = "two answers"

    def encode(self, texts):
        return np.stack([SURE if text == "it is 5" else LOST for text in texts]).astype(np.float32)


def answering(seed, n=80):
    """The first path is right in half the cases and its answer shows it; the second is nearly
    always right. Queries are alike.
    """
    rng = np.random.default_rng(seed)
    quality = np.stack([rng.random(n) < 0.5, rng.random(n) < 0.95], axis=1).astype(float)
    trace = make_trace(quality, COST, LATENCY)
    words = np.where(trace.outcomes["quality"] > 0.5, "it is 5", "no idea")
    x = np.abs(rng.standard_normal((n, 8))) + 1.0
    return (
        Trace.from_frame(trace.outcomes.assign(answer=words), trace.queries, trace.provenance),
        x / np.linalg.norm(x, axis=1)[:, None],
    )


def cascade(seed=0, **more):
    trace, x = answering(seed)
    return fit_policy(trace, "cascade", embeddings=x, encoder=TwoAnswers(), **more), trace, x


def test_a_threshold_sends_each_topic_to_its_path_and_keeps_to_two():
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, "threshold", embeddings=embeddings)
    fresh, unseen, topic = topics(100)
    chosen = policy.select(unseen, SLO())
    assert (chosen == np.array(trace.path_ids)[1 - topic]).mean() > 0.9
    assert set(chosen) == set(trace.path_ids[:2])
    assert replay(policy, fresh, SLO(), embeddings=unseen).choices["n_runs"].eq(1).all()
    told = policy.explain(unseen[0], SLO())
    assert told.path_id == chosen[0]


def test_a_cascade_runs_the_second_path_only_where_the_first_answer_is_poor_and_pays_for_both():
    policy, trace, _ = cascade()
    fresh, unseen = answering(1)
    done = replay(policy, fresh, SLO(), embeddings=unseen)
    first = fresh.array("quality")[:, 0]
    np.testing.assert_array_equal(done.choices["n_runs"], np.where(first > 0.5, 1, 2))
    np.testing.assert_array_equal(done.choices["path_id"], np.where(first > 0.5, *trace.path_ids))
    np.testing.assert_allclose(done.choices["cost_usd"], np.where(first > 0.5, 1e-6, 5e-6))
    np.testing.assert_allclose(done.choices["latency_s"], np.where(first > 0.5, 0.1, 0.5))
    assert done["quality"] > 0.9
    assert policy.rule(SLO()).violation_rate == 0.0


def test_of_no_query_nothing_is_asked_and_nothing_said():
    policy, trace, x = cascade()
    assert policy.decide(x, SLO(), ask=recorded_answers(trace)).runs.shape == (80, 2)
    for ask in (recorded_answers(trace), None):
        decision = policy.decide(x[:0], SLO(), ask=ask)
        assert decision.path_ids.shape == (0,)
        assert len(decision.runs) == 0


def test_limits_hold_for_the_sum_of_the_calls():
    policy, trace, x = cascade()
    alone = replay(policy, trace, SLO(max_latency_s=0.45), embeddings=x)  # either path, never both
    assert alone["slo_violation_rate"] == 0.0
    assert set(alone.choices["n_runs"]) == {1}
    assert set(alone.choices["path_id"]) == {trace.path_ids[1]}
    both = replay(policy, trace, SLO(max_latency_s=0.55), embeddings=x)
    assert both.choices["n_runs"].max() == 2
    with pytest.raises(InfeasibleSLO, match=r"needs max_latency_s >= 0.1"):
        policy.select(x, SLO(max_latency_s=0.05), ask=recorded_answers(trace))


def test_without_a_target_rate_a_cascade_keeps_limits_with_the_percentiles_of_the_sum():
    policy, trace, x = cascade(violation_rate=None)
    alone = replay(policy, trace, SLO(max_latency_s=0.45), embeddings=x)
    assert set(alone.choices["n_runs"]) == {1}
    assert alone["slo_violation_rate"] == 0.0
    assert replay(policy, trace, SLO(max_latency_s=0.55), embeddings=x).choices["n_runs"].max() == 2


def test_a_cascade_explains_what_it_runs_first_and_when_the_second():
    policy, trace, x = cascade()
    told = policy.explain(x[0], SLO())
    assert told.path_id == trace.path_ids[0]
    reasons = dict(zip(told.paths["path_id"], told.paths["reason"], strict=True))
    assert reasons[trace.path_ids[1]].startswith(
        f"run after {trace.path_ids[0]} where its answer seems worth less than 0."
    )
    single = policy.explain(x[0], SLO(max_latency_s=0.45))
    assert single.path_id == trace.path_ids[1]
    assert "not one of the two" in single.paths.set_index("path_id")["reason"][trace.path_ids[0]]


@pytest.mark.parametrize("name", ["threshold", "cascade"])
def test_the_pair_and_threshold_are_the_best_on_training_by_brute_force(name):
    trace, x = answering(3)
    policy = fit_policy(trace, name, embeddings=x, encoder=TwoAnswers())
    quality, cost = trace.array("quality"), trace.array("cost_usd")
    best = max(quality[:, 0].mean(), quality[:, 1].mean())
    sure = policy.confidence[:, 0] - (policy.confidence[:, 1] if name == "threshold" else 0)
    for threshold in np.quantile(sure, np.arange(1, 20) / 20):
        best = max(best, np.where(sure < threshold, quality[:, 1], quality[:, 0]).mean())
    options = policy.options
    assert options.delivered[0].max() == pytest.approx(best)
    frugal = policy.rule(SLO(prefer="cost"))
    assert len(frugal.columns) == 1 or frugal.threshold <= policy.rule(SLO()).threshold
    assert options.delivered[1].min() == pytest.approx(cost[:, 0].mean())


@pytest.mark.parametrize("name", ["threshold", "cascade"])
def test_a_policy_of_two_paths_comes_back_as_it_was(name, tmp_path):
    trace, x = answering(0)
    policy = fit_policy(trace, name, embeddings=x, encoder=TwoAnswers())
    save_policy(policy, tmp_path / "p.npz")
    again = load_policy(tmp_path / "p.npz", encoder=TwoAnswers())
    for slo in (SLO(), SLO(max_latency_s=0.45, prefer="cost")):
        one, two = (p.decide(x, slo, ask=recorded_answers(trace)) for p in (policy, again))
        assert (one.path_ids == two.path_ids).all()
        assert (pd.isna(one.runs) == pd.isna(two.runs)).all()


def test_mistakes_are_named():
    trace, x = answering(0)
    policy = fit_policy(trace, "cascade", embeddings=x, encoder=TwoAnswers())
    with pytest.raises(LabError, match=r"reads the answer of none/bm25-1.*give ask="):
        policy.select(x, SLO())
    silent = Trace.from_frame(
        trace.outcomes.drop(columns="answer"), trace.queries, trace.provenance
    )
    with pytest.raises(LabError, match="it needs a column answer"):
        fit_policy(silent, "cascade", embeddings=x)
    for blank in ("", " ", None):
        nothing = Trace.from_frame(trace.outcomes.assign(answer=blank), trace.queries)
        with pytest.raises(LabError, match="that is not blank everywhere"):
            fit_policy(nothing, "cascade", embeddings=x, encoder=TwoAnswers())
    with pytest.raises(LabError, match="cannot be replayed"):
        replay(policy, silent, SLO(), embeddings=x)
    with pytest.raises(LabError, match="dimension 8, the queries' 3"):
        fit_policy(trace, "cascade", embeddings=x[:, :3], encoder=TwoAnswers())


def test_pairs_are_made_of_the_front_where_there_are_many_paths():
    rng = np.random.default_rng(0)
    n_paths = 2 * MOST_CANDIDATES
    trace = make_trace(
        np.tile(np.linspace(0, 1, n_paths), (30, 1)),
        [[1e-6] * n_paths],
        [np.linspace(0.1, 1, n_paths)],
    )
    worse = trace.outcomes["path_id"].eq(trace.path_ids[-2])
    dear = Trace.from_frame(
        trace.outcomes.assign(cost_usd=trace.outcomes["cost_usd"] * (1 + 9 * worse)), trace.queries
    )
    policy = fit_policy(dear, "threshold", embeddings=rng.standard_normal((30, 4)))
    assert len(policy.candidates) == MOST_CANDIDATES
    assert n_paths - 1 in policy.candidates
    assert set(
        fit_policy(
            dear, "threshold", embeddings=rng.standard_normal((30, 4)), models_only=True
        ).candidates
    ) <= {n_paths - 1}


def test_what_was_run_is_summed():
    trace = make_trace([[0.2, 0.8], [0.5, 0.6]], COST, LATENCY)
    a, b = trace.path_ids
    told = outcomes_of(
        trace, Decision(np.array([b, a], dtype=object), np.array([[a, b], [a, None]], dtype=object))
    )
    assert told["quality"].tolist() == [0.8, 0.5]
    assert told["latency_s"].tolist() == pytest.approx([0.5, 0.1])
    assert told["cost_usd"].tolist() == pytest.approx([5e-6, 1e-6])
    assert told["n_runs"].tolist() == [2, 1]
    with pytest.raises(LabError, match="Path elsewhere is not in the trace"):
        outcomes_of(
            trace,
            Decision(
                np.array(["elsewhere", a], dtype=object),
                np.array([["elsewhere"], [a]], dtype=object),
            ),
        )


def test_a_cascade_trusts_answers_that_the_model_was_sure_of():
    """The answers say nothing; their log-probabilities tell which are right."""
    trace, x = answering(0)
    right = trace.outcomes["quality"] > 0.5
    sure = trace.outcomes.assign(answer="it is 5", logprob=np.where(right, -0.1, -2.0))
    trace = Trace.from_frame(sure, trace.queries, trace.provenance)
    policy = fit_policy(trace, "cascade", embeddings=x, encoder=TwoAnswers())
    done = replay(policy, trace, SLO(), embeddings=x)
    first = trace.array("quality")[:, 0]
    assert (done.choices["n_runs"] == np.where(first > 0.5, 1, 2)).mean() > 0.98


def test_a_gate_can_read_plain_signs_of_an_answer():
    trace, x = answering(0)
    policy = fit_policy(trace, "raser", embeddings=x, encoder=TwoAnswers())
    done = replay(policy, trace, SLO(), embeddings=x)  # "no idea" denies, "it is 5" has a number
    first = trace.array("quality")[:, 0]
    assert (done.choices["n_runs"] == np.where(first > 0.5, 1, 2)).mean() > 0.98
