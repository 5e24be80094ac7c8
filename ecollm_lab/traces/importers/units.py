"""Units of recorded columns: given, said by a column's name, or guessed aloud."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path as FilePath

import numpy as np
import pandas as pd

from ecollm_lab.records import LabError
from ecollm_lab.traces.importers.reading import NOT_RECORDED, numbers

# how many of the trace's unit one of these is
_TIME = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "usec", "micros", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
}
_MONEY = {
    **dict.fromkeys(("usd", "dollar", "dollars", "$"), 1.0),
    **dict.fromkeys(("cent", "cents"), 1e-2),
}
_SHARE = {"share": 1.0, **dict.fromkeys(("percent", "pct", "percentage", "%"), 1e-2)}
UNITS: dict[str, dict[str, float]] = {"quality": _SHARE, "cost_usd": _MONEY, "latency_s": _TIME}
_OWN = {"quality": "shares of 1", "cost_usd": "US dollars", "latency_s": "seconds"}
_CURRENCIES = [
    "cny",
    "rmb",
    "yuan",
    "¥",
    "元",
    "eur",
    "euro",
    "euros",
    "€",
    "gbp",
    "pounds",
    "£",
    "jpy",
    "yen",
    "inr",
    "rupees",
    "₹",
    "krw",
    "won",
    "chf",
    "sek",
    "cad",
    "aud",
]
_LAST_ONLY = ("s", "min", "share")  # as another word of a name they mean something else
_MEANT = {"latency_s": {"latency", "duration"}, "cost_usd": {"cost", "price"}}
_ODD = {"cost_usd": 10.0, "latency_s": 60.0}  # a median beyond this is hardly in the trace's unit


def _words(column: str) -> list[str]:
    """Return the words of a name: latency and ms of latency_ms, latencyMs or Latency [ms]."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", column)
    return [word for word in re.split(r"[\s_\-()\[\]/.:,]+", apart.lower()) if word]


def unit_of(name: str, column: str) -> str:
    """Return the unit that the name of a file's column says; "" if it says none.

    Examples
    --------
    >>> unit_of("latency_s", "latency_ms"), unit_of("cost_usd", "cost (CNY)")
    ('ms', 'cny')
    >>> unit_of("quality", "f1")
    ''

    """
    words = _words(column)
    known = [*UNITS.get(name, ()), *(_CURRENCIES if name == "cost_usd" else ())]
    if name == "cost_usd" and "cents" in words:
        return "cents"
    for place, word in enumerate(words):
        if word in known and (word not in _LAST_ONLY or place == len(words) - 1):
            return word
    return ""


def lookalikes(table: pd.DataFrame) -> dict[str, str]:
    """Return {a trace's column: the file's} where a file has it under one name with another unit.

    latency_min is none: it may hold the least of several latencies.
    """
    found: dict[str, str] = {}
    for name in [name for name in UNITS if name not in table]:
        base = _words(name)[0]
        units = {column: unit_of(name, column) for column in map(str, table.columns)}
        like = [
            column
            for column, unit in units.items()
            if unit not in ("", "min") and [w for w in _words(column) if w != unit] == [base]
        ]
        found |= {name: like[0]} if len(like) == 1 else {}
    return found


