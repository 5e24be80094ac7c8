"""Comparing: two traces under one SLO, or one trace under two, in Python and in words."""

import numpy as np
import pytest

from ecollm_lab import explore, fit_policy
from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from tests.conftest import make_trace
from tests.explorer.support import as_json, needs_node, node, noisy, problem_of, some, without


def dearer(trace, factor=2.0):
    """The same outcomes under another price list."""
    outcomes = trace.outcomes.assign(cost_usd=factor * trace.outcomes["cost_usd"])
    return Trace.from_frame(outcomes, trace.queries, trace.provenance)


def test_the_same_slo_holds_on_both_sides():
    trace = some(40, 6)
    other = some(50, 6, seed=1)
    explorer = explore(trace, other)
    for slo in (SLO(0.3, 3e-6), SLO(0.2, prefer="cost"), SLO(1e-9)):
        explorer.apply(slo)
        sides = explorer.comparison.set_index("side")
        for side, one in (("A", trace), ("B", other)):
            view = Board(one).view()
            decision = decide(view, slo)
            winner = None if decision.chosen is None else view.path_ids[decision.chosen]
            assert sides.loc[side, "path_id"] == winner or winner is None
            assert sides.loc[side, "n_feasible"] == decision.within.sum()
    assert explore(trace).comparison["side"].tolist() == ["A"]


def test_an_slo_on_the_other_side_stays_as_it_is():
    trace = some(40, 6)
    explorer = explore(trace, SLO(0.25))
    explorer.apply(SLO(1e-9))
    a, b = explorer.comparison.to_dict("records")
    winner = decide(Board(trace).view(), SLO(0.25)).chosen
    assert (a["n_feasible"], b["path_id"]) == (0, trace.path_ids[winner])
    assert explorer.fixed["other"]["slo"] == as_json(SLO(0.25))
    assert "latency ≤ 250 ms" in explorer.fixed["other"]["name"]


def test_dropped_components_and_filters_hold_on_the_other_side_where_it_knows_them():
    trace = some(40, 6)
    twin = dearer(trace)
    trace.queries["kind"] = ["lookup", "compare"] * 20
    twin.queries["kind"] = ["lookup"] * 40
    explorer = explore(trace, twin)
    explorer.apply(SLO())
    winner = explorer.comparison["path_id"][1]
    explorer.state = {**explorer.state, "dropped": {"1": [winner.split("/")[1]]}}
    assert winner not in explorer.comparison["path_id"].tolist()
    explorer._answer("view|all|compare|all")
    tables = explorer.views["all|compare|all"]
    assert (tables["queries"], tables["other"]["queries"]) == (20, 40)
    assert tables["other"]["unknown"] == ["kind"]


def test_filters_that_would_leave_b_without_a_query_are_dropped_from_the_last_on():
    trace, twin = some(40, 6), some(40, 6, seed=1)
    trace.queries["kind"] = ["lookup", "compare"] * 20
    trace.queries["split"] = ["train"] * 20 + ["heldout"] * 20
    twin.queries["kind"] = ["lookup"] * 20 + ["compare"] * 20
    twin.queries["split"] = ["train"] * 20 + ["heldout"] * 20
    explorer = explore(trace, twin)
    explorer._answer("view|heldout|lookup|all")  # in B all held-out queries are of the other kind
    tables = explorer.views["heldout|lookup|all"]
    assert (tables["queries"], tables["other"]["queries"]) == (10, 20)
    assert tables["other"]["unknown"] == ["kind"]
    explorer._answer("view|heldout|compare|all")
    tables = explorer.views["heldout|compare|all"]
    assert (tables["other"]["queries"], tables["other"]["unknown"]) == (20, [])
    explorer.state = {**explorer.state, "split": "heldout", "kind": "lookup"}
    assert explorer.comparison["side"].tolist() == ["A", "B"]


def test_traces_without_a_common_path_are_refused_and_so_is_anything_else():
    renamed = some(30, 3).outcomes
    renamed["path_id"] = "mine/" + renamed["path_id"]
    with pytest.raises(LabError, match=r"no path in common.*none/bm25-1.*mine/none"):
        explore(some(30, 3), Trace.from_frame(renamed))
    with pytest.raises(LabError, match="a fitted policy, another Trace or an SLO; got str"):
        explore(some(30, 3), "trace.parquet")


def test_two_policies_at_once_are_refused():
    trace = some(30, 3)
    one = fit_policy(trace, "best_single")
    with pytest.raises(LabError, match="Only one policy can be shown"):
        explore(trace, one, policy=one)


def test_a_page_takes_both_sides_along(tmp_path):
    page = explore(some(30, 3), some(30, 3, seed=1)).to_html(tmp_path / "page.html").read_text()
    assert '"other": {"queries": 30' in page


# --- the difference in words


def said(a, b, slo, other_slo=None):
    """What the screen says of two traces under an SLO."""
    sides = [Board(a).view(), Board(b).view()]
    problems = [problem_of(sides[0]), {**problem_of(sides[1]), "name": "B (cars)", "slo": None}]
    args = []
    for k, one in enumerate((slo, other_slo or slo)):
        args += [{"problem": k}, {"decide": [{"problem": k}, as_json(one)]}]
    return node([["versus", *args]], problems)[0]


