"""Answer quality in [0, 1]: the share of the required facts an answer states."""

from __future__ import annotations

import re
import unicodedata

from ecollm_lab.records import Query


def grade(query: Query, answer: str) -> float:
    """Return the share of a query's facts that an answer states; higher is better.

    A fact is stated if one of its wordings (separated by " | ") occurs in the answer as a run of whole words, ignoring case,
    punctuation and accents. "14 months" is not stated by "114 months" nor by "1.14 months".

    Examples
    --------
    >>> q = Query("q1", "which lasts longer?", "compare", ("…",), ("14 months", "9 months", "so it is the Halo bulb"), (), "train")
    >>> round(grade(q, "It is 14 months and 8 months, so it is the Halo bulb."), 2)
    0.67

    """
    said = f" {normalise(answer)} "
    stated = [any(f" {normalise(wording)} " in said for wording in fact.split(" | ")) for fact in query.facts]
    return sum(stated) / len(stated)


def normalise(text: str) -> str:
    """Lower-case, strip accents, keep words and numbers ("2.4" and "6:30" stay whole), single spaces."""
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"\d+(?:[.,:]\d+)*|[a-z]+|\d", text))
