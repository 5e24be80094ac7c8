import re

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.policies import POLICIES, fit_policy, replay, replay_all
from ecollm_lab.policies.choosing import choose
from ecollm_lab.policies.fitting.fit import router_paths
from ecollm_lab.policies.fitting.learners import _leading
from ecollm_lab.policies.fitting.regression import (
    BANDWIDTHS,
    LINEAR,
    centred,
    fit_regression,
    kernel,
)
from ecollm_lab.records import SLO, InfeasibleSLO, LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import placements
from tests.conftest import make_trace

ONE_PATH = [name for name in POLICIES if name != "cascade"]  # which reads answers: see test_pairs
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
    best = replay(
        fit_policy(trace, "best_single", embeddings=embeddings), fresh, SLO(), embeddings=unseen
    )
    assert replay(policy, fresh, SLO(), embeddings=unseen)["quality"] > best["quality"] + 0.1


def test_without_signal_ours_is_the_best_single_path():
    rng = np.random.default_rng(5)
    embeddings = rng.standard_normal((80, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    trace = make_trace(rng.random((80, 4)) < [0.3, 0.8, 0.5, 0.4], COST, LATENCY)
    policy = fit_policy(trace, embeddings=embeddings)
    assert policy.details["sharing"] == "flat"
    single = fit_policy(trace, "best_single")
    assert (policy.select(embeddings, SLO()) == single.select(embeddings, SLO())).mean() > 0.95


def test_ours_predicts_the_sum_of_its_parts():
    """The stack, whose linear parts are folded into few directions, against its parts one by one."""
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, embeddings=embeddings)
    table = trace.array("quality")
    residual, groups = table - table.mean(axis=0), np.arange(len(table))
    unseen = topics(100)[1]
    radial, linear = (
        fit_regression(embeddings, residual, trace.path_ids, groups, b)
        for b in (BANDWIDTHS, [LINEAR])
    )
    factors = fit_policy(trace, "matrix_factorisation", embeddings=embeddings).predict(
        unseen
    ) - table.mean(axis=0)
    weights = policy.details["weights"]
    assert max(weights.values()) > 0.1
    told = (
        weights["radial"] * radial.predict(unseen)
        + weights["linear"] * linear.predict(unseen)
        + weights["factors"] * factors
    )
    np.testing.assert_allclose(policy.predict(unseen), table.mean(axis=0) + told, atol=1e-5)
    errors = policy.details["errors"]
    assert errors["stacked",] <= min(errors.values()) + 1e-12


def test_leave_one_out_matches_leaving_each_one_out():
    trace, embeddings, _ = topics(0, n=12)
    policy = fit_policy(trace, embeddings=embeddings)
    residual = centred(trace.array("quality") - trace.array("quality").mean(axis=0))
    bandwidth, noise = 0.2, 1.0
    errors = []
    for i in range(12):
        rest = np.arange(12) != i
        gram = (
            1e5 + kernel(embeddings[rest], embeddings[rest], bandwidth) + noise * np.eye(11)
        )  # the constant is the intercept
        near = 1e5 + kernel(embeddings[[i]], embeddings[rest], bandwidth)[0]
        error = residual[i] - near @ np.linalg.solve(gram, residual[rest])
        errors.append(error - error.mean())
    assert policy.details["errors"][bandwidth, noise, "none"] == pytest.approx(
        np.square(errors).mean(), rel=1e-3
    )


def test_every_policy_keeps_the_limits_it_is_given():
    trace, embeddings, _ = topics(1)
    for name in ONE_PATH:
        policy = fit_policy(trace, name, embeddings=embeddings)
        for slo in (
            SLO(max_latency_s=0.25),
            SLO(max_cost_usd=3e-6, prefer="latency"),
            SLO(max_latency_s=0.35, prefer="cost"),
        ):
            if name == "cloud_only" and slo.max_cost_usd:
                continue
            done = replay(policy, trace, slo, embeddings=embeddings)
            assert done["slo_violation_rate"] == 0.0, (name, slo)


def test_leading_directions_are_those_of_the_decomposition_also_where_paths_are_copies():
    rng = np.random.default_rng(0)
    matrix = np.tile(rng.standard_normal((50, 6)) * [9, 5, 3, 1, 0.5, 0.1], 40)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    rows = _leading(matrix, 3)
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(matrix @ rows.T @ rows, u[:, :3] * s[:3] @ vt[:3], atol=1e-7)


def test_static_baselines_by_hand():
    quality = np.array([[0.0, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]])
    trace = make_trace(quality, COST, LATENCY)
    x = np.eye(3)
    ids = np.array(trace.path_ids)
    picks = {
        name: fit_policy(trace, name).select(x, SLO())[0]
        for name in ("best_single", "cheapest", "fastest", "cloud_only")
    }
    assert picks == {
        "best_single": ids[1],
        "cheapest": ids[0],
        "fastest": ids[0],
        "cloud_only": ids[1],
    }
    assert (
        fit_policy(trace, "best_single").select(x, SLO(prefer="cost", min_quality=0.6))[0] == ids[2]
    )
    assert (
        fit_policy(trace, "best_single").select(x, SLO(prefer="latency", min_quality=0.6))[0]
        == ids[3]
    )


def test_the_random_policy_follows_its_seed():
    trace, embeddings, _ = topics(0)
    picks = [
        fit_policy(trace, "random", seed=s).select(embeddings, SLO(max_latency_s=0.35)).tolist()
        for s in (1, 1, 2)
    ]
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


def test_a_fixed_order_stays_whatever_is_preferred():
    trace = make_trace([[0.5, 0.5]], [[1e-6, 2e-6]], [[0.4, 0.1]])
    for slo in (SLO(), SLO(prefer="cost"), SLO(prefer="latency")):
        picks = [
            fit_policy(trace, name).select(np.eye(1), slo)[0] for name in ("cheapest", "fastest")
        ]
        assert picks == trace.path_ids, slo


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


def test_mistakes_are_named():
    trace, embeddings, _ = topics(0)
    with pytest.raises(LabError, match="ours, knn, cluster"):
        fit_policy(trace, "magic")
    with pytest.raises(LabError, match="one row per query of the trace: 60, got 3"):
        fit_policy(trace, embeddings=embeddings[:3])
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


def test_a_trace_without_placements_says_so_and_has_no_cloud_to_fall_back_on():
    told = make_trace([[0.1, 0.9]], COST[:, :2], LATENCY[:, :2])
    assert placements(told) == ["edge", "cloud"]
    silent = Trace.from_frame(told.outcomes, told.queries)
    assert placements(silent) == ["not stated"] * 2
    with pytest.raises(LabError, match="names no cloud model"):
        fit_policy(silent, "cloud_only", embeddings=np.ones((1, 2)))


def noisy(seed, n=400):
    """Four paths; the better one is, the longer it takes. Embeddings say nothing."""
    rng = np.random.default_rng(seed)
    latency = np.exp([[-1.5, -1.0, -0.6, -0.2]] + 0.4 * rng.standard_normal((n, 4)))
    embeddings = rng.standard_normal((n, 6))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return make_trace(rng.random((n, 4)) < [0.4, 0.5, 0.7, 0.9], COST, latency), embeddings


@pytest.mark.parametrize(
    "name", ["ours", "knn", "cluster", "matrix_factorisation", "threshold", "best_single"]
)
def test_limits_are_broken_about_as_often_as_allowed_but_not_more(name):
    """The paths straddle the limit; over many fresh queries the rate must not exceed its target by more than chance."""
    trace, embeddings = noisy(1)
    fresh, unseen = noisy(2, n=2000)
    for target in (0.02, 0.05, 0.2):
        policy = fit_policy(trace, name, embeddings=embeddings, violation_rate=target)
        for limit in (0.7, 0.9, 1.2):
            slo = SLO(max_latency_s=limit)
            rule = policy.rule(slo)
            assert rule.violation_rate <= target
            rate = replay(policy, fresh, slo, embeddings=unseen)["slo_violation_rate"]
            assert rate <= target + 3 * (target * (1 - target) / 400) ** 0.5, (target, limit, rate)


@pytest.mark.parametrize("name", ["knn", "threshold"])
def test_limits_hold_after_learning_from_few_outcomes(name):
    """An outcome that was not seen says nothing about limits; it must not count as one that kept them."""
    fresh, unseen = noisy(99, n=2000)
    rates = []
    for seed in range(3):
        trace, embeddings = noisy(seed)
        seen = np.random.default_rng(seed).random(len(trace.outcomes)) < 0.3
        partial = Trace.from_frame(trace.outcomes[seen], trace.queries, trace.provenance)
        kept = pd.Index(trace.query_ids).get_indexer(partial.query_ids)
        policy = fit_policy(partial, name, embeddings=embeddings[kept], margin=0.0)
        rates += [
            replay(policy, fresh, SLO(max_latency_s=s), embeddings=unseen)["slo_violation_rate"]
            for s in (0.7, 0.9, 1.2)
        ]
    assert np.mean(rates) < 0.075, rates  # .13 if they counted


def test_what_one_policy_calls_infeasible_the_others_do_too():
    trace, embeddings = noisy(1)
    for limit in np.quantile(trace.array("latency_s")[:, 0], [0.93, 0.955, 0.97, 0.99]):
        policies = [
            fit_policy(trace, name, embeddings=embeddings)
            for name in ("ours", "knn", "threshold", "best_single", "cheapest")
        ]
        told = {
            policy.name: policy.rule(SLO(max_latency_s=float(limit))).feasible
            for policy in policies
        }
        share = (trace.array("latency_s") > limit).mean(axis=0).min()
        assert set(told.values()) == {bool(share <= 0.05)}, (limit, told)


def test_the_margin_is_a_standard_error_over_clusters_by_hand():
    trace, embeddings = noisy(1, n=40)
    policy = fit_policy(trace, embeddings=embeddings)
    policy.clusters = np.repeat([0, 1], 20)
    broke = np.zeros(40)
    broke[:4] = 1  # all in one cluster: rate 0.1, which is off by +2 and -2 over the clusters
    assert policy.careful_rate(broke) == pytest.approx(0.1 + (4 + 4) ** 0.5 / 40)
    spread = np.zeros(40)
    spread[[0, 1, 20, 21]] = 1
    assert policy.careful_rate(np.stack([broke, spread])) == pytest.approx([0.1 + 8**0.5 / 40, 0.1])
    bold = fit_policy(trace, embeddings=embeddings, margin=0.0)
    assert bold.careful_rate(broke) == 0.1
    slo = SLO(max_latency_s=0.9)
    assert policy.rule(slo).violation_rate <= bold.rule(slo).violation_rate
    with pytest.raises(LabError, match="margin must be a number >= 0"):
        fit_policy(trace, embeddings=embeddings, margin=-1)


def test_a_looser_target_buys_quality():
    trace, embeddings = noisy(1)
    slo = SLO(max_latency_s=0.9)
    strict, loose = (
        replay(
            fit_policy(trace, embeddings=embeddings, violation_rate=rate),
            trace,
            slo,
            embeddings=embeddings,
        )["quality"]
        for rate in (0.01, 0.3)
    )
    assert loose > strict + 0.1


def test_the_rule_decides_as_choose_does():
    trace, embeddings, _ = topics(3)
    policy = fit_policy(trace, embeddings=embeddings, violation_rate=None)
    ids = np.array(trace.path_ids)
    for slo in (
        SLO(),
        SLO(max_latency_s=0.35),
        SLO(prefer="cost"),
        SLO(prefer="latency", max_cost_usd=5e-6),
        SLO(prefer="cost", min_quality=0.5),
    ):
        mask = policy.kept_probability(slo) >= 0.5
        told = ids[choose(policy.predict(embeddings), mask, policy.cost_usd, policy.latency_s, slo)]
        assert (
            policy.select(embeddings, slo) == told
        ).mean() >= 0.98  # single against double precision


def test_an_infeasible_slo_can_be_served_by_the_least_violating_path():
    trace, embeddings = noisy(1)
    slo = SLO(max_latency_s=0.2)
    policy = fit_policy(trace, embeddings=embeddings)
    with pytest.raises(InfeasibleSLO, match="needs max_latency_s"):
        policy.select(embeddings[:2], slo)
    with pytest.warns(UserWarning, match="least-violating"):
        assert set(policy.select(embeddings[:2], slo, infeasible="least_violating")) == {
            trace.path_ids[0]
        }
    with pytest.raises(LabError, match="least_violating"):
        policy.select(embeddings[:2], slo, infeasible="ignore")


@pytest.mark.parametrize("name", ["ours", "threshold", "best_single"])
@pytest.mark.parametrize("violation_rate", [0.05, None])
def test_of_paths_that_always_break_the_limits_the_nearest_to_them_is_taken(name, violation_rate):
    trace, embeddings, _ = topics(0)
    worse = Trace.from_frame(
        trace.outcomes.assign(latency_s=np.tile([0.4, 0.1, 0.3, 0.2], 60)), trace.queries
    )
    policy = fit_policy(worse, name, embeddings=embeddings, violation_rate=violation_rate)
    for slo, nearest in (
        (SLO(max_latency_s=0.001), 1),  # in none of these the path of the best quality
        (SLO(max_cost_usd=1e-9), 0),
        (
            SLO(max_latency_s=0.05, max_cost_usd=5e-7),
            2,
        ),  # beyond by a factor of 6; the others by 8, 8 and 18
    ):
        with pytest.warns(UserWarning, match="least-violating"):
            assert set(policy.select(embeddings[:3], slo, infeasible="least_violating")) == {
                trace.path_ids[nearest]
            }, slo


def test_explain_names_the_choice_and_the_tightest_reason_of_every_other_path():
    trace, embeddings = noisy(1)
    policy, slo = fit_policy(trace, embeddings=embeddings), SLO(max_latency_s=0.75)
    told = policy.explain(embeddings[0], slo)
    assert (
        told.path_id
        == told.paths["path_id"][0]
        == fit_policy(trace, embeddings=embeddings).select(embeddings[:1], SLO(max_latency_s=0.75))[
            0
        ]
    )
    assert (told.paths["reason"] == "chosen").sum() == 1
    assert told.bound == ("max_latency_s",)
    best = told.paths.set_index("path_id").loc[trace.path_ids[3]]
    assert best["quality"] > told.quality
    assert "max_latency_s 0.75 against a 95th percentile of" in best["reason"]
    assert told.violation_share <= 0.05
    assert 0.3 < told.quality_sd < 0.6


def test_explain_says_when_the_quality_asked_for_is_not_expected():
    trace, embeddings = noisy(1)
    policy = fit_policy(trace, embeddings=embeddings)
    for prefer in ("cost", "quality"):
        told = policy.explain(embeddings[0], SLO(min_quality=0.999, prefer=prefer))
        assert (told.path_id, told.bound) == (trace.path_ids[3], ("min_quality",))
        assert told.quality < 0.999
    assert policy.explain(embeddings[0], SLO(min_quality=0.3, prefer="cost")).bound == ()
    assert policy.explain(embeddings[0], SLO(min_quality=0.95, max_latency_s=0.75)).bound == (
        "max_latency_s",
        "min_quality",
    )


@pytest.mark.parametrize("name", ["ours", "threshold"])
def test_policies_and_traces_show_themselves_in_one_line(name):
    trace, embeddings, _ = topics(0)
    trace = Trace(trace.outcomes, trace.queries, trace.provenance | {"domain": "garden"})
    assert repr(trace) == "Trace(recorded · garden · 60 queries × 4 paths)"
    told = repr(fit_policy(trace, name, embeddings=embeddings))
    assert told.endswith(
        f"Policy({name!r}, learned from 60 queries × 4 paths of garden, violation_rate=0.05)"
    )


@pytest.mark.parametrize("name", ONE_PATH)
def test_every_policy_explains_what_it_selects_by_what_decided(name):
    trace, embeddings, _ = topics(1)
    policy, slo = fit_policy(trace, name, embeddings=embeddings), SLO(max_latency_s=0.35)
    told = policy.explain(embeddings[0], slo)
    assert told.path_id == policy.select(embeddings[:1], slo)[0]
    reasons = dict(zip(told.paths["path_id"], told.paths["reason"], strict=True))
    assert reasons.pop(told.path_id) == "chosen"
    late = reasons.pop(trace.path_ids[1])
    if name != "cloud_only":
        assert (
            late
            == "breaks the limits in 100% of outcomes: max_latency_s 0.35 against a 95th percentile"
            " of 0.4"
        )
    said = {
        "cheapest": "not the cheapest",
        "fastest": "not the fastest",
        "random": "not drawn",
        "cloud_only": "not among the paths",
    }
    said["threshold"] = "of the two|not one of the two paths"
    for reason in reasons.values():
        assert re.match(
            said.get(name, r"expected quality -?\d\.\d+, the chosen path's \d\.\d+"), reason
        ), reason


def test_a_router_varies_only_the_model_of_the_best_pipeline():
    quality = np.array([[0.1, 0.9, 0.3, 0.2]] * 6)
    trace = make_trace(quality, COST, LATENCY)
    paths = ["a/x/m1", "b/x/m1", "a/x/m2", "b/x/m2"]
    outcomes = trace.outcomes.assign(
        path_id=trace.outcomes["path_id"].map(dict(zip(trace.path_ids, paths, strict=True)))
    )
    router = fit_policy(Trace.from_frame(outcomes, trace.queries), "cheapest", models_only=True)
    assert router.name == "cheapest_router"
    assert np.array(paths)[router.allowed].tolist() == ["b/x/m1", "b/x/m2"]
    assert set(router.select(np.ones((2, 3)), SLO())) == {"b/x/m1"}


def test_models_with_an_organisation_in_their_names_are_no_pipelines():
    assert router_paths(["gpt-4", "mistralai/mixtral-8x7b"], np.array([0.9, 0.5])) == [
        "gpt-4",
        "mistralai/mixtral-8x7b",
    ]
    assert router_paths(["a/x/m1", "b/x/m1", "a/x/m2"], np.array([0.9, 0.5, 0.1])) == [
        "a/x/m1",
        "a/x/m2",
    ]


def test_a_trace_without_costs_can_be_learned_from_but_not_limited():
    trace, embeddings, _ = topics(0)
    bare = Trace.from_frame(trace.outcomes.assign(cost_usd=np.nan, latency_s=np.nan), trace.queries)
    policy = fit_policy(bare, embeddings=embeddings)
    assert len(policy.select(embeddings, SLO())) == 60
    for slo in (
        SLO(max_cost_usd=1.0),
        SLO(prefer="cost"),
        SLO(max_latency_s=1.0),
        SLO(prefer="latency"),
    ):
        with pytest.raises(LabError, match=r"has no (cost_usd|latency_s), so an SLO cannot"):
            policy.select(embeddings, slo)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "fast"])
