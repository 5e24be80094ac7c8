"""Write `data/smart_home` and `data/automotive` from hand-named entities and seeded values.

    python -m scripts.pocket.make_domains

Entities are split by family (every "Halo …" is on one side), owners by name, general questions by subject. Wordings marked
`free` are written below and occur nowhere in training; the others share their patterns with the training corpus.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from scripts.pocket import corpus
from scripts.pocket import grammar as g

DATA = Path("data")
ENTITIES = {
    "smart_home": {
        "train": (
            "Halo bulb, Halo Mini bulb, Halo lamp, Lumo bulb, Lumo Max lamp, Brisk vacuum, Brisk Pro vacuum, Nova plug, Nova Duo plug, "
            "Ember thermostat, Ember heater, Ember Eco heater, Tilda kettle, Orbit camera, Orbit Pro camera, Orbit doorbell, "
            "Sonar speaker, Sonar Mini speaker, Fenn hub, Fenn Plus hub, Quill remote, Quill display"
        ),
        "heldout": (
            "Pico sensor, Pico Plus sensor, Velum blind, Velum Max blind, Kestrel lock, Kestrel Pro lock, Mistral fan, "
            "Mistral Eco fan, Juno display, Juno remote, Arbor alarm, Arbor Mini alarm, Zephyr fan, Zephyr heater"
        ),
    },
    "automotive": {
        "train": (
            "Vela hatchback, Vela Sport hatchback, Vela estate, Tarn van, Tarn Max van, Tarn camper, Corvo coupe, Corvo cabrio, "
            "Arden estate, Arden Plus estate, Arden saloon, Solis crossover, Solis Eco crossover, Drift roadster, Onyx limousine, "
            "Rally pickup, Rally Pro pickup, Fjord jeep, Fjord wagon, Lynx hatchback, Lynx Mini hatchback, Mesa truck"
        ),
        "heldout": (
            "Sierra wagon, Sierra Plus wagon, Altus minibus, Altus Max minibus, Bora scooter, Bora Sport scooter, Cirro coupe, "
            "Cirro Eco coupe, Delta saloon, Delta cabrio, Pampa pickup, Pampa Duo pickup, Juniper van, Juniper camper"
        ),
    },
}
NOTES = {"smart_home": "Household notes", "automotive": "Vehicle notes"}

# Wordings that no training pattern produces.
FREE_LOOKUP = {
    "battery life": ("{e} battery, how many months is it good for", "so what battery life can i expect from {e}"),
    "wireless range": ("whats the range like on {e}, in metres", "how many metres does {e} reach wireless"),
    "reset time": ("i need to reset {e}. how long must i press", "reset {e}, seconds needed?"),
    "warranty": ("is there still warranty on {e}? how many years do we get", "years of warranty on {e} pls"),
    "power draw": ("the power {e} draws, in watts", "how many watts is {e} pulling"),
    "charging time": ("when charging {e}, how many hours should i plan", "{e} is empty, how long on the charger"),
    "noise level": ("is {e} noisy? give me decibels", "decibels of {e} pls"),
    "weight": ("weight of {e} in grams", "i want to hang up {e}, what does it weigh"),
    "pairing time": ("i am pairing {e}, how many minutes will this take", "pairing {e} takes how long"),
    "memory": ("how much memory is in {e}", "{e} storage in gigabytes"),
    "tyre pressure": ("whats the right pressure in the tyres of {e}", "pumping up {e}, how many bar"),
    "tank size": ("how large is the fuel tank on {e}", "tank of {e} in litres"),
    "oil interval": ("when is the next oil due on {e}, in kilometres", "oil change {e} every how many kilometres"),
    "towing limit": ("can {e} tow my caravan? whats the limit", "max kilograms {e} may tow"),
    "boot space": ("how many litres of boot has {e}", "will the pram fit in the boot of {e}, how much space is there"),
    "charge time": ("fast charging {e}, minutes?", "how long am i stuck at the charger with {e}"),
    "wheel torque": ("torque for the wheels on {e}", "how many newton metres on the wheel bolts of {e}"),
    "roof load": ("roof box on {e}, how many kilograms are ok", "what load is allowed on the roof of {e}"),
    "driving range": ("whats the range of {e} in kilometres", "full charge on {e} gets me how far"),
    "wading depth": ("how many centimetres of water can {e} take", "wading with {e}, how deep is ok"),
}
FREE_COMPARE = ("{a} or {b}, which one wins on {name} if i want it {adj}", "give me the one with the {adj} {name}: {a} or {b}")
FREE_DIAGNOSE = (
    "help, {e} {symptom}",
    "{e} {symptom} again since this morning. what can i try",
    "my partner says {e} {symptom}. is there a fix",
)
FREE_PERSONAL = ("{name} for {o} again? i forgot", "need our {name}, the one for {o}", "{o}: {name}?")


def fact_row(turn: corpus.Turn, gold: list[str], free: str | None) -> dict:
    """Turn a question into a query record without id and split."""
    question = free or turn.question
    facts = [f"{f} | {f.removeprefix('so it is ')} has" if f.startswith("so it is") else f for f in turn.facts]
    return {
        "text": question,
        "kind": turn.kind,
        "wording": "free" if free else "template",
        "references": [turn.answer],
        "facts": facts,
        "gold": gold,
    }


def maybe(rng: Random, patterns: tuple[str, ...]) -> str | None:
    """Choose a free wording in three cases of ten."""
    return rng.choice(patterns) if rng.random() < 0.3 else None


def build(name: str, rng: Random) -> tuple[list[dict], list[dict]]:
    """Return the passages and queries of one domain."""
    speech = g.SPEECH[name]
    passages: list[dict] = []
    queries: list[dict] = []

    def add_passage(title: str, source: str, sentences: list[str]) -> str:
        passages.append({"id": f"p{len(passages) + 1:03d}", "title": title, "source": source, "text": " ".join(sentences)})
        return passages[-1]["id"]

    for split, listed in ENTITIES[name].items():
        measured: dict[str, list[tuple[str, float, str]]] = {}
        for entity in listed.split(", "):
            chosen = rng.sample(speech.attributes, 6)
            for title, part in (("specifications", chosen[:3]), ("everyday use", chosen[3:])):
                values = [(a, a.draw(rng)) for a in part]
                turns = [corpus.ask_lookup(rng, a, entity, v) for a, v in values]
                gold = add_passage(f"{entity}: {title}", "manual", [t.answer for t in turns])
                for (attribute, value), turn in zip(values, turns, strict=True):
                    measured.setdefault(attribute.name, []).append((entity, value, gold))
                    if rng.random() < 0.5:
                        free = maybe(rng, FREE_LOOKUP[attribute.name])
                        row = fact_row(turn, [gold], free and free.format(e=f"the {entity}"))
                        queries.append(row | {"split": split})
            symptoms = rng.sample(list(speech.symptoms), 3)
            turns = [corpus.ask_diagnose(rng, speech, entity, s, rng.choice(speech.actions)) for s in symptoms]
            gold = add_passage(f"{entity}: troubleshooting", "manual", [t.answer for t in turns])
            for symptom, turn in zip(symptoms, turns, strict=True):
                if rng.random() < 0.5:
                    free = maybe(rng, FREE_DIAGNOSE)
                    row = fact_row(turn, [gold], free and free.format(e=f"the {entity}", symptom=symptom))
                    queries.append(row | {"split": split})
        pairs = [(a, x, y) for a in speech.attributes for x in measured.get(a.name, []) for y in measured.get(a.name, []) if x[1] != y[1]]
        for attribute, x, y in rng.sample(pairs, 30 if split == "train" else 20):
            turn = corpus.ask_compare(rng, attribute, x[:2], y[:2])
            free = maybe(rng, FREE_COMPARE)
            if free:
                larger = (x if x[1] > y[1] else y)[0] == turn.facts[2].removeprefix("so it is the ")
                adjective = attribute.more if larger else attribute.less
                free = free.format(a=f"the {x[0]}", b=f"the {y[0]}", name=attribute.name, adj=adjective)
            queries.append(fact_row(turn, [x[2], y[2]], free) | {"split": split})
    for i, owner in enumerate(speech.owners):
        settings = rng.sample(speech.settings, 4)
        turns = [corpus.ask_personal(rng, s, owner, s.draw(rng)) for s in settings]
        gold = add_passage(f"{NOTES[name]}: {owner}", "notes", [t.answer for t in turns])
        for setting, turn in list(zip(settings, turns, strict=True))[:3]:
            free = maybe(rng, FREE_PERSONAL)
            row = fact_row(turn, [gold], free and free.format(o=owner, name=setting.name))
            queries.append(row | {"split": "train" if i % 5 < 3 else "heldout"})
    for i, (answer, fact, questions) in enumerate(speech.general):
        turn = corpus.Turn("general", corpus.say(rng, questions[-1]), answer, (fact,))
        queries.append(fact_row(turn, [], None) | {"wording": "free", "split": "train" if i % 5 < 3 else "heldout"})
    return passages, queries


def main() -> None:
    """Write both domains."""
    for name in ENTITIES:
        passages, queries = build(name, Random(f"{name}-1"))
        seen: set[str] = set()
        queries = [q for q in queries if not (q["text"] in seen or seen.add(q["text"]))]  # type: ignore[func-returns-value]
        rows = [{"id": f"q{i:03d}", **query} for i, query in enumerate(queries, start=1)]
        folder = DATA / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, records in (("passages.jsonl", passages), ("queries.jsonl", rows)):
            text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            (folder / file).write_text(text, encoding="utf-8")
        print(f"{folder}: {len(passages)} passages, {len(rows)} queries")


if __name__ == "__main__":
    main()
