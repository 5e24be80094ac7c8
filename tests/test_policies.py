import numpy as np
import pytest

from ecollm_lab.policies import POLICIES, fit_policy, placements
from ecollm_lab.records import SLO, InfeasibleSLO, LabError
from ecollm_lab.replays import replay, replay_all
from ecollm_lab.traces import Trace
from tests.conftest import make_trace

COST, LATENCY = np.array([[1e-6, 4e-6, 2e-6, 9e-6]]), np.array([[0.1, 0.4, 0.3, 0.2]])


def topics(seed, n=60):
    """Two topics at right angles; each is served by another path, path 3 serves neither well."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 2, n)
    embeddings = np.eye(8)[topic * 3] + 0.05 * rng.standard_normal((n, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    chance = np.array([[0.1, 0.9, 0.2, 0.6], [0.9, 0.1, 0.2, 0.6]])[topic]
    return make_trace(rng.random((n, 4)) < chance, COST, LATENCY), embeddings, topic


@pytest.mark.parametrize("name", ["ours", "cluster"])
@pytest.mark.parametrize("seed", range(3))
def test_a_learned_policy_sends_each_topic_to_its_path(name, seed):
    trace, embeddings, _ = topics(seed)
    policy = fit_policy(trace, name, embeddings=embeddings)
    fresh, unseen, topic = topics(seed + 100)
    chosen = policy.select(unseen, SLO())
    assert (chosen == np.array(trace.path_ids)[1 - topic]).mean() > 0.9, f"seed {seed}"
    best = replay(fit_policy(trace, "best_single", embeddings=embeddings), fresh, SLO(), embeddings=unseen)
    assert replay(policy, fresh, SLO(), embeddings=unseen)["quality"] > best["quality"] + 0.1


def test_without_signal_ours_is_the_best_single_path():
    rng = np.random.default_rng(5)
    embeddings = rng.standard_normal((80, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    trace = make_trace(rng.random((80, 4)) < [0.3, 0.8, 0.5, 0.4], COST, LATENCY)
    policy = fit_policy(trace, embeddings=embeddings)
    single = fit_policy(trace, "best_single")
    assert (policy.select(embeddings, SLO()) == single.select(embeddings, SLO())).mean() > 0.95


def test_leave_one_out_matches_leaving_each_one_out():
    trace, embeddings, _ = topics(0, n=12)
    from ecollm_lab.policies import kernel

    policy = fit_policy(trace, embeddings=embeddings)
    residual = trace.array("quality") - trace.array("quality").mean(axis=0)
    bandwidth, noise = 0.2, 1.0
    errors = []
    for i in range(12):
        rest = np.arange(12) != i
        gram = kernel(embeddings[rest], embeddings[rest], bandwidth) + noise * np.eye(11)
        error = residual[i] - kernel(embeddings[[i]], embeddings[rest], bandwidth)[0] @ np.linalg.solve(gram, residual[rest])
        errors.append(error - error.mean())
    assert policy.loo[bandwidth, noise] == pytest.approx(np.square(errors).mean())


def test_every_policy_keeps_the_limits_it_is_given():
    trace, embeddings, _ = topics(1)
    for name in POLICIES:
        policy = fit_policy(trace, name, embeddings=embeddings)
        for slo in (SLO(max_latency_s=0.25), SLO(max_cost_usd=3e-6, prefer="latency"), SLO(max_latency_s=0.35, prefer="cost")):
            if name == "cloud_only" and slo.max_cost_usd:
                continue
            done = replay(policy, trace, slo, embeddings=embeddings)
            assert done["slo_violation_rate"] == 0.0, (name, slo)


def test_static_baselines_by_hand():
    quality = np.array([[0.0, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]])
    trace = make_trace(quality, COST, LATENCY)
    x = np.eye(3)
    ids = np.array(trace.path_ids)
    picks = {name: fit_policy(trace, name).select(x, SLO())[0] for name in ("best_single", "cheapest", "fastest", "cloud_only")}
    assert picks == {"best_single": ids[1], "cheapest": ids[0], "fastest": ids[0], "cloud_only": ids[1]}
    assert fit_policy(trace, "best_single").select(x, SLO(prefer="cost", min_quality=0.6))[0] == ids[2]
    assert fit_policy(trace, "best_single").select(x, SLO(prefer="latency", min_quality=0.6))[0] == ids[3]


def test_the_random_policy_follows_its_seed():
    trace, embeddings, _ = topics(0)
    picks = [fit_policy(trace, "random", seed=s).select(embeddings, SLO(max_latency_s=0.35)).tolist() for s in (1, 1, 2)]
    assert picks[0] == picks[1] != picks[2]
    assert set(picks[0]) == set(np.array(trace.path_ids)[[0, 2, 3]])


def test_an_infeasible_slo_names_the_nearest_paths():
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, embeddings=embeddings)
    with pytest.raises(InfeasibleSLO, match=r"bm25-1.*needs max_latency_s >= 0.1"):
        policy.select(embeddings, SLO(max_latency_s=0.05))
    with pytest.raises(InfeasibleSLO, match=r"bm25-3.*max_latency_s >= 0.3|bm25-1"):
        policy.select(embeddings, SLO(max_latency_s=0.05, max_cost_usd=3e-6))
    with pytest.raises(InfeasibleSLO, match="even alone"):
        policy.select(embeddings, SLO(max_latency_s=0.05, max_cost_usd=1e-9))


@pytest.mark.parametrize("slo", [SLO(), SLO(max_latency_s=0.25), SLO(max_cost_usd=5e-6, prefer="cost"), SLO(max_latency_s=0.01)])
def test_the_oracle_has_no_regret_and_nobody_beats_it(slo):
    trace, embeddings, _ = topics(2)
    assert replay("oracle", trace, slo)["regret"] == 0.0
    for name in POLICIES if slo.max_latency_s != 0.01 else ():
        assert (replay(fit_policy(trace, name, embeddings=embeddings), trace, slo, embeddings=embeddings).choices["regret"] >= 0).all()


def test_replay_looks_outcomes_up_and_counts_violations():
    trace = make_trace([[1.0, 0.5], [0.0, 1.0]], [[1e-6, 2e-6]], [[0.1, 0.2], [0.1, 0.9]])
    single = fit_policy(trace, "best_single")
    done = replay(single, trace, SLO(), embeddings=np.eye(2))
    assert done.choices["path_id"].tolist() == [trace.path_ids[1]] * 2
    assert (done["quality"], done["cost_usd"], done["latency_s"], done["regret"]) == pytest.approx((0.75, 2e-6, 0.55, 0.25))
    strict = SLO(max_latency_s=0.88)  # above the 95th percentile of what was seen, 0.865, below one outcome
    late = replay(single, trace, strict, embeddings=np.eye(2))
    assert late["slo_violation_rate"] == 0.5
    assert late.choices["regret"].tolist() == [0.5, 0.0]  # the violating pick delivers nothing; the oracle had 0 there too
    table = replay_all([single, "oracle"], trace, SLO(), embeddings=np.eye(2))
    assert (table["quality_low"] <= table["quality"]).all()
    assert table.index.tolist() == ["best_single", "oracle"]


def test_mistakes_are_named():
    trace, embeddings, _ = topics(0)
    with pytest.raises(LabError, match="ours, cluster"):
        fit_policy(trace, "magic")
    with pytest.raises(LabError, match="one row per query of the trace: 60, got 3"):
        fit_policy(trace, embeddings=embeddings[:3])
    with pytest.raises(LabError, match="wrap a single one"):
        fit_policy(trace, embeddings=embeddings).select("one text", SLO())
    with pytest.raises(LabError, match="fit one with fit_policy"):
        replay("ours", trace, SLO())
    empty = trace.outcomes.assign(quality=trace.outcomes["quality"].where(trace.outcomes["path_id"] != trace.path_ids[2]))
    with pytest.raises(LabError, match=r"bm25-3.* has no quality"):
        fit_policy(type(trace).from_frame(empty, trace.queries, trace.provenance), embeddings=embeddings)


def test_a_trace_without_placements_says_so_and_has_no_cloud_to_fall_back_on():
    told = make_trace([[0.1, 0.9]], COST[:, :2], LATENCY[:, :2])
    assert placements(told) == ["edge", "cloud"]
    silent = Trace.from_frame(told.outcomes, told.queries)
    assert placements(silent) == ["not stated"] * 2
    with pytest.raises(LabError, match="names no cloud model"):
        fit_policy(silent, "cloud_only", embeddings=np.ones((1, 2)))
