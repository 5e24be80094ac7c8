"""The benchmark of the testbed, on what can be worked by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import reading, testbed, testbed_tables
from ecollm_lab.models import Reply, load_catalog
from ecollm_lab.records import Query
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, SMALL, LetterEncoder
from tests.support.lamps import a_domain
from tests.support.traces import stage_trace


class FirstPassage:
    """Answers with the first passage that it is given."""

    def reply(self, prompt):
        return Reply(prompt.split("\n")[1].removeprefix("- "), 1, 1, 0.01)


def test_the_most_exact_file_of_each_size_is_found_in_both_kinds_of_catalog():
    catalog = load_catalog("data/models.toml")
    model = catalog["pocket-xl"]
    for names in (
        ["pocket-s", "pocket-m", "pocket-xl"],
        ["pocket-s-f16", "pocket-s-q8_0", "pocket-l-f16", "pocket-xl"],
    ):
        found = reading.most_exact(replace(catalog, models=dict.fromkeys(names, model)))
        assert list(found.values()) == [name for name in names if "q8" not in name]


def test_six_passages_hold_the_gold_one_at_a_place_that_repeats():
    domain = a_domain()
    passages = {passage.id: passage for passage in domain.passages}
    places = []
    for query in domain.queries:
        six = reading.among_others(query, domain.passages, passages)
        assert len(six) == len(set(six)) == 6
        places.append(six.index(passages[query.gold[0]]))
        assert reading.among_others(query, domain.passages, passages) == six
    assert len(set(places)) > 2
    two = replace(domain.queries[0], gold=("p0", "p7"))
    assert {"p0", "p7"} < {one.id for one in reading.among_others(two, domain.passages, passages)}


def test_a_model_that_reads_the_first_passage_is_right_only_where_the_gold_one_comes_first(
    monkeypatch,
):
    monkeypatch.setattr(reading, "default_encoder", LetterEncoder)
    domain, catalog = a_domain(), load_catalog("data/models.toml")
    xl = next(name for name in reading.most_exact(catalog).values() if name.startswith("pocket-xl"))
    records = list(
        reading.reading(
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
        [reading.among_others(q, domain.passages, passages)[0].id in q.gold for q in domain.queries]
    )
    assert lost["value"] == pytest.approx(100 * (1 - by["six_passages_quality", "any"]["value"]))
    assert lost["value"] == pytest.approx(
        100 * (1 - first)
    )  # whatever else was found: only the place counts
    assert lost["at_most"] == 8.0


def test_the_oracles_are_compared_with_the_best_path_and_with_the_best_pipeline():
    """S1, XL1, S3, XL3: the best path (XL1 or S3) has 1/2, the best pipeline with any model 3/4,
    the best of all paths 1.
    """
    trace = stage_trace([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    trace = Trace(
        trace.outcomes,
        trace.queries.assign(split="heldout"),
        {**trace.provenance, "domain": "tiny"},
    )
    found = {(r["metric"], r["queries"]): r for r in testbed.oracles(trace)}
    assert found["oracle_over_best_path", "heldout"]["value"] == pytest.approx(50)
    one = found["oracle_over_model_oracle", "all"]
    assert (one["value"], one["pipeline"], testbed_tables.verdict(one)) == (
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
    assert testbed_tables.by_size(records).splitlines()[2:] == [
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
    assert testbed_tables.verdict({"value": float("nan"), "at_least": 0.9}) == "no"
    assert testbed_tables.verdict({"value": 0.9, "at_least": 0.9}) == "yes"
    assert testbed_tables.verdict({"value": 9, "at_most": 8}) == "no"
    assert testbed_tables.verdict({"value": 9}) == ""
