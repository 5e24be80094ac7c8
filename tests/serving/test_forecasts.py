import numpy as np
import pytest

from ecollm_lab.policies import fit_policy
from ecollm_lab.records import SLO
from ecollm_lab.serving import Adaptation, PolicyForecasts
from tests.conftest import make_trace
from tests.support.serving import STILL


def fitted(name, **options):
    rng = np.random.default_rng(0)
    quality = np.clip(rng.normal([0.4, 0.8], 0.05, (40, 2)), 0, 1)
    trace = make_trace(quality, [1e-6, 1e-4], np.exp(rng.normal([-2.0, -1.0], 0.3, (40, 2))))
    embeddings = rng.standard_normal((40, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return fit_policy(trace, name, embeddings=embeddings, **options), trace, embeddings


@pytest.mark.parametrize("name", ["ours", "knn", "best_single"])
def test_forecasts_are_near_what_the_paths_did_whether_the_policy_forecasts_spending_or_not(name):
    policy, trace, embeddings = fitted(name, violation_rate=0.1)
    forecasts = PolicyForecasts(policy)
    forecast = forecasts.of(embeddings[0])
    assert forecasts.path_ids == trace.path_ids
    assert forecasts.target == 0.1
    assert forecast.log_latency == pytest.approx([-2.0, -1.0], abs=0.3)
    assert forecast.latency_sd == pytest.approx([0.3, 0.3], abs=0.12)
    assert np.exp(forecast.log_cost) == pytest.approx([1e-6, 1e-4], rel=0.01)
    assert forecast.quality == pytest.approx([0.4, 0.8], abs=0.15)


def test_what_a_trace_does_not_record_is_not_forecast():
    rng = np.random.default_rng(0)
    trace = make_trace(rng.random((20, 2)), np.nan, 1.0)
    forecast = PolicyForecasts(fit_policy(trace, "best_single")).of(np.zeros(3))
    assert np.isnan(forecast.log_cost).all()
    assert forecast.log_latency == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize(("tolerance", "share"), [(0.0, 1.0), (0.02, 0.5), (0.6, 0.0)])
def test_without_limits_the_runtime_saves_as_the_policy_does(tolerance, share):
    """The dear path is .5 better for every other question, and .01 for the rest."""
    rng = np.random.default_rng(0)
    hard = np.arange(60) % 2 == 0
    quality = np.where(hard[:, None], [0.2, 0.7], [0.8, 0.81])
    trace = make_trace(quality, [1e-6, 1e-4], [0.1, 0.3])
    embeddings = np.where(hard[:, None], [1.0, 0.0], [0.0, 1.0]) + 0.01 * rng.random((60, 2))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    policy = fit_policy(trace, "ours", embeddings=embeddings, tolerance=tolerance)
    forecasts, adaptation = PolicyForecasts(policy), Adaptation(trace.path_ids, pace=STILL)
    for slo in (SLO(prefer="cost"), SLO(prefer="latency"), SLO()):
        saving = forecasts.saving(slo)
        chosen = [
            adaptation.choose(
                adaptation.outlook(forecasts.of(one), 0.0),
                slo,
                np.ones(2, dtype=bool),
                saving,
            )
            for one in embeddings
        ]
        assert [trace.path_ids[i] for i in chosen] == policy.select(embeddings, slo).tolist()
        assert np.mean(chosen) == (1.0 if slo == SLO() else share)


def test_where_choosing_did_harm_one_path_is_taken_while_it_can_be_reached():
    policy, *_ = fitted("best_single")
    forecasts = PolicyForecasts(policy)
    assert forecasts.saving(SLO()).first.tolist() == [False, True]
    assert forecasts.saving(SLO(max_latency_s=1.0, prefer="cost")).first.all()


@pytest.mark.parametrize("name", ["threshold", "cheapest"])
def test_a_policy_that_looked_for_no_price_has_its_tolerance(name):
    policy, *_ = fitted(name, tolerance=0.07)
    saving = PolicyForecasts(policy).saving(SLO(prefer="cost"))
    assert (saving.price, saving.tolerance) == (0.0, 0.07)
    assert saving.first.all()
    assert PolicyForecasts(policy).saving(SLO()).tolerance == 0.0


def test_nothing_is_saved_of_what_a_trace_does_not_record():
    trace = make_trace(np.tile([0.4, 0.8], (20, 1)), np.nan, 1.0)
    forecasts = PolicyForecasts(fit_policy(trace, "best_single"))
    for slo in (SLO(prefer="cost"), SLO(max_cost_usd=1.0, prefer="latency")):
        saving = forecasts.saving(slo)
        assert saving.first.all()
        assert (saving.price, saving.tolerance) == (0.0, 0.0)
