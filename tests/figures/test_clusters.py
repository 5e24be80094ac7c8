"""Clusters of queries: the map, and the winners."""

import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.domains.clusters import Clusters, find_clusters
from ecollm_lab.records import LabError
from tests.conftest import make_trace
from tests.domains.test_clusters import blobs


def two_clusters():
    trace = make_trace([[1.0, 0.5, 0.0]] * 3 + [[0.0, 0.5, 1.0]] * 2, 1.0, 1.0)
    x = np.repeat(np.eye(2), [3, 2], axis=0)
    return trace, x, Clusters(np.repeat([0, 1], [3, 2]), np.eye(2), np.array([0, 3]))


def test_the_cluster_map_shows_each_query_once_and_cannot_be_scripted():
    points = blobs(np.random.default_rng(0))
    trace = make_trace(np.ones((120, 1)), 1e-6, 0.1)
    trace.queries.loc[0, "text"] = "<script>alert(1)</script>" * 50
    figure = figures.clusters.plot_cluster_map(
        figures.clusters.compute_cluster_map(trace, points, find_clusters(points)), "here"
    )
    shown = [row[0] for t in figure.data for row in t.customdata]
    assert len(shown) == 120
    assert not [s for s in shown if "<script" in s or len(s) > 300]


def test_cluster_winners_and_what_the_others_lose():
    trace, x, clusters = two_clusters()
    frame = figures.clusters.compute_cluster_winners(trace, x, clusters, n_resamples=20)
    wide = frame.pivot_table(index="cluster", columns="path_id", values="regret")
    first, _, last = trace.path_ids
    assert wide.columns.tolist() == [first, last]  # the middle one wins nowhere
    assert wide.loc[0].tolist() == [0.0, 1.0]
    assert wide.loc[1].tolist() == [1.0, 0.0]
    assert frame.loc[frame["overall_best"], "path_id"].unique().tolist() == [first]
    assert frame.groupby("cluster")["n"].first().tolist() == [3, 2]
    figure = figures.clusters.plot_cluster_winners(frame, "here")
    assert np.array(figure.data[0].text).tolist() == [["★", "<b>1.0</b>"], ["<b>1.0</b>", "★"]]
    assert list(figure.data[0].y) == ["00 · text 0 (3)", "01 · text 3 (2)"]
    assert "best of all" in figure.layout.xaxis.ticktext[0]
    with pytest.raises(LabError, match="of the trace's own 5 queries; got 4 embeddings"):
        figures.clusters.compute_cluster_winners(trace, x[:4], clusters)


def test_of_equal_winners_the_cheapest_counts():
    trace, x, clusters = two_clusters()
    trace.outcomes["quality"] = 1.0
    trace.outcomes["cost_usd"] = np.tile([3.0, 1.0, 2.0], 5)
    frame = figures.clusters.compute_cluster_winners(trace, x, clusters, n_resamples=5)
    assert frame["path_id"].unique().tolist() == [trace.path_ids[1]]
