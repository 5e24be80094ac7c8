import numpy as np
import pytest

from ecollm_lab.policies import fit_policy
from ecollm_lab.serving import PolicyForecasts
from tests.conftest import make_trace


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
