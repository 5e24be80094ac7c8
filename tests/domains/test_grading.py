import dataclasses

import numpy as np
import pytest

from ecollm_lab.domains import Grading, grade
from ecollm_lab.domains.grading import embedding_similarity, token_f1
from ecollm_lab.models import load_catalog
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import LabError, Query
from tests.conftest import LARGE, SMALL
from tests.support.scripted_model import ScriptedModel


def ask(*facts):
    return Query("q", "?", "lookup", ("r",), facts, (), "train")


@pytest.mark.parametrize(
    ("fact", "answer", "quality"),
    [
        ("14 months", "The battery life is 14 months.", 1),
        ("14 months", "It is 14 Months", 1),
        ("14 months", "It is 114 months.", 0),
        ("14 months", "It is 1.14 months.", 0),
        ("14 months", "14", 0),
        ("6:30", "at 6:30.", 1),
        ("6:30", "at 16:30", 0),
        ("2.4 bar", "2.4 bar", 1),
        ("2.4 bar", "2,4 bar or 24 bar", 0),
        ("café", "the Cafe", 1),
        ("it is red | red it is", "Red it is!", 1),
        ("anything", "", 0),
    ],
)
def test_a_fact_is_stated_as_whole_words_or_not(fact, answer, quality):
    assert grade(ask(fact), answer) == quality


def test_quality_is_the_share_of_facts():
    assert grade(ask("a", "b", "c d"), "c d and a") == pytest.approx(2 / 3)


def free(*references):
    return Query("q", "?", "lookup", references, (), (), "train")


@pytest.mark.parametrize(
    ("answer", "f1"),
    [
        ("The cat sat.", 1.0),  # articles, case and punctuation do not count
        ("cat", 2 / 3),  # precision 1, recall 1/2
        (
            "cat cat cat",
            1 / 2 * 2 / (1 / 3 + 1 / 2) * 1 / 3,
        ),  # a repeated word is right once: precision 1/3, recall 1/2
        ("dog", 0.0),
        ("", 0.0),
        ("the", 0.0),
        ("a feline rested", 1.0),  # the nearest of several references counts
    ],
)
def test_token_f1_by_hand(answer, f1):
    assert token_f1(free("cat sat", "feline rested"), answer) == pytest.approx(f1)


def test_token_f1_is_symmetric_ignores_order_and_ends_at_one():
    rng = np.random.default_rng(3)
    for _ in range(100):
        one, two = (
            " ".join(rng.choice(["red", "lamp", "9", "hours", "is"], size=rng.integers(1, 7)))
            for _ in "ab"
        )
        f1 = token_f1(free(one), two)
        assert (
            f1 == token_f1(free(two), one) == token_f1(free(one), " ".join(reversed(two.split())))
        )
        assert 0 <= f1 <= 1
        assert (f1 == 1) == (sorted(one.split()) == sorted(two.split()))


def test_embedding_similarity_is_the_cosine_to_the_nearest_reference(encoder):
    a, b, c = encoder.encode(["halo bulb", "lumo lamp", "halo lamp"])
    assert embedding_similarity(
        free("halo bulb", "lumo lamp"), "halo lamp", encoder
    ) == pytest.approx(max(a @ c, b @ c))
    assert embedding_similarity(free("halo bulb"), "halo bulb", encoder) == pytest.approx(
        1, abs=1e-6
    )

    class Opposed:
        name = "opposed"

        def encode(self, texts):
            return np.array([[1.0, 0.0], [-1.0, 0.0]])[: len(texts)]

    assert embedding_similarity(free("x"), "y", Opposed()) == 0.0


def test_the_pipeline_grades_as_the_domain_says(domain, encoder):
    catalog, path = (
        load_catalog("tests/data/models.toml"),
        PathSpace.over([SMALL]).select([f"none/none/none/plain/{SMALL}"]).paths,
    )
    models = {
        SMALL: ScriptedModel({"Question: how heavy is the Halo bulb?": "about 90 grams, I think"})
    }
    qualities = {}
    for grading in (Grading(), Grading("token_f1")):
        graded = dataclasses.replace(domain, grading=grading)
        (outcome,) = Pipeline(graded, catalog, encoder, models).run(domain.queries[0], path)
        qualities[grading.name] = outcome.quality
    assert qualities == {"facts": 1.0, "token_f1": pytest.approx(2 * 2 / (5 + 7))}


def test_another_grader_is_another_outcome(domain):
    digests = {
        dataclasses.replace(domain, grading=g).digest
        for g in (Grading(), Grading("token_f1"), Grading("judge", "a"), Grading("judge", "b"))
    }
    assert len(digests) == 4


@pytest.mark.parametrize("bad", [("bleu", None), ("judge", None), ("facts", LARGE)])
def test_an_impossible_grading_is_an_error(bad):
    with pytest.raises(LabError, match="grading"):
        Grading(*bad)


def test_a_refuted_answer_scores_nothing_whatever_else_it_states():
    query = dataclasses.replace(ask("40", "red"), refutes=("100 | a hundred",))
    assert grade(query, "40 and red") == 1.0
    assert grade(query, "40 and red, not 100") == 0.0
    assert grade(query, "forty") == 0.0


def test_a_choice_counts_only_beside_all_other_facts():
    query = ask("9 minutes", "12 minutes", "<choice> Ember C | the C")
    assert grade(query, "It is longer on the Ember or on the Ember C.") == 0.0
    assert grade(query, "12 minutes on the Ember C") == pytest.approx(1 / 3)
    assert grade(query, "9 minutes, and 12 minutes on the C") == 1.0
    assert grade(query, "9 minutes, and 12 minutes on the other one") == pytest.approx(2 / 3)
    control = dataclasses.replace(ask("<choice> lamp"), action='{"set": 40}')
    assert (grade(control, "the lamp"), grade(control, 'the lamp: {"set": 40}')) == (0.0, 1.0)


def test_an_action_counts_as_one_more_fact():
    query = dataclasses.replace(ask("dimmed"), action='{"set": "brightness", "to": 40}')
    right = '{"to": 40.0, "set": "brightness"}'
    assert grade(query, f"It is dimmed: {right}") == 1.0
    assert grade(query, f"Send {right}") == 0.5
    assert grade(query, "It is dimmed.") == 0.5
    assert grade(dataclasses.replace(query, facts=()), right) == 1.0


def test_token_f1_of_texts_without_words_and_of_articles_alone():
    article = free("A")
    assert [token_f1(article, said) for said in ("a", "The", "", "A cat")] == [1, 0, 0, 0]
    assert token_f1(free("?"), "!") == 0.0
    assert token_f1(free("每六周"), "六周。") == pytest.approx(4 / 5)  # letters are words
