"""Policies that are fitted on estimates, as the Emulator gives them."""

import numpy as np
import pytest

from ecollm_lab import SLO, InfeasibleSLO, LabError
from ecollm_lab.policies import fit_policy, load_policy, save_policy
from ecollm_lab.serving.forecasts import PolicyForecasts
from tests.conftest import make_trace

EMBEDDINGS = np.eye(50)
SAFE, GOOD = 0, 1  # the paths: one that keeps a limit of 1 s, one that is better and mostly does


class Known:
    """Estimates of two paths: what an outcome takes, and how sure its 95th percentile is."""

    embeddings = EMBEDDINGS

    def __init__(self, quality=(0.3, 0.8), beyond=0.12, tail=(1.1, 1.2)):
        self.path_ids = make_trace(np.ones((1, 2)), 1e-6, 0.1).path_ids
        self._quality, self._beyond, self._tail = np.array(quality), beyond, np.array(tail)

    def draws(self):
        each = np.stack([self._quality, [1e-6, 2e-6], [0.5, 0.9]], axis=1)
        return np.tile(each, (4, 1, 1))

    def expected_quality(self):
        return np.tile(self._quality, (len(EMBEDDINGS), 1))

    def tail_draws(self, column):
        tails = np.stack([[0.5, 0.5], self._tail], axis=1)
        return tails * (1e-6 if column == "cost_usd" else 1.0)

    def likely_outcomes(self, column):
        late = np.arange(len(EMBEDDINGS)) >= len(EMBEDDINGS) * (1 - self._beyond)
        likely = np.stack([np.full(len(EMBEDDINGS), 0.5), np.where(late, 2.0, 0.5)], axis=1)
        return likely * (1e-6 if column == "cost_usd" else 1.0)


class PerQuery(Known):
    """The worse path is expected to be better for every third query."""

    def expected_quality(self):
        third = np.arange(len(EMBEDDINGS))[:, None] % 3 == 0
        return np.where(third, [0.9, 0.0], self._quality)


class Sure(Known):
    """Both paths are beyond the limit, surely or perhaps."""

    def __init__(self, *, perhaps):
        super().__init__(beyond=0.2, tail=(0.8, 1.2) if perhaps else (1.1, 1.2))

    def tail_draws(self, column):
        return super().tail_draws(column)[:, [GOOD, GOOD]]

    def likely_outcomes(self, column):
        return super().likely_outcomes(column)[:, [GOOD, GOOD]]


def fitted(estimates, name="ours", **terms):
    trace = make_trace(np.ones((len(EMBEDDINGS), 2)), 1e-6, 0.1)
    return fit_policy(trace, name, estimates=estimates, **terms)


def chosen(policy, slo):
    (path_id,) = set(policy.select(EMBEDDINGS, slo))
    return list(policy.path_ids).index(path_id)


@pytest.mark.parametrize("slo", [SLO(max_latency_s=1), SLO(max_latency_s=1, max_cost_usd=1e-6)])
@pytest.mark.parametrize(
    ("terms", "path", "rate"),
    [
        ({}, SAFE, 0.0),  # 12 % of the better one's answers break the limit
        ({"violation_rate": 0.15}, GOOD, 0.12),
        ({"violation_cost": 0.7}, GOOD, 0.12),  # .8 - .7 × .12 is more than .3
        ({"violation_cost": 10.0}, SAFE, 0.0),
        ({"violation_rate": None}, SAFE, None),  # its 95th percentile surely breaks the limit
    ],
)
def test_limits_that_are_expected_to_break_are_weighed(slo, terms, path, rate):
    policy = fitted(Known(), **terms)
    assert chosen(policy, slo) == path
    found = policy.rule(slo).violation_rate
    assert np.isnan(found) if rate is None else found == pytest.approx(rate)
    share = policy.explain(EMBEDDINGS[0], slo).paths.set_index("path_id")["violation_share"]
    expected = [0, 0.12] if rate is not None else [0, 1]
    assert share[policy.path_ids].tolist() == pytest.approx(expected, abs=0.01)


