"""Freshly invented worlds for training: no domain contains their entities and owners; values are drawn anew from the same ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from random import Random

from scripts.pocket import grammar as g
from scripts.pocket import noise
from scripts.pocket.speech import Attribute, Procedure, Setting, Speech

VARIANTS = ("", "", "", "Mini", "Max", "Pro", "Plus", "Duo", "Eco", "Sport", "Lite", "Ultra", "Classic", "Junior")
PLACES = tuple(  # places, people and occasions that invented notes are about; none is an owner in a domain
    "the playroom|the sauna|the office|the balcony|the laundry|the workshop|the loft|the pantry|the spa|the ferry|the beach|the choir trip|"
    "the evening class|the train|the allotment|the opera|the clinic|the corridor|the dining room|the music room|the greenhouse|the shed|"
    "the carport|the conservatory|the boat|the cabin|the spare bed|the bunk room|the winter garden|the hobby room|the wardrobe|the pool|"
    "the school bus|the party|the exam|the long weekend|the camping trip|the museum|the harbour|the concert|the swimming lesson|the lido|"
    "the cinema|the bakery run|the early shift|the night shift|the parents|the kids|the babysitter|the lodger|the puppy|the parrot|"
    "Monday mornings|rainy days|summer nights|guests|the grandparents|the neighbours|the team|the hamster|the picnic|the wedding|the zoo|"
    "Sundays|the office trip|the hill climb|the mountain pass|the old town|the tunnel|the car wash|the island|the north trip".split("|")
)
_ONSETS = (
    "b c d f g h j k l m n p qu r s t v w x y z b c d f g h k l m n p r s t v "
    "br cl cr dr fl fr gl gr kl pl pr sc sh sk sl sn sp st str sw th tr tw ch ph vl wh"
).split()
_VOWELS = "a e i o u a e i o u a e i o u y ai ea ee ia io oa oo ou".split()
_CODAS = "n r l s x m k t b d g p v z ck ll rd rn rt nd nt st ss lt mp sk th".split()
_DOUBLED = ("put", "get", "set", "fit", "swap", "let", "tap", "hum", "drip", "run", "stop", "forget", "scan")

KINDS = {"lookup": 0.23, "compare": 0.60, "diagnose": 0.26, "procedure": 0.20, "personal": 0.15}  # odds, where the passages allow it
HARDER = {**KINDS, "compare": 0.90, "procedure": 0.45}  # odds for a model that can look up already
GENERAL, UNSAID = 0.06, 0.10  # shares of all questions
ROUGH = 0.4  # share of training questions that are written carelessly
_OWNER_NAMES = frozenset(o for speech in g.SPEECH.values() for o in speech.owners if " " not in o)


def invent_name(rng: Random) -> str:
    """Draw a pronounceable capitalised word that no domain uses; every letter and pair that a real name may have should come up."""
    while True:
        n = rng.choice((1, 2, 2, 2, 3))
        parts: list[str] = []
        for i in range(n):
            parts.append("" if i == 0 and rng.random() < 0.25 else rng.choice(_ONSETS))
            parts.append(rng.choice(_VOWELS))
            parts.append(rng.choice(_CODAS) if rng.random() < (0.5 if i == n - 1 else 0.25) else "")
        word = "".join(parts).capitalize()
        if 2 < len(word) < 12 and word not in RESERVED and word not in _OWNER_NAMES:
            return word


@dataclass(frozen=True)
class Turn:
    """One question with the sentence that answers it and the facts that sentence must state.

    A `hyde` turn is asked with the prompt that wants an invented answer; it stands alone in its lesson.
    """

    kind: str
    question: str
    answer: str
    facts: tuple[str, ...]
    hyde: bool = False


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


def _bare_entity(text: str) -> str:
    """Ask about an entity without its article, as in keywords."""
    return re.sub(r"\bthe (?=[A-Z])", "", text)


def _gerund(phrase: str) -> str:
    """Turn a verb phrase into its -ing form."""
    verb, *rest = phrase.split(" ")
    if verb == "not":
        return f"not {_gerund(' '.join(rest))}"
    if verb in _DOUBLED:
        verb += verb[-1]
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1]
    return " ".join((f"{verb}ing", *rest))


def _bare(symptom: str) -> str:
    """Turn "blinks red" into "blink red"."""
    verb, *rest = symptom.split(" ")
    if verb in ("does", "will"):
        return " ".join(rest)
    return " ".join(({"has": "have"}.get(verb, verb[:-1]), *rest))


def _owned(rng: Random, pattern: str) -> str:
    """Sometimes ask for "the entity's battery" rather than "the battery of the entity"."""
    return re.sub(r"\bthe ((?:[\w-]+|\{name\})(?: [\w-]+)?) of \{e\}", r"{e}'s \1", pattern) if rng.random() < 0.3 else pattern


def _indirect(rng: Random, pattern: str) -> str:
    """Turn "how much does {e} cost?" into "do you know how much {e} costs?", where the word order is known."""
    lead, _, rest = pattern.partition(" {e}")
    question, _, verb = lead.rpartition(" ")
    rest = rest.rstrip("?")
    if "," in pattern or not lead.startswith(("how", "what", "when", "at", "to", "up", "after")) or not question:
        return pattern
    if verb in ("can", "may", "must", "should", "will", "is"):
        ask = f"{question} {{e}} {verb}{rest}"
    elif verb == "does" and rest:
        base, *more = rest.split()
        ask = " ".join((question, "{e}", {"have": "has", "go": "goes", "do": "does", "reach": "reaches"}.get(base, f"{base}s"), *more))
    else:
        return pattern
    return rng.choice(g.INDIRECT).replace("{ask}", ask)


def ask_lookup(rng: Random, attribute: Attribute, entity: str, value: float, terse: bool = False) -> Turn:
    """Ask for one attribute of one entity."""
    pattern = rng.choice(g.LOOKUP_TERSE if terse else attribute.asks if rng.random() < 0.65 else g.LOOKUP_ASKS)
    if pattern in attribute.asks and rng.random() < 0.25:
        pattern = _indirect(rng, pattern)
    name = attribute.name if rng.random() < 0.6 else rng.choice(attribute.names)
    question = say(rng, _owned(rng, pattern).format(name=name, e=f"the {entity}"))
    shown = attribute.show(value)
    answer = g.FACT.format(name=attribute.name, entity=entity, value=shown)
    return Turn("lookup", _bare_entity(question) if terse else question, answer, (shown,))


def ask_compare(
    rng: Random, attribute: Attribute, a: tuple[str, float], b: tuple[str, float], terse: bool = False, reasoned: bool = False
) -> Turn:
    """Ask which of two entities has more, or less, of an attribute; the values must differ. A `reasoned` answer says why."""
    larger = rng.random() < 0.55
    winner = (a if (a[1] > b[1]) == larger else b)[0]
    va, vb = attribute.show(a[1]), attribute.show(b[1])
    comparative = attribute.more if larger else attribute.less
    adjectives, superlatives, amount = g.ADJECTIVES[comparative]
    fields = {
        "adj": rng.choice(adjectives),
        "best": rng.choice(superlatives),
        "more": amount,
        "win": rng.choice(attribute.more_wins if larger else attribute.less_wins),
        "name": attribute.name if rng.random() < 0.6 else rng.choice(attribute.names),
    }
    frames = g.COMPARE_TERSE if terse else g.COMPARE_WINS if rng.random() < 0.45 else g.COMPARE_ASKS
    question = say(rng, rng.choice(frames).format(a=f"the {a[0]}", b=f"the {b[0]}", **fields))
    fields = {"name": attribute.name, "a": a[0], "b": b[0], "va": va, "vb": vb, "winner": winner}
    if reasoned:
        fields |= {"second": "more" if b[1] > a[1] else "less", "wanted": "more" if larger else "less"}
    answer = (g.REASONED if reasoned else g.COMPARE).format(**fields)
    return Turn("compare", _bare_entity(question) if terse else question, answer, (va, vb, f"so it is the {winner}"))


def ask_diagnose(rng: Random, speech: Speech, entity: str, symptom: str, action: str, terse: bool = False) -> Turn:
    """Report a symptom and, mostly, ask what to do."""
    bare = _bare(symptom)
    fields = {"e": f"the {entity}", "symptom": symptom, "bare": bare, "ing": _gerund(bare)}
    if terse:
        question = _bare_entity(rng.choice(g.DIAGNOSE_TERSE).format(**fields))
    elif rng.random() < 0.15:
        question = rng.choice(g.DIAGNOSE_VERBS).format(**fields)
    else:
        report = _owned(rng, rng.choice(("{e} {symptom}", *speech.symptoms[symptom]))).format(**fields)
        form = rng.random()
        if form < 0.3:
            question = rng.choice(g.DIAGNOSE_HEADS).format(report=report)
        elif form < 0.45:
            question = report
        else:
            question = f"{report}{rng.choice((', ', ', ', '. ', ' - ', '; '))}{rng.choice(g.DIAGNOSE_TAILS)}"
    answer = g.SYMPTOM.format(entity=entity, symptom=symptom, action=action)
    return Turn("diagnose", say(rng, question), answer, (action,))


def ask_procedure(
    rng: Random, procedure: Procedure, entity: str, actions: Sequence[str], n: int, terse: bool = False, whole: bool = True
) -> Turn:
    """Ask for step `n` (counted from 1) of a procedure whose steps are `actions`; by its neighbours only if the steps are `whole`."""
    way = rng.choice(procedure.ways).format(e=f"the {entity}")
    number = str(n) if rng.random() < 0.7 else g.NUMBERS[n - 1]
    fields = {"n": number, "nth": g.ORDINALS[n - 1], "way": way, "ing": _gerund(way), "m": n - 1}
    frames = [g.PROCEDURE_ASKS] * 2
    if terse:
        frames = [g.PROCEDURE_TERSE]
    elif n == 1:
        frames.append(g.PROCEDURE_FIRST)
    else:
        frames.append(g.PROCEDURE_NEXT)
        if whole:
            fields |= {"before": actions[n - 2], "before_ing": _gerund(actions[n - 2])}
            frames += [g.PROCEDURE_AFTER] * 2
    if whole and not terse and n < len(actions):
        fields |= {"after": actions[n], "after_ing": _gerund(actions[n])}
        frames += [g.PROCEDURE_BEFORE] * (rng.random() < 0.5)
    elif whole and not terse:
        frames.append(g.PROCEDURE_LAST)
    question = say(rng, rng.choice(rng.choice(frames)).format(**fields))
    answer = g.PROCEDURE.format(n=n, goal=procedure.goal, entity=entity, action=actions[n - 1])
    return Turn("procedure", _bare_entity(question) if terse else question, answer, (actions[n - 1],))


def ask_personal(rng: Random, setting: Setting, owner: str, value: str, terse: bool = False) -> Turn:
    """Ask for a setting that only the owner's notes hold."""
    pattern = rng.choice(g.PERSONAL_TERSE if terse else setting.asks if rng.random() < 0.6 else g.PERSONAL_ASKS)
    if pattern.endswith(" for {o}?") and rng.random() < 0.25:
        pattern = rng.choice(g.OWNER_FIRST).replace("{ask}", pattern.removesuffix(" for {o}?"))
    name = setting.name if rng.random() < 0.6 else rng.choice(setting.names)
    question = say(rng, pattern.format(name=name, o=owner))
    return Turn("personal", question, g.PERSONAL.format(name=setting.name, owner=owner, value=value), (value,))


