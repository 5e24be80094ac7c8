"""Figures can be read: no small text, axes that use their range, names that fit, one numbering."""

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import figures
from ecollm_lab.domains.clusters import NOISE, cluster_name, find_clusters
from ecollm_lab.explorer.views import Board
from ecollm_lab.figures.axes import QualityAxis, least_of_most, quality_range
from ecollm_lab.figures.clusters import plot_cluster_winners
from ecollm_lab.figures.style import SMALLEST
from tests.conftest import make_trace
from tests.domains.test_clusters import blobs
from tests.figures.test_every_figure import text_sizes


def winners(n_clusters, paths):
    """A frame of winners: as many clusters and paths as a test needs."""
    rows = [
        {
            "cluster": cluster,
            "representative": f"question {cluster} with some more words in it",
            "path_id": path,
            "quality": 0.5,
            "regret": 0.01 * k,
            "regret_low": -0.1,
            "regret_high": 0.3,
            "winner": k == cluster,
            "overall_best": k == 0,
            "n": 12,
        }
        for cluster in range(n_clusters)
        for k, path in enumerate(paths)
    ]
    return pd.DataFrame(rows)


def test_many_winners_are_written_no_smaller_than_nine_pixels():
    big = plot_cluster_winners(winners(9, [f"none/bm25-{k}/none/m" for k in range(37)]), "here")
    assert min(size for _, size in text_sizes(big.to_plotly_json())) >= SMALLEST


def test_names_below_the_winners_stand_upright_where_they_fit_and_are_turned_where_not():
    few = plot_cluster_winners(winners(3, [f"none/bm25-{k}/none/m" for k in range(6)]), "here")
    assert few.layout.xaxis.tickangle == 0
    assert few.layout.xaxis.ticktext[1] == "none<br>bm25-1<br>none<br>m"
    assert few.layout.xaxis.ticktext[0].endswith("<b>best of all</b>")
    many = [f"none/hybrid-{k}/none/plain/qwen2.5-1.5b-instruct-q4_k_m" for k in range(20)]
    turned = plot_cluster_winners(winners(3, many), "here")
    assert turned.layout.xaxis.tickangle == -90
    assert turned.layout.xaxis.ticktext[1] == "hybrid-1 · plain · qwen2.5-1.5b-instruct · q4_k_m"
    below = turned.layout.margin.b
    longest = max(len(text) for text in turned.layout.xaxis.ticktext[1:])
    assert below > 4.8 * longest + 60  # room for the longest name at 10 pixels, and the title


@pytest.mark.parametrize(
    ("values", "least"),
    [
        ([0.05, 0.06, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75], 0.7),
        ([0.05, 0.06, 0.07, 0.71, 0.72, 0.73, 0.74, 0.75], None),  # more than a quarter
        ([0.5, 0.6, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75], None),  # no wide gap
        ([0.05, 0.7, 0.75], None),  # too few
        ([np.nan, 0.05, 0.06, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75], 0.7),
    ],
)
def test_values_far_below_most_are_told_apart(values, least):
    assert least_of_most(values) == least


def test_a_quality_axis_is_that_of_most_paths_and_the_others_stand_in_a_strip():
    quality = np.array([[0.04, 0.06, *np.linspace(0.6, 0.7, 10)]])
    trace = make_trace(quality, np.geomspace(1e-6, 1e-3, 12)[None], 0.1)
    frame = figures.fronts.compute_front(trace)
    figure = figures.fronts.plot_front(frame, "here")
    low = figure.layout.yaxis.range[0]
    assert low > 0.5
    drawn = {
        path: y
        for t in figure.data
        if t.customdata is not None and t.xaxis == "x"
        for path, y in zip(t.customdata, t.y, strict=True)
    }
    strip = next(s for s in figure.layout.shapes if s.type == "rect" and s.xref == "x domain")
    for path, value in zip(frame["path_id"], frame["quality"], strict=True):
        if value < 0.5:
            assert strip.y0 < drawn[path] < strip.y1
        else:
            assert drawn[path] == value
    assert min(figure.layout.yaxis.tickvals) >= strip.y1
    notes = [note.text for note in figure.layout.annotations]
    assert "far below: 0.04 to 0.06, not to scale" in notes
    cards = " ".join(str(t.text) for t in figure.data)
    assert "quality 0.040" in cards  # the hover card has the number itself


def test_an_axis_without_far_values_is_as_it_was():
    frame = pd.DataFrame({"quality": np.linspace(0.5, 0.7, 12)})
    axis = QualityAxis.over(frame["quality"])
    assert axis.least is None
    assert axis.range == quality_range(frame["quality"])
    pd.testing.assert_frame_equal(axis.placed(frame), frame)


