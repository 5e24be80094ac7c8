"""Grades answers in [0, 1], higher is better: by facts, token F1, embeddings or a judging model."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from ecollm_lab.domains.domain import Grading
from ecollm_lab.domains.judging import JudgingModel, Models
from ecollm_lab.domains.words import UNSPACED, alternatives, read_words
from ecollm_lab.models import Encoder
from ecollm_lab.records import Query

REFUSAL = "<refusal>"  # the fact that the answer says that it does not know
CHOICE = "<choice>"  # begins a fact that the question offers for choice
REFUSALS = (  # "doesn't" is read as "does not", "can't" as "cannot"
    *("does not say", "do not say", "not said", "does not mention", "do not mention"),
    *("not mentioned", "no mention", "does not state", "do not state", "not stated"),
    *("does not specify", "do not specify", "not specified", "unspecified"),
    *("does not provide", "do not provide", "not provided"),
    *("does not give", "do not give", "not given in", "does not contain", "do not contain"),
    *("does not include", "do not include", "does not answer", "do not answer"),
    *("does not list", "not listed", "no information", "no details"),
    *("not enough information", "insufficient information", "no such information"),
    *("do not know", "not known", "unknown", "not sure", "cannot tell", "could not find"),
    *("cannot answer", "cannot be answered", "unable to answer", "no answer"),
    *("cannot determine", "cannot be determined", "unable to determine"),
    *("cannot find", "not found in", "not covered", "not described", "not documented"),
)

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
    whole words; see `words` for what counts as the same word. "14 months" is not stated by "114
    months" nor by "1.14 months", and "5 degrees" not by "-5 degrees". The fact `"<refusal>"` is
    stated by an answer that says that it does not know. A fact that begins with `"<choice>"` is one
    of the things that the question itself names, as the better of two products: it counts only in
    an answer that states all other facts, since repeating the question must earn nothing.

    An `action` counts as one more fact: the first JSON object in the answer must be equal to it,
    whatever the order of its keys. An answer that states one of the query's `refutes` scores 0.

    Examples
    --------
    >>> facts = ("14 months", "9 months", "so it is the Halo bulb")
    >>> q = Query("q1", "which lasts longer?", "compare", ("…",), facts, (), "train")
    >>> round(grade(q, "It is 14 months and 8 months, so it is the Halo bulb."), 2)
    0.67

    """
    if any(states(answer, refute) for refute in query.refutes):
        return 0.0
    stated = [states(answer, fact) for fact in query.facts if not fact.startswith(CHOICE)]
    if query.action:
        stated.append(_same(first_object(answer), json.loads(query.action)))
    founded = bool(stated) and all(stated)
    choices = [fact for fact in query.facts if fact.startswith(CHOICE)]
    stated += [founded and states(answer, fact) for fact in choices]
    return sum(stated) / len(stated) if stated else 0.0


def states(text: str, fact: str) -> bool:
    """Tell whether a text states a fact: one of its wordings, or a refusal for `"<refusal>"`."""
    said = read_words(text)
    wordings = REFUSALS if fact == REFUSAL else alternatives(fact.removeprefix(CHOICE))
    return any(said.contain(read_words(wording)) for wording in wordings)


def first_object(text: str) -> dict[str, Any] | None:
    """Return the first JSON object that a text holds, None if it holds none.

    Examples
    --------
    >>> first_object('Send {this}: {"set": "mode", "to": 2}, then {"to": 3}.')
    {'set': 'mode', 'to': 2}

    """
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            return cast("dict[str, Any]", value)
    return None


def _same(one: Any, other: Any) -> bool:
    """Compare JSON values exactly; 40 and 40.0 are the same number, true and 1 are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def token_f1(query: Query, answer: str) -> float:
    """Return the F1 of an answer's words against the nearest reference; higher is better.

    Notes
    -----
    As in SQuAD (Rajpurkar et al., EMNLP 2016): words are compared as multisets after lower-casing
    and dropping punctuation and, unless nothing else is left, the articles a, an, the. Each letter
    of a script without spaces is a word. Where answer or reference has no word the F1 is 0. A wrong
    number in a right sentence still scores high: see how a grader agrees with your own labels
    before you trust it.

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
        return 0.0
    common = (Counter(said) & Counter(reference)).total()
    return 2 * common / (len(said) + len(reference))


def _squad_words(text: str) -> list[str]:
    """Return the words without articles, or with them if there is nothing else."""
    marks = "".join(c for c in set(text) if unicodedata.category(c)[0] == "P")
    bare = text.lower().translate(str.maketrans("", "", string.punctuation + marks))
    words = re.sub(rf"([{UNSPACED}])", r" \1 ", bare).split()
    return [word for word in words if word not in ("a", "an", "the")] or words


def embedding_similarity(query: Query, answer: str, encoder: Encoder) -> float:
    """Return the cosine of an answer and its nearest reference, cut to [0, 1]; higher is better.

    Notes
    -----
    It rewards being about the right thing, not being right: "14 months" and "9 months" are close.
    """
    first, *others = encoder.encode([answer, *query.references])
    return min(1.0, max(0.0, *(float(first @ other) for other in others)))
