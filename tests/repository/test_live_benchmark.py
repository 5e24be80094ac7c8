"""The benchmark with real answers: what it records, by hand and with scripted models."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from benchmarks.live import (
    answered,
    cloud_outcomes,
    heldout_questions,
    limits,
    markdown,
    records_of,
)
from ecollm_lab.domains import load_domain
from ecollm_lab.figures.policies import plot_predictions
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from tests.support.serving import Cloud, Given, Scripted, runtime_of

EDGE, FAR = "none/none/none/small", "none/bm25-1/none/big"


@pytest.fixture
def frame(domain, encoder):
    """Two questions without limits, answered by the cloud, and two under a limit for the edge."""
    paths = {EDGE: (0.6, 1e-6, 10.0), FAR: (0.9, 1.4e-4, 30.0)}
    with runtime_of(domain, encoder, [Scripted("small"), Cloud("big")], Given(paths)) as runtime:
        two = [dataclasses.replace(domain.queries[0], id=name) for name in ("a", "b")]
        free = answered(runtime, two, "free", SLO())
        return pd.concat([free, answered(runtime, two, "cheap", SLO(max_cost_usd=1e-5))])


def test_each_answer_is_a_row_with_what_was_predicted_and_what_happened(frame):
    assert frame["path_id"].tolist() == [FAR, FAR, EDGE, EDGE]
    assert frame["kept"].all()
    assert frame["quality"].tolist() == [1.0] * 4
    assert frame["predicted_quality"].tolist() == [0.9, 0.9, 0.6, 0.6]


def test_a_refused_question_is_a_row_without_a_path(domain, encoder):
    with runtime_of(
        domain, encoder, [Scripted("small")], Given({EDGE: (0.6, 1e-6, 10.0)})
    ) as runtime:
        rows = answered(runtime, domain.queries[:1], "tight", SLO(max_latency_s=0.5))
    assert rows["path_id"].isna().all()
    assert rows["refused"].tolist() == ["infeasible"]


def test_an_answer_that_is_cut_at_its_limit_breaks_it(domain, encoder):
    slow = Cloud("big", delay_s=5.0)
    with runtime_of(domain, encoder, [slow], Given({FAR: (0.9, 1.4e-4, 0.1)})) as runtime:
        rows = answered(runtime, domain.queries[:1], "tight", SLO(max_latency_s=0.2))
    assert rows["refused"].tolist() == ["deadline"]
    assert rows["kept"].tolist() == [False]


SLOS = {"x": SLO(max_latency_s=3.0)}


def test_records_by_hand():
    frame = pd.DataFrame(
        {
            "slo": ["x"] * 5,
            "query_id": list("abcde"),
            "path_id": ["p", "p", "p", None, None],
            "quality": [1.0, 0.0, 0.5, None, None],
            "kept": [True, True, True, False, None],
            "latency_s": [1.0, 2.0, 3.0, 3.0, 0.0],
            "cost_usd": [1.0, 2.0, 3.0, 0.0, 0.0],
            "predicted_quality": [0.5, 0.5, 0.5, None, None],
            "predicted_latency_s": [1.0, 1.0, 1.0, None, None],
        }
    )
    cloud = pd.DataFrame({"cost_usd": 4.0, "quality": 0.9}, index=list("bcd"))
    rows = records_of(frame, cloud, SLOS)
    records = {row["metric"]: row for row in rows}
    assert records["kept_share"]["value"] == pytest.approx(3 / 4)  # the fourth was cut
    assert records["kept_share"]["at_least"] == pytest.approx(0.771, abs=1e-3)
    assert records["refused_share"]["value"] == pytest.approx(1 / 5)
    assert records["quality"]["value"] == records["quality_predicted"]["value"] == 0.5
    assert records["latency_ratio"]["value"] == 2.0
    assert records["cost_ratio"]["value"] == pytest.approx(2.5 / 4.0)  # of the second and third
    assert records["cloud_quality"]["value"] == pytest.approx(0.9)
    assert records["quality_beside_cloud"]["value"] == 0.25
    assert records["quality"]["beside_cloud"] == 2
    made = {"measured_at": "today", "git_revision": "r", "source": "s"}
    row = markdown([{**row, **made} for row in rows]).splitlines()[2]
    assert row == (
        "| x, 3.0 s | 5 | 20.0% | 75.0% (77.1%) | 0.500, 0.500 | 2.00 | 0.62 | 0.250, 0.900 (2) |"
    )


def test_without_any_answer_there_is_no_record_of_answers():
    nothing = {"quality": None, "latency_s": 0.0, "cost_usd": 0.0, "predicted_quality": None}
    row = {"slo": "x", "query_id": "a", "path_id": None, "kept": None, **nothing}
    frame = pd.DataFrame([row]).assign(predicted_latency_s=None)
    cloud = pd.DataFrame({"cost_usd": 4.0, "quality": 0.9}, index=["a"])
    assert [row["metric"] for row in records_of(frame, cloud, SLOS)] == ["refused_share"]


def test_the_cloud_is_asked_by_its_best_path(measured):
    heldout = measured.split("heldout")
    outcomes = cloud_outcomes(measured.split("train"), heldout)
    assert outcomes.index.tolist() == heldout.query_ids
    assert len(set(outcomes["path_id"])) == 1


def test_questions_are_held_out_and_those_that_are_recorded_come_first():
    domain, measured = load_domain("smart_home"), Trace.load("data/traces/smart_home.parquet")
    part = measured.where(np.arange(len(measured.query_ids)) % 10 == 0)
    recorded = set(part.split("heldout").query_ids)
    asked = [query.id for query in heldout_questions(domain, part, len(recorded) + 5)]
    assert len(set(asked)) == len(asked) == len(recorded) + 5
    assert set(asked[: len(recorded)]) == recorded
    assert set(asked) <= {query.id for query in domain.split("heldout")}
    assert not set(asked) & set(part.split("train").query_ids)
    with pytest.raises(LabError, match="--questions must be within 1 and"):
        heldout_questions(domain, part, 10_000)


def test_the_limits_are_of_the_training_split_and_widen(measured):
    train = measured.split("train")
    tight, middle, loose = (slo.max_latency_s for slo in limits(train).values())
    tails = np.nanquantile(train.array("latency_s"), 0.95, axis=0)
    assert tails.min() < tight < middle < loose < 1.1 * tails.max()


def test_the_figure_has_a_point_for_each_answer_and_the_diagonals(frame):
    figure = plot_predictions(frame, "scripted")
    names = [trace.name for trace in figure.data]
    assert names == ["answers of like prediction", "free", "cheap", "as predicted", "as predicted"]
    assert [len(trace.x) for trace in figure.data] == [2, 2, 2, 2, 2]
    assert list(figure.data[0].x) == [0.6, 0.9]
    assert list(figure.data[0].y) == [1.0, 1.0]
    assert figure.layout.annotations[-1].text == "Source: scripted"
    with pytest.raises(LabError, match="no question was answered"):
        plot_predictions(frame.assign(path_id=None), "scripted")
