"""How answers are drawn, judged, and compared with the grader."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import judging, testbed_tables
from ecollm_lab.domains import grade, load_domain
from ecollm_lab.domains.grader_agreement import disagreements
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from tests.support.lamps import a_domain


def labelled(tmp_path, labels):
    folder = tmp_path / "tiny"
    folder.mkdir(exist_ok=True)
    answers = ["It is 100 grams.", "It is 999 grams.", "It is 102 grams, no, 90 grams."]
    rows = [
        {"label": label, "query_id": f"q{i}", "answer": answers[i]}
        for i, label in enumerate(labels)
    ]
    judging.write(folder / "labels.jsonl", rows)
    return list(judging.graded([a_domain()], tmp_path))


def test_grader_and_judgements_are_compared_and_disagreements_are_listed(tmp_path):
    records = labelled(tmp_path, [1, 0, 0])
    both = next(
        r for r in records if r["metric"] == "grading_agreement_rate" and r["domain"] == "both"
    )
    assert both["value"] == pytest.approx(2 / 3)
    (one,) = both["disagreements"]
    assert (one["query_id"], one["label"], one["score"], one["verdict_differs"]) == (
        "q2",
        0,
        1,
        True,
    )
    assert next(r["value"] for r in records if r["metric"] == "judged_answers") == 3
    assert (
        "| tiny | how heavy is the lamp 2? | 102 grams | It is 102 grams, no, 90 grams. | 0.00 |"
        " 1.00 | yes |" in testbed_tables.apart(records)
    )
    assert "| both | judged_answers |  | 3 | ≥ 300 | no |" in testbed_tables.markdown(records)


def test_answers_that_are_not_judged_yet_count_for_nothing(tmp_path):
    records = labelled(tmp_path, [1, None, 0])
    assert [(r["metric"], r["value"]) for r in records] == [("judged_answers", 0)]


def test_scores_that_are_apart_are_listed_though_the_verdict_is_the_same():
    labels = pd.DataFrame(
        {"query_id": ["q0", "q1"], "answer": ["100 grams", "101 grams"], "label": [0.7, 0.8]}
    )
    found = disagreements(a_domain(), labels, grade)
    assert found[["query_id", "label", "score", "verdict_differs"]].to_numpy().tolist() == [
        ["q0", 0.7, 1.0, False]
    ]


def test_answers_are_drawn_from_every_stratum_once_and_show_no_grade():
    domain, measured = load_domain("smart_home"), Trace.load("data/traces/smart_home.parquet")
    rows = judging.draw(measured, domain, 60, seed=0)
    assert rows == judging.draw(measured, domain, 60, seed=0)
    assert rows != judging.draw(measured, domain, 60, seed=1)
    assert {frozenset(row) for row in rows} == {
        frozenset({"label", "query_id", "question", "answer", "reference", "gold"})
    }
    assert len({(row["query_id"], row["answer"]) for row in rows}) == 60
    queries = {query.id: query for query in domain.queries}
    drawn = [(queries[row["query_id"]], row["answer"]) for row in rows]
    assert {query.kind for query, _ in drawn} == {query.kind for query in domain.queries}
    assert {query.wording for query, _ in drawn} == {query.wording for query in domain.queries}
    classes = [grade(query, answer) for query, answer in drawn]
    assert min(np.mean([c == 1 for c in classes]), np.mean([c == 0 for c in classes])) > 0.2
    assert any(0 < c < 1 for c in classes)
    frame = measured.outcomes.merge(
        pd.DataFrame(rows)[["query_id", "answer"]], on=["query_id", "answer"]
    )
    assert len(frame) >= 60  # every answer is one that was measured


def test_labels_fill_the_open_rows_in_order(tmp_path):
    rows = [
        {
            "label": label,
            "query_id": f"q{i}",
            "question": "?",
            "answer": "!",
            "reference": "r",
            "gold": ["g"],
        }
        for i, label in enumerate([None, 1.0, None, None])
    ]
    judging.write(tmp_path / "labels.jsonl", rows)
    filled = judging.fill(judging.read(tmp_path / "labels.jsonl"), [0.5, 0])
    assert [row["label"] for row in filled] == [0.5, 1.0, 0, None]
    assert judging.show(filled).split()[0] == "4"
    assert judging.show(judging.fill(filled, [1])) == "No label is open."
    with pytest.raises(LabError, match=r"within \[0, 1\], got 2"):
        judging.fill(rows, [2])
    with pytest.raises(LabError, match="4 labels for 3 open rows"):
        judging.fill(rows, [1] * 4)