def ask_general(rng: Random, speech: Speech) -> Turn:
    """Ask for general knowledge; the last wording of each question is kept for the domains."""
    answer, fact, questions = rng.choice(speech.general)
    return Turn("general", say(rng, rng.choice(questions[:-1])), answer, (fact,))


def ask_unsaid(turn: Turn) -> Turn:
    """Ask a question where the passages at hand do not hold its answer: the right answer is to say so."""
    return replace(turn, kind="unanswerable", answer=g.NOT_SAID, facts=("does not say",))


class World:
    """The facts of one lesson: every question that its passages answer, with the `odds` of each kind, and what they leave unsaid."""

    def __init__(self, rng: Random, speech: Speech, odds: Mapping[str, float] = KINDS, reasoned: bool = False) -> None:
        self.rng, self.speech, self.odds, self.reasoned = rng, speech, odds, reasoned
        self.entities = _entities(rng, speech, rng.randint(2, 4))
        self.attributes = rng.sample(speech.attributes, rng.randint(2, 5))
        self.owners: list[str] = []
        # (entity or owner, attribute, symptom, goal or setting) that is said or was asked; only the values of attributes are read again
        self.said: dict[tuple[str, str], float] = {}
        self.asks: dict[str, list[Callable[..., Turn]]] = {kind: [] for kind in KINDS}
        self.asked: dict[str, list[Callable[..., Turn]]] = {kind: [] for kind in KINDS}

    def passage(self) -> str:
        """Write one passage and note the questions it answers."""
        rng = self.rng
        draw, n = rng.random(), rng.choice((1, 1, 2, 2, 3, 3, 3, 4))
        if draw < 0.52:
            row = self._facts(n)
        elif draw < 0.71:
            row = self._trouble(n)
        elif draw < 0.86:
            row = self._steps()
        else:
            row = self._notes(n)
        return " ".join(row) if row else self.passage()

    def _facts(self, n: int) -> list[str]:
        rng = self.rng
        entity = rng.choice(self.entities)
        held = {name for _, name in self.said}
        free = [a for a in self.attributes if (entity, a.name) not in self.said]
        rng.shuffle(free)
        if rng.random() < 0.8:  # what another entity has too comes first: there is something to compare
            free.sort(key=lambda a: a.name not in held)
        if not free:
            self.entities.append(f"{invent_name(rng)} {rng.choice(self.speech.types)}")
        row, chosen = [], free[:n]
        rng.shuffle(chosen)
        for attribute in chosen:
            value = self.said[entity, attribute.name] = attribute.draw(rng)
            self.asks["lookup"].append(partial(ask_lookup, rng, attribute, entity, value))
            row.append(g.FACT.format(name=attribute.name, entity=entity, value=attribute.show(value)))
        return row

    def _trouble(self, n: int) -> list[str]:
        rng, row = self.rng, []
        entity = rng.choice(self.entities)
        for symptom in rng.sample(list(self.speech.symptoms), n):
            if (entity, symptom) not in self.said:
                self.said[entity, symptom] = 1
                action = rng.choice(self.speech.actions)
                self.asks["diagnose"].append(partial(ask_diagnose, rng, self.speech, entity, symptom, action))
                row.append(g.SYMPTOM.format(entity=entity, symptom=symptom, action=action))
        return row

    def _steps(self) -> list[str]:
        rng, row = self.rng, []
        entity = rng.choice(self.entities)
        both = rng.random() < 0.15  # two procedures of one entity side by side
        for procedure in rng.sample(self.speech.procedures, 2 if both else 1):
            if (entity, procedure.goal) in self.said:
                continue
            actions = rng.sample(self.speech.steps, rng.randint(2, 3) if both else rng.randint(3, 5))
            whole = rng.random() < 0.85
            shown = range(1, len(actions) + 1) if whole else sorted(rng.sample(range(1, len(actions) + 1), rng.randint(1, 2)))
            self.said[entity, procedure.goal] = 1
            for n in shown:
                ask = partial(ask_procedure, rng, procedure, entity, actions, n, whole=whole)
                self.asks["procedure"].append(ask)
                row.append(g.PROCEDURE.format(n=n, goal=procedure.goal, entity=entity, action=actions[n - 1]))
        return row

    def _notes(self, n: int) -> list[str]:
        rng, row = self.rng, []
        owner = invent_name(rng) if rng.random() < 0.5 else rng.choice(PLACES)
        if owner in self.owners:
            return []
        self.owners.append(owner)
        for setting in rng.sample(self.speech.settings, n):
            self.said[owner, setting.name] = 1
            value = setting.draw(rng)
            self.asks["personal"].append(partial(ask_personal, rng, setting, owner, value))
            row.append(g.PERSONAL.format(name=setting.name, owner=owner, value=value))
        return row

    def comparisons(self) -> None:
        """Pair up entities that differ in an attribute, in random order."""
        for attribute in self.attributes:
            holders = [(e, v) for (e, name), v in self.said.items() if name == attribute.name]
            self.rng.shuffle(holders)
            for a, b in pairwise(holders):
                if a[1] != b[1]:
                    self.asks["compare"].append(partial(ask_compare, self.rng, attribute, a, b, reasoned=self.reasoned))

    def unsaid(self, terse: bool) -> Turn:
        """Ask for something that no passage says: of a thing that is there, or of one that is not."""
        rng, speech = self.rng, self.speech
        new = rng.random() < 0.3
        entity = _entities(rng, speech, 1)[0] if new else rng.choice(self.entities)
        owner = rng.choice(self.owners) if self.owners and not new else invent_name(rng) if rng.random() < 0.5 else rng.choice(PLACES)
        draw = rng.random()
        if draw < 0.4:
            attribute = rng.choice(self.attributes if rng.random() < 0.4 else speech.attributes)
            key, ask = (entity, attribute.name), partial(ask_lookup, rng, attribute, entity, attribute.low)
        elif draw < 0.6:
            symptom = rng.choice(list(speech.symptoms))
            key, ask = (entity, symptom), partial(ask_diagnose, rng, speech, entity, symptom, speech.actions[0])
        elif draw < 0.75:
            procedure = rng.choice(speech.procedures)
            key, ask = (
                (entity, procedure.goal),
                partial(ask_procedure, rng, procedure, entity, speech.steps, rng.randint(1, 5), whole=False),
            )
        elif draw < 0.9:
            setting = rng.choice(speech.settings)
            key, ask = (owner, setting.name), partial(ask_personal, rng, setting, owner, "")
        else:
            attribute = rng.choice(self.attributes)
            other = rng.choice([e for e in self.entities if e != entity])
            a, b = rng.sample((entity, other), 2)
            key, ask = (entity, attribute.name), partial(ask_compare, rng, attribute, (a, attribute.low), (b, attribute.high))
        if key in self.said or (new and any(noise.alike(entity.split()[0], e.split()[0]) for e in self.entities)):
            return self.unsaid(terse)
        self.said[key] = -1  # not asked twice
        self.entities.extend([entity] * (entity not in self.entities))
        return ask_unsaid(ask(terse=terse))

    def turn(self) -> Turn:
        """Ask one question, carelessly or not."""
        rng = self.rng
        rough = rng.random() < ROUGH
        terse = rough and rng.random() < 0.22
        draw = rng.random()
        if draw < GENERAL:
            turn = ask_general(rng, self.speech)
        elif draw < GENERAL + UNSAID:
            turn = self.unsaid(terse)
        else:
            turn = self._answerable(terse)
        if not rough:
            return turn
        return replace(turn, question=self._roughen(turn.question))

    def _answerable(self, terse: bool) -> Turn:
        """Ask what the passages answer; a fact comes again, in other words, once all were asked."""
        if not any(self.asks.values()):
            self.asks, self.asked = self.asked, {kind: [] for kind in KINDS}
        kinds = [kind for kind in KINDS if self.asks[kind]]
        kind = self.rng.choices(kinds, [self.odds[k] for k in kinds])[0]
        ask = self.asks[kind].pop(self.rng.randrange(len(self.asks[kind])))
        self.asked[kind].append(ask)
        return ask(terse=terse)

    def _roughen(self, question: str) -> str:
        asked = [e for e in self.entities if f"the {e}" in question]
        asked = [e for e in asked if not any(e != other and e in other for other in asked)]
        return noise.roughen(self.rng, question, asked, {*self.entities, *self.owners})


