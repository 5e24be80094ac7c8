"""Says what a domain without faults still lacks before its results mean much."""

from __future__ import annotations

from collections.abc import Sequence

from ecollm_lab.domains.domain import Domain
from ecollm_lab.domains.grading import grade, normalise
from ecollm_lab.records import Passage, Query

MIN_TRAIN, MIN_HELDOUT, MAX_WORDS = 20, 10, 200
EXAMPLE = "example-"  # how the ids begin of the lines that a new domain is written with


def find_gaps(domain: Domain) -> list[str]:
    """Return what the domain still lacks, one sentence each; an empty list if nothing."""
    return [*_about_texts(domain), *_about_facts(domain)]


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
    wrong = [q for q in domain.queries if max(grade(q, r) for r in q.references) < 1]
    if wrong:
        gaps.append(
            f"{_first(wrong)} have no reference that states their own facts: mend facts or"
            " references"
        )
    without = [q for q in domain.queries if q.gold and not grade(q, _gold_text(q, passages))]
    if without:
        gaps.append(f"{_first(without)} have facts that no gold passage states: mend facts or gold")
    return gaps


def _first(queries: Sequence[Query]) -> str:
    return f"{len(queries)} queries (first {queries[0].id})"


def _gold_text(query: Query, passages: dict[str, Passage]) -> str:
    return " ".join(f"{passages[g].title}. {passages[g].text}" for g in query.gold)
