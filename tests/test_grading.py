import pytest

from ecollm_lab.grading import grade
from ecollm_lab.records import Query


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
