import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.cluster import find_clusters
from ecollm_lab.pareto import is_on_front
from ecollm_lab.records import SLO
from tests.conftest import make_trace
from tests.test_cluster import blobs


def source_of(figure):
    return figure.layout.annotations[-1].text


def test_the_front_figure_shows_every_path_in_both_panels(measured):
    frame = figures.compute_front(measured)
    figure = figures.plot_front(frame, measured.source_line, SLO(max_latency_s=0.1, max_cost_usd=1e-5), frame["path_id"][0])
    points = [t for t in figure.data if t.name in ("edge", "cloud")]
    assert sorted(p for t in points for p in t.customdata) == sorted([*frame["path_id"]] * 2)
    assert "USD per 1,000" in figure.layout.xaxis.title.text
    assert "(s" in figure.layout.xaxis2.title.text
    assert [s.x0 for s in figure.layout.shapes] == pytest.approx([0.01, 0.1])
    assert "measured" in source_of(figure)
    filled = sum((np.array(t.marker.symbol) == {"edge": "circle", "cloud": "diamond"}[t.name]).sum() for t in points)
    assert filled == 2 * is_on_front(frame[["quality", "cost_usd", "latency_s"]].to_numpy()).sum()


def test_the_staircase_is_the_front_of_two_objectives():
    frame = figures.compute_front(make_trace([[0.2, 0.5, 0.4, 0.5]], [[1.0, 2.0, 3.0, 4.0]], 1.0))
    steps = figures.staircase(frame, "usd_per_1k")
    assert steps["usd_per_1k"].tolist() == [1000.0, 2000.0]
    assert steps["quality"].tolist() == [0.2, 0.5]


def test_the_interplay_figure_averages_by_kind_model_and_passages(measured):
    frame = figures.compute_interplay(measured)
    row = frame[(frame["kind"] == "lookup") & (frame["model"] == "pocket-s") & (frame["passages"] == 3)].iloc[0]
    lookup = measured.where(measured.queries["kind"] == "lookup")
    columns = [i for i, p in enumerate(lookup.path_ids) if p.split("/")[1].endswith("-3") and p.endswith("none/pocket-s")]
    assert len(columns) == 6  # two rewrites, three retrievers
    assert row["mean"] == pytest.approx(lookup.array("quality")[:, columns].mean())
    figure = figures.plot_interplay(frame, "here")
    assert {t.name for t in figure.data} == set(frame["model"])
    assert source_of(figure) == "Source: here"


def test_the_cluster_map_shows_each_query_once_and_cannot_be_scripted():
    points = blobs(np.random.default_rng(0))
    trace = make_trace(np.ones((120, 1)), 1e-6, 0.1)
    trace.queries.loc[0, "text"] = "<script>alert(1)</script>" * 50
    figure = figures.plot_cluster_map(figures.compute_cluster_map(trace, points, find_clusters(points)), "here")
    shown = [row[0] for t in figure.data for row in t.customdata]
    assert len(shown) == 120
    assert not [s for s in shown if "<script" in s or len(s) > 300]
