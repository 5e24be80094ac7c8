"""Freshly invented worlds for training: entities, values and passages no domain contains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from scripts.pocket import grammar as g

# First names of the domains' entities; `invent_name` never returns one (checked by tests/test_pocket.py).
RESERVED = frozenset(
    "Halo Lumo Brisk Nova Ember Tilda Pico Orbit Velum Sonar Kestrel Mistral Fenn Juno Arbor Quill Zephyr Cobalt Marlo Rowan "
    "Vela Tarn Corvo Arden Solis Drift Onyx Rally Fjord Lynx Mesa Sierra Altus Bora Cirro Delta Pampa Juniper Gale Quest Heron".split()
)
VARIANTS = ("", "", "", "Mini", "Max", "Pro", "Plus", "Duo", "Eco", "Sport")
PLACES = (
    "the playroom",
    "the sauna",
    "the office",
    "the balcony",
    "the laundry",
    "the workshop",
    "the loft",
    "the pantry",
    "the gym",
    "the ferry",
    "the beach",
    "the choir trip",
    "the evening class",
    "the train",
    "the allotment",
    "the theatre",
    "the clinic",
)
_ONSETS = "b c d f g h j k l m n p r s t v w z br cl dr fl gr kl pr st tr vl sh ch th".split()
_VOWELS = "a e i o u a e i o u ai ea ou io".split()
_CODAS = "n r l s x m k t nd rn st ss lt".split() + [""] * 9


def invent_name(rng: Random) -> str:
    """Draw a pronounceable capitalised word that no domain uses."""
    while True:
        syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
        word = "".join(syllables) + rng.choice(_CODAS)
        if len(word) > 2 and word.capitalize() not in RESERVED:
            return word.capitalize()


@dataclass(frozen=True)
class Turn:
    """One question with the sentence that answers it and the facts that sentence must state."""

    kind: str
    question: str
    answer: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """One context and the questions it answers."""

    passages: tuple[str, ...]
    turns: tuple[Turn, ...]


def say(rng: Random, question: str) -> str:
    """Give a question an opener, a capital or not, and an end mark or not, as people type and dictate."""
    question = rng.choice(g.OPENERS) + question
    if rng.random() < 0.4:
        question = question[0].upper() + question[1:]
    return question.rstrip("?") if rng.random() < 0.15 else question


def ask_lookup(rng: Random, attribute: g.Attribute, entity: str, value: float) -> Turn:
    """Ask for one attribute of one entity."""
    pattern = rng.choice(attribute.asks) if rng.random() < 0.65 else rng.choice(g.LOOKUP_ASKS)
    shown = attribute.show(value)
    question = say(rng, pattern.format(name=attribute.name, e=f"the {entity}"))
    return Turn("lookup", question, g.FACT.format(name=attribute.name, entity=entity, value=shown), (shown,))


def ask_compare(rng: Random, attribute: g.Attribute, a: tuple[str, float], b: tuple[str, float]) -> Turn:
    """Ask which of two entities has more, or less, of an attribute; the values must differ."""
    larger = rng.random() < 0.6
    winner = (a if (a[1] > b[1]) == larger else b)[0]
    va, vb = attribute.show(a[1]), attribute.show(b[1])
    adjective = attribute.more if larger else attribute.less
    question = say(rng, rng.choice(g.COMPARE_ASKS).format(adj=adjective, name=attribute.name, a=f"the {a[0]}", b=f"the {b[0]}"))
    answer = g.COMPARE.format(name=attribute.name, a=a[0], b=b[0], va=va, vb=vb, winner=winner)
    return Turn("compare", question, answer, (va, vb, f"so it is the {winner}"))


def ask_diagnose(rng: Random, speech: g.Speech, entity: str, symptom: str, action: str) -> Turn:
    """Report a symptom and ask what to do."""
    reports = speech.symptoms[symptom]
    report = rng.choice((f"{{e}} {symptom}", *reports, *reports)).format(e=f"the {entity}")
    question = say(rng, f"{report}, {rng.choice(g.DIAGNOSE_TAILS)}")
    return Turn("diagnose", question, g.SYMPTOM.format(entity=entity, symptom=symptom, action=action), (action,))


def ask_personal(rng: Random, setting: g.Setting, owner: str, value: str) -> Turn:
    """Ask for one of the household's own settings."""
    pattern = rng.choice(setting.asks) if rng.random() < 0.65 else rng.choice(g.PERSONAL_ASKS)
    question = say(rng, pattern.format(name=setting.name, o=owner))
    return Turn("personal", question, g.PERSONAL.format(name=setting.name, owner=owner, value=value), (value,))


def ask_procedure(rng: Random, procedure: g.Procedure, entity: str, actions: Sequence[str], n: int) -> Turn:
    """Ask for step `n` (counted from 1) of a procedure whose steps are `actions`."""
    way = rng.choice((f"{procedure.goal} {{e}}", *procedure.ways)).format(e=f"the {entity}")
    question = say(rng, rng.choice(g.PROCEDURE_ASKS).format(n=n, nth=g.ORDINALS[n - 1], way=way))
    answer = g.PROCEDURE.format(n=n, goal=procedure.goal, entity=entity, action=actions[n - 1])
    return Turn("procedure", question, answer, (actions[n - 1],))


def ask_unsaid(turn: Turn) -> Turn:
    """Ask a question where the passages at hand do not hold its answer: the right answer is to say so."""
    return Turn("unanswerable", turn.question, g.NOT_SAID, ("does not say",))


