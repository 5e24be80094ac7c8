"""What choosing whole paths buys: worked by hand, and against every choice there is."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import figures
from ecollm_lab.records import LabError
from tests.conftest import LARGE, SMALL, make_trace
from tests.support.traces import stage_trace

S1, XL1, S3, XL3 = (f"none/bm25-{k}/none/{model}" for k in (1, 3) for model in (SMALL, LARGE))
GREEDY, SINGLE, KIND, MODEL, WHOLE = (
    "stage by stage, greedily",
    "best path",
    "best path per kind",
    "model per query (oracle)",
    "path per query (oracle)",
)


def equal(trace, limit="cost_usd", kind="all queries"):
    frame = figures.whole_paths.compute_whole_paths(trace, n_budgets=5)
    rows = frame[frame["equal"] & (frame["limit"] == limit) & (frame["kind"] == kind)]
    return rows.set_index("choice")


def test_a_search_stage_by_stage_stays_in_a_local_optimum():
    """From S1, which costs least, more passages alone and a larger model alone are worse; both
    together are best.
    """
    found = equal(stage_trace([[0.5, 0.4, 0.4, 0.9]] * 3, [[1e-6, 2e-6, 2e-6, 3e-6]] * 3))
    assert found.loc[GREEDY, ["quality", "path_id"]].tolist() == [0.5, S1]
    assert found.loc[SINGLE, ["quality", "path_id"]].tolist() == [pytest.approx(0.9), XL3]
    assert found.loc[SINGLE, "budget"] == pytest.approx(3e-6)


def test_of_a_budget_each_choice_makes_what_can_be_worked_by_hand():
    """One query needs S3, another XL1, the third any. The best path is XL1 (2/3, at 2e-6); only
    whole paths reach all three there.

    The least costly paths take 1e-6 and answer the third query; a step to S3 costs 2e-6, one to XL1
    1e-6: together 3 × 2e-6.
    """
    quality = [[0, 0, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
    trace = stage_trace(quality, [[1e-6, 2e-6, 3e-6, 9e-6]] * 3, [[0.1, 0.1, 0.1, 0.1]] * 3)
    found = equal(trace)
    assert found.loc[SINGLE, "path_id"] == XL1
    assert found["quality"].to_dict() == pytest.approx(
        {GREEDY: 2 / 3, SINGLE: 2 / 3, KIND: 2 / 3, MODEL: 2 / 3, WHOLE: 1}
    )
    assert found.loc[MODEL, "path_id"] == "none/bm25-1/none"
    assert equal(trace, "latency_s").loc[WHOLE, "quality"] == pytest.approx(1)


def test_a_path_per_kind_shares_one_budget():
    quality = [[1, 0, 0, 0], [0, 0, 0, 1]]
    trace = stage_trace(quality, [[1e-6, 2e-6, 2e-6, 3e-6]] * 2)
    trace = replace(trace, queries=trace.queries.assign(kind=["lookup", "compare"]))
    frame = figures.whole_paths.compute_whole_paths(trace, n_budgets=3)
    rows = frame[(frame["choice"] == KIND) & (frame["limit"] == "cost_usd")]
    assert set(rows["kind"]) == {"all queries"}
    assert rows["budget"].tolist() == pytest.approx(
        [1e-6, 3**0.5 * 1e-6, 3e-6, 1e-6]
    )  # the last: of the best path, S1 before XL3
    assert rows["quality"].tolist() == pytest.approx(
        [0.5, 0.5 + (3**0.5 - 1) / 2, 1.0, 0.5]
    )  # one kind is mixed while it moves


def test_the_knapsack_is_the_best_of_all_choices_but_for_one_query_mixed():
    rng = np.random.default_rng(3)
    quality, cost = rng.integers(0, 4, (5, 4)) / 3, rng.random((5, 4))
    frame = figures.whole_paths.compute_whole_paths(stage_trace(quality, cost), n_budgets=12)
    whole = frame[
        (frame["choice"] == WHOLE)
        & (frame["kind"] == "all queries")
        & (frame["limit"] == "cost_usd")
    ]
    taken = np.array(
        [
            (quality[range(5), c].mean(), cost[range(5), c].mean())
            for c in product(range(4), repeat=5)
        ]
    )
    for budget, bound in zip(whole["budget"], whole["quality"], strict=True):
        best = taken[taken[:, 1] <= budget * (1 + 1e-9), 0].max()
        assert best - 1e-9 <= bound <= best + 1 / 5
    by_choice = frame[frame["kind"] == "all queries"].pivot_table(
        index=["limit", "budget"], columns="choice", values="quality"
    )
    assert (by_choice[GREEDY] <= by_choice[SINGLE] + 1e-9).all()
    for lower in (SINGLE, MODEL, KIND):
        assert (by_choice[lower] <= by_choice[WHOLE] + 1e-9).all()


def test_the_order_of_paths_and_queries_changes_nothing(measured):
    part = measured.where(np.arange(len(measured.query_ids)) % 9 == 0)
    turned = replace(
        part,
        outcomes=part.outcomes.iloc[::-1],
        queries=part.queries.iloc[::-1].reset_index(drop=True),
    )
    one, other = (
        figures.whole_paths.compute_whole_paths(t, n_budgets=4).sort_values(
            ["kind", "limit", "choice", "equal", "budget"], ignore_index=True
        )
        for t in (part, turned)
    )
    pd.testing.assert_frame_equal(one.drop(columns="path_id"), other.drop(columns="path_id"))


def test_an_incomplete_trace_is_refused():
    with pytest.raises(LabError, match="complete trace"):
        figures.whole_paths.compute_whole_paths(stage_trace([[0.5, np.nan, 1, 1]]))
    with pytest.raises(LabError, match="complete trace"):
        figures.whole_paths.compute_whole_paths(make_trace([[0.5, 1]], np.nan, np.nan))
    frame = figures.whole_paths.compute_whole_paths(stage_trace([[0.5, 0, 1, 1]], np.nan, 0.1))
    assert set(frame["limit"]) == {"latency_s"}


def test_the_figure_shows_every_kind_and_what_the_oracle_gains():
    trace = stage_trace([[0, 0, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]], [[1e-6, 2e-6, 3e-6, 9e-6]] * 3)
    figure = figures.whole_paths.plot_whole_paths(
        figures.whole_paths.compute_whole_paths(trace), "here"
    )
    gains = [a.text for a in figure.layout.annotations if a.text.startswith("+")]
    assert gains.count("+33 / +33") == 4  # all queries and lookup, by cost and by latency
    star = next(t for t in figure.data if t.name == WHOLE and t.mode == "markers")
    assert dict(zip(star.y, star.x, strict=True)) == {
        "all queries": pytest.approx(1),
        "lookup": pytest.approx(1),
    }
    curve = next(t for t in figure.data if t.name == SINGLE and t.mode == "lines")
    assert curve.x[0] == pytest.approx(1e-3)  # USD per 1,000 queries


def test_no_kind_stands_outside_its_panel():
    kinds = ["compare", "diagnose", "general", "lookup", "personal"]
    trace = stage_trace([[0, 0, 1, 0]] * len(kinds), [[1e-6, 2e-6, 3e-6, 9e-6]] * len(kinds))
    trace = replace(trace, queries=trace.queries.assign(kind=kinds))
    frame = figures.whole_paths.compute_whole_paths(trace)
    layout = figures.whole_paths.plot_whole_paths(frame, "here").layout
    for axis in (layout.yaxis3, layout.yaxis4):  # a kind's place is its number from below
        assert list(axis.categoryarray) == [*kinds[::-1], "all queries"]
        assert axis.range == (-0.6, len(kinds) + 0.6)


def test_a_gain_of_nothing_has_one_sign_and_a_loss_its_own():
    frame = figures.whole_paths.compute_whole_paths(stage_trace([[1, 0, 0, 0]] * 3), n_budgets=5)
    for less, said in ((1e-12, "+0 / +0"), (0.03, "−3 / −3")):
        lost = frame.copy()
        lost.loc[(lost["choice"] == WHOLE) & lost["equal"], "quality"] -= less
        figure = figures.whole_paths.plot_whole_paths(lost, "here")
        notes = [note.text for note in figure.layout.annotations if " / " in note.text]
        assert notes.count(said) == 4, notes
