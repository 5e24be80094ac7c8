import math

import numpy as np
import pytest

from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving import Adaptation, Pace
from ecollm_lab.serving.choosing import Outlook, Saving, choose, nearest_slo
from ecollm_lab.serving.endpoints import Circuit
from ecollm_lab.serving.prices import price_factors
from tests.support.serving import STILL, Given, catalog_of, model

PATHS = {"none/none/none/small": (0.6, 1e-6, 0.1), "none/none/none/big": (0.9, 1e-4, 0.3)}
ALL = np.ones(2, dtype=bool)


@pytest.fixture
def forecast():
    return Given(PATHS).forecast


@pytest.fixture
def adaptation():
    return Adaptation(["small", "big"], 0.05, STILL)


def outlook_of(**changes):
    """Two paths of quality 0.6 and 0.9, 1e-6 and 1e-4 USD, 0.1 and 0.3 s, all with sd 0.1."""
    fields = {
        "quality": np.array([0.6, 0.9]),
        "log_cost": np.log([1e-6, 1e-4]),
        "cost_sd": np.full(2, 0.1),
        "log_latency": np.log([0.1, 0.3]),
        "latency_sd": np.full(2, 0.1),
        "failure": np.zeros(2),
        "wait_s": np.zeros(2),
    }
    return Outlook(**{**fields, **changes})


def test_the_risk_of_a_limit_at_the_middle_of_the_forecast_is_one_half():
    assert outlook_of().risk(SLO(max_latency_s=0.3))[1] == pytest.approx(0.5)
    assert outlook_of().risk(SLO())[1] == 0
    both = outlook_of().risk(SLO(max_latency_s=0.3, max_cost_usd=1e-4))[1]
    assert both == pytest.approx(0.5)  # a long answer breaks both
    assert outlook_of(failure=np.array([0, 0.5])).risk(SLO(max_latency_s=0.3))[1] == 0.75


def test_the_wait_for_a_turn_takes_room_from_the_limit():
    waits = outlook_of(wait_s=np.array([0.2, 0.0]))
    assert waits.risk(SLO(max_latency_s=0.3))[0] == pytest.approx(0.5)
    assert waits.risk(SLO(max_latency_s=0.2))[0] == 1.0


def test_what_is_not_recorded_breaks_every_limit_on_it_and_no_other():
    unknown = outlook_of(log_cost=np.full(2, np.nan))
    assert unknown.risk(SLO(max_cost_usd=1.0)).tolist() == [1, 1]
    assert choose(unknown, SLO(max_latency_s=1.0), ALL, 1.0) == 1


def test_the_price_of_a_violation_trades_quality_against_risk():
    slo = SLO(max_latency_s=0.3 * math.exp(0.1 * 0.6745))  # the better path breaks it 1 in 4 times
    assert choose(outlook_of(), slo, ALL, price=1.0) == 1  # 0.9 - 0.25 > 0.6
    assert choose(outlook_of(), slo, ALL, price=1.3) == 0  # 0.9 - 0.325 < 0.6


def test_cheap_and_fast_are_preferred_at_their_price_or_where_quality_is_enough():
    cheap, fast = SLO(prefer="cost"), SLO(prefer="latency")
    assert choose(outlook_of(), cheap, ALL, 1.0) == 1
    assert choose(outlook_of(), cheap, ALL, 1.0, Saving(ALL, 3000)) == 1  # 0.9 - 0.3 > 0.6 - 0.003
    assert choose(outlook_of(), cheap, ALL, 1.0, Saving(ALL, 3100)) == 0
    assert choose(outlook_of(), fast, ALL, 1.0, Saving(ALL, 1.4)) == 1  # 0.9 - 0.42 > 0.6 - 0.14
    assert choose(outlook_of(), fast, ALL, 1.0, Saving(ALL, 1.6)) == 0
    assert choose(outlook_of(), cheap, ALL, 1.0, Saving(ALL, tolerance=0.29)) == 1
    assert choose(outlook_of(), cheap, ALL, 1.0, Saving(ALL, tolerance=0.31)) == 0
    assert choose(outlook_of(), SLO(prefer="latency", min_quality=0.5), ALL, 1.0) == 0
    first = Saving(np.array([True, False]))
    assert choose(outlook_of(), SLO(), ALL, 1.0, first) == 0
    assert choose(outlook_of(failure=np.array([0.6, 0])), SLO(), ALL, 1.0, first) == 1
    equal = outlook_of(quality=np.full(2, 0.9))
    assert choose(equal, SLO(), ALL, 1.0) == choose(equal, cheap, ALL, 1.0) == 0


def test_the_nearest_slo_widens_the_limit_that_needs_least():
    tight = SLO(max_latency_s=0.05, max_cost_usd=1e-5)
    nearest = nearest_slo(outlook_of(), tight, ALL)
    assert nearest.max_latency_s == pytest.approx(0.1 * math.exp(0.1645), rel=0.01)
    assert nearest.max_cost_usd == 1e-5
    assert outlook_of().risk(nearest)[0] <= 0.05
    assert nearest_slo(outlook_of(), tight, ~ALL) is None


def test_forecasts_follow_a_delay_within_a_few_answers_and_forget_it(adaptation, forecast):
    def expected(time_s):
        return adaptation.outlook(forecast, time_s).latency_s

    for i in range(6):
        adaptation.took(forecast, 1, 2.3, float(i))
    learned = expected(5.0)[1]
    assert learned == pytest.approx(2.3, rel=0.2)
    assert expected(5.0)[0] == pytest.approx(0.1)  # another model
    assert expected(5.0 + 300)[1] == pytest.approx(math.sqrt(0.3 * learned))  # one half-life


