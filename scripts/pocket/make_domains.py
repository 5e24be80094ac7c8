"""Write `data/smart_home` and `data/automotive`, cards included, from hand-named products, hand-written wordings and seeded values.

    python -m scripts.pocket.make_domains

Products are split by family (every "Halo …" is on one side), owners by name, general questions by subject, free wordings one by one.
Products and free wordings are in `wordings/`; template wordings share their patterns with the training corpus.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ecollm_lab.models import default_encoder
from scripts.pocket import corpus, domain_card
from scripts.pocket import grammar as g

DATA = Path("data")
WORDINGS = Path(__file__).parent / "wordings"
SHARES = {"train": 0.6, "heldout": 0.4}
COUNTS = {"lookup": 190, "compare": 95, "diagnose": 105, "procedure": 85, "personal": 75, "unanswerable": 65}  # general: all there are
FREE_SHARE = 0.42
MOST_USES = 3  # of one free wording in one split
NEAR = 0.85  # held-out queries with this cosine or more to a training query are left out
MARGIN = 1e-4  # none may be so close to NEAR that another machine's rounding would decide
NOTES = {"smart_home": "Household notes", "automotive": "Vehicle notes"}


@dataclass(frozen=True)
class Item:
    """A template question with its gold passages, and the free wordings that ask the same, by what fills them."""

    turn: corpus.Turn
    gold: tuple[str, ...]
    free: dict[str, dict[str, str]]  # wording -> fields
    withheld: str = ""  # the sentence that would answer, where the domain does not state it

    def row(self, split: str, wording: str | None) -> dict[str, Any]:
        """Return the query's record without its id."""
        facts = [f"{f} | {f.removeprefix('so it is ')} has" if f.startswith("so it is") else f for f in self.turn.facts]
        return {
            "text": wording.format(**self.free[wording]) if wording else self.turn.question,
            "kind": self.turn.kind,
            "wording": "free" if wording else "template",
            "references": [self.turn.answer],
            "facts": facts,
            "gold": list(self.gold),
            "split": split,
        }


@dataclass
class Book:
    """One domain in the making: its passages, and what can be asked by split and kind."""

    name: str
    rng: Random
    passages: list[dict[str, str]] = field(default_factory=list)
    items: dict[tuple[str, str], list[Item]] = field(default_factory=lambda: defaultdict(list))
    uses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.speech = g.SPEECH[self.name]
        self.words = wordings(self.name)

    def add(self, title: str, source: str, turns: list[corpus.Turn]) -> tuple[str]:
        """Add a passage that states the turns' answers; return its id as gold."""
        text = " ".join(turn.answer for turn in turns)
        self.passages.append({"id": f"p{len(self.passages) + 1:03d}", "title": title, "source": source, "text": text})
        return (self.passages[-1]["id"],)

    def hold(self, split: str, turn: corpus.Turn, gold: tuple[str, ...], free: dict[str, dict[str, str]]) -> None:
        """Keep a question for the draw; what is no general knowledge and has no gold passage is unanswerable."""
        withheld = "" if gold or turn.kind == "general" else turn.answer
        asked = corpus.ask_unsaid(turn) if withheld else turn
        self.items[split, asked.kind].append(Item(asked, gold, free, withheld))


def wordings(name: str) -> dict[str, Any]:
    """Return the products and free wordings of one domain, as written."""
    return tomllib.loads((WORDINGS / f"{name}.toml").read_text(encoding="utf-8"))


def split_of(i: int) -> str:
    """Return the split of the item at place `i` of a list: of every five in a row three are for training, two are held out."""
    return "train" if i % 5 < 3 else "heldout"


def of_split(items: list[str] | tuple[str, ...], split: str) -> list[str]:
    """Return the items of one split."""
    return [item for i, item in enumerate(items) if split_of(i) == split]


def named(entity: str) -> dict[str, str]:
    """Return the fields of a free wording about one product."""
    return {"e": entity, "l": entity.lower()}


