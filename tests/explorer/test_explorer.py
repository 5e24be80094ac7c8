"""What the explorer shows, without widgets: tables, verdicts, words, exports."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.explorer import states
from ecollm_lab.explorer.saved import exports
from ecollm_lab.explorer.shown import policy_replay, queries, words
from ecollm_lab.explorer.shown.canvas import MOST_POINTS, canvas
from ecollm_lab.explorer.shown.picture import draw, moving
from ecollm_lab.explorer.verdicts.changes import _size, nearest_feasible, reach, smallest_change
from ecollm_lab.explorer.verdicts.front_states import (
    AMBIGUOUS,
    DOMINATED,
    FEW,
    FRONT,
    STATES,
    UNKNOWN,
)
from ecollm_lab.explorer.verdicts.verdicts import judge, why_not
from ecollm_lab.explorer.verdicts.views import Board
from ecollm_lab.policies import fit_policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace, is_on_front, pareto_front
from tests.conftest import make_trace

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>" + "long " * 5000


def noisy(quality, cost=1e-6, latency=0.1, n=400, seed=0, **kwargs):
    """A trace whose outcomes are 0 or 1 with these means, the same luck for all paths."""
    luck = np.random.default_rng(seed).random((n, 1))
    return make_trace(
        (luck < np.asarray(quality)[None]).astype(float),
        np.asarray(cost)[None],
        np.asarray(latency)[None],
        **kwargs,
    )


def some(n_queries=30, n_paths=6, seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    shape = (n_queries, n_paths)
    return make_trace(
        rng.random(shape),
        10 ** rng.uniform(-7, -5, shape),
        10 ** rng.uniform(-2, 0, shape),
        **kwargs,
    )


def without(trace, pairs):
    """The same trace with some (query, path) pairs not recorded; numbers are positions."""
    gone = {(trace.query_ids[q], trace.path_ids[p]) for q, p in pairs}
    keep = [
        (q, p) not in gone
        for q, p in zip(trace.outcomes["query_id"], trace.outcomes["path_id"], strict=True)
    ]
    return Trace.from_frame(trace.outcomes[keep], trace.queries, trace.provenance)


# --- tables


def test_means_tails_and_front_are_those_of_the_other_rooms(measured):
    view = Board(measured).view()
    front = pareto_front(measured).set_index("path_id")
    frame = view.frame.set_index("path_id")
    for column in ("quality", "cost_usd", "latency_s", "latency_p95_s", "n"):
        np.testing.assert_allclose(frame[column], front.loc[frame.index, column], rtol=1e-12)
    assert frame["on_front"].equals(front.loc[frame.index, "on_front"])
    inner = frame[frame["quality"].between(0, 1, inclusive="neither")]
    assert len(inner) > len(frame) / 2
    assert (
        (inner["quality_low"] < inner["quality"]) & (inner["quality"] < inner["quality_high"])
    ).all()


def test_a_filter_rethresholds_everything(measured):
    board = Board(measured)
    view = board.view("heldout", "lookup", statistic="p95")
    part = measured.where(
        (measured.queries["split"] == "heldout") & (measured.queries["kind"] == "lookup")
    )
    front = pareto_front(part).set_index("path_id").loc[view.path_ids]
    np.testing.assert_allclose(view.latency, front["latency_p95_s"], rtol=1e-12)
    np.testing.assert_allclose(view.quality, front["quality"], rtol=1e-12)
    assert view.n_queries == len(part.query_ids)
    assert board.view("heldout", "lookup", statistic="p95") is view
    with pytest.raises(LabError, match=r"kind must be one of all, compare, .*; got 'song'"):
        board.view(kind="song")
    with pytest.raises(LabError, match="statistic must be one of mean, p95"):
        board.view(statistic="median")


def test_the_interval_is_the_binomial_one():
    view = Board(noisy([0.3, 0.6], n=1000)).view()
    sd = np.sqrt(view.quality * (1 - view.quality) / 1000)
    np.testing.assert_allclose(view.high - view.low, 2 * 1.96 * sd, rtol=0.15)


def test_intervals_of_many_queries_resampled_in_blocks_are_as_wide():
    view = Board(noisy([0.3, 0.6], n=6000)).view()
    sd = np.sqrt(view.quality * (1 - view.quality) / 6000)
    np.testing.assert_allclose(view.high - view.low, 2 * 1.96 * sd, rtol=0.15)


def test_a_path_with_few_queries_has_an_interval_of_the_resamples_that_have_one():
    trace = noisy([0.5, 0.5], n=60)
    view = Board(without(trace, [(q, 1) for q in range(2, 60)])).view()
    seen = trace.array("quality")[:2, 1]
    assert seen.min() <= view.low[1] <= view.quality[1] <= view.high[1] <= seen.max()


def test_three_states():
    query = np.arange(400)
    right = [
        query < 240,
        (query > 100) & (query < 340),
        query < 150,
    ]  # second: as good but for one, on other queries; third: clearly worse
    view = Board(
        make_trace(np.stack(right, axis=1).astype(float), [[1e-6, 1e-6, 2e-6]], [[0.1, 0.1, 0.1]])
    ).view()
    assert [STATES[s] for s in view.state] == ["front", "ambiguous", "dominated"]
    assert view.dominator.tolist() == [-1, 0, 0]
    assert view.separable(0).tolist() == [False, False, True]
    gap, low, high = view.difference(2, 0)
    assert low < gap < high < 0


def test_a_dominated_path_changes_nothing_and_order_does_not_matter():
    trace = some(200, 8)
    view = Board(trace).view()
    order = np.random.default_rng(3).permutation(8)
    ids = [trace.path_ids[i] for i in order]
    shuffled = pd.concat([trace.outcomes[trace.outcomes["path_id"] == path] for path in ids])
    again = Board(Trace.from_frame(shuffled, trace.queries, trace.provenance)).view()
    assert again.path_ids == ids
    assert again.state.tolist() == view.state[order].tolist()
    np.testing.assert_allclose(again.replicates, view.replicates[:, order], rtol=1e-5)


def test_a_path_with_few_queries_never_dominates():
    trace = noisy([0.3, 0.9], cost=[2e-6, 1e-6], latency=[0.2, 0.1])
    assert Board(trace).view().state.tolist() == [DOMINATED, FRONT]
    view = Board(without(trace, [(q, 1) for q in range(FEW - 1, 400)])).view()
    assert view.n.tolist() == [400, FEW - 1]
    assert view.state.tolist() == [FRONT, AMBIGUOUS]
    assert not view.separable(0).any()


def test_easier_queries_gain_a_partial_path_nothing():
    rng = np.random.default_rng(0)
    easy = np.repeat([0.9, 0.1], 200)[:, None]
    luck = rng.random((400, 1))
    quality = (luck < easy).astype(float) * np.ones((1, 2))
    quality[:, 1] *= rng.random(400) < 0.9  # path 1 is worse on every kind of query
    view = Board(without(make_trace(quality, 1e-6, 0.1), [(q, 1) for q in range(200, 400)])).view()
    assert view.quality[1] > view.quality[0]  # the raw means say the opposite
    assert np.median(view.replicates[:, 1] - view.replicates[:, 0]) < 0
    told = why_not(
        judge(view, SLO()), 0, np.full(400, 0.1)
    )  # by the raw means path 1 wins: an interval of the other sign is explained
    assert "Not on the same queries" in told.because


def test_what_was_not_recorded_is_said():
    trace = some(40, 4)
    outcomes = trace.outcomes.copy()
    first = outcomes["path_id"] == trace.path_ids[0]
    outcomes.loc[first, "latency_s"] = np.nan
    view = Board(Trace.from_frame(outcomes, trace.queries, trace.provenance)).view()
    assert view.state[0] == UNKNOWN
    moment = judge(view, SLO(max_latency_s=10))
    assert not moment.within[0]
    told = why_not(moment, 0, np.full(40, np.nan))
    assert told.reason == "no latency recorded"
    assert told.change is None or judge(view, told.change).chosen == 0
    assert judge(view, SLO()).within[0]
    outcomes["latency_s"] = np.nan  # nobody recorded it: it tells nothing apart
    view = Board(Trace.from_frame(outcomes, trace.queries, trace.provenance)).view()
    points = np.stack([view.quality, view.cost_usd, np.zeros(4)], axis=1)
    assert ((view.state == FRONT) == is_on_front(points)).all()


# --- verdicts


@pytest.mark.parametrize("prefer", ["quality", "cost", "latency"])
def test_the_winner_is_best_by_hand(prefer):
    view = Board(
        make_trace([[0.5, 0.9, 0.89, 0.95]] * 30, [[1.0, 3.0, 2.0, 9.0]], [[0.1, 0.2, 0.4, 0.9]])
    ).view()
    moment = judge(view, SLO(max_latency_s=0.5, prefer=prefer))
    assert moment.within.tolist() == [True, True, True, False]
    assert moment.chosen == {"quality": 1, "cost": 2, "latency": 1}[prefer]
    assert (
        judge(view, SLO(max_latency_s=0.5, min_quality=0.4, prefer=prefer)).chosen
        == {"quality": 1, "cost": 0, "latency": 0}[prefer]
    )
    assert judge(view, SLO(max_latency_s=0.01)).chosen is None


def test_ties_are_paths_the_resamples_cannot_tell_apart():
    trace = noisy([0.5, 0.505, 0.9], latency=[0.1, 0.1, 5.0])
    moment = judge(Board(trace).view(), SLO(max_latency_s=1))
    assert moment.chosen == 1
    assert moment.tied.tolist() == [True, False, False]


def test_winners_by_kind_use_the_means_of_the_kind():
    trace = make_trace([[1.0, 0.0]] * 20 + [[0.0, 1.0]] * 20, [[1e-6, 1e-6]], [[0.1, 0.2]])
    trace.queries["kind"] = ["a"] * 20 + ["b"] * 20
    view = Board(trace).view()
    assert judge(view, SLO()).by_kind.tolist() == [0, 1]
    assert judge(view, SLO(max_latency_s=0.15)).by_kind.tolist() == [0, 0]
    assert judge(view, SLO(max_latency_s=0.05)).by_kind.tolist() == [-1, -1]


def test_every_reason_is_given_in_turn():
    latency = np.repeat([[0.1, 0.1, 0.5, 0.1, 0.1, 0.1]], 400, axis=0)
    latency[:100, 2] = 0.05
    trace = noisy(
        [0.8, 0.5, 0.9, 0.95, 0.1, 0.79],
        cost=[2e-6, 3e-6, 1e-6, 9e-6, 1e-7, 1e-6],
        latency=latency[0],
    )
    outcomes = trace.outcomes.copy()
    outcomes["latency_s"] = latency.ravel()
    view = Board(Trace.from_frame(outcomes, trace.queries, trace.provenance)).view()
    moment = judge(view, SLO(max_latency_s=0.2, max_cost_usd=5e-6, min_quality=0.2))
    told = [why_not(moment, i, latency[:, i]) for i in range(6)]
    reasons = [one.reason for one in told]
    assert reasons == [
        "chosen",
        "dominated",
        "breaks latency",
        "breaks cost",
        "below the floor",
        reasons[5],
    ]
    assert reasons[5] in ("not separable", "lower quality")
    assert "75% of queries" in told[2].because
    assert f"{view.latency[2] - 0.2:.3g} s over" in told[2].because
    assert "0.004 USD per 1,000 queries over" in told[3].because
    assert view.path_ids[0] in told[1].because


def test_a_path_with_few_queries_does_not_win_either():
    view = Board(without(noisy([0.5, 1.0]), [(q, 1) for q in range(FEW - 1, 400)])).view()
    assert view.quality[1] == 1.0
    moment = judge(view, SLO())
    assert moment.chosen == 0
    told = why_not(moment, 1, np.array([0.1]))
    assert (told.reason, told.change) == ("too few queries", None)
    assert (
        judge(Board(make_trace([[0.5, 1.0]] * 5, 1e-6, 0.1)).view(), SLO()).chosen == 1
    )  # where all have few, they may


def test_a_path_without_outcomes_was_never_evaluated(measured):
    part = measured.where(measured.queries["kind"] == "general")
    outcomes = part.outcomes[
        (part.outcomes["path_id"] != part.path_ids[0])
        | (part.outcomes["query_id"] == part.query_ids[0])
    ]
    board = Board(Trace.from_frame(outcomes, part.queries, part.provenance))
    view = board.view("heldout")
    assert part.query_ids[0] not in {board.trace.query_ids[r] for r in view.rows}
    moment = judge(view, SLO())
    assert (
        why_not(moment, view.path_ids.index(part.path_ids[0]), np.zeros(0)).reason
        == "never evaluated"
    )


def _brute(view, slo, i, levels):
    """The least change by trying every limit at, and just below, every value; the floor at and just above."""
    best = None
    latencies, costs = (
        {None, now, *map(float, v), *np.nextafter(v, -1).tolist()}
        for v, now in ((view.latency, slo.max_latency_s), (view.cost, slo.max_cost_usd))
    )
    floors = {None, slo.min_quality, *levels.tolist(), *np.nextafter(levels, 1).tolist()}
    for latency in latencies:
        for cost in costs:
            for floor in floors:
                changed = replace(slo, max_latency_s=latency, max_cost_usd=cost, min_quality=floor)
                if judge(view, changed).chosen == i and (
                    best is None or _size(slo, changed) < best
                ):
                    best = _size(slo, changed)
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_least_change_that_wins_is_what_trying_everything_finds(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 6)
    quality, cost, latency = (
        rng.choice([0.2, 0.4, 0.41, 0.6, 0.8], n),
        rng.choice([1.0, 2, 3, 4], n),
        rng.choice([0.1, 0.2, 0.3, 0.4], n),
    )
    view = Board(make_trace(quality[None], cost[None], latency[None])).view()
    slo = SLO(
        rng.choice([None, 0.15, 0.25]),
        rng.choice([None, 1.5, 2.5]),
        rng.choice([None, 0.3, 0.5]),
        str(rng.choice(["quality", "cost", "latency"])),
    )
    for i in range(n):
        found, best = smallest_change(view, slo, i), _brute(view, slo, i, view.quality)
        assert (found is None) == (best is None), (seed, i)
        if found is not None:
            assert judge(view, found).chosen == i
            assert _size(slo, found) <= best


def test_on_the_measured_trace_every_change_wins_and_dominated_paths_have_none_by_quality(measured):
    board = Board(measured)
    view = board.view()
    moment = judge(view, SLO(max_latency_s=0.05, max_cost_usd=1e-5))
    for i in range(0, len(view.path_ids), len(view.path_ids) // 16):
        told = why_not(moment, i, board.latency[i])
        assert (told.change is None) or judge(view, told.change).chosen == i
        if view.state[i] == FRONT:
            assert told.change is not None or i == moment.chosen
        if told.reason == "dominated":
            assert told.change is None


def test_infeasible_names_what_binds_and_the_nearest_feasible_values():
    view = Board(make_trace([[0.5, 0.9]] * 30, [[1.0, 5.0]], [[0.4, 0.2]])).view()
    binding, nearest = nearest_feasible(view, SLO(max_latency_s=0.3, max_cost_usd=2.0))
    assert set(binding) == {"max_latency_s", "max_cost_usd"}
    assert nearest == [
        SLO(max_latency_s=float(view.latency[0]), max_cost_usd=2.0),
        SLO(max_latency_s=0.3, max_cost_usd=5.0),
    ]
    binding, nearest = nearest_feasible(view, SLO(max_latency_s=1, min_quality=0.95))
    assert binding == ("min_quality",)
    assert nearest == [SLO(max_latency_s=1, min_quality=float(view.quality[1]))]
    binding, nearest = nearest_feasible(view, SLO(max_latency_s=0.1, max_cost_usd=0.5))
    assert len(nearest) >= 1
    for slo in nearest:
        assert judge(view, slo).chosen is not None


@pytest.mark.parametrize("seed", range(10))
def test_the_band_is_what_moving_the_slider_would_find(seed):
    view = Board(some(5, 12, seed)).view()
    slo = SLO(
        max_latency_s=float(np.median(view.latency)),
        max_cost_usd=float(np.median(view.cost)),
        min_quality=0.45,
    )
    for name in ("max_latency_s", "max_cost_usd"):
        starts, quality = reach(view, slo, name)
        for value in np.geomspace(1e-8, 10, 80):
            moment = judge(view, replace(slo, **{name: float(value)}))
            inside = quality[starts <= value]
            assert (
                len(inside) == 0
                if moment.chosen is None
                else inside[-1] == view.quality[moment.within].max()
            )
    starts, _ = reach(view, slo, "min_quality")
    assert judge(view, replace(slo, min_quality=None)).within.any() == bool(len(starts))
    if len(starts):
        assert judge(view, replace(slo, min_quality=float(starts[0]))).chosen is not None
        assert (
            judge(view, replace(slo, min_quality=float(np.nextafter(starts[0], 1)))).chosen is None
        )


# --- words and pictures


def test_the_sentence_calls_a_tie_a_tie_and_infeasible_infeasible():
    view = Board(noisy([0.5, 0.52, 0.1], cost=[1e-6, 2e-6, 1e-7], latency=[0.1, 0.2, 0.01])).view()
    moment = judge(view, SLO(max_latency_s=0.3))
    said = words.sentence(moment, 0.25, 105, "held-out ", [0])
    assert view.path_ids[1] in said
    assert f"quality {view.quality[1]:.3f} [{view.low[1]:.3f}, {view.high[1]:.3f}]" in said
    assert "0.002 USD/1k" in said
    assert "25% of 105 held-out queries over the SLO" in said
    assert ("tied" in said) == bool(moment.tied.any())
    assert "against pin 1" in said
    assert "(+100%) worse" in said
    assert "against pin" not in words.sentence(
        moment, 0.25, 105, "held-out ", [0, 1]
    )  # the winner itself
    nothing = words.sentence(judge(view, SLO(max_latency_s=0.001)), np.nan, 0, "")
    assert "Infeasible" in nothing
    assert "latency limit 10 ms" in nothing


def test_numbers_are_short_and_never_in_powers_of_ten_above_one():
    assert [words.seconds(s) for s in (0.00652, 0.9994, 0.9999, 12.34, 12345.6)] == [
        "6.52 ms",
        "999 ms",
        "1 s",
        "12.3 s",
        "12,346 s",
    ]
    assert [words.usd(c) for c in (5.41e-8, 0.0123, 1.2345)] == [
        "5.41e-05 USD/1k",
        "12.3 USD/1k",
        "1,234 USD/1k",
    ]
    ranks = [words._ordinal(r) for r in (1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111)]
    assert ranks == [
        "best",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "13th",
        "21st",
        "22nd",
        "103rd",
        "111th",
    ]


def test_few_queries_are_not_called_a_victory():
    view = Board(make_trace([[1.0, 0.0]] * 5, 1e-6, 0.1)).view()
    assert "on 5 queries no path can be told from another" in words.sentence(
        judge(view, SLO()), 0.0, 5, ""
    )


def test_the_hover_card_has_six_lines_units_and_rank(measured):
    cards = words.hover_cards(Board(measured).view(), measured.source_line)
    assert {card.count("<br>") for card in cards} == {5}
    best = cards[int(Board(measured).view().quality.argmax())]
    n = len(measured.query_ids)
    for part in (
        f"best of {len(measured.path_ids)}",
        "USD/1k",
        "p95",
        f"{n} of {n} queries",
        "measured",
    ):
        assert part in best


def test_labels_do_not_overlap_and_stand_on_the_front_only(measured):
    view = Board(measured).view()
    c = canvas(view, ("edge", "mixed", "cloud"))
    assert (
        sum(len(labelled) for labelled, _ in c.labels) > 0
    )  # where there is no room in a panel, it has none
    for labelled, sides in c.labels:
        assert len(labelled) == len(sides)
        assert (view.state[labelled] == FRONT).all()
    for panel, width in (
        (0, 330),
        (1, 260),
    ):  # pixels at the narrowest, where letters are about 5.6 wide and 12 high
        labelled, sides = c.labels[panel]
        low, high = np.log(c.span[panel])
        x = (np.log(c.x[panel][labelled]) - low) / (high - low) * width
        y = (c.y[labelled] - c.heights[0]) / (c.heights[1] - c.heights[0]) * 290
        half = 2.8 * np.array([len(words.short(view.path_ids[i])) for i in labelled])
        x = x + np.array([{"left": -1, "right": 1}[side.split()[1]] for side in sides]) * (half + 9)
        y = y + np.array(
            [{"top": 15, "middle": 0, "bottom": -15}[side.split()[0]] for side in sides]
        )
        for i in range(len(labelled)):
            for j in range(i):
                assert (
                    abs(x[i] - x[j]) >= half[i] + half[j] - 1e-6 or abs(y[i] - y[j]) >= 12 - 1e-6
                ), (sides[i], sides[j])


def test_zero_costs_stand_in_a_strip_and_are_not_dropped():
    trace = make_trace([[0.5, 0.6, 0.7]] * 30, [[0.0, 1e-6, 2e-6]], [[0.1, 0.2, 0.3]])
    view = Board(trace).view()
    c = canvas(view, ("edge", "cloud"))
    assert c.free is not None
    assert c.free[0] < c.x[0][0] < c.free[1] <= c.x[0][1:].min()
    figure = draw(c, judge(view, SLO()), "here")
    assert any(note.text == "free" for note in figure.layout.annotations)
    assert 0 in c.drawn


def test_a_few_paths_far_below_stand_in_a_strip():
    view = Board(
        noisy([0.04, 0.045, 0.05, *np.linspace(0.4, 0.7, 36)], latency=np.geomspace(0.01, 0.3, 39))
    ).view()
    c = canvas(view, ("edge", "mixed", "cloud"))
    far = view.quality < 0.1
    assert c.sunk is not None
    assert ((c.y[far] > c.sunk[0]) & (c.y[far] < c.sunk[1])).all()
    assert (c.y[~far] == view.quality[~far]).all()
    assert c.y[~far].min() > c.sunk[1]
    low, high = view.quality[far].min(), view.quality[far].max()
    said = f"3 paths far below: quality {low:.2f} to {high:.2f}"
    assert any(said in note.text for note in draw(c, judge(view, SLO()), "here").layout.annotations)


def test_beyond_a_limit_the_cloud_is_a_density_and_says_so():
    n = 10_000
    rng = np.random.default_rng(0)
    view = Board(
        make_trace(
            rng.random((1, n)), 10 ** rng.uniform(-7, -4, (1, n)), 10 ** rng.uniform(-2, 1, (1, n))
        )
    ).view()
    c = canvas(view, ("edge", "cloud"))
    assert len(c.drawn) == MOST_POINTS
    moment = judge(view, SLO())
    figure = draw(c, moment, "here")
    density = [t for t in figure.data if t.name == "density"]
    assert len(density) == 2
    assert (10 ** np.array(density[0].z, dtype=float))[
        np.isfinite(np.array(density[0].z, dtype=float))
    ].sum() == pytest.approx(n)
    assert any("10,000 paths" in note.text for note in figure.layout.annotations)
    assert moment.chosen in c.drawn


def test_partial_paths_wear_a_dashed_ring():
    trace = without(some(30, 4), [(q, 2) for q in range(10)])
    view = Board(trace).view()
    figure = draw(canvas(view, ("edge", "cloud")), judge(view, SLO()), "here")
    rings = [t for t in figure.data if t.name == "partial"]
    assert [list(t.text) for t in rings] == [["◌"], ["◌"]]
    partial = int(view.n.argmin())
    assert rings[0].y[0] == pytest.approx(view.quality[partial])
    assert "20 of 30 queries" in words.hover_cards(view, "here")[partial]


def test_the_figure_names_units_and_source_and_moves_only_short_lists(measured):
    view = Board(measured).view()
    c = canvas(view, ("edge", "mixed", "cloud"))
    moment = judge(view, SLO(max_latency_s=0.05, max_cost_usd=1e-5, min_quality=0.3))
    figure = draw(c, moment, measured.source_line)
    assert "USD per 1,000 queries" in figure.layout.xaxis.title.text
    assert "latency (s" in figure.layout.xaxis2.title.text
    assert figure.layout.xaxis.type == figure.layout.xaxis2.type == "log"
    assert any(
        measured.source_line in note.text.replace("<br>", " ") for note in figure.layout.annotations
    )
    assert figure.layout.uirevision == "keep"
    assert [figure.layout.shapes[0].x0, figure.layout.shapes[2].x0] == pytest.approx([0.01, 0.05])
    traces, _ = moving(c, moment, [], None, ("dominated", "beyond"))
    strong = [t for t in figure.data if str(t.name).startswith("within") and t.xaxis == "x"]
    rows = [c.drawn[view.placement[c.drawn] == place] for place in c.places]
    shown = {i for t, part in zip(strong, rows, strict=True) for i in part[np.isfinite(t.y)]}
    assert shown == set(np.flatnonzero(moment.within))
    outlines = {
        number for (kind, _), number in c.names.items() if kind.startswith("cloud")
    }  # sent only while a box hides some
    lists = [
        v
        for number, part in traces.items()
        if number not in outlines
        for v in part.values()
        if isinstance(v, np.ndarray)
    ]
    assert sum(v.nbytes for v in lists) < 45 * len(view.path_ids)
    assert json.dumps(figure.layout.to_plotly_json()["shapes"], allow_nan=False)


def test_hostile_text_is_escaped_and_cut_everywhere():
    trace = some(8, 3)
    trace.queries["text"], trace.queries["kind"], trace.queries["reference"] = (
        HOSTILE,
        HOSTILE,
        HOSTILE,
    )
    outcomes = trace.outcomes.assign(
        answer=HOSTILE, path_id=trace.outcomes["path_id"] + "/" + "<script>alert(1)</script>" * 20
    )
    hostile = Trace.from_frame(outcomes, trace.queries, {"source": "recorded", "domain": HOSTILE})
    board = Board(hostile)
    view = board.view()
    moment = judge(view, SLO(max_latency_s=0.5))
    rows, regret = queries.behind(board, view, 0)
    shown = [
        queries.page(board, 0, rows, regret, 0),
        words.sentence(moment, 0.1, 8, "", [1]),
        words.mix(moment),
        words.card(moment, 0, why_not(moment, 0, board.latency[0]), [1]),
        words.journey([HOSTILE], 0),
        words.cut(HOSTILE),
        *words.hover_cards(view, hostile.source_line),
        *[
            str(note.text)
            for note in draw(
                canvas(view, ("not stated",)), moment, hostile.source_line
            ).layout.annotations
        ],
    ]
    for text in shown:
        assert "<script" not in text
        assert "<img" not in text
        assert len(text) < 12_000


# --- queries behind a path


def test_the_queries_behind_a_path_come_worst_regret_first():
    trace = make_trace([[1.0, 0.0], [0.5, 1.0], [0.2, 0.9]], [[1e-6, 2e-6]], [[0.1, 0.2]])
    board = Board(trace)
    rows, regret = queries.behind(board, board.view(), 0)
    assert rows.tolist() == [2, 1, 0]
    assert regret.tolist() == pytest.approx([0.7, 0.5, 0.0])
    rows, _ = queries.behind(board, board.view(), 1)
    assert rows[0] == 0


def test_a_page_shows_text_answer_reference_cost_latency_and_stages(measured):
    board = Board(measured)
    view = board.view("heldout", "lookup")
    i = len(view.path_ids) // 2
    rows, regret = queries.behind(board, view, i)
    shown = queries.page(board, i, rows, regret, 0)
    query = measured.queries.iloc[rows[0]]
    outcome = measured.outcomes[
        (measured.outcomes["query_id"] == query["query_id"])
        & (measured.outcomes["path_id"] == view.path_ids[i])
    ].iloc[0]
    for part in (
        query["text"],
        outcome["answer"],
        query["reference"],
        words.usd(outcome["cost_usd"]),
        words.seconds(outcome["latency_s"]),
        f"generate {words.seconds(outcome['generate_s'])}",
        query["query_id"],
    ):
        assert words.cut(part) in shown
    assert shown.count("<tr>") == 1 + queries.PER_PAGE


def test_a_trace_without_answers_says_so():
    board = Board(some(8, 2))
    rows, regret = queries.behind(board, board.view(), 0)
    assert "answer not recorded" in queries.page(board, 0, rows, regret, 0)


# --- journey, state, exports, policy


def test_a_drag_is_one_step_and_the_past_can_be_left():
    journey = states.Journey()
    for value, control in ((0, "start"), (1, "latency"), (2, "latency"), (3, "cost")):
        journey.step(control, {"v": value}, f"{control} {value}")
    assert journey.names == ["start 0", "latency 2", "cost 3"]
    assert journey.go(1) == {"v": 2}
    assert journey.go(2) == {"v": 3}
    journey.go(0)
    assert journey.go(-1) is None
    journey.step("prefer", {"v": 9}, "prefer")
    assert journey.names == ["start 0", "prefer"]
    journey.step("prefer", {"v": 9}, "the same state is no step")
    assert len(journey.names) == 2


def test_a_state_of_another_kind_is_refused():
    with pytest.raises(LabError, match="unknown keys: volume"):
        states.check({"volume": 11})
    with pytest.raises(LabError, match="version 7"):
        states.check({"version": 7})
    with pytest.raises(LabError, match="pins in a state must be of type list, got None"):
        states.check({"pins": None})
    with pytest.raises(LabError, match="mapping"):
        states.check("prefer")


def test_toml_reads_back_with_slo_choice_and_provenance(measured):
    view = Board(measured).view()
    moment = judge(view, SLO(max_latency_s=0.05, max_cost_usd=1e-6, prefer="cost"))
    provenance = {
        **measured.provenance,
        "note": 'say "hi" \\ 💡\n',
        "list": [1, 2.5, "x"],
        "odd key!": True,
        "nothing": None,
    }
    read = tomllib.loads(exports.toml_of(moment, "ours", provenance))
    assert SLO(**read["slo"]) == moment.slo
    assert read["choice"]["path_id"] == view.path_ids[moment.chosen]
    assert read["choice"]["quality"] == view.quality[moment.chosen]
    assert read["choice"]["policy"] == "ours"
    del provenance["nothing"]
    assert read["provenance"] == provenance
    with pytest.raises(LabError, match="nothing to serve"):
        exports.toml_of(judge(view, SLO(max_latency_s=1e-9)), None, {})


def test_a_policy_is_replayed_kind_by_kind_on_held_out_queries(measured):
    board = Board(measured)
    policy = fit_policy(measured.split("train"), "best_single")
    embeddings = np.zeros((len(measured.query_ids), 2), dtype=np.float32)
    heldout = (measured.queries["split"] == "heldout").to_numpy()
    slo = SLO(max_latency_s=0.1)
    made = policy_replay.choices(board, board.view(), policy, slo, embeddings)
    assert len(made) == heldout.sum()
    chosen = policy.select(embeddings[:1], slo)[0]
    assert set(made["path_id"]) == {chosen}
    column = measured.path_ids.index(chosen)
    assert made["quality"].mean() == pytest.approx(
        measured.array("quality")[heldout, column].mean()
    )
    assert made["kept"].mean() == pytest.approx(
        (measured.array("latency_s")[heldout, column] <= 0.1).mean()
    )
    shown = policy_replay.table(board, board.view(), policy, slo, embeddings)
    assert "personal" in shown
    assert f"{heldout.sum()} held-out queries" in shown
    assert "No policy was given" in policy_replay.table(board, board.view(), None, slo)


def test_clusters_are_a_filter_where_embeddings_are_given():
    from tests.domains.test_clusters import blobs

    board = Board(make_trace(np.ones((120, 2)), 1e-6, 0.1), blobs(np.random.default_rng(0)))
    names = board.choices["cluster"]
    assert len(names) > 2
    assert sum(board.view(cluster=name).n_queries for name in names[1:]) == 120
    with pytest.raises(LabError, match="one row per query"):
        Board(make_trace(np.ones((10, 2)), 1e-6, 0.1), np.ones((9, 3)))


def test_every_row_of_the_page_names_tests_that_exist():
    page = Path("docs/explorer.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(line.split("|")[1]) for line in rows] == list(range(1, 25))
    there = "".join(
        Path(f"tests/explorer/test_{name}.py").read_text()
        for name in ("explorer", "widgets", "browser")
    )
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named
        assert not [name for name in named if f"def {name}(" not in there]