def _entities(rng: Random, speech: g.Speech, n: int) -> list[str]:
    """Draw entities that are easily confused: shared first names, shared types."""
    names = [invent_name(rng) for _ in range(max(1, n - rng.randint(0, 2)))]
    types = rng.sample(speech.types, rng.randint(1, min(4, n + 1)))
    out: list[str] = []
    while len(out) < n:
        entity = " ".join(filter(None, (rng.choice(names), rng.choice(VARIANTS), rng.choice(types))))
        if entity not in out:
            out.append(entity)
    return out


def lesson(rng: Random, k: int, n_turns: int = 4) -> Lesson:  # noqa: PLR0912, PLR0915 - one draw after the other
    """Draw `k` passages and `n_turns` questions that they (or general knowledge) answer."""
    speech = rng.choice((g.SMART_HOME, g.AUTOMOTIVE))
    if k == 0:
        return Lesson((), (_ask_general(rng, speech) if rng.random() < 0.7 else _ask_without_passages(rng, speech),))
    entities = _entities(rng, speech, rng.randint(2, 4))
    attributes = rng.sample(speech.attributes, rng.randint(2, 5))
    facts: list[list[tuple[str, Turn]]] = []  # per passage: (sentence, a question it answers)
    values: dict[tuple[str, str], float] = {}
    pool = [(e, a) for e in entities for a in attributes]
    while len(facts) < k:
        n = rng.choice((1, 2, 3, 3, 4))
        draw = rng.random()
        if draw < 0.6:
            entity = rng.choice(entities)
            free = [(e, a) for e, a in pool if e == entity and (e, a.name) not in values]
            if not free:
                entities.append(f"{invent_name(rng)} {rng.choice(speech.types)}")
                pool += [(entities[-1], a) for a in attributes]
                continue
            row = []
            for _, attribute in rng.sample(free, min(n, len(free))):
                value = values[entity, attribute.name] = attribute.draw(rng)
                turn = ask_lookup(rng, attribute, entity, value)
                row.append((turn.answer, turn))
        elif draw < 0.82:
            entity = rng.choice(entities)
            symptoms = rng.sample(list(speech.symptoms), n)
            if any((entity, s) in values for s in symptoms):
                continue
            values.update({(entity, s): 0.0 for s in symptoms})
            turns = [ask_diagnose(rng, speech, entity, s, rng.choice(speech.actions)) for s in symptoms]
            row = [(turn.answer, turn) for turn in turns]
        else:
            owner = invent_name(rng) if rng.random() < 0.6 else rng.choice(PLACES)
            settings = rng.sample(speech.settings, n)
            if any((owner, s.name) in values for s in settings):
                continue
            values.update({(owner, s.name): 0.0 for s in settings})
            turns = [ask_personal(rng, s, owner, s.draw(rng)) for s in settings]
            row = [(turn.answer, turn) for turn in turns]
        rng.shuffle(row)
        facts.append(row)
    candidates = [turn for row in facts for _, turn in row]
    rng.shuffle(candidates)
    makers = _comparisons(rng, attributes, values)
    turns = []
    for _ in range(n_turns):
        draw = rng.random()
        if draw < 0.07:
            turns.append(_ask_general(rng, speech))
        elif draw < 0.32 and makers:
            turns.append(ask_compare(rng, *makers.pop()))
        elif candidates:
            turns.append(candidates.pop())
    return Lesson(tuple(" ".join(s for s, _ in row) for row in facts), tuple(turns))


def _comparisons(
    rng: Random, attributes: list[g.Attribute], values: dict[tuple[str, str], float]
) -> list[tuple[g.Attribute, tuple[str, float], tuple[str, float]]]:
    """Pair up entities that differ in an attribute, in random order."""
    out = []
    for attribute in attributes:
        holders = [(e, v) for (e, name), v in values.items() if name == attribute.name]
        rng.shuffle(holders)
        out += [(attribute, a, b) for a, b in pairwise(holders) if a[1] != b[1]]
    rng.shuffle(out)
    return out


def _ask_general(rng: Random, speech: g.Speech) -> Turn:
    """Ask for general knowledge; the last wording of each question is kept for the domains."""
    answer, fact, questions = rng.choice(speech.general)
    return Turn("general", say(rng, rng.choice(questions[:-1])), answer, (fact,))


NO_PASSAGE = "I have no passage about that."


def _ask_without_passages(rng: Random, speech: g.Speech) -> Turn:
    """Ask for a fact with nothing to read: the right answer is to say so."""
    entity = _entities(rng, speech, 1)[0]
    match rng.randint(0, 3):
        case 0:
            attribute = rng.choice(speech.attributes)
            turn = ask_lookup(rng, attribute, entity, attribute.draw(rng))
        case 1:
            turn = ask_diagnose(rng, speech, entity, rng.choice(list(speech.symptoms)), rng.choice(speech.actions))
        case 2:
            attribute = rng.choice(speech.attributes)
            turn = ask_compare(rng, attribute, (entity, attribute.low), (_entities(rng, speech, 1)[0], attribute.high))
        case _:
            setting = rng.choice(speech.settings)
            turn = ask_personal(rng, setting, invent_name(rng), setting.draw(rng))
    return Turn("none", turn.question, NO_PASSAGE, (NO_PASSAGE,))
