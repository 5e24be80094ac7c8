"""The shipped domains: as rich as promised, sound in every fact, split cleanly, and worded freely where they say so."""

import re
from collections import Counter, defaultdict
from functools import cache
from random import Random

import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.domains.grading import normalise
from scripts.pocket import corpus, domain_card, grammar, make_domains

NAMES = tuple(grammar.SPEECH)
KINDS = set(domain_card.KINDS)
both = pytest.mark.parametrize("name", NAMES)


@cache
def shipped(name):
    return load_domain(f"data/{name}")


@cache
def passages(name):
    return {p.id: p for p in shipped(name).passages}


def products(name):
    return make_domains.wordings(name)["products"]


def free_patterns(name):
    """Return every free wording as (section, name of what it asks, place in its list, pattern that finds it)."""
    words = make_domains.wordings(name)
    lists = [(section, key, rows) for section in ("lookup", "personal", "procedure") for key, rows in words[section].items()]
    lists += [(section, "", words[section]["frames"]) for section in ("compare", "diagnose")]
    for section, key, rows in lists:
        for i, row in enumerate(rows):
            parts = [re.escape(part) for part in re.split(r"\{\w+\}", row)]
            yield section, key, i, re.compile("(.+)".join(parts))


@both
def test_a_domain_is_as_large_and_as_mixed_as_promised(name):
    domain = shipped(name)
    assert len(domain.passages) >= 200
    assert len(domain.queries) >= 600
    assert {q.kind for q in domain.queries} == KINDS
    free = Counter(q.kind for q in domain.queries if q.wording == "free")
    of_kind = Counter(q.kind for q in domain.queries)
    assert free.total() >= 0.30 * len(domain.queries)
    assert all(free[kind] >= 0.20 * n for kind, n in of_kind.items()), free
    assert min(of_kind.values()) >= 25, of_kind
    assert 0.55 <= len(domain.split("train")) / len(domain.queries) <= 0.65
    assert sum(p.source == "notes" for p in domain.passages) >= 20
    sections = Counter(p.title.split(":")[0] for p in domain.passages if p.source == "manual")
    assert len(sections) == 48
    assert set(sections.values()) <= {4, 5}  # specifications, everyday use, troubleshooting, one or two procedures


@both
def test_no_text_is_asked_twice(name):
    texts = [normalise(q.text) for q in shipped(name).queries]
    assert not [text for text, n in Counter(texts).items() if n > 1]


@both
def test_every_fact_is_stated_by_the_gold_passages(name):
    for query in shipped(name).queries:
        text = " ".join(passages(name)[g].text for g in query.gold)
        assert bool(query.gold) == (query.kind not in ("general", "unanswerable")), query
        if query.kind == "compare":
            assert len(set(query.gold)) == 2
            a, b = query.facts[:2]
            attribute, first, second, winner = re.fullmatch(
                r"The (.+?) of the (.+?) is .+ and the .+ of the (.+?) is .+, so it is the (.+)\.", query.references[0]
            ).groups()
            assert f"The {attribute} of the {first} is {a}." in text
            assert f"The {attribute} of the {second} is {b}." in text
            assert winner in (first, second)
            assert first.lower() in query.text.lower()
            assert second.lower() in query.text.lower()
        elif query.gold:
            assert query.references[0] in text, query
            assert query.facts[0] in query.references[0]
        elif query.kind == "unanswerable":
            assert (query.references, query.facts) == (("The manual does not say.",), ("does not say",))


@both
def test_the_winner_of_a_free_comparison_is_what_its_phrase_asks(name):
    phrases = make_domains.wordings(name)["compare"]["phrases"]
    for query in shipped(name).queries:
        if query.kind == "compare" and query.wording == "free":
            attribute, first = re.match(r"The (.+?) of the (.+?) is ", query.references[0]).groups()
            a, b = (float(fact.split()[0]) for fact in query.facts[:2])
            larger = query.facts[2].split(" | ")[0] == f"so it is the {first}" if a > b else first not in query.facts[2].split(" | ")[0]
            assert phrases[attribute][0 if larger else 1] in query.text, query


@both
def test_no_passage_answers_an_unanswerable_query(name):
    book = make_domains.write_book(name)
    everything = " ".join(p.text for p in shipped(name).passages)
    asked = defaultdict(set)
    for (_, kind), items in book.items.items():
        for item in items:
            if kind == "unanswerable":
                for text in (item.turn.question, *(wording.format(**fields) for wording, fields in item.free.items())):
                    asked[text].add(item.withheld)
            elif kind in ("lookup", "diagnose", "procedure", "personal"):
                assert stem(item.turn.answer) in everything  # the stem is what a stating passage would hold
    for query in shipped(name).queries:
        if query.kind == "unanswerable":
            (withheld,) = asked[query.text]
            assert stem(withheld) not in everything, (query, withheld)


def stem(sentence):
    """Return a sentence's part that says what it is about: all before the value, the action or, in a procedure, after the number."""
    if sentence.startswith("If "):
        return sentence.split(", ")[0]
    return re.sub(r"^Step \d+", "", sentence).split(" is ")[0] + " is "