def lookups(book: Book, split: str, entity: str, stated: dict[str, list[tuple[str, float, tuple[str, ...]]]]) -> None:
    """Write an entity's two fact passages, and ask for what they state and for what they do not."""
    chosen = book.rng.sample(book.speech.attributes, 6)
    asks = {a.name: dict.fromkeys(of_split(book.words["lookup"][a.name], split), named(entity)) for a in book.speech.attributes}
    for title, part in (("specifications", chosen[:3]), ("everyday use", chosen[3:])):
        values = [a.draw(book.rng) for a in part]
        turns = [corpus.ask_lookup(book.rng, a, entity, v) for a, v in zip(part, values, strict=True)]
        gold = book.add(f"{entity}: {title}", "manual", turns)
        for attribute, value, turn in zip(part, values, turns, strict=True):
            book.hold(split, turn, gold, asks[attribute.name])
            stated[attribute.name].append((entity, value, gold))
    for attribute in book.rng.sample([a for a in book.speech.attributes if a not in chosen], 2):
        book.hold(split, corpus.ask_lookup(book.rng, attribute, entity, attribute.low), (), asks[attribute.name])


def diagnoses(book: Book, split: str, entity: str) -> None:
    """Write an entity's troubleshooting passage, and ask about its symptoms and about one that it leaves out."""
    *symptoms, other = book.rng.sample(list(book.speech.symptoms), 4)
    turns = [corpus.ask_diagnose(book.rng, book.speech, entity, s, book.rng.choice(book.speech.actions)) for s in (*symptoms, other)]
    gold = book.add(f"{entity}: troubleshooting", "manual", turns[:-1])
    for symptom, turn in zip((*symptoms, other), turns, strict=True):
        reports = of_split(book.words["diagnose"]["reports"][symptom], split)
        frames = of_split(book.words["diagnose"]["frames"], split)
        free = {frame: {"r": book.rng.choice(reports).format(**named(entity))} for frame in frames}
        book.hold(split, turn, () if symptom == other else gold, free)


def procedures(book: Book, split: str, entity: str, n: int) -> None:
    """Write `n` procedures of an entity, and ask for their steps and for one of a procedure that the manual leaves out."""
    words = {key: of_split(frames, split) for key, frames in book.words["procedure"].items()}
    *described, other = book.rng.sample(book.speech.procedures, n + 1)
    for procedure in (*described, other):
        steps = book.rng.sample(book.speech.steps, book.rng.choice((3, 4, 5)))
        turns = [corpus.ask_procedure(book.rng, procedure, entity, steps, i, whole=procedure != other) for i in range(1, len(steps) + 1)]
        gold = () if procedure == other else book.add(f"{entity}: how to {procedure.goal} it", "manual", turns)
        asked = (book.rng.randrange(len(steps)),) if procedure == other else range(len(steps))
        for i in asked:
            fields = named(entity) | {"goal": procedure.goal, "n": str(i + 1), "nth": g.ORDINALS[i], "word": g.NUMBERS[i]}
            frames = words["any"] + ([] if procedure == other else words["after"] if i else words["first"])
            free = dict.fromkeys(frames, fields | {"prev": steps[i - 1]})
            book.hold(split, turns[i], gold, free)


def comparable(a: str, b: str) -> bool:
    """Return whether two entities are of one family or of one type: others are rarely compared."""
    return a.split(maxsplit=1)[0] == b.split(maxsplit=1)[0] or a.rsplit(maxsplit=1)[-1] == b.rsplit(maxsplit=1)[-1]


def comparisons(book: Book, split: str, stated: dict[str, list[tuple[str, float, tuple[str, ...]]]]) -> None:
    """Ask which of two entities has more, or less, of what is stated of both, if they are comparable."""
    for attribute in book.speech.attributes:
        holders = stated[attribute.name]
        for x, y in ((x, y) for x in holders for y in holders if x[1] != y[1] and comparable(x[0], y[0])):
            turn = corpus.ask_compare(book.rng, attribute, x[:2], y[:2])
            larger = turn.facts[2].removeprefix("so it is the ") == (x if x[1] > y[1] else y)[0]
            fields = {"a": x[0], "b": y[0], "la": x[0].lower(), "lb": y[0].lower()}
            phrase = book.words["compare"]["phrases"][attribute.name][0 if larger else 1]
            free = dict.fromkeys(of_split(book.words["compare"]["frames"], split), fields | {"phrase": phrase})
            book.hold(split, turn, x[2] + y[2], free)


