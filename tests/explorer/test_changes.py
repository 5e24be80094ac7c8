"""How an SLO would have to change, as the screen finds it, checked by the decision in Python:
offers land where they say.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.resampling import FEW
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO
from tests.conftest import make_trace
from tests.explorer.support import as_json, as_slo, needs_node, node, problem_of, some, without
from tests.explorer.test_decision import random_slo

pytestmark = needs_node
LIMITS = ("max_latency_s", "max_cost_usd", "min_quality")


def limits(slo):
    return [
        slo.max_latency_s or np.inf,
        slo.max_cost_usd or np.inf,
        slo.min_quality or 0.0,
    ]


def size(before, after):
    """How far one SLO is from another: limits changed, then logarithms (and quality for the
    floor).
    """
    pairs = list(zip(limits(before), limits(after), strict=True))
    moved = sum(a != b for a, b in pairs)
    total = sum(
        1000 if np.isinf(a) != np.isinf(b) else abs(np.log(b / a)) for a, b in pairs[:2] if a != b
    )
    return moved, total + abs(pairs[2][1] - pairs[2][0])


def least_by_trying(view, slo, i):
    """The least change by trying every limit at, and just below, every value; the floor at and just
    above.
    """

    def around(values):
        return {None, *map(float, values), *np.nextafter(values, -1).tolist()}

    latencies = around(view.latency["mean"]) | {slo.max_latency_s}
    costs = around(view.cost["mean"]) | {slo.max_cost_usd}
    levels = view.quality
    floors = {None, slo.min_quality, *levels.tolist(), *np.nextafter(levels, 1).tolist()}
    tried = (
        replace(slo, max_latency_s=latency, max_cost_usd=cost, min_quality=floor)
        for latency in latencies
        for cost in costs
        for floor in floors
    )
    return min((size(slo, one) for one in tried if decide(view, one).chosen == i), default=None)


def small(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    quality = rng.choice([0.2, 0.4, 0.41, 0.6, 0.8], n)
    cost, latency = rng.choice([1.0, 2, 3, 4], n), rng.choice([0.1, 0.2, 0.3, 0.4], n)
    view = Board(make_trace(quality[None], cost[None], latency[None])).view()
    prefer = str(rng.choice(["quality", "cost", "latency"]))
    slo = SLO(rng.choice([None, 0.15, 0.25]), rng.choice([None, 1.5, 2.5]), None, prefer)
    return view, replace(slo, min_quality=rng.choice([None, 0.3, 0.5]))


def test_the_least_change_that_wins_is_near_what_trying_everything_finds():
    views = [small(seed) for seed in range(25)]
    problems = [problem_of(view) for view, _ in views]
    asked = [(k, i) for k, (view, _) in enumerate(views) for i in range(len(view.quality))]
    calls = [["smallestChange", {"problem": k}, as_json(views[k][1]), i] for k, i in asked]
    wins = 0
    for (k, i), found in zip(asked, map(as_slo, node(calls, problems)), strict=True):
        view, slo = views[k]
        best = least_by_trying(view, slo, i)
        assert (found is None) == (best is None), (k, i, slo)
        if found is None:
            continue
        wins += 1
        assert decide(view, found).chosen == i, (k, i, slo, found)
        moved, total = size(slo, found)
        assert moved == best[0], (k, i, slo, found)
        # limits are rounded to numbers that can be said, by 1 % each at most
        assert total <= best[1] + 0.02, (k, i, slo, found, best)
    assert wins > 25


def test_every_offer_and_every_way_to_win_lands_where_it_says(measured):
    view, rng = Board(measured).view(), np.random.default_rng(0)
    slos = [random_slo(rng, view) for _ in range(100)]
    paths = np.where(
        rng.random(100) < 0.7,
        rng.choice(np.flatnonzero(view.state["mean"] == 0), size=100),
        rng.integers(len(view.quality), size=100),
    )
    calls = [
        ["smallestChange", {"problem": 0}, as_json(s), int(i)]
        for s, i in zip(slos, paths, strict=True)
    ]
    quick, cheap = view.latency["mean"].min(), view.cost["mean"].min()
    tight = [
        SLO(quick * a, cheap * b, q) for a, b, q in rng.uniform([0.5, 0.5, 0], [9, 9, 0.9], (60, 3))
    ]
    slos += tight
    calls += [["nearestFeasible", {"problem": 0}, as_json(slo)] for slo in slos]
    found = node(calls, [problem_of(view)])
    landed = [(int(i), as_slo(one)) for i, one in zip(paths, found[:100], strict=True) if one]
    assert len(landed) > 30
    assert all(decide(view, slo).chosen == i for i, slo in landed)
    infeasible = 0
    for slo, one in zip(slos, found[100:], strict=True):
        if decide(view, slo).chosen is None:
            infeasible += 1
            assert one["nearest"], slo
            assert all(decide(view, as_slo(to)).chosen is not None for to in one["nearest"])
    assert infeasible > 25


def test_offers_are_numbers_that_can_be_said(measured):
    view, rng = Board(measured).view(), np.random.default_rng(1)
    asked = [as_json(SLO(float(s), prefer="quality")) for s in 10 ** rng.uniform(-2.5, -0.5, 40)]
    front = np.flatnonzero(view.state["mean"] == 0)
    calls = [["smallestChange", {"problem": 0}, slo, int(i)] for slo in asked for i in front[:5]]
    changes = [one for one in node(calls, [problem_of(view)]) if one]
    digits = [
        len(repr(one[name]).split("e")[0].replace(".", "").strip("0"))
        for one in changes
        for name in ("max_latency_s", "max_cost_usd")
        if one[name] is not None and one[name] not in {slo[name] for slo in asked}
    ]
    assert len(digits) > 20
    assert np.median(digits) <= 5


def test_infeasible_names_what_binds_and_the_nearest_feasible_values():
    view = Board(make_trace([[0.5, 0.9]] * 30, [[1.0, 5.0]], [[0.4, 0.2]])).view()
    asked = [
        SLO(max_latency_s=0.3, max_cost_usd=2.0),
        SLO(max_latency_s=1, min_quality=0.95),
        SLO(max_latency_s=0.1, max_cost_usd=0.5),
    ]
    both, floor, together = node(
        [["nearestFeasible", {"problem": 0}, as_json(slo)] for slo in asked], [problem_of(view)]
    )
    assert set(both["binding"]) == {"max_latency_s", "max_cost_usd"}
    found = [(one["max_latency_s"], one["max_cost_usd"]) for one in both["nearest"]]
    assert found == [pytest.approx((0.4, 2), rel=0.003), pytest.approx((0.3, 5), rel=0.003)]
    assert floor["binding"] == ["min_quality"]
    assert floor["nearest"][0]["min_quality"] == pytest.approx(0.9, abs=0.0011)
    assert not together["alone"]
    assert decide(view, as_slo(together["nearest"][0])).chosen is not None


@pytest.mark.parametrize("seed", range(6))
def test_the_band_is_what_moving_the_slider_would_find(seed):
    view = Board(some(5, 12, seed)).view()
    middle = [float(np.median(v)) for v in (view.latency["mean"], view.cost["mean"])]
    slo = SLO(*middle, min_quality=0.45)
    calls = [["reach", {"problem": 0}, as_json(slo), name] for name in LIMITS]
    latency, cost, floor = node(calls, [problem_of(view)])
    for name, rises in (("max_latency_s", latency), ("max_cost_usd", cost)):
        for value in np.geomspace(1e-8, 10, 80):
            decision = decide(view, replace(slo, **{name: float(value)}))
            inside = [quality for start, quality in rises if start <= value]
            if decision.chosen is None:
                assert not inside
            else:
                assert inside[-1] == view.quality[decision.within].max()
    highest = floor[0][0] if floor else None
    assert decide(view, replace(slo, min_quality=None)).within.any() == (highest is not None)
    if highest is not None:
        above = float(np.nextafter(highest, 1))
        assert decide(view, replace(slo, min_quality=highest)).chosen is not None
        assert decide(view, replace(slo, min_quality=above)).chosen is None


@pytest.mark.parametrize("name", LIMITS)
def test_an_arrow_key_lets_exactly_one_more_set_of_paths_in_or_out(measured, name):
    view = Board(measured).view()
    limits = {"max_latency_s": 0.024, "max_cost_usd": 1.1e-7, "min_quality": 0.3}
    slo = SLO(**{name: limits[name]})
    seen = [slo]
    for by in (1, 1, 1, -1, -1, -1, -1, -1):
        step = node([["nextStep", {"problem": 0}, as_json(seen[-1]), name, by]], [problem_of(view)])
        seen.append(replace(seen[-1], **{name: step[0]}))
    sets = [frozenset(np.flatnonzero(decide(view, one).within).tolist()) for one in seen]
    for (before, after), by in zip(pairwise(sets), (1, 1, 1, -1, -1, -1, -1, -1), strict=True):
        assert (before < after) if by > 0 else (after < before)
    assert sets[0] == sets[6]  # three steps there, three back
    values = {
        "max_latency_s": view.latency["mean"],
        "max_cost_usd": view.cost["mean"],
        "min_quality": view.quality,
    }[name]
    for before, after in pairwise(sets):
        changed = sorted(before ^ after)
        assert len(set(values[changed])) == 1  # paths of one value only


def test_page_keys_step_to_another_winner(measured):
    view, slo = Board(measured).view(), SLO(0.02)
    call = ["nextStep", {"problem": 0}, as_json(slo), "max_latency_s", 1, True]
    wider = replace(slo, max_latency_s=node([call], [problem_of(view)])[0])
    assert decide(view, wider).chosen != decide(view, slo).chosen


def test_a_path_with_few_queries_or_without_outcomes_has_no_way_to_win():
    trace = some(60, 4)
    view = Board(without(trace, [(q, 1) for q in range(FEW - 1, 60)])).view()
    found = node([["smallestChange", {"problem": 0}, as_json(SLO()), 1]], [problem_of(view)])
    assert found == [None]