def _entities(rng: Random, speech: Speech, n: int) -> list[str]:
    """Draw entities that are easily confused: shared first names, shared types."""
    names = [invent_name(rng) for _ in range(max(1, n - rng.randint(0, 2)))]
    types = rng.sample(speech.types, rng.randint(1, min(4, n + 1)))
    out: list[str] = []
    while len(out) < n:
        entity = " ".join(filter(None, (rng.choice(names), rng.choice(VARIANTS), rng.choice(types))))
        if entity not in out:
            out.append(entity)
    return out


def lesson(rng: Random, k: int, n_turns: int = 4, odds: Mapping[str, float] = KINDS, reasoned: bool = False) -> Lesson:
    """Draw `k` passages and `n_turns` questions that they (or general knowledge, or nothing) answer; with no passages one question."""
    speech = rng.choice((g.SMART_HOME, g.AUTOMOTIVE))
    world = World(rng, speech, odds, reasoned)
    if k == 0:
        return Lesson((), (_ask_alone(world),))
    passages = tuple(world.passage() for _ in range(k))
    world.comparisons()
    return Lesson(passages, tuple(world.turn() for _ in range(n_turns)))


def drill(rng: Random) -> Lesson:
    """Draw two things and reasoned comparisons of up to four attributes: which number is larger, and whether that is wanted."""
    speech = rng.choice((g.SMART_HOME, g.AUTOMOTIVE))
    a, b = _entities(rng, speech, 2)
    facts: dict[str, list[str]] = {a: [], b: []}
    turns: list[Turn] = []
    for attribute in rng.sample(speech.attributes, 4):
        va, vb = attribute.draw(rng), attribute.draw(rng)
        for entity, value in ((a, va), (b, vb)):
            facts[entity].append(g.FACT.format(name=attribute.name, entity=entity, value=attribute.show(value)))
        if va != vb:
            first, second = rng.sample(((a, va), (b, vb)), 2)
            turns.append(ask_compare(rng, attribute, first, second, reasoned=True))
    if not turns:
        return drill(rng)
    rng.shuffle(turns)
    return Lesson(tuple(" ".join(row) for row in facts.values()), tuple(turns))


def _ask_alone(world: World) -> Turn:
    """Ask with nothing to read: general knowledge, a fact that only a passage could give, or, for `hyde`, an answer to invent."""
    rng, draw = world.rng, world.rng.random()
    if draw < 0.45:
        turn = ask_general(rng, world.speech)
        return replace(turn, question=world._roughen(turn.question)) if rng.random() < ROUGH else turn
    hyde = draw > 0.7
    for _ in range(3):
        world.passage()
    world.comparisons()
    while (turn := world.turn()).kind not in KINDS:
        pass
    if hyde:
        return replace(turn, hyde=True)
    return Turn("none", turn.question, g.NO_PASSAGE, (g.NO_PASSAGE,))


# First names of the domains' entities; `invent_name` never returns one (checked by tests/test_pocket.py).
RESERVED = frozenset(
    "Halo Lumo Brisk Nova Ember Tilda Pico Orbit Velum Sonar Kestrel Mistral Fenn Juno Arbor Quill Zephyr Cypress Marlo Wyvern "
    "Vela Tarn Corvo Arden Solis Drift Onyx Rally Fjord Lynx Mesa Sierra Altus Bora Cirro Delta Pampa Juniper Zyra Quest Myrtle".split()
)
