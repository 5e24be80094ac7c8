"""Latencies: hand-worked frames, and what is drawn of them."""

import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.records import LabError
from tests.conftest import LARGE, make_trace
from tests.support.traces import declared_trace


def test_latency_has_median_tail_and_the_declared_network():
    trace = declared_trace()
    trace.outcomes.loc[trace.outcomes["path_id"].str.endswith(LARGE), "latency_s"] = [
        0.2,
        0.3,
        0.3,
        0.5,
    ]
    frame = figures.latencies.compute_latency(trace).set_index("placement")
    assert frame.loc["mixed", "latency_p50_s"] == pytest.approx(0.3)
    assert frame.loc["mixed", "latency_p95_s"] == pytest.approx(0.47)
    assert frame.loc["mixed", "network_share"] == pytest.approx(0.08 / 0.3)
    assert frame.loc["edge", "network_s"] == 0
    figure = figures.latencies.plot_latency(frame.reset_index(), "here")
    shade = next(t for t in figure.data if t.name == "mixed, declared network")
    assert shade.x[:2].tolist() == pytest.approx([220, 300])
    tail = next(t for t in figure.data if t.name == "mixed, tail")
    assert tail.x[:2].tolist() == pytest.approx([300, 470])
    assert "mixed (300 ms, 27% of it network)" in [t.name for t in figure.data]


def test_the_legend_has_the_unit_of_the_axis():
    trace = declared_trace()
    trace.outcomes["latency_s"] *= 20
    figure = figures.latencies.plot_latency(figures.latencies.compute_latency(trace), "here")
    assert "latency (s, log)" in figure.layout.xaxis.title.text
    names = {t.name for t in figure.data}
    assert {"edge (2 s)", "mixed (6 s, 1% of it network)"} <= names


def test_latency_without_values_says_so():
    with pytest.raises(LabError, match="no latency_s"):
        figures.latencies.compute_latency(make_trace([[1.0]], 1.0, np.nan))


def test_stage_latency_adds_up_to_latency(measured):
    frame = figures.latencies.compute_stage_latency(measured)
    sums = frame.groupby("path_id")[["seconds", "share"]].sum()
    means = measured.summary().set_index("path_id")["latency_s"]
    np.testing.assert_allclose(sums["seconds"], means[sums.index], rtol=1e-9)
    np.testing.assert_allclose(sums["share"], 1)
    figure = figures.latencies.plot_stage_latency(frame, "here")
    shown = {label.split()[0] for label in figure.data[0].y}
    assert (
        set(frame.loc[frame["on_front"], "path_id"]) <= shown
    )  # and the best that leaves the edge
    network = next(t for t in figure.data if t.name.startswith("network"))
    assert max(network.x) == pytest.approx(80)
    with pytest.raises(LabError, match=r"no latency by stage \(missing: rewrite_s"):
        figures.latencies.compute_stage_latency(make_trace([[1.0]], 1.0, 1.0))
