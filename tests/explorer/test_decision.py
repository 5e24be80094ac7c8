"""The decision: one table of cases for Python and JavaScript, and the two against each other on
random problems.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.resampling import REPLICATES
from ecollm_lab.explorer.views import Board, View
from ecollm_lab.policies.choosing import choose
from ecollm_lab.records import SLO
from tests.conftest import make_trace
from tests.explorer.support import (
    as_json,
    needs_node,
    node,
    on_easy_queries,
    problem_of,
    some,
    without,
)

CASES = json.loads((Path(__file__).parent / "cases.json").read_text())


def view_of(case):
    """A case of the table as a view of which only what decides is filled."""
    columns = {
        name: np.array([np.nan if p[name] is None else p[name] for p in case["paths"]], dtype=float)
        for name in ("n", "quality", "cost", "latency")
    }
    size = len(case["paths"])
    rows = [row for count, row in case["resamples"] for _ in range(count)]
    replicates = np.array(rows or [[0] * size] * REPLICATES, dtype=np.int16)
    return View(
        path_ids=[p["id"] for p in case["paths"]],
        parts=[tuple(p["id"].split("/")) for p in case["paths"]],
        placement=np.array(["edge"] * size, dtype=object),
        rows=np.arange(30),
        n=columns["n"].astype(int),
        quality=columns["quality"],
        cost=dict.fromkeys(("mean", "p95"), columns["cost"]),
        latency=dict.fromkeys(("mean", "p95"), columns["latency"]),
        low=columns["quality"],
        high=columns["quality"],
        replicates=replicates,
        raw=replicates,
        state=dict.fromkeys(("mean", "p95"), np.zeros(size, dtype=int)),
        dominator=dict.fromkeys(("mean", "p95"), np.full(size, -1)),
        kinds={},
    )


def told(decision):
    """A decision as the screen tells it."""
    return {
        "within": decision.within.astype(int).tolist(),
        "chosen": decision.chosen,
        "tied": decision.tied.astype(int).tolist(),
    }


def expected(case):
    size = range(len(case["paths"]))
    return {
        "within": [int(i in case["within"]) for i in size],
        "chosen": case["chosen"],
        "tied": [int(i in case["tied"]) for i in size],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_python_decides_as_the_table_says(case):
    assert told(decide(view_of(case), SLO(**case["slo"]), "mean", case["dropped"])) == expected(
        case
    )


@needs_node
def test_the_screen_decides_as_the_table_says():
    problems = [problem_of(view_of(case), dropped=case["dropped"]) for case in CASES]
    calls = [["decide", {"problem": k}, case["slo"]] for k, case in enumerate(CASES)]
    for case, found in zip(CASES, node(calls, problems), strict=True):
        assert found == expected(case), case["name"]


def random_slo(rng, view, statistic="mean"):
    """An SLO whose limits are at, just below or between the paths' own values."""

    def limit(values):
        value = float(rng.choice(values[~np.isnan(values)]))
        return [None, value, float(np.nextafter(value, 0)), value * 1.1][rng.integers(4)] or None

    floor = None if rng.random() < 0.5 else float(rng.choice(view.quality))
    prefer = str(rng.choice(["quality", "cost", "latency"]))
    return SLO(limit(view.latency[statistic]), limit(view.cost[statistic]), floor, prefer)


@needs_node
def test_python_and_the_screen_agree_on_random_problems():
    problems, calls, expected = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        trace = some(int(rng.integers(5, 60)), int(rng.integers(1, 15)), seed)
        if seed % 3 == 0:
            pairs = [(q, 0) for q in range(len(trace.query_ids) // 2)]
            trace = without(trace, pairs)
        view = Board(trace).view()
        statistic = str(rng.choice(["mean", "p95"]))
        dropped = {"1": ["bm25-1"]} if seed % 4 == 0 else {}
        problems.append(problem_of(view, statistic, dropped))
        for _ in range(10):
            slo = random_slo(rng, view, statistic)
            calls.append(["decide", {"problem": seed}, as_json(slo)])
            expected.append(told(decide(view, slo, statistic, dropped)))
    assert node(calls, problems) == expected
    assert len({one["chosen"] for one in expected}) > 5


def test_the_winner_is_the_one_a_policy_would_choose_from_the_same_numbers(measured):
    view = Board(measured).view()
    for prefer in ("quality", "cost", "latency"):
        slo = SLO(0.05, 2e-7, prefer=prefer)
        within = (view.latency["mean"] <= 0.05) & (view.cost["mean"] <= 2e-7)
        cost, latency = view.cost["mean"], view.latency["mean"]
        assert decide(view, slo).chosen == choose(view.quality[None], within, cost, latency, slo)[0]


def test_a_path_that_is_worse_in_all_three_changes_nothing():
    rng, seen = np.random.default_rng(0), set()
    quality, cost, latency = rng.random((40, 8)), *10 ** rng.uniform(-3, -1, (2, 40, 8))
    view = Board(make_trace(quality, cost, latency)).view()

    def widened(values, factor):
        return np.c_[values, factor * values[:, 0]]

    trace = make_trace(widened(quality, 0.5), widened(cost, 2.0), widened(latency, 2.0))
    wider = Board(trace).view()
    for seed in range(40):
        slo = random_slo(np.random.default_rng(seed), view)
        one, other = told(decide(view, slo)), told(decide(wider, slo))
        assert other["chosen"] == one["chosen"]
        assert (other["within"][:8], other["tied"][:8]) == (one["within"], one["tied"])
        seen.add(one["chosen"])
    assert len(seen) > 2


def test_a_path_that_is_worse_on_the_same_queries_is_not_told_apart_by_its_higher_mean():
    view = Board(on_easy_queries()).view()
    assert view.quality[1] > view.quality[0]  # the resamples say the opposite
    assert (view.replicates[:, 1] < view.replicates[:, 0]).mean() > 0.975
    decision = decide(view, SLO())
    assert (decision.chosen, decision.tied.tolist()) == (1, [True, False])
