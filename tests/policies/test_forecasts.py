"""What ours predicts: quality, cost and latency for a query, from queries like it."""

from dataclasses import replace

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy, replay
from ecollm_lab.policies.fitting.bases import Basis, Moments
from ecollm_lab.policies.fitting.learners import Queries, linear, squares_of
from ecollm_lab.policies.predictors import Blend, joined
from ecollm_lab.records import SLO, LabError
from tests.conftest import make_trace


def slow_on_one_topic(seed, n=200):
    """Path 1 is better everywhere, and takes four times as long on the second topic only."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 2, n)
    embeddings = np.eye(8)[topic * 3] + 0.05 * rng.standard_normal((n, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    seconds = np.stack([np.full(n, 0.2), np.where(topic == 0, 0.25, 1.0)], axis=1)
    seconds *= np.exp(0.1 * rng.standard_normal((n, 2)))
    quality = rng.random((n, 2)) < [0.4, 0.9]
    return make_trace(quality, np.array([[1e-6, 2e-6]]), seconds), embeddings, topic


def test_a_path_that_is_slow_on_one_topic_serves_the_other_within_the_limit():
    trace, embeddings, _ = slow_on_one_topic(0)
    fresh, unseen, topic = slow_on_one_topic(1)
    slo = SLO(max_latency_s=0.5)
    chosen = fit_policy(trace, embeddings=embeddings).select(unseen, slo)
    assert (chosen == np.array(trace.path_ids)[1 - topic]).mean() > 0.97
    for name in ("knn", "best_single"):  # they know how often a path breaks the limit over all
        policy = fit_policy(trace, name, embeddings=embeddings)
        assert set(policy.select(unseen, slo)) == {trace.path_ids[0]}
    assert (
        replay(fit_policy(trace, embeddings=embeddings), fresh, slo, embeddings=unseen)[
            "slo_violation_rate"
        ]
        <= 0.05
    )


def test_explain_tells_how_probably_a_path_breaks_the_limit_for_this_query():
    trace, embeddings, topic = slow_on_one_topic(0)
    policy, slo = fit_policy(trace, embeddings=embeddings), SLO(max_latency_s=0.5)
    risks = [
        policy.explain(embeddings[topic == t][0], slo).paths.set_index("path_id")["violation_share"]
        for t in (0, 1)
    ]
    assert risks[0][trace.path_ids[1]] < 0.05
    assert risks[1][trace.path_ids[1]] > 0.95
    late = policy.explain(embeddings[topic == 1][0], slo).paths.set_index("path_id")["reason"]
    assert late[trace.path_ids[1]].startswith("breaks the limits on this query with a probability")


def test_a_forecast_that_is_no_better_than_the_rate_of_a_path_is_not_used():
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((200, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    seconds = np.where(rng.random((200, 2)) < [0.02, 0.04], 9.0, 0.1)  # stalls come by chance
    trace = make_trace(rng.random((200, 2)) < [0.5, 0.8], np.array([[1e-6, 2e-6]]), seconds)
    rule = fit_policy(trace, embeddings=embeddings).rule(SLO(max_latency_s=1.0))
    assert rule.excess == ()
    assert rule.feasible


def test_what_a_broken_limit_is_worth_decides_how_often_limits_break():
    trace, embeddings, topic = slow_on_one_topic(0)
    rates = []
    for worth in (0.0, 0.2, 1.0):
        policy = fit_policy(trace, embeddings=embeddings, violation_cost=worth)
        done = replay(policy, trace, SLO(max_latency_s=0.5), embeddings=embeddings)
        rates.append(done["slo_violation_rate"])
    # on the slow topic the better path gains .5 of quality: more than .2, less than 1
    assert rates[0] == pytest.approx(topic.mean(), abs=0.02)
    assert rates[1] == pytest.approx(topic.mean(), abs=0.02)
    assert rates[2] < 0.02
    for wrong in (-1.0, float("inf"), float("nan")):
        with pytest.raises(LabError, match="violation_cost must be a finite number"):
            fit_policy(trace, embeddings=embeddings, violation_cost=wrong)
    with pytest.raises(LabError, match="leave one of the two out"):
        fit_policy(trace, embeddings=embeddings, violation_cost=0.5, violation_rate=None)


def test_a_ridge_on_a_basis_is_the_ridge_regression_on_the_embeddings():
    rng = np.random.default_rng(0)
    x, y, ridge, fresh = rng.standard_normal((12, 4)), rng.random((12, 3)), 0.7, np.eye(4)
    basis = Basis.of(x)
    _, mean, weights = next(Moments.of(basis.coordinates, y).fits((ridge,)))
    centred = x - x.mean(axis=0)
    slopes = np.linalg.solve(centred.T @ centred + ridge * np.eye(4), centred.T @ y)
    told = y.mean(axis=0) + (fresh - x.mean(axis=0)) @ slopes
    found = Blend(mean, basis.projections, weights).predict(fresh)
    np.testing.assert_allclose(found, told, atol=1e-6)


def kinds_apart(seed, *, told, n=192):
    """Eight kinds, each served by some of eight paths, and how well embeddings tell them apart."""
    rng = np.random.default_rng(seed)
    kind = np.tile(np.arange(8), n // 8)
    embeddings = told * np.eye(24)[kind] + 0.3 * rng.standard_normal((n, 24))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    right = np.random.default_rng(7).random((8, 8)) < 0.5
    served = 1.0 * (rng.random((n, 8)) < 0.2 + 0.6 * right[kind])
    return Queries(embeddings, np.arange(n), wide=embeddings, kinds=np.eye(8)[kind]), served


def error_on(fit, queries, served):
    return squares_of(fit.predictor.predict(queries.embeddings) - served, True) / served.size


def test_how_much_a_query_resembles_the_kinds_is_used_where_it_helps():
    queries, served = kinds_apart(0, told=1.0)
    fresh, truth = kinds_apart(1, told=1.0, n=2000)
    known = linear(queries, served, True)
    without = linear(replace(queries, kinds=None), served, True)
    assert known.details["reads"] == "kinds"
    assert error_on(known, fresh, truth) < error_on(without, fresh, truth)


@pytest.mark.parametrize("told", [0.1, 0.3, 1.0])
def test_a_query_never_tells_its_own_kind(told):
    """The error on left-out queries foresees that on fresh ones, however little words tell."""
    reported, found = [], []
    for seed in range(4):
        queries, served = kinds_apart(seed, told=told)
        errors = linear(queries, served, True).details["errors"]
        reported.append(min(error for (reads, *_), error in errors.items() if reads == "kinds"))
        basis = queries.bases()["kinds"]
        fit = linear(replace(queries, basis=basis), served, True)
        found.append(error_on(fit, *kinds_apart(seed + 9, told=told, n=2000)))
    assert np.mean(reported) == pytest.approx(np.mean(found), rel=0.05)


def test_a_rank_keeps_the_directions_in_which_fitted_values_vary_most():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((40, 7))
    (_, _, full), (_, _, two) = Moments.of(x, y).fits((1.0,), (None, 2))
    fitted = (x - x.mean(axis=0)) @ full
    u, s, vt = np.linalg.svd(fitted, full_matrices=False)
    np.testing.assert_allclose((x - x.mean(axis=0)) @ two, (u[:, :2] * s[:2]) @ vt[:2], atol=1e-9)
    assert np.linalg.matrix_rank(two) == 2


def test_moments_of_all_less_those_of_some_are_those_of_the_rest():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    (_, *told), (_, *rest) = (
        next(moments.fits((1.0,)))
        for moments in (Moments.of(x, y) - Moments.of(x[:5], y[:5]), Moments.of(x[5:], y[5:]))
    )
    for one, other in zip(told, rest, strict=True):
        np.testing.assert_allclose(one, other)


def test_folds_leave_whole_groups_out_and_are_of_about_equal_size():
    groups = np.repeat(np.arange(12), [9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    rest = Queries(np.eye(20), groups).rest
    assert len(rest) == 10
    assert np.sum(~np.array(rest), axis=0).tolist() == [1] * 20  # each is left out once
    assert sorted((~np.array(rest)).sum(axis=1)) == [1] * 7 + [2] * 2 + [9]
    assert all(
        (~part)[groups == g].all() or part[groups == g].all() for part in rest for g in groups
    )


def test_predictors_of_the_same_features_are_joined_and_say_the_same():
    trace, embeddings, _ = slow_on_one_topic(0)
    policy = fit_policy(trace, embeddings=embeddings)
    parts = [policy.predictor, policy.forecasts["latency_s"].predictor]
    both = joined(parts)
    apart = np.hstack([part.predict(embeddings) for part in parts])
    np.testing.assert_allclose(both.predict(embeddings), apart, atol=1e-6)
    assert joined([policy.predictor, fit_policy(trace, "best_single").predictor]) is None
