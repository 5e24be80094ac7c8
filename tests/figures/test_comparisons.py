"""Policies at equal cost and equal quality, and what each delivers."""

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import figures
from ecollm_lab.figures.comparisons import _cost_at, _quality_at
from ecollm_lab.records import SLO, LabError
from tests.conftest import make_trace
from tests.support.traces import Fixed, embeddings


def test_a_mix_of_two_points_is_linear_between_them():
    costs, qualities = np.array([3.0, 1.0]), np.array([0.9, 0.5])
    assert _quality_at(costs, qualities, 2.0) == pytest.approx(0.7)
    assert _quality_at(costs, qualities, 9.0) == 0.9
    assert _quality_at(costs, qualities, 0.5) == -np.inf
    assert _cost_at(costs, qualities, 0.6) == pytest.approx(1.5)
    assert _cost_at(costs, qualities, 0.4) == 1.0
    assert _cost_at(costs, qualities, 0.95) == np.inf


def three_points():
    trace = make_trace([[0.5, 0.9, 0.6]] * 10, [[1.0, 3.0, 2.0]] * 10, 1.0)
    a, b, c = trace.path_ids
    return trace, [
        Fixed("ours", a, b),
        Fixed("best_single", None, c),
        Fixed("cheapest", a, a),
        "oracle",
    ]


def test_policies_are_compared_at_equal_cost_and_quality():
    trace, policies = three_points()
    frame = figures.comparisons.compute_equal(
        policies, trace, [SLO(max_cost_usd=1.5), SLO()], embeddings=embeddings(10), n_resamples=50
    )
    gains = frame.set_index(["policy", "comparison"])["gain"]
    assert gains["ours", "equal cost"] == pytest.approx(
        0.1
    )  # half of either: 0.7 for 2, against 0.6
    assert gains["ours", "equal quality"] == pytest.approx(0.75)  # 0.6 for 1.5
    assert gains["best_single"].tolist() == [0.0, 1.0]
    assert gains["cheapest", "equal cost"] == pytest.approx(-0.1)
    assert np.isnan(gains["cheapest", "equal quality"])
    assert (
        frame.loc[frame["policy"] == "ours", "gain_low"]
        <= frame.loc[frame["policy"] == "ours", "gain"] + 1e-12
    ).all()
    figure = figures.comparisons.plot_equal(frame, "here")
    rows = next(t for t in figure.data if t.name.startswith("policy") and t.xaxis == "x")
    assert rows.y.tolist() == ["ours", "best_single", "cheapest"]
    assert "not reached" in [a.text for a in figure.layout.annotations]
    assert [t.x[0] for t in figure.data if t.name == "oracle"] == pytest.approx([0.1, 0.75])
    assert "best_single" in figure.layout.xaxis.title.text


def test_equal_cost_needs_cost_a_known_reference_and_all_outcomes():
    trace, policies = three_points()
    slos = [SLO(max_cost_usd=1.5), SLO()]
    with pytest.raises(
        LabError, match="reference must be one of ours, best_single, cheapest, oracle; got 'knn'"
    ):
        figures.comparisons.compute_equal(
            policies, trace, slos, embeddings=embeddings(10), reference="knn"
        )
    with pytest.raises(LabError, match="no cost_usd"):
        figures.comparisons.compute_equal(policies, make_trace([[1.0]], np.nan, 1.0), slos)
    partial = make_trace([[np.nan, 0.9, 0.6]] * 10, [[1.0, 3.0, 2.0]] * 10, 1.0)
    with pytest.raises(LabError, match="lacks outcomes"):
        figures.comparisons.compute_equal(policies[:3], partial, slos, embeddings=embeddings(10))


def test_an_interval_without_an_upper_end_runs_off_the_panel():
    """Half of the queries like the dear path: in many resamples no mix reaches the reference."""
    quality = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]] * 5)
    trace = make_trace(quality, [[1.0, 3.0, 2.0]] * 10, 1.0)
    a, _, c = trace.path_ids
    policies = [Fixed("ours", a, a), Fixed("best_single", c, c)]
    frame = figures.comparisons.compute_equal(policies, trace, [SLO()], embeddings=embeddings(10))
    row = frame[(frame["policy"] == "ours") & (frame["comparison"] == "equal quality")].iloc[0]
    assert (row["gain"], row["gain_high"]) == (0.5, np.inf)
    figure = figures.comparisons.plot_equal(frame, "here")
    dots = next(t for t in figure.data if t.name.startswith("policy") and t.xaxis == "x2")
    assert np.log10(max(np.add(dots.x, dots.error_x.array))) > figure.layout.xaxis2.range[1]
    assert "not always reached" in dots.customdata[dots.y.tolist().index("ours")]


def test_a_policy_that_costs_nothing_stands_in_a_strip():
    trace = make_trace([[0.9, 0.9]] * 4, [[0.0, 1.0]] * 4, 1.0)
    free, dear = trace.path_ids
    policies = [Fixed("ours", free, free), Fixed("best_single", dear, dear)]
    figure = figures.comparisons.plot_equal(
        figures.comparisons.compute_equal(
            policies, trace, [SLO()], embeddings=embeddings(4), n_resamples=5
        ),
        "here",
    )
    dots = next(t for t in figure.data if t.name.startswith("policy") and t.xaxis == "x2")
    assert dict(zip(dots.y, dots.x, strict=True)) == {
        "ours": 0.25,
        "best_single": 1.0,
    }  # a quarter of the least other
    assert "0" in [a.text for a in figure.layout.annotations]
    (strip,) = [s for s in figure.layout.shapes if s.type == "rect"]
    assert min(figure.layout.xaxis2.tickvals) > strip.x1  # no number stands under it
    assert "times the cost: 0 [0, 0]" in dots.customdata[list(dots.y).index("ours")]
    with pytest.raises(LabError, match="ours costs nothing"):
        figures.comparisons.compute_equal(
            policies, trace, [SLO()], embeddings=embeddings(4), reference="ours"
        )


def test_policies_that_bound_the_others_are_lines():
    row = {
        "quality": 0.5,
        "quality_low": 0.4,
        "quality_high": 0.6,
        "cost_usd": 1e-3,
        "latency_s": 1,
        "slo_violation_rate": 0,
        "regret": 0,
    }
    table = pd.DataFrame(
        [row] * 4, index=pd.Index(["ours", "cheapest", "random", "oracle"], name="policy")
    )
    figure = figures.policies.plot_policies(
        figures.policies.compute_policies({"prefer_cost": table}), "here"
    )
    assert {t.name: t.mode for t in figure.data} == {
        "ours": "markers",
        "cheapest": "markers",
        "random": "lines",
        "oracle": "lines",
    }
    assert len({(t.marker.symbol, t.marker.color) for t in figure.data if t.mode == "markers"}) == 2
    assert figure.data[-1].x.tolist() == [1.0]  # USD per 1,000


def test_no_number_stands_under_the_strip_of_free_policies():
    row = {"prefer": "prefer_cost", "quality": 0.5, "quality_low": 0.4, "quality_high": 0.6}
    costs = {"ours": 2e-6, "knn": 9e-6, "cheapest": 0.0}
    frame = pd.DataFrame([{**row, "policy": name, "cost_usd": usd} for name, usd in costs.items()])
    figure = figures.policies.plot_policies(frame, "here")
    (strip,) = [s for s in figure.layout.shapes if s.type == "rect"]
    assert min(figure.layout.xaxis.tickvals) > strip.x1
