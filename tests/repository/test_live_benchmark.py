"""The benchmark with real answers: what it records, by hand and with scripted models."""

import dataclasses

import pandas as pd
import pytest

from benchmarks.live import answered, cloud_outcomes, figure_of, records_of
from ecollm_lab.records import SLO
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


def test_records_by_hand():
    frame = pd.DataFrame(
        {
            "slo": ["x"] * 4,
            "query_id": list("abcd"),
            "path_id": ["p", "p", "p", None],
            "quality": [1.0, 0.0, 0.5, None],
            "kept": [True, True, False, None],
            "latency_s": [1.0, 2.0, 3.0, 0.0],
            "cost_usd": [1.0, 2.0, 3.0, 0.0],
            "predicted_quality": [0.5, 0.5, 0.5, None],
            "predicted_latency_s": [1.0, 1.0, 1.0, None],
        }
    )
    cloud = pd.DataFrame({"cost_usd": 4.0, "quality": 0.9}, index=list("abcd"))
    records = {row["metric"]: row for row in records_of(frame, cloud)}
    assert records["kept_share"]["value"] == pytest.approx(2 / 3)
    assert records["kept_share"]["at_least"] == pytest.approx(0.743, abs=1e-3)
    assert records["refused_share"]["value"] == 0.25
    assert records["quality"]["value"] == records["quality_predicted"]["value"] == 0.5
    assert records["latency_ratio"]["value"] == 2.0
    assert records["cost_ratio"]["value"] == 0.5
    assert records["cloud_quality"]["value"] == pytest.approx(0.9)


def test_the_cloud_is_asked_by_its_best_path_on_the_same_questions(measured, frame):
    heldout = measured.split("heldout")
    known = heldout.query_ids[:2]
    questions = [type("Asked", (), {"id": name, "text": "?"}) for name in known]
    outcomes = cloud_outcomes(measured.split("train"), heldout, questions)
    assert outcomes.index.tolist() == known
    assert len(set(outcomes["path_id"])) == 1


def test_the_figure_has_a_point_for_each_answer_and_the_diagonals(frame):
    figure = figure_of(frame, "scripted")
    names = [trace.name for trace in figure.data]
    assert names == ["mean of a tenth", "free", "cheap", "equal", "equal"]
    assert [len(trace.x) for trace in figure.data] == [2, 2, 2, 2, 2]
