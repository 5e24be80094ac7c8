"""The figure of what is saved and what is given up, on records worked by hand."""

import pandas as pd
import pytest

from benchmarks import payoff, routing

ROWS = [
    ("best_single", "quality", 0.8, 4.0, 2.0),
    ("ours", "cost", 0.79, 1.0, 2.0),
    ("ours_giving_up_nothing", "cost", 0.8, 2.0, 2.0),
    ("knn", "cost", 0.82, 8.0, 1.0),
    ("knn", "latency", 0.7, 4.0, 0.5),
    ("random", "cost", 0.1, 1.0, 1.0),
    ("knn_router", "cost", 0.1, 1.0, 1.0),
]


@pytest.fixture
def records():
    columns = ["policy", "prefer", "quality", "cost_usd", "latency_s"]
    frame = pd.DataFrame(ROWS, columns=columns).assign(slo="none")
    return pd.concat([frame, frame.assign(slo="grid", quality=0.0)], ignore_index=True)


def test_choices_are_compared_with_the_best_single_path(records):
    found = payoff.points(records).set_index(["prefer", "policy"]).sort_index()
    assert found.loc[("cost", "ours"), "share"] == 0.25
    assert found.loc[("cost", "ours"), "quality_over"] == pytest.approx(-0.01)
    assert found.loc[("latency", "knn"), "share"] == 0.25
    assert set(found.loc["cost"].index) == {"ours", "ours_giving_up_nothing", "knn"}


def test_ours_is_one_line_over_what_it_may_give_up(records):
    figure = payoff.plot(payoff.points(records), "records by hand")
    line = next(one for one in figure.data if one.name.startswith("ours"))
    assert list(line.x) == [0.5, 0.25]
    assert list(line.text) == ["0", "0.02"]
    assert {one.name for one in figure.data} == {line.name, "knn"}


def test_only_ours_is_a_line_and_its_labels_stand_below_and_above_in_turn(records):
    figure = payoff.plot(payoff.points(records), "records by hand")
    assert {one.mode for one in figure.data if one.name == "knn"} == {"markers"}
    line = next(one for one in figure.data if one.name.startswith("ours"))
    assert line.mode == "lines+markers+text"
    assert list(line.textposition) == ["bottom center", "top center"]
    assert payoff._turns(["0, 0.02", "", "0.05"])[::2] == ["bottom center", "top center"]


def test_a_policy_that_is_free_is_in_the_legend_once(records):
    free = (records["policy"] == "knn") & (records["prefer"] == "cost")
    records.loc[free, "cost_usd"] = 0.0
    figure = payoff.plot(payoff.points(records), "records by hand")
    knn = [one for one in figure.data if one.name == "knn"]
    assert [(one.xaxis, one.showlegend) for one in knn] == [("x2", True)]
    both = payoff.plot(payoff.points(records.assign(cost_usd=1.0)), "records by hand")
    assert [one.showlegend for one in both.data if one.name == "knn"] == [True, False]


def test_tolerances_that_come_to_the_same_share_one_label(records):
    same = records["policy"] == "ours"
    records.loc[same, ["cost_usd", "quality"]] = [2.0, 0.8]
    figure = payoff.plot(payoff.points(records), "records by hand")
    line = next(one for one in figure.data if one.name.startswith("ours"))
    assert list(line.text) == ["0, 0.02", ""]


def test_each_tolerance_of_the_figure_is_one_that_the_benchmark_fits():
    fitted = {name: terms.get("tolerance") for name, terms in routing.FORMS.items()}
    others = {name: tolerance for name, tolerance in payoff.TOLERANCES.items() if name != "ours"}
    assert others.items() <= fitted.items()


def test_what_the_figures_show_is_written_as_records_and_quickly_of_one_trace(
    records, tmp_path, monkeypatch
):
    made = {"measured_at": "2026-01-01", "git_revision": "x"}
    both = pd.concat([records.assign(trace=name, **made) for name in ("one", "two")])
    both.to_parquet(tmp_path / "routing.parquet")
    words = ["payoff", "--parquet", "routing.parquet", "--out", "figures", "--json", "out.json"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", words)
    payoff.main()
    found = pd.read_json("out.json")
    at = ["trace", "prefer", "policy", "metric"]
    value = found.set_index(at)["value"]
    assert value["one", "cost", "ours", "share"] == 0.25
    assert value["two", "cost", "ours", "quality_over"] == pytest.approx(-0.01)
    monkeypatch.setattr("sys.argv", [*words, "--quick"])
    payoff.main()
    assert set(pd.read_json("out.json")["trace"]) == {"one"}