def test_ordinary_noise_moves_the_forecast_little(adaptation, forecast):
    rng = np.random.default_rng(0)
    for i in range(200):
        adaptation.took(forecast, 1, 0.3 * math.exp(0.1 * rng.standard_normal()), float(i))
    assert adaptation.outlook(forecast, 200.0).latency_s[1] == pytest.approx(0.3, rel=0.1)


def test_an_answer_cut_off_says_only_that_it_takes_longer(adaptation, forecast):
    adaptation.took(forecast, 1, 0.01, 0.0, cut=True)
    assert adaptation.outlook(forecast, 0.0).latency_s[1] == pytest.approx(0.3)
    adaptation.took(forecast, 1, 3.0, 0.0, cut=True)
    assert adaptation.outlook(forecast, 0.0).latency_s[1] > 0.6


def test_a_failure_raises_the_risk_for_a_while(adaptation, forecast):
    adaptation.failed(1, 0.0)
    assert adaptation.outlook(forecast, 0.0).risk(SLO()).tolist() == [0, 0.5]
    assert adaptation.outlook(forecast, 3.0).risk(SLO())[1] == pytest.approx(0.25)


@pytest.mark.parametrize("seed", range(20))
def test_the_share_of_broken_limits_never_exceeds_its_bound(seed):
    rng = np.random.default_rng(seed)
    adaptation = Adaptation(["a"], 0.1, STILL, price=rng.random())
    chance = rng.random()
    for _ in range(300):
        adaptation.broke(bool(rng.random() < chance))
        assert adaptation.violation_rate <= adaptation.bound + 1e-9


def test_under_the_stated_condition_the_rate_tends_to_the_target():
    adaptation = Adaptation(["a"], 0.1, STILL)
    for _ in range(5000):  # no limit breaks from a price of 2 on
        adaptation.broke(adaptation.price < 2.0)
    assert adaptation.price <= 2.0 + STILL.step
    assert adaptation.violation_rate <= 0.1 + (2.0 + STILL.step - 1.0) / (STILL.step * 5000)


def test_exploration_takes_other_paths_that_keep_the_limits_at_its_rate():
    adaptation = Adaptation(["small", "big"], 0.05, Pace(exploration=0.2))
    taken = [adaptation.choose(outlook_of(), SLO(max_latency_s=1.0), ALL) for _ in range(1000)]
    assert taken.count(0) == pytest.approx(100, abs=35)  # half of a fifth
    limited = SLO(max_latency_s=0.2)
    assert {adaptation.choose(outlook_of(), limited, ALL) for _ in range(100)} == {0}
    floor = SLO(min_quality=0.8)
    assert {adaptation.choose(outlook_of(), floor, ALL) for _ in range(100)} == {1}


def test_new_prices_multiply_costs_by_tokens_or_by_what_rose_most(adaptation, forecast):
    before = catalog_of(model("small", "edge"), model("big", "cloud"))
    after = catalog_of(model("small", "edge"), model("big", "cloud", price_out_usd_per_mtok=40.0))
    names = ["small", "big"]
    assert price_factors(before, after, names).tolist() == [1, 10]
    tokens = np.array([[100, 10], [100, 10]])
    factors = price_factors(before, after, names, tokens)
    assert factors.tolist() == pytest.approx([1, 500 / 140])
    adaptation.reprice(factors)
    assert adaptation.outlook(forecast, 0.0).cost_usd[1] == pytest.approx(1e-4 * 500 / 140)
    adaptation.cost(forecast, 1, 1e-4 * 500 / 140, 0.0)
    assert adaptation.outlook(forecast, 0.0).cost_usd[1] == pytest.approx(1e-4 * 500 / 140)


def test_a_circuit_opens_at_one_failure_and_waits_longer_each_time():
    circuit = Circuit()
    circuit.failed(0.0)
    circuit.failed(0.1)  # was sent before the circuit opened
    assert (circuit.usable(0.9), circuit.usable(1.0)) == (False, True)
    circuit.admit(1.0)
    assert not circuit.usable(1.5)  # one question at a time finds out
    circuit.failed(1.2)
    assert (circuit.usable(3.1), circuit.usable(3.3)) == (False, True)
    for minute in range(1, 11):
        circuit.admit(60.0 * minute)
        circuit.failed(60.0 * minute)
    assert circuit.pause_s == 16.0
    circuit.answered()
    assert circuit.usable(10.0)


def test_three_cuts_in_a_row_open_a_circuit_and_two_do_not():
    circuit = Circuit()
    circuit.cut(0.0)
    circuit.cut(0.0)
    circuit.answered()
    circuit.cut(0.0)
    circuit.cut(0.0)
    assert circuit.usable(0.0)
    circuit.cut(0.0)
    assert not circuit.usable(0.0)


def test_paces_and_targets_out_of_range_are_named():
    with pytest.raises(LabError, match="step must be a positive number"):
        Pace(step=0)
    with pytest.raises(LabError, match=r"weight must be within \[0, 1\]"):
        Pace(weight=2)
    with pytest.raises(LabError, match=r"target must be within \(0, 1\)"):
        Adaptation(["a"], 1.0)
