"""The Emulator's benchmark and explorations."""

import pandas as pd
import pytest

from ecollm_lab import figures
from ecollm_lab.records import LabError
from tests.support.traces import source_of


def some_records():
    rows = [("a", "ours", 0.01, s, 0.9 + s / 100) for s in range(3)] + [
        ("a", "uniform", 0.01, s, 0.5) for s in range(3)
    ]
    return pd.DataFrame(rows, columns=["trace", "method", "budget_share", "seed", "heldout_kept"])


def test_the_budget_figure_shows_medians_and_our_quartiles():
    frame = figures.budgets.compute_budget(some_records(), "heldout_kept")
    ours = frame[frame["method"] == "ours"].iloc[0]
    assert (ours["low"], ours["median"], ours["high"]) == pytest.approx((0.905, 0.91, 0.915))
    assert ours["seeds"] == 3
    figure = figures.budgets.plot_budget(frame, "the benchmark")
    assert [t.name for t in figure.data] == ["ours (0.910)", "uniform (0.500)"]
    assert figure.data[0].x.tolist() == [1.0]
    assert figure.data[0].error_y.array.tolist() == pytest.approx([0.005])
    assert "budget (% of outcomes)" in figure.layout.xaxis.title.text
    assert "held-out quality" in figure.layout.yaxis.title.text
    assert "the benchmark" in source_of(figure)
    other = some_records().assign(trace="b", heldout_kept=0.1)
    both = figures.budgets.plot_budget(
        figures.budgets.compute_budget(pd.concat([some_records(), other]), "heldout_kept"), "here"
    )
    assert both.data[0].name == "ours (0.505)"  # the mean over the panels
    assert "at 1 %" in both.layout.legend.title.text
    with pytest.raises(LabError, match="metric must be one of hypervolume_ratio"):
        figures.budgets.compute_budget(some_records(), "speed")


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
    figure = figures.budgets.plot_samples(some_fronts(), "here")
    assert {t.name: [row[0] for row in t.customdata] for t in figure.data} == {
        "on the front": ["a", "b"],
        "set aside": ["c"],
        "failed": ["d"],
    }
    assert figure.data[0].marker.size.tolist() == [12.5, 10.0]
    assert figure.data[0].x.tolist() == pytest.approx([0.001, 0.002])
    assert figure.data[0].error_y.array.tolist() == pytest.approx([0.05, 0.09])
    assert "USD per 1,000" in figure.layout.xaxis.title.text


def test_no_number_stands_under_the_strip_of_free_paths():
    fronts = some_fronts()
    fronts["cost_usd"] = fronts["cost_usd"].replace({1e-6: 0.0, 4e-6: 9e-6})
    layout = figures.budgets.plot_samples(fronts, "here").layout
    (strip,) = [s for s in layout.shapes if s.type == "rect"]
    assert min(layout.xaxis.tickvals) > strip.x1


def test_the_tightening_figure_has_a_panel_per_budget():
    both = pd.concat([some_fronts().assign(outcomes=10), some_fronts().assign(outcomes=2000)])
    figure = figures.budgets.plot_tightening(both, "here")
    assert [a.text for a in figure.layout.annotations[:2]] == ["10 outcomes", "2,000 outcomes"]
    assert all(t.customdata.tolist() == ["a", "b"] for t in figure.data)
    assert "latency (ms" in figure.layout.xaxis.title.text
