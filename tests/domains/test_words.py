"""What only looks different is the same word; what tells answers apart stays."""

import pytest

from benchmarks.grading import grade_pair, read_pairs, run
from ecollm_lab.domains.words import normalise, read_words, spaced


def test_every_labelled_pair_is_graded_as_its_reader_did():
    (whole, *subjects) = run(read_pairs())
    assert whole["disagreements"] == []
    assert (whole["value"], whole["n"]) == (1.0, sum(row["n"] for row in subjects))
    assert whole["n"] >= 120
    assert len(subjects) >= 15


def test_a_grader_that_says_yes_to_all_would_disagree():
    pairs = [{**pair, "answer": pair.get("fact", "")} for pair in read_pairs() if not pair["label"]]
    assert run([pair for pair in pairs if pair.get("fact")])[0]["value"] < 0.1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,250.5 EUR", "€1250.5"),
        ("Minus 3 °F", "-3 degrees Fahrenheit"),
        ("at most 7 %", "≤7 percent"),
        ("Crème Brûlée", "creme brulee"),
        ("１２:３０", "12:30"),
        ("no more than 3", "up to 3"),
    ],
)
def test_two_ways_to_write_one_thing_are_the_same_words(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 °C", "3 °F"),
        ("й", "и"),
        ("> 7", "≥ 7"),
        ("1,5", "15"),
        ("2 mV", "2 MV"),
        ("か", "が"),
        ("5 $", "5 ₹"),
        ("ñu +", "nu -"),
    ],
)
def test_what_tells_answers_apart_stays(one, other):
    assert normalise(one) != normalise(other)


def test_a_number_in_a_name_is_found_with_the_name_only():
    name = read_words("the Bolt T2 Plus")
    assert name.contain(read_words("t2 plus"))
    assert name.contain(read_words("T-2"))
    assert not name.contain(read_words("2 plus"))
    assert not name.contain(read_words(""))


def test_scripts_without_spaces_are_cut_into_pairs_and_other_text_stays():
    assert spaced("six weeks, шесть недель") == "six weeks, шесть недель"
    assert spaced("水 boiler").split() == ["水水", "boiler"]


def test_a_pair_without_a_fact_is_graded_by_its_action():
    pair = {"action": {"to": 1}, "answer": '{"to": 1.0}'}
    assert grade_pair(pair) == 1.0