def notes(book: Book) -> None:
    """Write the owners' notes, and ask for what they say and for what they do not."""
    for i, owner in enumerate(book.speech.owners):
        split = split_of(i)
        *settings, other = book.rng.sample(book.speech.settings, 5)
        turns = [corpus.ask_personal(book.rng, s, owner, s.draw(book.rng)) for s in (*settings, other)]
        gold = book.add(f"{NOTES[book.name]}: {owner}", "notes", turns[:-1])
        for setting, turn in zip((*settings, other), turns, strict=True):
            free = {wording: {"o": owner} for wording in of_split(book.words["personal"][setting.name], split)}
            book.hold(split, turn, () if setting == other else gold, free)


def write_book(name: str) -> Book:
    """Return one domain's passages and all that could be asked about them."""
    book = Book(name, Random(f"{name}-2"))  # the second edition
    for split, entities in book.words["products"].items():
        stated: dict[str, list[tuple[str, float, tuple[str, ...]]]] = defaultdict(list)
        for i, entity in enumerate(entities):
            lookups(book, split, entity, stated)
            diagnoses(book, split, entity)
            procedures(book, split, entity, 2 if i % 8 == 0 else 1)
        comparisons(book, split, stated)
    notes(book)
    for i, (answer, fact, questions) in enumerate(book.speech.general):
        for question in (questions[-1], book.words["general"][answer]):
            turn = corpus.Turn("general", question, answer, (fact,))
            book.hold(split_of(i), turn, (), {question: {}})
    return book


def draw(book: Book) -> Iterator[dict[str, Any]]:
    """Draw the queries: so many of a kind and split, a fixed share of them in free wording, no text twice."""
    seen: set[str] = set()
    for (split, kind), items in sorted(book.items.items()):
        wanted = round(COUNTS[kind] * SHARES[split]) if kind in COUNTS else len(items)
        n_free = round(wanted * FREE_SHARE) if kind in COUNTS else wanted
        for item in book.rng.sample(items, len(items)):
            unused = [w for w in item.free if book.uses[w] < MOST_USES] if n_free > 0 else []
            wording = book.rng.choice([w for w in unused if book.uses[w] == min(book.uses[u] for u in unused)]) if unused else None
            row = item.row(split, wording)
            if wanted and row["text"].lower() not in seen:
                seen.add(row["text"].lower())
                wanted, n_free = wanted - 1, n_free - bool(wording)
                book.uses.update([wording] if wording else [])
                yield row


def nearest(queries: list[dict[str, Any]]) -> np.ndarray:
    """Return for each held-out query its largest cosine to a training query, under the lab's default encoder."""
    held, trained = ([q["text"] for q in queries if q["split"] == split] for split in ("heldout", "train"))
    encoder = default_encoder()
    return (encoder.encode(held) @ encoder.encode(trained).T).max(axis=1)


def main() -> None:
    """Write both domains."""
    for name in g.SPEECH:
        book = write_book(name)
        drawn = list(draw(book))
        held, trained = ([q for q in drawn if q["split"] == split] for split in ("heldout", "train"))
        cosines = nearest(drawn)
        if np.abs(cosines - NEAR).min() < MARGIN:
            raise SystemExit(f"{name}: a held-out query is within {MARGIN} of NEAR = {NEAR}; choose another NEAR")
        queries = trained + [query for query, cosine in zip(held, cosines, strict=True) if cosine < NEAR]
        rows = [{"id": f"q{i:03d}", **query} for i, query in enumerate(queries, start=1)]
        folder = DATA / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, records in (("passages.jsonl", book.passages), ("queries.jsonl", rows)):
            text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            (folder / file).write_text(text, encoding="utf-8")
        (folder / "CARD.md").write_text(domain_card.card(name, book.passages, rows, cosines, NEAR), encoding="utf-8")
        print(f"{folder}: {len(book.passages)} passages, {len(rows)} queries, {len(drawn) - len(rows)} near-duplicates left out")


if __name__ == "__main__":
    main()
