import numpy as np
import pytest

from ecollm_lab.policies import fit_policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving import Adaptation, Drift, Pace, drift_summary, replay_drift
from tests.conftest import LARGE, SMALL, make_trace

N, CHANGE = 300, 100


@pytest.fixture(scope="module")
def trace():
    """An edge path of quality 0.5 at 0.2 s and a cloud path of 0.9 at 0.4 s and 1e-4 USD."""
    rng = np.random.default_rng(1)
    latency = np.exp(np.log([0.2, 0.4]) + rng.normal(0, 0.1, (N, 2)))
    return make_trace(np.broadcast_to([0.5, 0.9], (N, 2)), [1e-6, 1e-4], latency)


@pytest.fixture(scope="module")
def policy(trace):
    return fit_policy(trace, "best_single")


def replayed(policy, trace, slo, *drifts, **options):
    frame = replay_drift(policy, trace, slo, drifts, embeddings=np.zeros((N, 3)), **options)
    return {name: part.reset_index(drop=True) for name, part in frame.groupby("decider")}


def test_without_drift_adaptive_and_frozen_take_the_good_path_almost_always(policy, trace):
    parts = replayed(policy, trace, SLO(max_latency_s=1.0))
    assert parts["frozen"]["quality"].mean() == pytest.approx(0.9)
    assert parts["adaptive"]["quality"].mean() > 0.88  # a little exploration
    assert not parts["oracle"]["broke"].any()


def test_two_seconds_more_are_back_under_the_target_within_fifty_questions(policy, trace):
    drift = Drift(LARGE, start=CHANGE, added_latency_s=2.0)
    parts = replayed(policy, trace, SLO(max_latency_s=1.0), drift)
    assert parts["frozen"]["broke"][CHANGE:].all()
    assert parts["adaptive"]["broke"][CHANGE : CHANGE + 50].any()
    assert parts["adaptive"]["broke"][CHANGE + 50 :].mean() <= 0.05
    assert not parts["oracle"]["broke"].any()


def test_the_good_path_is_taken_again_some_time_after_the_delay_is_gone(policy, trace):
    drift = Drift(LARGE, start=20, end=60, added_latency_s=2.0)
    adaptive = replayed(policy, trace, SLO(max_latency_s=1.0), drift, step_s=10.0)["adaptive"]
    assert adaptive["quality"][40:60].mean() < 0.7
    assert adaptive["quality"][200:].mean() > 0.85


def test_while_a_model_is_down_every_question_is_answered_and_few_pay_a_failed_attempt(
    policy, trace
):
    drift = Drift(LARGE, start=CHANGE, end=CHANGE + 60, down=True)
    parts = replayed(policy, trace, SLO(max_latency_s=1.0), drift)
    out = parts["adaptive"][CHANGE : CHANGE + 60]
    assert (out["quality"] == 0.5).all()
    assert not out["broke"].any()
    late = out["latency_s"] > 0.2 * 1.5
    assert 1 <= late.sum() <= 7  # probes 1, 2, 4, 8, 16 and 16 s apart
    assert parts["adaptive"]["quality"][CHANGE + 60 + 30 :].mean() > 0.85
    assert parts["frozen"]["broke"][CHANGE : CHANGE + 60].all()


def test_a_price_ten_times_as_high_is_never_paid_over_the_limit(policy, trace):
    drift = Drift(LARGE, start=CHANGE, price_factor=10.0)
    parts = replayed(policy, trace, SLO(max_cost_usd=2e-4), drift)
    assert not parts["adaptive"]["broke"].any()
    assert parts["adaptive"]["quality"][:CHANGE].mean() > 0.85
    assert parts["frozen"]["broke"][CHANGE:].all()


def test_the_share_of_broken_limits_is_at_most_the_bound_after_every_question(policy, trace):
    drift = Drift(LARGE, start=CHANGE, added_latency_s=2.0)
    slo = SLO(max_latency_s=0.45)  # the good path breaks it one time in eight
    adaptive = replayed(policy, trace, slo, drift)["adaptive"]
    rate = adaptive["broke"].expanding().mean()
    assert (rate <= adaptive["bound"] + 1e-9).all()
    assert rate.iloc[-1] <= 0.05


def test_a_summary_by_hand(policy, trace):
    drift = Drift(SMALL, down=True)
    still = Adaptation([SMALL, LARGE], 0.05, Pace(exploration=0.0))
    frame = replay_drift(
        policy, trace, SLO(), [drift], embeddings=np.zeros((N, 3)), adaptation=still
    )
    table = drift_summary(frame)
    assert table["quality"].round(9).to_dict() == {"adaptive": 0.9, "frozen": 0.9, "oracle": 0.9}
    assert table.loc["adaptive", "bound"] == 0.05  # nothing was limited, so nothing was learned


def test_a_column_without_a_limit_need_not_be_recorded(policy, trace):
    outcomes = trace.outcomes.assign(cost_usd=np.nan)
    unpriced = type(trace).from_frame(outcomes, trace.queries, trace.provenance)
    fitted = fit_policy(unpriced, "best_single")
    parts = replayed(fitted, unpriced, SLO(max_latency_s=1.0))
    assert parts["adaptive"]["quality"].mean() > 0.88
    with pytest.raises(LabError, match="have no cost_usd"):
        replayed(policy, unpriced, SLO(max_cost_usd=1.0))


def test_faults_are_named(policy, trace):
    with pytest.raises(LabError, match="names the model 'other'"):
        replay_drift(policy, trace, SLO(), [Drift("other")], embeddings=np.zeros((N, 3)))
    part = trace.outcomes[trace.outcomes["path_id"] == trace.path_ids[0]]
    less = type(trace).from_frame(part, trace.queries, trace.provenance)
    with pytest.raises(LabError, match="no outcomes of 1 of the policy's paths"):
        replay_drift(policy, less, SLO(), embeddings=np.zeros((N, 3)))