def test_an_slo_is_refused_only_where_every_path_almost_surely_breaks_it_too_often():
    slo = SLO(max_latency_s=1)
    with pytest.raises(InfeasibleSLO, match="needs max_latency_s >= 2"):
        fitted(Sure(perhaps=False)).select(EMBEDDINGS, slo)
    assert chosen(fitted(Sure(perhaps=True)), slo) == GOOD
    assert fitted(Sure(perhaps=True)).rule(slo).violation_rate == pytest.approx(0.2)


def test_without_limits_one_path_serves_all_and_with_limits_each_query_has_its_own():
    policy = fitted(PerQuery())
    assert chosen(policy, SLO()) == GOOD
    assert chosen(policy, SLO(prefer="cost", min_quality=0.2)) == SAFE
    assert "one path is taken for all" in str(policy.explain(EMBEDDINGS[0], SLO()).paths)
    picks = policy.select(EMBEDDINGS, SLO(max_latency_s=3)) == policy.path_ids[SAFE]
    assert picks[::3].all()
    assert not picks[1::3].any()


def test_a_preferred_path_is_within_the_target_too():
    """The safe path is dearer, and wins; the cheap one is near, but breaks limits too often."""
    policy = fitted(Known(quality=(0.82, 0.865)))
    policy.training.cost.mean[:] = [2e-6, 1e-6]
    for slo in (
        SLO(max_latency_s=1, prefer="cost"),
        SLO(max_latency_s=1, prefer="cost", min_quality=0.5),
    ):
        assert chosen(policy, slo) == SAFE
        assert policy.rule(slo).violation_rate == 0


def test_a_rate_that_is_just_the_target_is_kept():
    """The mean of fifty times .3 is a little more than .3 in floating point."""
    assert chosen(fitted(Known(beyond=0.3), violation_rate=0.3), SLO(max_latency_s=1)) == GOOD


def test_paths_that_may_not_be_chosen_do_not_make_an_slo_feasible():
    policy, slo = fitted(Known()), SLO(max_latency_s=1)
    policy.allowed[SAFE] = False
    with pytest.raises(InfeasibleSLO):
        policy.select(EMBEDDINGS, slo)


def test_pairs_go_by_percentiles_where_these_are_not_sure():
    slo = SLO(max_latency_s=1)
    assert fitted(Sure(perhaps=True), "threshold").rule(slo).feasible
    assert not fitted(Sure(perhaps=False), "threshold").rule(slo).feasible


def test_the_runtime_takes_one_path_without_limits_and_has_a_tolerance_under_limits():
    forecasts = PolicyForecasts(fitted(PerQuery()))
    free = forecasts.saving(SLO())
    assert free.first.tolist() == [False, True]
    limited = forecasts.saving(SLO(max_latency_s=3, prefer="cost"))
    assert (limited.price, limited.tolerance) == (0.0, 0.02)
    assert limited.first.all()


def test_reasons_say_what_is_expected():
    policy = fitted(Known())
    told = policy.explain(EMBEDDINGS[0], SLO(max_latency_s=1)).paths.set_index("path_id")["reason"]
    assert "is expected to break the limits in 12% of outcomes" in told[policy.path_ids[GOOD]]


def test_fixed_orders_go_by_percentiles():
    late = Known(tail=(0.9, 0.95))
    assert chosen(fitted(late, "fastest"), SLO(max_latency_s=1)) == SAFE
    assert np.isnan(fitted(late, "fastest").rule(SLO(max_latency_s=1)).violation_rate)


def test_a_policy_of_estimates_is_saved_and_one_of_before_is_refused(tmp_path, encoder):
    policy, slo = fitted(Known(), encoder=encoder, violation_rate=0.15), SLO(max_latency_s=1)
    save_policy(policy, tmp_path / "new.npz")
    again = load_policy(tmp_path / "new.npz", encoder=encoder)
    assert chosen(again, slo) == GOOD
    assert again.rule(slo).violation_rate == pytest.approx(0.12)
    assert again.training.mean.tolist() == policy.training.mean.tolist()
    policy.training.latency.outcomes[:] = np.nan  # as earlier editions wrote them
    save_policy(policy, tmp_path / "old.npz")
    with pytest.raises(LabError, match=r"estimates of latency_s .* Fit and save it again"):
        load_policy(tmp_path / "old.npz", encoder=encoder)
