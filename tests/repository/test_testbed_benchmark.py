"""The testbed's benchmark, on what can be worked by hand; and how answers are drawn and judged."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import judging, testbed
from ecollm_lab.domains import Domain, grade, load_domain
from ecollm_lab.domains.grader_agreement import disagreements
from ecollm_lab.models import Reply, load_catalog
from ecollm_lab.records import LabError, Passage, Query
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, SMALL
from tests.support.traces import stage_trace


class FirstPassage:
    """Answers with the first passage that it is given."""

    def reply(self, prompt):
        return Reply(prompt.split("\n")[1].removeprefix("- "), 1, 1, 0.01)


def a_domain():
    passages = tuple(
        Passage(f"p{i}", f"lamp {i}", "manual", f"The weight of the lamp {i} is {100 + i} grams.")
        for i in range(9)
    )
    queries = tuple(
        Query(
            f"q{i}",
            f"how heavy is the lamp {i}?",
            "lookup",
            (f"{100 + i} grams",),
            (f"{100 + i} grams",),
            (f"p{i}",),
            "heldout",
            wording,
        )
        for i, wording in enumerate(["template"] * 6 + ["free"] * 3)
    )
    return Domain("tiny", passages, queries)


def test_the_most_exact_file_of_each_size_is_found_in_both_kinds_of_catalog():
    catalog = load_catalog("data/models.toml")
    model = catalog["pocket-xl"]
    for names in (
        ["pocket-s", "pocket-m", "pocket-xl"],
        ["pocket-s-f16", "pocket-s-q8_0", "pocket-l-f16", "pocket-xl"],
    ):
        found = testbed.most_exact(replace(catalog, models=dict.fromkeys(names, model)))
        assert list(found.values()) == [name for name in names if "q8" not in name]


def test_six_passages_hold_the_gold_one_at_a_place_that_repeats():
    domain = a_domain()
    passages = {passage.id: passage for passage in domain.passages}
    places = []
    for query in domain.queries:
        six = testbed.among_others(query, domain.passages, passages)
        assert len(six) == len(set(six)) == 6
        places.append(six.index(passages[query.gold[0]]))
        assert testbed.among_others(query, domain.passages, passages) == six
    assert len(set(places)) > 2
    two = replace(domain.queries[0], gold=("p0", "p7"))
    assert {"p0", "p7"} < {one.id for one in testbed.among_others(two, domain.passages, passages)}


def test_a_model_that_reads_the_first_passage_is_right_given_the_gold_one_and_loses_where_it_does_not_come_first():
    domain, catalog = a_domain(), load_catalog("data/models.toml")
    xl = next(name for name in testbed.most_exact(catalog).values() if name.startswith("pocket-xl"))
    records = list(
        testbed.reading(
            domain, replace(catalog, models={xl: catalog[xl]}), {xl: FirstPassage()}, quick=False
        )
    )
    by = {(r["metric"], r.get("wording") or r["kind"]): r for r in records}
    assert (
        by["gold_passages_quality", "lookup"]["value"]
        == by["gold_passages_quality", "any"]["value"]
    )
    assert {r["n"] for r in records} == {6, 3, 9}
    passages = {passage.id: passage for passage in domain.passages}
    for wording, bound in (("template", 0.90), ("free", 0.65)):
        assert by["gold_passages_quality", wording]["value"] == 1
        assert by["gold_passages_quality", wording]["at_least"] == bound
    lost = by["points_lost_with_six", "any"]
    first = np.mean(
        [testbed.among_others(q, domain.passages, passages)[0].id in q.gold for q in domain.queries]
    )
    assert lost["value"] == pytest.approx(100 * (1 - by["six_passages_quality", "any"]["value"]))
    assert lost["value"] == pytest.approx(
        100 * (1 - first)
    )  # whatever else was found: only the place counts
    assert lost["at_most"] == 8.0


def test_the_oracles_are_compared_with_the_best_path_and_with_the_best_pipeline():
    """S1, XL1, S3, XL3: the best path (XL1 or S3) has 1/2, the best pipeline with any model 3/4, the best of all paths 1."""
    trace = stage_trace([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    trace = Trace(
        trace.outcomes,
        trace.queries.assign(split="heldout"),
        {**trace.provenance, "domain": "tiny"},
    )
    found = {(r["metric"], r["queries"]): r for r in testbed.oracles(trace)}
    assert found["oracle_over_best_path", "heldout"]["value"] == pytest.approx(50)
    one = found["oracle_over_model_oracle", "all"]
    assert (one["value"], one["pipeline"], testbed.verdict(one)) == (
        pytest.approx(25),
        "none/bm25-1/none",
        "yes",
    )


def test_without_retrieval_reads_the_paths_that_retrieve_nothing():
    trace = stage_trace([[0.5, 0, 1, 1], [1, 0.5, 1, 1]])
    queries = trace.queries.assign(kind=["personal", "general"], split="heldout")
    outcomes = trace.outcomes.assign(
        path_id=trace.outcomes["path_id"].str.replace("bm25-1", "none")
    )
    catalog = load_catalog("data/models.toml")
    models = {
        name: replace(catalog[LARGE], placement=place)
        for name, place in ((SMALL, "edge"), (LARGE, "cloud"))
    }
    trace = Trace.from_frame(outcomes, queries, {**trace.provenance, "domain": "tiny"})
    found = {
        (r["metric"], r["model"]): r["value"]
        for r in testbed.without_retrieval(trace, replace(catalog, models=models))
        if r["queries"] == "all"
    }
    assert found == {
        ("personal_without_retrieval", SMALL): 0.5,
        ("personal_without_retrieval", LARGE): 0.0,
        ("general_without_retrieval", LARGE): 0.5,
    }


def test_the_winner_counts_where_both_values_are_stated():
    facts = ("14 months", "9 months", "so it is the Halo | the Halo has")
    query = Query("q0", "which lasts longer?", "compare", ("…",), facts, ("p0", "p1"), "heldout")
    domain = replace(a_domain(), queries=(query, *a_domain().queries[1:]))
    answers = {
        "none/hybrid-6/none/s": "14 months and 9 months, so it is the Halo.",
        "none/hybrid-3/none/s": "14 months and 9 months, so it is the Lumo.",
        "none/hybrid-6/none/m": "14 months and 8 months, so it is the Halo.",
        "none/bm25-6/none/s": "14 months and 9 months, so it is the Halo.",
    }
    frame = pd.DataFrame(
        [
            {
                "query_id": q.id,
                "path_id": path,
                "quality": 0.0,
                "cost_usd": 0.0,
                "latency_s": 0.1,
                "answer": a,
            }
            for q in domain.queries
            for path, a in answers.items()
        ]
    )
    trace = Trace.from_frame(
        frame,
        pd.DataFrame(
            {
                "query_id": [q.id for q in domain.queries],
                "text": "?",
                "kind": "x",
                "split": "heldout",
            }
        ),
    )
    found = {r["model"]: (r["value"], r["n"]) for r in testbed.winners(trace, domain)}
    assert found["s"] == (0.5, 2)
    assert found["m"][1] == 0


def test_sizes_stand_side_by_side():
    read = {"domain": "tiny", "model": "m"}
    records = [
        {**read, "metric": metric, "wording": wording, "value": value}
        for metric, wording, value in (
            ("gold_passages_quality", "template", 0.75),
            ("gold_passages_quality", "free", 0.5),
            ("gold_passages_quality", "any", 0.625),
            ("six_passages_quality", "any", 0.25),
        )
    ]
    records += [{**read, "metric": "gold_passages_quality", "kind": "lookup", "value": 0.9}]
    records += [
        {**read, "metric": "winner_given_values", "value": 0.125},
        {**read, "model": "x", "metric": "winner_given_values", "value": 1.0},
    ]
    assert testbed.by_size(records).splitlines()[2:] == [
        "| tiny | m | 0.750 | 0.500 | 0.625 | 0.250 | 0.125 |"
    ]


def test_stage_executions_are_summed_over_the_runs_of_a_sweep():
    trace = stage_trace([[1, 0, 0, 0]])
    run = {
        "stage_executions": {"rewrite": 1, "generate": 9},
        "stage_executions_without_sharing": {"rewrite": 10, "generate": 10},
    }

    def share(**provenance):
        return [
            r["value"]
            for r in testbed.sharing(
                replace(trace, provenance={**trace.provenance, "domain": "tiny", **provenance})
            )
        ]

    assert share(stage_executions=30, stage_executions_without_sharing=100) == [0.3]
    assert share(runs=[run, run | {"stage_executions": {"generate": 2}}]) == [12 / 40]
    assert share() == []


def test_what_is_not_a_number_meets_no_aim():
    assert testbed.verdict({"value": float("nan"), "at_least": 0.9}) == "no"
    assert testbed.verdict({"value": 0.9, "at_least": 0.9}) == "yes"
    assert testbed.verdict({"value": 9, "at_most": 8}) == "no"
    assert testbed.verdict({"value": 9}) == ""


def labelled(tmp_path, labels):
    folder = tmp_path / "tiny"
    folder.mkdir(exist_ok=True)
    answers = ["It is 100 grams.", "It is 999 grams.", "It is 102 grams, no, 90 grams."]
    rows = [
        {"label": label, "query_id": f"q{i}", "answer": answers[i]}
        for i, label in enumerate(labels)
    ]
    judging.write(folder / "labels.jsonl", rows)
    return list(testbed.graded([a_domain()], tmp_path))


def test_grader_and_person_are_compared_and_disagreements_are_listed(tmp_path):
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
    text = testbed.markdown(records)
    assert (
        "| tiny | how heavy is the lamp 2? | 102 grams | It is 102 grams, no, 90 grams. | 0.00 |"
        " 1.00 | yes |" in text
    )
    assert "| both | judged_answers |  |  | 3 | ≥ 200 | no |" in text


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


def test_answers_are_drawn_from_every_stratum_once_and_show_no_grade(measured):
    domain = load_domain("data/smart_home")
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
    assert {query.wording for query, _ in drawn} == {"template", "free"}
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
