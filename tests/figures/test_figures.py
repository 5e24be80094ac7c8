import numpy as np
import pandas as pd
import pytest

from ecollm_lab import figures
from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import is_on_front
from tests.conftest import LARGE, SMALL, make_trace
from tests.domains.test_clusters import blobs


def source_of(figure):
    return figure.layout.annotations[-1].text


def test_the_front_figure_shows_every_path_in_both_panels(measured):
    frame = figures.compute_front(measured)
    figure = figures.plot_front(
        frame, measured.source_line, SLO(max_latency_s=0.1, max_cost_usd=1e-5), frame["path_id"][0]
    )
    points = [
        t for t in figure.data if t.name in ("edge", "mixed", "cloud") and t.customdata is not None
    ]
    assert sorted(p for t in points for p in t.customdata) == sorted([*frame["path_id"]] * 2)
    assert "USD per 1,000" in figure.layout.xaxis.title.text
    assert "(s" in figure.layout.xaxis2.title.text
    assert [s.x0 for s in figure.layout.shapes if s.type == "line"] == pytest.approx([0.01, 0.1])
    assert "measured" in source_of(figure)
    filled = sum(
        (
            np.array(t.marker.symbol)
            == {"edge": "circle", "mixed": "square", "cloud": "diamond"}[t.name]
        ).sum()
        for t in points
    )
    assert filled == 2 * is_on_front(frame[["quality", "cost_usd", "latency_s"]].to_numpy()).sum()


def test_a_cloud_model_after_work_on_the_edge_is_mixed():
    trace = make_trace(np.ones((1, 1)), 1.0, 1.0)
    paths = [
        f"none/none/none/{LARGE}",
        f"none/bm25-1/none/{LARGE}",
        f"keywords/bm25-1/none/{SMALL}",
        "a/b",
        LARGE,
    ]
    assert figures.path_placements(trace, paths) == [
        "cloud",
        "mixed",
        "edge",
        "not stated",
        "cloud",
    ]


def test_the_staircase_is_the_front_of_two_objectives():
    frame = figures.compute_front(make_trace([[0.2, 0.5, 0.4, 0.5]], [[1.0, 2.0, 3.0, 4.0]], 1.0))
    steps = figures.staircase(frame, "usd_per_1k")
    assert steps["usd_per_1k"].tolist() == [1000.0, 2000.0]
    assert steps["quality"].tolist() == [0.2, 0.5]


def test_the_interplay_figure_averages_by_kind_model_and_passages(measured):
    frame = figures.compute_interplay(measured)
    row = frame[
        (frame["kind"] == "lookup") & (frame["model"] == SMALL) & (frame["passages"] == 3)
    ].iloc[0]
    lookup = measured.where(measured.queries["kind"] == "lookup")
    columns = [
        i
        for i, p in enumerate(lookup.path_ids)
        if p in {f"none/{found}-3/none/{SMALL}" for found in ("bm25", "dense", "hybrid")}
    ]
    assert len(columns) == 3  # not those that rewrite
    assert row["mean"] == pytest.approx(lookup.array("quality")[:, columns].mean())
    figure = figures.plot_interplay(frame, "here")
    assert {t.name for t in figure.data if t.showlegend is False} == set(frame["model"])
    assert source_of(figure) == "Source: here"


def test_the_cluster_map_shows_each_query_once_and_cannot_be_scripted():
    points = blobs(np.random.default_rng(0))
    trace = make_trace(np.ones((120, 1)), 1e-6, 0.1)
    trace.queries.loc[0, "text"] = "<script>alert(1)</script>" * 50
    figure = figures.plot_cluster_map(
        figures.compute_cluster_map(trace, points, find_clusters(points)), "here"
    )
    shown = [row[0] for t in figure.data for row in t.customdata]
    assert len(shown) == 120
    assert not [s for s in shown if "<script" in s or len(s) > 300]


def some_records():
    rows = [("a", "ours", 0.01, s, 0.9 + s / 100) for s in range(3)] + [
        ("a", "uniform", 0.01, s, 0.5) for s in range(3)
    ]
    return pd.DataFrame(rows, columns=["trace", "method", "budget_share", "seed", "heldout_kept"])


def test_the_budget_figure_shows_medians_and_our_quartiles():
    frame = figures.compute_budget(some_records(), "heldout_kept")
    ours = frame[frame["method"] == "ours"].iloc[0]
    assert (ours["low"], ours["median"], ours["high"]) == pytest.approx((0.905, 0.91, 0.915))
    assert ours["seeds"] == 3
    figure = figures.plot_budget(frame, "the benchmark")
    assert [t.name for t in figure.data] == ["ours (0.910)", "uniform (0.500)"]
    assert figure.data[0].x.tolist() == [1.0]
    assert figure.data[0].error_y.array.tolist() == pytest.approx([0.005])
    assert "budget (% of outcomes)" in figure.layout.xaxis.title.text
    assert "held-out quality" in figure.layout.yaxis.title.text
    assert "the benchmark" in source_of(figure)
    other = some_records().assign(trace="b", heldout_kept=0.1)
    both = figures.plot_budget(
        figures.compute_budget(pd.concat([some_records(), other]), "heldout_kept"), "here"
    )
    assert both.data[0].name == "ours (0.505)"  # the mean over the panels
    assert "at 1 %" in both.layout.legend.title.text
    with pytest.raises(LabError, match="metric must be one of hypervolume_ratio"):
        figures.compute_budget(some_records(), "speed")


def some_fronts():
    values = {
        "cost_usd": [1e-6, 2e-6, 3e-6, 4e-6],
        "quality": [0.5, 0.9, 0.3, 0.2],
        "latency_s": [0.1, 0.2, 0.3, 0.4],
    }
    frame = pd.DataFrame({"scope": "all", "path_id": list("abcd"), **values, "n": [9, 4, 1, 0]})
    for name in values:
        frame[f"{name}_low"], frame[f"{name}_high"] = frame[name] * 0.9, frame[name] * 1.1
    frame["on_front"], frame["front_probability"] = [True, True, False, False], [1.0, 0.9, 0.0, 0.0]
    frame["status"], frame["because"] = (
        ["kept", "kept", "set aside", "failed"],
        ["", "", "b beats it", "every attempt on it failed"],
    )
    return pd.concat([frame, frame.assign(scope="cluster 0", on_front=False)], ignore_index=True)


def test_the_samples_figure_sizes_points_by_their_outcomes():
    figure = figures.plot_samples(some_fronts(), "here")
    assert {t.name: [row[0] for row in t.customdata] for t in figure.data} == {
        "on the front": ["a", "b"],
        "set aside": ["c"],
        "failed": ["d"],
    }
    assert figure.data[0].marker.size.tolist() == [12.5, 10.0]
    assert figure.data[0].x.tolist() == pytest.approx([0.001, 0.002])
    assert figure.data[0].error_y.array.tolist() == pytest.approx([0.05, 0.09])
    assert "USD per 1,000" in figure.layout.xaxis.title.text


def test_the_tightening_figure_has_a_panel_per_budget():
    both = pd.concat([some_fronts().assign(outcomes=10), some_fronts().assign(outcomes=2000)])
    figure = figures.plot_tightening(both, "here")
    assert [a.text for a in figure.layout.annotations[:2]] == ["10 outcomes", "2,000 outcomes"]
    assert all(t.customdata.tolist() == ["a", "b"] for t in figure.data)
    assert "latency (s" in figure.layout.xaxis.title.text
