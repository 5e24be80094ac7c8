"""Says what a domain without faults still lacks before its results mean much."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ecollm_lab.domains.domain import Domain
from ecollm_lab.domains.grading import REFUSAL, grade, states
from ecollm_lab.domains.words import normalise, read_words
from ecollm_lab.records import MOST_MATCHED, Passage, Query

MIN_TRAIN, MIN_HELDOUT, MAX_WORDS = 20, 10, 200
COMPUTED = ("compute",)  # kinds whose facts are worked out from the passages
COMPARED = ("compare",)  # kinds of which one fact, who wins, may be worked out
EXAMPLE = "example-"  # how the ids begin of the lines that a new domain is written with


def find_gaps(domain: Domain) -> list[str]:
    """Return what the domain still lacks, one sentence each; an empty list if nothing."""
    return [*_about_texts(domain), *_about_facts(domain), *_about_questions(domain)]


def _about_texts(domain: Domain) -> list[str]:
    gaps = []
    ids = [passage.id for passage in domain.passages] + [query.id for query in domain.queries]
    if left := [name for name in ids if name.startswith(EXAMPLE)]:
        gaps.append(f"{len(left)} example lines are left, first {left[0]}: write your own instead")
    for split, least in (("train", MIN_TRAIN), ("heldout", MIN_HELDOUT)):
        if (n := len(domain.split(split))) < least:
            gaps.append(f"{n} {split} queries; give at least {least}")
    train, heldout = ({normalise(q.text) for q in domain.split(s)} for s in ("train", "heldout"))
    if shared := sorted(train & heldout):
        gaps.append(
            f"{len(shared)} texts stand in both splits, first {shared[0]!r}: keep each on one side"
        )
    if long := [passage.id for passage in domain.passages if len(passage.text.split()) > MAX_WORDS]:
        gaps.append(
            f"{len(long)} passages have over {MAX_WORDS} words, first {long[0]}: cut them up, or"
            " small models cannot read several at once"
        )
    return gaps


def _about_facts(domain: Domain) -> list[str]:
    if domain.grading.name != "facts":
        return []
    gaps = []
    passages = {passage.id: passage for passage in domain.passages}
    wrong = [q for q in domain.queries if min(grade(q, r) for r in q.references) < 1]
    if wrong:
        gaps.append(
            f"{_first(wrong)} have a reference that does not state all their facts, lacks their"
            " action, or states a refute: mend facts or references"
        )
    without = [q for q in domain.queries if q.gold and not _is_in_gold(q, passages)]
    if without:
        gaps.append(
            f"{_first(without)} have a fact that no gold passage states: mend facts or gold"
        )
    return gaps


def _about_questions(domain: Domain) -> list[str]:
    """Find questions in `[characteristics]` that tell no training query from another."""
    texts, gaps = [query.text[:MOST_MATCHED] for query in domain.split("train")], []
    for question, pattern in domain.characteristics.items():
        yes = sum(re.search(pattern, text, re.IGNORECASE) is not None for text in texts)
        if len(texts) > 1 and yes in (0, len(texts)):
            who = "every training query" if yes else "no training query"
            gaps.append(
                f"the characteristic {question!r} is true of {who}, so that it tells none apart:"
                " mend its regular expression, or leave it out"
            )
    return gaps


def _is_in_gold(query: Query, passages: dict[str, Passage]) -> bool:
    """Tell whether the gold passages state each fact that is not worked out from them."""
    if query.kind in COMPUTED:
        return True
    text = _gold_text(query, passages)
    stated = [states(text, fact) for fact in query.facts if fact != REFUSAL]
    return all(stated) or (query.kind in COMPARED and any(stated))


def unique_5gram_share(domain: Domain) -> float:
    """Return the share of word 5-grams of the passages that occur once; natural text is near 1.

    Text that is written from templates repeats itself: there the share is low.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for passage in domain.passages:
        words = read_words(passage.text).words
        counts.update(words[i : i + 5] for i in range(len(words) - 4))
    return sum(n == 1 for n in counts.values()) / max(1, counts.total())


def _first(queries: Sequence[Query]) -> str:
    return f"{len(queries)} queries (first {queries[0].id})"


def _gold_text(query: Query, passages: dict[str, Passage]) -> str:
    return " ".join(f"{passages[g].title}. {passages[g].text}" for g in query.gold)