@needs_node
def test_the_difference_is_said_in_points_and_times():
    a = noisy([0.5, 0.6], cost=[1e-6, 2e-6], latency=[0.1, 0.2], n=2000)
    b = noisy([0.7, 0.2], cost=[3.6e-6, 1e-6], latency=[0.2, 0.1], n=2000, seed=1)
    words = said(a, b, SLO())
    gap = 100 * (b.array("quality")[:, 0].mean() - a.array("quality")[:, 1].mean())
    assert f"B's best, {b.path_ids[0]}, is {gap:.3g} points better, costs" in words
    assert "costs 1.8 times as much and takes as long" in words
    assert "may be chance" not in words
    kept = b.array("quality")[:, 1].mean()
    assert f"A's winner has quality {kept:.3f} in B" in words


@needs_node
def test_a_difference_that_may_be_chance_is_called_so_and_the_interval_is_paired():
    luck = np.random.default_rng(2).random(400) < 0.5
    quality = np.stack([luck, luck], axis=1).astype(float)
    a = make_trace(quality, 1e-6, 0.1)
    changed = quality.copy()
    changed[:8] = 1 - changed[:8]  # the same queries but for eight of them
    words = said(a, make_trace(changed, 1e-6, 0.1), SLO())
    assert "The same path wins in B" in words
    gap = abs(changed[:, 0].mean() - luck.mean())
    assert ("may be chance" in words) or gap == 0
    whole = make_trace(np.maximum(quality, np.arange(400)[:, None] % 10 == 0), 1e-6, 0.1)
    assert "may be chance" not in said(a, whole, SLO())  # one in ten better, none worse: paired


@needs_node
def test_one_missing_outcome_does_not_make_the_difference_of_two_traces_surer():
    a, b = noisy([0.5, 0.6]), noisy([0.5, 0.6], seed=1)
    views = [Board(one).view() for one in (a, b, without(a, [(5, 0)]))]
    calls = [["gapBetween", {"problem": k}, 1, {"problem": 1}, 1] for k in (0, 2)]
    (_, low, high), (_, *partial) = node(calls, [problem_of(view) for view in views])
    assert partial == pytest.approx([low, high], abs=0.002)


@needs_node
def test_the_filters_that_do_not_count_in_b_are_said():
    views = [problem_of(Board(one).view()) for one in (some(40, 3), some(40, 3, seed=1))]
    decisions = [{"decide": [{"problem": k}, as_json(SLO())]} for k in range(2)]
    calls = [["versus", {"problem": 0}, decisions[0], {"problem": k}, decisions[1]] for k in (1, 2)]
    twins = [{**views[1], "unknown": names} for names in (["kind"], ["split", "kind"])]
    one, two = node(calls, [views[0], *twins])
    assert "B has no such kind among these queries, so that filter counts for A alone." in one
    assert "no such split and kind among these queries, so those filters count for A alone" in two


@needs_node
def test_a_side_without_a_feasible_path_is_named():
    a, b = some(40, 3), some(40, 3, seed=1)
    assert "B (cars): no path keeps it there." in said(a, b, SLO(), SLO(1e-9))
    assert "no path keeps it there either" in said(a, b, SLO(1e-9))
    assert "wins there with quality" in said(a, b, SLO(1e-9), SLO())


@needs_node
def test_times_and_parts_are_said_as_people_do():
    calls = [["timesWords", *pair] for pair in ((1.8, 1), (12.34, 1), (1.04, 1), (0.6, 1))]
    calls += [["timesWords", *pair] for pair in ((0.05, 1), (1, 1), (0, 1), (2e-6, 0))]
    script = "((name, b, a) => timesWords(b, a, COSTS))"
    assert node([[script, *call] for call in calls]) == [
        "costs 1.8 times as much",
        "costs 12 times as much",
        "costs 4 % more",
        "costs 40 % less",
        "costs 1/20 as much",
        "costs the same",
        "is free",
        "costs 0.002 USD per 1,000 queries",
    ]
    gaps = [[0.04, 0.01, 0.07], [-0.01, -0.02, -0.001], [0.003, -0.01, 0.02], [0, -0.01, 0.01]]
    assert node([["pointsWords", gap] for gap in gaps]) == [
        "4 points better",
        "1 point worse",
        "0.3 points better (which may be chance: between −1.0 and +2.0)",
        "as good",
    ]


@needs_node
def test_the_card_of_a_path_says_how_it_does_on_the_other_side():
    a, b = some(40, 3), some(40, 2, seed=1)
    views = [Board(one).view() for one in (a, b)]
    problems = [problem_of(view) for view in views]
    decision = {"decide": [{"problem": 1}, as_json(SLO())]}
    first, third = node(
        [["twinWords", {"problem": 0}, i, {"problem": 1}, decision] for i in (0, 2)], problems
    )
    assert f"In B: quality {views[1].quality[0]:.3f}" in first
    assert third == "It is not among B's paths."
