import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from ecollm_lab.domains import Grading
from ecollm_lab.domains.grader_agreement import compare_graders, compute_agreement, read_labels
from ecollm_lab.domains.judging import build_judge_prompt
from ecollm_lab.records import LabError
from tests.support.scripted_model import ScriptedModel


def test_agreement_by_hand_and_against_its_definitions():
    scores, labels = [1, 1, 1, 0, 0, 0.5, 0.2, 1], [1, 1, 0, 0, 0, 1, 1, 1]
    figures = compute_agreement(scores, labels)
    # right: 6 of 8; both "right" 4/8, both "wrong" 2/8; by chance 5/8 x 5/8 + 3/8 x 3/8
    assert figures["agreement_rate"] == 6 / 8
    assert figures["cohen_kappa"] == pytest.approx((6 / 8 - 34 / 64) / (1 - 34 / 64))
    for seed in range(20):
        x, y = np.random.default_rng(seed).choice([0, 0.3, 0.5, 1], (2, 12))
        drawn = compute_agreement(x, y)
        assert drawn["cohen_kappa"] == pytest.approx(cohen_kappa_score(x >= 0.5, y >= 0.5))
        assert drawn["spearman"] == pytest.approx(spearmanr(x, y).statistic)
    for name in ("agreement_rate", "cohen_kappa", "spearman"):
        assert figures[f"{name}_low"] < figures[name] <= figures[f"{name}_high"]
    order = np.random.default_rng(0).permutation(8)
    again = compute_agreement(np.array(scores)[order], np.array(labels)[order])
    assert again["cohen_kappa"] == pytest.approx(figures["cohen_kappa"])


def test_intervals_cover_at_about_their_rate():
    rng = np.random.default_rng(1)
    # of two verdicts that agree with probability 0.8 and are right half of the time
    truth, hits, widths = 0.6, 0, []
    for i in range(60):
        labels = rng.integers(0, 2, 80)
        scores = np.where(rng.random(80) < 0.8, labels, 1 - labels)
        figures = compute_agreement(scores, labels, seed=i)
        low, high = figures["cohen_kappa_low"], figures["cohen_kappa_high"]
        hits += low <= truth <= high
        widths.append(high - low)
    assert hits >= 50
    # twice the standard error of a share of 0.8 in 80, 0.045, on either side, times 2 for kappa
    assert 0.25 < np.mean(widths) < 0.45


def test_agreement_says_when_a_figure_is_not_defined_or_the_input_is_not():
    constant = compute_agreement([1, 1, 1], [1, 1, 1])
    assert constant["agreement_rate"] == 1
    assert np.isnan(
        [constant["cohen_kappa"], constant["cohen_kappa_low"], constant["spearman"]]
    ).all()
    for bad in (([1], [1, 0]), ([], []), ([2], [1]), ([float("nan")], [1])):
        with pytest.raises(LabError, match="scores and labels"):
            compute_agreement(*bad)


def test_graders_are_compared_on_labelled_answers_and_failures_stay_visible(
    domain, encoder, tmp_path
):
    file = tmp_path / "labels.jsonl"
    rows = [
        ("q1", "It is 90 grams.", 1),
        ("q1", "It is 80 grams.", 0),
        ("q2", "6:45", 1),
        ("q2", "at 7", 0),
    ]
    file.write_text(
        "".join(
            json.dumps(dict(zip(("query_id", "answer", "label"), row, strict=True))) + "\n"
            for row in rows
        )
    )
    labels = read_labels(file, domain)
    queries = {q.id: q for q in domain.queries}
    prompts = [build_judge_prompt(queries[q], answer) for q, answer, _ in rows]
    models = {
        "j": ScriptedModel(
            dict(
                zip(prompts, ['{"score": 1}', '{"score": 0}', "well", '{"score": 1}'], strict=True)
            )
        )
    }
    table = compare_graders(
        domain, labels, [Grading(), Grading("judge", "j")], encoder, models
    ).set_index("grader")
    assert table.loc["facts-2", ["n", "n_failed", "agreement_rate", "cohen_kappa"]].tolist() == [
        4,
        0,
        1.0,
        1.0,
    ]
    assert table.loc["judge-1:j", ["n", "n_failed"]].tolist() == [3, 1]
    assert table.loc["judge-1:j", "agreement_rate"] == pytest.approx(2 / 3)
    assert "'well'" in table.loc["judge-1:j", "failure"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "l.jsonl:2: not JSON"),
        (
            '{"query_id": "q9", "answer": "x", "label": 1}',
            "l.jsonl:2: the domain 'tiny' has no query 'q9'",
        ),
        (
            '{"query_id": "q1", "answer": "x", "label": 2}',
            r"l.jsonl:2: label must be within \[0, 1\], got 2",
        ),
        ("[]", "l.jsonl:2: must be a JSON object"),
        ('{"query_id": ["q1"], "answer": "x", "label": 1}', "l.jsonl:2: .* the texts query_id"),
        ('{"query_id": "q1", "answer": null, "label": 1}', "l.jsonl:2: .* query_id and answer"),
        (f'{{"query_id": "q1", "answer": "x", "label": 1{"0" * 400}}}', "l.jsonl:2: must be a"),
        (
            '{"query_id": "q1", "question": "old?", "answer": "x", "label": 1}',
            "l.jsonl:2: was an answer to 'old\\?', but the query 'q1'",
        ),
        ("", "l.jsonl: no labelled"),
    ],
)
def test_a_bad_label_names_its_line(domain, tmp_path, line, says):
    (tmp_path / "l.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(LabError, match=says):
        read_labels(tmp_path / "l.jsonl", domain)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_seed_that_is_none_is_refused_before_a_judge_is_asked(domain, encoder, seed):
    labels = pd.DataFrame([("q1", "90 grams", 1.0)], columns=["query_id", "answer", "label"])
    model = ScriptedModel({})
    with pytest.raises(LabError, match="seed must be a whole number >= 0"):
        compare_graders(domain, labels, [Grading("judge", "j")], encoder, {"j": model}, seed=seed)
    assert not model.calls
    with pytest.raises(LabError, match="seed must be"):
        compute_agreement([1], [1], seed=seed)
