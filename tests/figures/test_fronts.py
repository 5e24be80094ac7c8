"""Fronts: hand-worked frames, and what is drawn of them."""

import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.figures.fronts import _staircase
from ecollm_lab.records import SLO
from ecollm_lab.traces import is_on_front
from tests.conftest import SMALL, make_trace
from tests.support.traces import source_of


def test_a_paired_bootstrap_knows_that_a_path_is_always_worse_though_the_intervals_overlap():
    better = np.random.default_rng(0).random((30, 1)) * 0.8 + 0.1
    frame = figures.fronts.compute_front(
        make_trace(np.hstack([better, better - 0.05]), 1.0, 1.0), n_resamples=200
    ).set_index("path_id")
    assert frame["front_probability"].tolist() == [1.0, 0.0]
    assert frame["quality_low"].iloc[0] < frame["quality_high"].iloc[1]
    assert (frame["quality_low"] < frame["quality"]).all()
    assert (frame["quality"] < frame["quality_high"]).all()
    np.testing.assert_allclose(frame["usd_per_1k_low"], 1000.0)


def test_front_intervals_are_drawn_of_paths_on_the_front_alone(measured):
    frame = figures.fronts.compute_front(measured, n_resamples=50)
    figure = figures.fronts.plot_front(frame, "here", chosen=frame["path_id"][0])
    drawn = [t for t in figure.data if t.name == "95 % interval"]
    assert [len(t.x) for t in drawn] == [frame["on_front"].sum()] * 2
    front = frame[frame["on_front"]]
    above = (front["quality_high"] - front["quality"]).where(front["quality"] > 0.5, 0.0)
    assert (above == 0).sum() == 1  # one stands in the strip at the foot, which has no scale
    np.testing.assert_allclose(drawn[0].error_y.array, above)
    assert [t.text[0] for t in figure.data if t.name == "chosen" and t.text is not None] == [
        frame["path_id"][0]
    ]
    assert [t.name for t in figure.data if t.showlegend is None] == ["edge", "mixed", "cloud"]


def test_the_slo_box_shades_the_forbidden_side(measured):
    figure = figures.fronts.plot_front(
        figures.fronts.compute_front(measured), "here", SLO(max_latency_s=0.1)
    )
    rects = [s for s in figure.layout.shapes if s.type == "rect"]
    (box,) = [s for s in rects if s.yref.endswith("domain")]  # the others are strips of far paths
    assert (box.x0, box.xref) == (100.0, "x2")
    assert box.x1 > 1000 * measured.summary()["latency_s"].max()


def test_a_free_path_stands_in_a_strip_and_unrecorded_cost_is_said():
    free = figures.fronts.compute_front(make_trace([[0.5, 0.9]], [[0.0, 4e-3]], [[1.0, 2.0]]))
    figure = figures.fronts.plot_front(free, "here")
    points = {
        t.customdata[0]: t.x[0] for t in figure.data if t.customdata is not None and t.xaxis == "x"
    }
    assert points[f"none/bm25-1/none/{SMALL}"] == pytest.approx(
        1.0
    )  # a quarter of the cheapest other
    assert "0" in [a.text for a in figure.layout.annotations]
    unknown = figures.fronts.plot_front(
        figures.fronts.compute_front(make_trace([[0.5, 0.9]], np.nan, [[1.0, 2.0]])), "here"
    )
    assert "not recorded" in [a.text for a in unknown.layout.annotations]


def test_the_front_figure_shows_every_path_in_both_panels(measured):
    frame = figures.fronts.compute_front(measured)
    figure = figures.fronts.plot_front(
        frame, measured.source_line, SLO(max_latency_s=0.1, max_cost_usd=1e-5), frame["path_id"][0]
    )
    points = [
        t for t in figure.data if t.name in ("edge", "mixed", "cloud") and t.customdata is not None
    ]
    assert sorted(p for t in points for p in t.customdata) == sorted([*frame["path_id"]] * 2)
    assert "USD per 1,000 queries" in figure.layout.xaxis.title.text
    assert "(ms" in figure.layout.xaxis2.title.text
    assert [s.x0 for s in figure.layout.shapes if s.type == "line"] == pytest.approx([0.01, 100])
    assert "measured" in source_of(figure)
    filled = sum(
        (
            np.array(t.marker.symbol)
            == {"edge": "circle", "mixed": "square", "cloud": "diamond"}[t.name]
        ).sum()
        for t in points
    )
    assert filled == 2 * is_on_front(frame[["quality", "cost_usd", "latency_s"]].to_numpy()).sum()


def test_the_staircase_is_the_front_of_two_objectives():
    frame = figures.fronts.compute_front(
        make_trace([[0.2, 0.5, 0.4, 0.5]], [[1.0, 2.0, 3.0, 4.0]], 1.0)
    )
    steps = _staircase(frame, "usd_per_1k")
    assert steps["usd_per_1k"].tolist() == [1000.0, 2000.0]
    assert steps["quality"].tolist() == [0.2, 0.5]


@pytest.mark.parametrize(("cost", "latency"), [(1.0, np.nan), (np.nan, 1.0), (np.nan, np.nan)])
def test_what_was_recorded_of_no_path_keeps_none_from_the_front_and_is_called_so(cost, latency):
    better = np.random.default_rng(0).random((30, 1)) * 0.8 + 0.1
    trace = make_trace(np.hstack([better, better - 0.05]), cost, latency)
    frame = figures.fronts.compute_front(trace, n_resamples=50)
    assert frame["on_front"].tolist() == [True, False]
    assert frame["front_probability"].tolist() == [1.0, 0.0]
    cards = " ".join(str(t.text) for t in figures.fronts.plot_front(frame, "here").data)
    assert "nan" not in cards
    assert ("cost not recorded" in cards) == np.isnan(cost)
    assert ("latency not recorded" in cards) == np.isnan(latency)


@pytest.mark.parametrize("most", [9e-6, 1e-1])
def test_no_number_stands_under_the_strip_of_what_is_free(most):
    trace = make_trace([[0.5, 0.6, 0.9]], [[0.0, 2e-6, most]], [[1.0, 2.0, 3.0]])
    figure = figures.fronts.plot_front(figures.fronts.compute_front(trace), "here")
    (strip,) = [s for s in figure.layout.shapes if s.xref == "x"]
    assert min(figure.layout.xaxis.tickvals) > strip.x1
    nothing = make_trace([[0.5, 0.6]], 0.0, [[1.0, 2.0]])
    all_free = figures.fronts.plot_front(figures.fronts.compute_front(nothing), "here")
    assert list(all_free.layout.xaxis.tickvals) == []