def converted(
    table: pd.DataFrame, file: FilePath, source: Mapping[str, tuple[str, str]], notes: list[str]
) -> dict[str, pd.Series]:
    """Return quality, cost and latency of a table in the trace's units, those that are there.

    Parameters
    ----------
    table, file
        The table as read, and its file, for messages.
    source
        {a trace's column: (the file's column, its unit or "")}; a unit is a word of `UNITS` or a
        number, how many of the trace's unit one is.
    notes
        What was assumed is added here.

    Raises
    ------
    LabError
        If a unit is unknown, is a currency without a rate, or values are hardly in the trace's
        unit and nothing says in which they are.

    """
    out: dict[str, pd.Series] = {}
    for name in [name for name in UNITS if name in source]:
        column, given = source[name]
        if name == "cost_usd" and not given:
            _require_per_query(column)
        unit = given or unit_of(name, column)
        factor = _factor(name, column, unit)
        values = table[column]
        if name == "quality" and not pd.api.types.is_numeric_dtype(values):
            values, factor = _percent_signs(values, factor, given)
        if factor == 1 and not given:
            _ask_about_odd(table.assign(**{name: values}), name, column, file, notes)
        if unit == "" and column != name and factor == 1:
            notes.append(f"{name} is {column}, taken as {_OWN[name]}")
        elif factor != 1:
            notes.append(f"{name} is {column} × {factor:g} ({unit or '%'})")
        out[name] = values
        if factor != 1:
            top = 1 / factor if name == "quality" else None
            out[name] = numbers(table.assign(**{name: values}), name, top) * factor
    return out


def _require_per_query(column: str) -> None:
    """Raise if a column's name says that a cost is for other than one query."""
    words = _words(column)
    of = words[words.index("per") + 1 :][:1] if "per" in words else []
    if of and of[0] not in ("query", "request", "call", "question", "prompt"):
        raise LabError(
            f"{column} is a cost per {of[0]}, and a trace has the cost of one query. Say how many"
            f" US dollars one of it is for one query, e.g. --column cost_usd={column} --unit"
            " cost_usd=0.001 for a cost per 1,000 queries."
        )


def _factor(name: str, column: str, unit: str) -> float:
    if not unit:
        return 1.0
    if unit.lower() in UNITS[name]:
        return UNITS[name][unit.lower()]
    if unit.lower() in _CURRENCIES:
        raise LabError(
            f"{column} is in {unit.upper()}, and a trace has US dollars. Give the rate, how many US"
            f" dollars one is, e.g. --column {name}={column} --unit {name}=0.14."
        )
    try:
        factor = float(unit)
    except ValueError:
        factor = 0.0
    if not 0 < factor < math.inf:
        raise LabError(
            f"The unit of {name} must be one of {', '.join(UNITS[name])}, or a number: how many"
            f" {_OWN[name]} one is; got {unit!r}."
        )
    return factor


def _percent_signs(values: pd.Series, factor: float, given: str) -> tuple[pd.Series, float]:
    """Take % off cells such as "87 %" where the unit is percent.

    It is, with that factor, where none is given and every recorded cell has the sign.
    """
    words = values.astype(object).where(values.notna(), "").astype(str).str.strip()
    marked = words.str.endswith("%")
    all_marked = (marked | words.str.lower().isin(NOT_RECORDED)).all()
    if not marked.any() or not (factor == 1e-2 or (all_marked and not given)):
        return values, factor
    return words.str.removesuffix("%"), 1e-2


def _ask_about_odd(
    table: pd.DataFrame, name: str, column: str, file: FilePath, notes: list[str]
) -> None:
    """Refuse values that are hardly in the trace's unit; only note it where a name says so."""
    if name not in _ODD:
        return
    middle = float(numbers(table, name).median())
    if middle <= _ODD[name] or np.isnan(middle):
        return
    odd = f"half of the values in {column} are {middle:.4g} {_OWN[name]} or more"
    way = f"--unit {name}={'ms' if name == 'latency_s' else 'cents'}"
    if unit_of(name, column):
        notes.append(f"{odd}; if that is wrong, name their unit, e.g. {way}")
    else:
        raise LabError(
            f"{file}: {odd}, or are they in another unit? Name it, e.g. {way}, or"
            f" {name}={next(iter(UNITS[name]))} if they are right."
        )


def unread(table: pd.DataFrame, there: Collection[str]) -> list[str]:
    """Return a sentence for each column that seems to hold what the trace then lacks."""
    sentences = []
    for name, words in _MEANT.items():
        found = [str(c) for c in table.columns if words & set(_words(str(c)))]
        if name not in there and found:
            sentences.append(
                f"{', '.join(found)} was not read: if it is {name}, say --column {name}={found[0]}"
                f" and its unit"
            )
    return sentences
