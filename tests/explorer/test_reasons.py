"""Why one path wins and another does not, in words: nothing is claimed of what was not recorded."""

import numpy as np
import pytest

from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO
from tests.conftest import make_trace
from tests.explorer.support import as_json, needs_node, node, noisy, problem_of, without
from tests.explorer.test_words import why

pytestmark = needs_node


def right(first, second, n=100):
    """Outcomes of two paths that answer so many of the queries."""
    return (np.arange(n)[:, None] < [first, second]).astype(float)


@pytest.mark.parametrize(
    ("prefer", "cost", "latency", "wins", "ahead"),
    [
        (
            "cost",
            np.nan,
            [[0.1, 0.2]],
            "it is the fastest; their cost was not recorded",
            "has no cost recorded either and is faster",
        ),
        (
            "latency",
            np.nan,
            np.nan,
            "it is the first in the trace; neither their latency nor their cost was recorded",
            "has no latency recorded either, has no cost recorded either and comes first in the",
        ),
        ("cost", [[1e-6, np.nan]], 0.1, "it is the cheapest.", "has a cost that was recorded"),
        ("latency", [[1e-6, 2e-6]], 0.1, "it is the fastest.", "is as fast and is cheaper"),
    ],
)
def test_what_was_not_recorded_is_not_said_to_decide(prefer, cost, latency, wins, ahead):
    view = Board(make_trace(right(79, 80), cost, latency)).view()
    assert wins in why(view, SLO(prefer=prefer), 0)[1]
    assert f"the winner {ahead}" in why(view, SLO(prefer=prefer), 1)[1]


def test_a_path_that_is_dearer_and_better_wins_by_its_mean():
    view = Board(make_trace(right(32, 31, 40), [[2e-6, 1e-6]], 0.1)).view()
    assert "the winner has the better mean" in why(view, SLO(prefer="cost"), 1)[1]


def test_a_number_that_was_recorded_of_no_path_cannot_be_preferred():
    view = Board(make_trace(right(79, 80), np.nan, [[0.1, np.nan]])).view()
    values = ("quality", "cost", "latency")
    calls = [["pointless", {"problem": 0}, "prefer", value] for value in values]
    calls.append(["pointless", {"problem": 0}, "statistic", "p95"])
    assert node(calls, [problem_of(view)]) == [False, True, False, False]


def test_a_dropped_path_is_no_reason_against_another():
    view = Board(noisy([0.9, 0.6, 0.7], cost=[1e-6, 2e-6, 3e-6])).view()
    assert view.dominator["mean"].tolist() == [-1, 0, 0]
    decision = {"decide": [{"problem": 0}, as_json(SLO())]}
    call = ["whyNot", {"problem": 0}, as_json(SLO()), decision, 1, None]
    dropped = problem_of(view, dropped={"1": ["bm25-1"]})
    reason, because = node([call], [dropped])[0]
    assert (reason, view.path_ids[0] in because) == ("lower quality", False)


def test_that_paths_were_tried_on_other_queries_is_said_though_they_are_as_many():
    trace = noisy([0.8, 0.5], cost=[2e-6, 1e-6])
    gone = [(q, 0) for q in range(300, 400)] + [(q, 1) for q in range(200, 300)]
    view = Board(without(trace, gone)).view()
    assert view.n.tolist() == [300, 300]
    assert "Not every query was tried on both" in why(view, SLO(), 1)[1]
    assert "Not every query" not in why(Board(trace).view(), SLO(), 1)[1]