def test_policies_far_below_do_not_press_the_others_together():
    names = ["ours", "knn", "cluster", "cascade", "threshold", "raser", "cheapest", "fastest"]
    quality = [0.74, 0.73, 0.72, 0.73, 0.71, 0.72, 0.05, 0.06]
    frame = pd.DataFrame(
        {
            "prefer": "prefer_quality",
            "policy": names,
            "quality": quality,
            "quality_low": np.array(quality) - 0.04,
            "quality_high": np.array(quality) + 0.04,
            "cost_usd": np.geomspace(1e-7, 1e-4, 8),
        }
    )
    figure = figures.policies.plot_policies(frame, "here")
    low, high = figure.layout.yaxis.range
    assert (0.74 - 0.71) / (high - low) > 0.15  # of the height; 0.04 on an axis from 0
    assert low < 0.67
    assert high > 0.78  # the whole intervals
    cheapest = next(t for t in figure.data if t.name == "cheapest")
    assert low < cheapest.y[0] < 0.67
    assert cheapest.customdata[0][-1] == 0.05


def test_gains_far_below_are_said_in_words():
    names = ["ours", "knn", "cluster", "cascade", "threshold", "raser", "best_single", "cheapest"]
    gains = [0.02, 0.01, 0.0, 0.01, -0.01, 0.02, 0.0, -0.68]
    rows = [
        {
            "policy": name,
            "comparison": comparison,
            "gain": gain if comparison == "equal cost" else 1.0,
            "gain_low": gain - 0.03 if comparison == "equal cost" else 0.9,
            "gain_high": gain + 0.03 if comparison == "equal cost" else 1.1,
            "quality": 0.7,
            "cost_usd": 1e-6,
            "reference": "best_single",
            "n": 100,
        }
        for name, gain in zip(names, gains, strict=True)
        for comparison in ("equal cost", "equal quality")
    ]
    figure = figures.comparisons.plot_equal(pd.DataFrame(rows), "here")
    low, high = figure.layout.xaxis.range
    assert -0.15 < low < -0.04
    assert 0.05 < high < 0.15
    assert "◂ −0.68 [−0.71, −0.65]" in [note.text for note in figure.layout.annotations]


def test_a_cluster_has_one_number_everywhere():
    points = blobs(np.random.default_rng(0))
    trace = make_trace(np.ones((120, 2)), 1e-6, 0.1)
    trace.queries.loc[90:, "split"] = "heldout"
    train = trace.split("train")
    found = find_clusters(points[:90])
    frame = figures.clusters.compute_cluster_map(train, points[:90], found)
    names = Board(trace, points).labels["cluster"]
    assert names[:90].tolist() == [cluster_name(label) for label in found.labels]
    nearest = found.assign(points[90:])
    assert names[90:].tolist() == [cluster_name(label) for label in nearest]
    legend = [t.name for t in figures.clusters.plot_cluster_map(frame, "here").data]
    shown = {name.split(" · ")[0] for name in legend if not name.startswith("noise")}
    assert shown == {f"{label:02d}" for label in found.labels if label != NOISE}
    hovered = figures.clusters.plot_cluster_winners(
        figures.clusters.compute_cluster_winners(train, points[:90], found, n_resamples=5), "here"
    )
    assert "cluster 00" in hovered.data[0].customdata[0][0]


def test_costs_are_per_1_000_queries_however_small():
    for cost, shown in ((1e-3, "1"), (1e-7, "0.0001")):
        trace = make_trace(np.full((30, 9), 0.5), cost, 0.1)
        front = figures.fronts.plot_front(figures.fronts.compute_front(trace), "here")
        points = [t for t in front.data if t.customdata is not None and t.xaxis == "x"]
        assert points[0].x[0] == pytest.approx(float(shown))
        assert "USD per 1,000 queries" in front.layout.xaxis.title.text
        assert f"{shown} USD per 1,000 queries" in points[0].text[0]


def test_predictions_under_many_slos_have_looks_and_none_is_cut():
    rows = [
        {
            "slo": f"SLO {k}",
            "path_id": "a",
            "quality": 0.0,
            "predicted_quality": 0.0,
            "latency_s": 0.1 + k,
            "predicted_latency_s": 0.2 + k,
        }
        for k in range(13)
    ]
    figure = figures.policies.plot_predictions(pd.DataFrame(rows), "here")
    assert [t.name for t in figure.data[1:14]] == [f"SLO {k}" for k in range(13)]
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        low, high = axis.range
        assert low < 0
        assert high > 1
