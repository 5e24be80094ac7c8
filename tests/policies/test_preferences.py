"""What policies give up where cost or latency is preferred: surely no more than allowed."""

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy, replay
from ecollm_lab.policies.limits import Lookback
from ecollm_lab.records import SLO
from tests.conftest import make_trace
from tests.support.policies import noisy

SAVING = SLO(prefer="cost")


def looked_back(expected, quality, broke=0.0, spend=(1.0, 10.0)):
    quality = np.asarray(quality, dtype=float)
    broken = np.broadcast_to(np.asarray(broke), quality.shape)
    return Lookback(np.asarray(expected, dtype=float), broken, quality, broken, np.array(spend))


# the cheap path answers every other query, the dear one all of them
HALF = np.array([[1.0, 1.0], [0.0, 1.0]] * 50)


def test_what_is_known_of_each_query_saves_without_giving_up_anything():
    """A price must exceed .01 × 5.5 / 9 where both answer, and stay below 1 × 5.5 / 9 where only
    the dear path does: the mean spend is 5.5, and 9 is the difference.
    """
    expected = HALF + np.array([0.0, 0.01])
    price, columns, _ = looked_back(expected, HALF).saving(SAVING, 0.0)
    assert price == pytest.approx(0.5 / 5.5)
    assert columns.tolist() == [0, 1]


def test_what_choices_gain_over_the_best_single_path_is_not_given_up_either():
    """Each path answers every other query: to take the cheap one always loses .5, with a standard
    error of .05 over 100 queries, by which the loss must be within the tolerance.
    """
    each = np.eye(2)[np.arange(100) % 2]
    for tolerance, dear in ((0.02, 0.5), (0.54, 0.5), (0.56, 0.0)):
        past = looked_back(each, each)
        price, columns, _ = past.saving(SAVING, tolerance)
        assert (each[:, columns] - price * past.spend[columns]).argmax(axis=1).mean() == dear


def test_where_expectations_are_wrong_the_best_single_path_is_taken():
    price, columns, _ = looked_back(HALF[::-1], HALF).saving(SAVING, 0.0)
    assert price == 0.0
    assert columns.tolist() == [1]


@pytest.mark.parametrize(("tolerance", "saves"), [(0.49, False), (0.51, True), (0.56, True)])
def test_of_single_paths_the_cheapest_within_the_tolerance_of_the_best_is_taken(tolerance, saves):
    """The cheap path loses .5 on average, which is enough for a path that is taken for all."""
    _, columns, _ = looked_back(np.tile([0.5, 0.5], (100, 1)), HALF).saving(SAVING, tolerance)
    assert columns.tolist() == ([0] if saves else [1])


def test_the_luckiest_of_equal_paths_costs_no_more_than_the_others():
    """Two paths are as good, and the dear one was lucky by .01: there the cheap one is taken."""
    rng = np.random.default_rng(0)
    quality = (rng.random((400, 2)) < 0.5).astype(float)
    quality[:, 1] = np.roll(quality[:, 0], 7)
    quality[np.flatnonzero(quality[:, 1] == 0)[:4], 1] = 1.0
    past = looked_back(np.full((400, 2), 0.5), quality)
    assert past.saving(SAVING, 0.0)[1].tolist() == [1]
    assert past.saving(SAVING, 0.02)[1].tolist() == [0]


def test_without_limits_choices_that_serve_worse_than_one_path_are_not_made():
    each = np.eye(2)[np.arange(100) % 2]
    for past, columns in (
        (looked_back(HALF[::-1], HALF), [1]),
        (looked_back(each, each), [0, 1]),
    ):
        assert past.saving(SLO(), 0.02)[1].tolist() == columns
        assert past.saving(SLO(max_cost_usd=5.0), 0.02)[1].tolist() == [0, 1]


def test_nothing_is_saved_where_quality_or_a_least_quality_is_asked_for():
    for slo in (SLO(max_latency_s=1.0), SLO(prefer="cost", min_quality=0.7)):
        price, columns, _ = looked_back(HALF, HALF).saving(slo, 0.5)
        assert price == 0.0
        assert columns.tolist() == [0, 1]


def test_a_best_single_path_that_is_the_cheapest_is_taken_and_no_dearer_choices():
    _, columns, _ = looked_back(HALF, HALF[:, ::-1]).saving(SAVING, 0.5)
    assert columns.tolist() == [0]


def test_choices_that_save_break_limits_no_more_often_than_allowed():
    """The cheap path is as good, and in a tenth of the cases late, which nobody foresees."""
    expected, late = np.tile([1.0, 1.01], (100, 1)), np.zeros((100, 2))
    late[:10, 0] = 1.0
    past = Lookback(expected, 0 * late, np.ones((100, 2)), late, np.array([1.0, 10.0]))
    for tolerance, target, saves in (
        (1.0, 0.05, False),  # .10 of the choices are late
        (1.0, 0.2, True),
        (0.02, 0.2, False),  # they lose .05, where a broken limit is worth .5
    ):
        assert past.saving(SAVING, tolerance, 0.5, target)[1].tolist() == ([0] if saves else [1])


def test_what_is_saved_on_costs_is_not_asked_of_latency():
    """Path 1 is as good as path 2 and cheaper, but slower."""
    quality = np.tile([0.0, 1.0, 1.0], (60, 1))
    trace = make_trace(quality, np.array([[1.0, 2.0, 9.0]]), np.array([[0.1, 9.0, 1.0]]))
    x = np.random.default_rng(0).standard_normal((60, 4))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    for violation_rate in (0.05, None):
        policy = fit_policy(trace, embeddings=x, violation_rate=violation_rate)
        assert set(policy.select(x, SLO(prefer="cost"))) == {trace.path_ids[1]}
        assert set(policy.select(x, SLO(prefer="latency"))) == {trace.path_ids[2]}


def test_the_luckiest_of_many_cheap_paths_is_not_believed():
    """Nineteen cheap paths are .2 worse than the dear one, and nothing is known of queries."""
    lost = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((120, 8))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        quality = rng.random((120, 20)) < np.append(np.full(19, 0.6), 0.8)
        cost = np.append(rng.random(19), 10.0)[None]
        policy = fit_policy(make_trace(quality, cost, cost), embeddings=x, tolerance=0.0)
        chosen = policy.select(x, SAVING) == policy.path_ids[19]
        lost.append(0.2 * (1 - chosen.mean()))
    assert np.mean(lost) <= 0.003, lost


def test_explain_says_that_a_better_path_is_not_worth_its_cost_and_why_nothing_is_saved():
    trace, embeddings = noisy(1)
    policy = fit_policy(trace, embeddings=embeddings, tolerance=0.35)
    told = policy.explain(embeddings[0], SAVING).paths.set_index("path_id")
    assert told.loc[trace.path_ids[3], "reason"].endswith(": not worth the cost")
    strict = fit_policy(trace, embeddings=embeddings, tolerance=0.0)
    told = strict.explain(embeddings[0], SAVING)
    single = replay(fit_policy(trace, "best_single"), trace, SLO()).choices["path_id"][0]
    assert told.path_id == single
    others = set(told.paths["reason"]) - {"chosen"}
    assert others == {
        "one path is taken for all, as choosing among paths does not surely save more"
    }
