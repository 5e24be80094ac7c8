"""Rewrite: what is searched for. The model always sees the user's own words."""

from __future__ import annotations

import re

from ecollm_lab.records import Component, LabError


def rewrite(component: Component, text: str) -> str:
    """Return the search text for a query: itself ("none") or without English stop words ("keywords")."""
    match component.name:
        case "none":
            return text
        case "keywords":
            from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

            words = re.findall(r"[\w'-]+", text)
            kept = [word for word in words if word.lower() not in ENGLISH_STOP_WORDS]
            return " ".join(kept or words)
    raise LabError(f"Unknown rewrite component {component.name!r}; known: none, keywords.")
