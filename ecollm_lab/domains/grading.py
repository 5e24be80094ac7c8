"""Grades answers in [0, 1], higher is better: by facts, token F1, embeddings or a judging model."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable

from ecollm_lab.domains.domain import Grading
from ecollm_lab.domains.judging import JudgingModel, Models
from ecollm_lab.models import Encoder
from ecollm_lab.records import Query

Grader = Callable[[Query, str], float]


def make_grader(grading: Grading, encoder: Encoder, models: Models) -> Grader:
    """Return the function that grades an answer to a query as the domain wishes.

    Its calls to a judging model go through `models`; raises `LabError` where the judge cannot be
    reached or gives no score.
    """
    match grading.name:
        case "token_f1":
            return token_f1
        case "embedding":
            return lambda query, answer: embedding_similarity(query, answer, encoder)
        case "judge":
            return JudgingModel(models, str(grading.judge_model)).grade
    return grade


def grade(query: Query, answer: str) -> float:
    """Return the share of a query's facts that an answer states; higher is better.

    A fact is stated if one of its wordings (separated by " | ") occurs in the answer as a run of
    whole words, ignoring case, punctuation and accents. "14 months" is not stated by "114 months"
    nor by "1.14 months".

    Examples
    --------
    >>> facts = ("14 months", "9 months", "so it is the Halo bulb")
    >>> q = Query("q1", "which lasts longer?", "compare", ("…",), facts, (), "train")
    >>> round(grade(q, "It is 14 months and 8 months, so it is the Halo bulb."), 2)
    0.67

    """
    said = f" {normalise(answer)} "
    stated = [
        any(f" {normalise(wording)} " in said for wording in fact.split(" | "))
        for fact in query.facts
    ]
    return sum(stated) / len(stated)


def normalise(text: str) -> str:
    """Lower-case, strip accents, keep words and numbers ("2.4", "6:30"), with single spaces."""
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"\d+(?:[.,:]\d+)*|[a-z]+|\d", text))


def token_f1(query: Query, answer: str) -> float:
    """Return the F1 of an answer's words against the nearest reference; higher is better.

    Notes
    -----
    As in SQuAD (Rajpurkar et al., EMNLP 2016): words are compared as multisets after lower-casing
    and dropping punctuation and the articles a, an, the. If answer or reference has no word left,
    the F1 is 1 if neither has and 0 otherwise. A wrong number in a right sentence still scores
    high: see how a grader agrees with your own labels before you trust it.

    Examples
    --------
    Of the answer's 3 words 2 are right, of the reference's 4 words 2 are found: F1 = 2 · (2/3) ·
    (2/4) / (2/3 + 2/4) = 4/7.

    >>> q = Query("q1", "how long?", "lookup", ("It is 14 months.",), (), (), "train")
    >>> round(token_f1(q, "the 14 Months, perhaps"), 3)
    0.571

    """
    return max(_f1(_squad_words(answer), _squad_words(reference)) for reference in query.references)


def _f1(said: list[str], reference: list[str]) -> float:
    if not said or not reference:
        return float(said == reference)
    common = (Counter(said) & Counter(reference)).total()
    return 2 * common / (len(said) + len(reference))


def _squad_words(text: str) -> list[str]:
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def embedding_similarity(query: Query, answer: str, encoder: Encoder) -> float:
    """Return the cosine of an answer and its nearest reference, cut to [0, 1]; higher is better.

    Notes
    -----
    It rewards being about the right thing, not being right: "14 months" and "9 months" are close.
    """
    first, *others = encoder.encode([answer, *query.references])
    return min(1.0, max(0.0, *(float(first @ other) for other in others)))
