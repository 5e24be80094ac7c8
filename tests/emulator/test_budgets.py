"""Explorations within a budget: when they end, and what they refuse."""

import pytest

from ecollm_lab.emulator import Budget, emulate, replay_from
from ecollm_lab.records import LabError
from tests.support.exploration import N, P, a_trace, an_emulator


def test_a_budget_in_outcomes_is_met_exactly_and_an_exploration_goes_on_from_it():
    trace = a_trace()
    emulator, run = an_emulator(trace), replay_from(trace)
    history = emulate(emulator, run, Budget(outcomes=100))
    assert emulator.n_told == 100 == history["outcomes"].iloc[-1]
    assert history["stopped"].tolist() == [""] * (len(history) - 1) + ["budget spent"]
    assert emulate(emulator, run, Budget(outcomes=100))["outcomes"].tolist() == [100]
    emulate(emulator, run, Budget(outcomes=150))
    assert emulator.n_told == 150
    assert (
        emulate(emulator, run, Budget(outcomes=10_000))["stopped"].iloc[-1] == "everything measured"
    )
    assert emulator.n_told == N * P


def test_a_budget_in_dollars_is_kept_but_for_the_estimate_of_one_batch():
    trace = a_trace(n=120)
    emulator = an_emulator(trace)
    whole = trace.outcomes["cost_usd"].sum()
    emulate(emulator, replay_from(trace), Budget(cost_usd=whole / 5))
    assert 0.7 < emulator.cost_usd / (whole / 5) < 1.2
    assert emulator.cost_usd == pytest.approx(sum(o.cost_usd for o in emulator.outcomes))


def test_a_budget_in_seconds_ends_the_exploration():
    trace = a_trace()
    emulator = an_emulator(trace)
    history = emulate(emulator, replay_from(trace), Budget(seconds=1e-6))
    assert history["stopped"].tolist() == ["budget spent"]
    assert emulator.n_told >= P


def test_a_run_that_has_to_stop_ends_the_exploration_and_loses_nothing():
    trace = a_trace()
    emulator, run = an_emulator(trace), replay_from(trace)
    history = emulate(
        emulator, lambda pairs: run(pairs)[: 15 if len(pairs) > 15 else 12], Budget(outcomes=400)
    )
    assert history["stopped"].iloc[-1] == "run stopped early"
    assert emulator.n_told == 27


def test_it_stops_when_the_front_is_stable():
    trace = a_trace(n=200)
    emulator = an_emulator(trace)
    history = emulate(emulator, replay_from(trace), Budget(outcomes=2000), stop_at_regret=0.05)
    assert history["stopped"].iloc[-1] == "front stable"
    assert emulator.n_told < 2000
    assert (history["expected_regret"].iloc[-2:] <= 0.05).all()
    assert history["expected_regret"].iloc[0] > 0.05


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda e, r: emulate(e, r, Budget(outcomes=P - 1)),
            "leaves 11 for 12 paths that were never measured; each needs one",
        ),
        (lambda e, r: Budget(), "needs outcomes, cost_usd, seconds or share"),
        (lambda e, r: Budget(share=1.5), r"share must be within \(0, 1\], got 1.5"),
        (lambda e, r: Budget(outcomes=3, share=0.5), "and not both"),
        (lambda e, r: Budget(cost_usd=0.0), "Budget cost_usd must be positive, got 0.0"),
        (lambda e, r: e.ask(0), "n must be at least 1, got 0"),
        (lambda e, r: r([("q0", "no/such/path/x")]), "The trace has no outcome of"),
    ],
)
def test_impossible_requests_are_refused(call, says):
    trace = a_trace()
    with pytest.raises(LabError, match=says):
        call(an_emulator(trace), replay_from(trace))


def test_a_share_is_of_all_pairs():
    trace = a_trace()
    emulator = an_emulator(trace)
    emulate(emulator, replay_from(trace), Budget(share=0.25))
    assert emulator.n_told == N * P / 4