def test_an_absurd_slo_is_refused(limit):
    with pytest.raises(LabError, match="must be a positive number or None"):
        SLO(max_latency_s=limit)


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


def test_one_query_is_enough_to_fit_and_two_do_not_break_it():
    trace, embeddings, _ = topics(0)
    for n in (1, 2, 3):
        for name in ONE_PATH:
            policy = fit_policy(trace.where(np.arange(60) < n), name, embeddings=embeddings[:n])
            assert len(policy.select(embeddings, SLO())) == 60, (n, name)


def test_what_is_no_query_or_slo_is_refused():
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, embeddings=embeddings)
    with pytest.raises(LabError, match="Queries must be Query records, texts or one array"):
        policy.select([1, 2], SLO())
    with pytest.raises(LabError, match="dimension 8 of those ours was fitted on, got 3"):
        policy.select(embeddings[:, :3], SLO())
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


def test_preferring_cost_gives_up_no_more_quality_than_allowed_and_saves():
    trace, embeddings = noisy(1)
    fresh, unseen = noisy(2, n=2000)
    best = replay(fit_policy(trace, embeddings=embeddings), fresh, SLO(), embeddings=unseen)
    costs = [best["cost_usd"]]
    for tolerance in (0.0, 0.05, 0.25):
        policy = fit_policy(trace, embeddings=embeddings, tolerance=tolerance)
        frugal = replay(policy, fresh, SLO(prefer="cost"), embeddings=unseen)
        assert frugal["quality"] >= best["quality"] - tolerance - 0.03
        assert frugal["cost_usd"] <= costs[-1] + 1e-12
        costs.append(frugal["cost_usd"])
    assert costs[-1] < 0.5 * costs[0]
    with pytest.raises(LabError, match="tolerance must be within"):
        fit_policy(trace, tolerance=2)


def test_the_oracle_is_the_best_where_cost_and_latency_are_not_recorded():
    trace, _, _ = topics(0)
    bare = Trace.from_frame(trace.outcomes.assign(cost_usd=np.nan, latency_s=np.nan), trace.queries)
    assert replay("oracle", bare, SLO())["quality"] == trace.array("quality").max(axis=1).mean()