@both
def test_families_owners_and_free_wordings_are_on_one_side_only(name):
    domain = shipped(name)
    listed = products(name)
    families = {split: {entity.split()[0] for entity in entities} for split, entities in listed.items()}
    assert not families["train"] & families["heldout"]
    assert families["train"] | families["heldout"] <= corpus.RESERVED
    titles = {split: {tuple(passages(name)[g].title.split(": ")) for q in domain.split(split) for g in q.gold} for split in families}
    owners = {split: {who for what, who in found if what == make_domains.NOTES[name]} for split, found in titles.items()}
    assert not owners["train"] & owners["heldout"]
    for split, found in titles.items():
        assert {what for what, _ in found if what != make_domains.NOTES[name]} <= set(listed[split])
        other = {family.lower() for family in families["heldout" if split == "train" else "train"]}
        assert not [q for q in domain.split(split) if other & set(re.findall(r"\w+", q.text.lower()))]
    assert abs(len(listed["train"]) / sum(map(len, listed.values())) - 0.6) < 0.02


@both
def test_free_wordings_are_used_three_times_at_most_and_in_one_split(name):
    patterns = list(free_patterns(name))
    uses = defaultdict(list)
    for query in shipped(name).queries:
        if query.wording == "free" and query.kind != "general":
            found = [p for p in patterns if p[3].fullmatch(query.text)]
            assert found, query
            section, key, i, _ = max(found, key=lambda p: len(p[3].pattern))
            uses[section, key, i].append(query)
            assert query.kind in (section, "unanswerable")
            if query.kind == "lookup":
                assert query.references[0].startswith(f"The {key} of the "), query
            if query.kind == "personal":
                assert query.references[0].startswith(f"The {key} for "), query
    for (*_, i), queries in uses.items():
        assert {q.split for q in queries} == {"train" if i % 5 < 3 else "heldout"}, queries
        assert len(queries) <= 3, queries
    assert len(uses) >= 100


# Words that make no wording of their own: a training question with "hey google" before it or "pls" behind it is still that question.
SMALL = (
    r"\b(?:hey|google|alexa|siri|assistant|computer|ok|please|pls|so|um|uh|erm|hmm|well|ah|right|hi|hello|sorry|thanks|"
    r"thx|quick|question|again|tell|me|just|the|a|my|our|that|this|and|of|is|in|for|with|at|to|it)\b"
)


def bare(question, names=()):
    """Return a question without names, numbers, capitals, punctuation and small words."""
    text = question.lower().replace("'", "").replace("what is", "whats")
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name.lower(), "#")
    text = re.sub(r"\d+|\b(?:first|second|third|fourth|fifth|sixth|one|two|three|four|five|six)\b", "0", text)
    return " ".join(re.findall(r"[\w#]+", re.sub(SMALL, "", text)))


@cache
def trained_questions():
    """Return the bare questions of training lessons of both domains."""
    rng, out = Random(7), set()
    types = "|".join({t for speech in grammar.SPEECH.values() for t in speech.types})
    for _ in range(5000):
        lesson = corpus.lesson(rng, rng.choice((0, 1, 3, 6)))
        text = " ".join((*lesson.passages, *(t.answer for t in lesson.turns)))
        names = {*re.findall(rf"the ([A-Z]\w*(?: [A-Z]\w*)? (?:{types}))\b", text), *re.findall(r"The [\w -]+? for ([\w ]+?) is ", text)}
        out |= {bare(turn.question, names) for turn in lesson.turns}
    return out


def rendered(name):
    """Yield every free wording of a domain, with # for each name."""
    words, speech = make_domains.wordings(name), grammar.SPEECH[name]
    fields = dict.fromkeys(("e", "l", "o", "a", "b", "la", "lb"), "#") | dict.fromkeys(("n", "nth", "word"), "0")
    for rows in (*words["lookup"].values(), *words["personal"].values()):
        yield from (row.format(**fields) for row in rows)
    for procedure in speech.procedures:
        for rows in words["procedure"].values():
            yield from (row.format(**fields, goal=procedure.goal, prev=prev) for row in rows for prev in speech.steps[:3])
    phrases = [phrase for pair in words["compare"]["phrases"].values() for phrase in pair]
    yield from (frame.format(**fields, phrase=phrase) for frame in words["compare"]["frames"] for phrase in phrases)
    reports = [report.format(**fields) for rows in words["diagnose"]["reports"].values() for report in rows]
    yield from (frame.format(r=report) for frame in words["diagnose"]["frames"] for report in reports)
    yield from words["general"].values()


@both
def test_no_training_template_produces_a_free_wording(name):
    trained = trained_questions()
    assert not sorted({text for text in rendered(name) if bare(text) in trained})
    names = {*grammar.SPEECH[name].owners, *(entity for entities in products(name).values() for entity in entities)}
    free, template = ([bare(q.text, names) for q in shipped(name).queries if q.wording == w] for w in ("free", "template"))
    assert not sorted(set(free) & trained)
    known = sum(text in trained for text in template)
    assert known >= 0.25 * len(template), known / len(template)  # so that the checks above can fail


def test_the_domains_and_their_cards_are_what_the_script_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(make_domains, "DATA", tmp_path)
    make_domains.main()
    for name in NAMES:
        for file in ("passages.jsonl", "queries.jsonl", "CARD.md"):
            assert (tmp_path / name / file).read_text() == (make_domains.Path("data") / name / file).read_text(), file


@both
def test_the_card_says_what_the_data_hold(name):
    domain = shipped(name)
    card = (make_domains.Path("data") / name / "CARD.md").read_text()
    for kind in KINDS:
        of_kind = [q for q in domain.queries if q.kind == kind]
        cells = [sum(q.wording == w and q.split == s for q in of_kind) for w in ("template", "free") for s in ("train", "heldout")]
        assert f"| {kind} | {' | '.join(map(str, cells))} | {len(of_kind)} |" in card
    rows = [{"text": q.text, "split": q.split} for q in domain.queries]
    largest = make_domains.nearest(rows).max()
    assert largest < make_domains.NEAR
    assert f"Largest cosine that remains: {largest:.3f}" in card
