"""What a domain can talk about: its kinds of facts, each with the ways people ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Attribute:
    """A measurable property: its name, unit, value range and the ways people ask for it ({e} = the entity)."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    more: str  # comparative for the larger value
    less: str
    names: tuple[str, ...]  # what else people call it
    asks: tuple[str, ...]
    more_wins: tuple[str, ...]  # "which one ...": what the larger value makes of an entity
    less_wins: tuple[str, ...]

    def draw(self, rng: Random) -> float:
        """Draw one value on the attribute's grid."""
        steps = round((self.high - self.low) / self.step)
        return round(self.low + self.step * rng.randint(0, steps), 2)

    def show(self, value: float) -> str:
        """Write a value with its unit, as a manual prints it."""
        return f"{value:g} {self.unit}"


@dataclass(frozen=True)
class Setting:
    """A personal setting: its name, how a value is drawn, and the ways its owner asks for it ({o} = whose)."""

    name: str
    values: str  # "clock", "percent", "degrees", "code", "number", "minutes" or words separated by "/"
    names: tuple[str, ...]
    asks: tuple[str, ...]

    def draw(self, rng: Random) -> str:  # noqa: PLR0911 - one a kind of value
        """Draw one value."""
        match self.values:
            case "clock":
                return f"{rng.randint(5, 23)}:{rng.choice(['00', '15', '30', '45'])}"
            case "percent":
                return f"{5 * rng.randint(1, 20)} percent"
            case "degrees":
                return f"{rng.randint(15, 25)} degrees"
            case "code":
                return str(rng.randint(1000, 9999))
            case "number":
                return f"number {rng.randint(1, 30)}"
            case "minutes":
                return f"{5 * rng.randint(2, 24)} minutes"
        return rng.choice(self.values.split("/"))


@dataclass(frozen=True)
class Procedure:
    """An ordered procedure: its goal as a verb phrase ("to {goal} the {entity}") and the ways to say it ({e} = the entity)."""

    goal: str
    ways: tuple[str, ...]


@dataclass(frozen=True)
class Speech:
    """Everything a domain can talk about."""

    attributes: tuple[Attribute, ...]
    symptoms: dict[str, tuple[str, ...]]  # as the manual says it -> as people report it ({e} = the entity)
    actions: tuple[str, ...]
    settings: tuple[Setting, ...]
    owners: tuple[str, ...]
    types: tuple[str, ...]
    general: tuple[tuple[str, str, tuple[str, ...]], ...]  # answer sentence, its fact, questions; the last is kept for the domain
    procedures: tuple[Procedure, ...]
    steps: tuple[str, ...]  # the actions that procedures are made of, drawn at random


def words(text: str) -> tuple[str, ...]:
    """Split a row at its bars."""
    return tuple(cell.strip() for cell in text.split("|"))


def _blocks(text: str) -> list[tuple[tuple[str, ...], dict[str, tuple[str, ...]]]]:
    """Read blocks of a head row and rows that begin with a mark."""
    out = []
    for block in text.strip().split("\n\n"):
        head, *rows = block.splitlines()
        marked: dict[str, tuple[str, ...]] = {}
        for row in rows:
            marked[row[0]] = marked.get(row[0], ()) + words(row[1:])
        out.append((words(head), marked))
    return out


def attributes(text: str) -> tuple[Attribute, ...]:
    """Read blocks `name | unit | low high step | more/less`, `= names`, `? questions`, `+ larger wins`, `- smaller wins`."""
    out = []
    for (name, unit, span, comparatives), rows in _blocks(text):
        low, high, step = map(float, span.split())
        more, less = comparatives.split("/")
        out.append(Attribute(name, unit, low, high, step, more, less, rows["="], rows["?"], rows["+"], rows["-"]))
    return tuple(out)


def settings(text: str) -> tuple[Setting, ...]:
    """Read blocks `name | values`, `= names`, `? questions`."""
    return tuple(Setting(name, values, rows["="], rows["?"]) for (name, values), rows in _blocks(text))


def symptoms(text: str) -> dict[str, tuple[str, ...]]:
    """Read rows `symptom | reports`."""
    cells = map(words, text.strip().splitlines())
    return {name: tuple(reports) for name, *reports in cells}


def general(text: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Read rows `answer | fact | questions`."""
    cells = map(words, text.strip().splitlines())
    return tuple((answer, fact, tuple(questions)) for answer, fact, *questions in cells)


def procedures(text: str) -> tuple[Procedure, ...]:
    """Read rows `goal | ways`."""
    cells = map(words, text.strip().splitlines())
    return tuple(Procedure(goal, tuple(ways)) for goal, *ways in cells)
