"""The tables behind the explorer: means, tails, intervals, states, filters."""

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.explorer.decision import separable
from ecollm_lab.explorer.resampling import AMBIGUOUS, DOMINATED, FEW, FRONT, STATES, UNKNOWN
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, is_on_front, pareto_front
from tests.conftest import make_trace
from tests.explorer.support import noisy, some, without


def test_means_tails_and_front_are_those_of_the_other_rooms(measured):
    front = pareto_front(measured).set_index("path_id")
    frame = Board(measured).view().frame().set_index("path_id")
    for column in ("quality", "cost_usd", "latency_s", "latency_p95_s", "n"):
        np.testing.assert_allclose(frame[column], front.loc[frame.index, column], rtol=1e-12)
    assert frame["on_front"].equals(front.loc[frame.index, "on_front"])
    inner = frame[frame["quality"].between(0, 1, inclusive="neither")]
    assert len(inner) > len(frame) / 2
    assert (inner["quality_low"] < inner["quality"]).all()
    assert (inner["quality"] < inner["quality_high"]).all()


def test_a_filter_takes_the_queries_it_names(measured):
    board, queries = Board(measured), measured.queries
    view = board.view("heldout", "lookup")
    part = measured.where((queries["split"] == "heldout") & (queries["kind"] == "lookup"))
    front = pareto_front(part).set_index("path_id").loc[view.path_ids]
    np.testing.assert_allclose(view.latency["p95"], front["latency_p95_s"], rtol=1e-12)
    np.testing.assert_allclose(view.quality, front["quality"], rtol=1e-12)
    assert len(view.rows) == len(part.query_ids)
    assert board.view("heldout", "lookup") is view
    with pytest.raises(LabError, match=r"kind must be one of all, compare, .*; got 'song'"):
        board.view(kind="song")


def test_filters_without_a_query_in_common_are_refused():
    trace = make_trace(np.ones((4, 2)), 1e-6, 0.1)
    trace.queries["kind"] = ["a", "a", "b", "b"]
    trace.queries["split"] = ["train", "train", "heldout", "heldout"]
    with pytest.raises(LabError, match="No query is in split train, kind b and cluster all"):
        Board(trace).view("train", "b")


@pytest.mark.parametrize("n", [1000, 6000])
def test_the_interval_is_the_binomial_one_with_and_without_blocks(n):
    view = Board(noisy([0.3, 0.6], n=n)).view()
    sd = np.sqrt(view.quality * (1 - view.quality) / n)
    np.testing.assert_allclose(view.high - view.low, 2 * 1.96 * sd, rtol=0.15)


def test_a_path_with_few_queries_has_an_interval_of_the_resamples_that_have_one():
    trace = noisy([0.5, 0.5], n=60)
    view = Board(without(trace, [(q, 1) for q in range(2, 60)])).view()
    seen = trace.array("quality")[:2, 1]
    assert seen.min() <= view.low[1] <= view.quality[1] <= view.high[1] <= seen.max()


def test_three_states():
    query = np.arange(400)
    # second: nearly as good as the first, on other queries; third: clearly worse
    right = [query < 240, (query > 100) & (query < 340), query < 150]
    quality = np.stack(right, axis=1).astype(float)
    view = Board(make_trace(quality, [[1e-6, 1e-6, 2e-6]], [[0.1, 0.1, 0.1]])).view()
    assert [STATES[s] for s in view.state["mean"]] == ["front", "ambiguous", "dominated"]
    assert view.dominator["mean"].tolist() == [-1, 0, 0]
    assert separable(view, 0).tolist() == [False, False, True]


def test_the_order_of_paths_does_not_matter():
    trace = some(200, 8)
    view, order = Board(trace).view(), np.random.default_rng(3).permutation(8)
    ids = [trace.path_ids[i] for i in order]
    shuffled = pd.concat([trace.outcomes[trace.outcomes["path_id"] == path] for path in ids])
    again = Board(Trace.from_frame(shuffled, trace.queries, trace.provenance)).view()
    assert again.path_ids == ids
    assert again.state["mean"].tolist() == view.state["mean"][order].tolist()
    assert np.abs(again.replicates - view.replicates[:, order].astype(int)).max() <= 1


def test_a_path_with_few_queries_never_dominates():
    trace = noisy([0.3, 0.9], cost=[2e-6, 1e-6], latency=[0.2, 0.1])
    assert Board(trace).view().state["mean"].tolist() == [DOMINATED, FRONT]
    view = Board(without(trace, [(q, 1) for q in range(FEW - 1, 400)])).view()
    assert view.n.tolist() == [400, FEW - 1]
    assert view.state["mean"].tolist() == [FRONT, AMBIGUOUS]
    assert not separable(view, 0).any()


def test_paths_measured_on_other_queries_do_not_dominate_each_other():
    trace = noisy([0.9, 0.3], n=400)
    half = [(q, path) for q in range(400) for path in range(2) if q % 2 != path]
    assert Board(trace).view().state["mean"].tolist() == [FRONT, DOMINATED]
    view = Board(without(trace, half)).view()  # no query tells them apart
    assert view.state["mean"].tolist() == [FRONT, AMBIGUOUS]


def test_what_nobody_recorded_tells_nothing_apart():
    trace = some(40, 4)
    outcomes = trace.outcomes.copy()
    outcomes.loc[outcomes["path_id"] == trace.path_ids[0], "latency_s"] = np.nan
    view = Board(Trace.from_frame(outcomes, trace.queries, trace.provenance)).view()
    assert view.state["mean"][0] == UNKNOWN
    outcomes["latency_s"] = np.nan
    view = Board(Trace.from_frame(outcomes, trace.queries, trace.provenance)).view()
    points = np.stack([view.quality, view.cost["mean"], np.zeros(4)], axis=1)
    assert ((view.state["mean"] == FRONT) == is_on_front(points)).all()


def test_stages_are_named_where_the_ids_have_them(measured):
    assert Board(measured).stages[0] == "rewrite"
    three = some(30, 3).outcomes
    three["path_id"] = three["path_id"].str.replace("none/", "", n=1)
    assert Board(Trace.from_frame(three)).stages == ["part 1", "part 2", "part 3"]
    three["path_id"] = three["path_id"].map(lambda name: name.replace("/", "-"))
    assert Board(Trace.from_frame(three)).stages == []


def test_one_missing_outcome_leaves_the_resampled_means_as_they_were():
    trace = noisy([0.5, 0.52], n=400)
    whole, partial = (Board(one).view() for one in (trace, without(trace, [(5, 0)])))
    assert whole.raw is whole.replicates
    assert np.abs(partial.raw - whole.raw.astype(int)).max() < 400  # of 32767
    assert partial.replicates.std(axis=0).max() < whole.replicates.std(axis=0).min() / 4
    assert "raw" not in whole.tables()
    sent = np.frombuffer(partial.tables()["raw"], dtype=np.int16)
    assert (sent == partial.raw.ravel()).all()
