"""Rewrite: what is searched for. The model that answers always sees the user's own words."""

from __future__ import annotations

import re

from ecollm_lab.records import Component, LabError


def build_hyde_prompt(question: str) -> str:
    """Ask for a hypothetical answer; the pocket models are trained on exactly this text."""
    return f"Write the sentence that would answer.\nQuestion: {question}"


def rewrite(component: Component, text: str, hypothetical: str = "") -> str:
    """Return the text that is searched for instead of a query.

    It is the query itself ("none"), the query without English stop words ("keywords"), or the query
    with a made-up answer ("hyde").

    Notes
    -----
    HyDE (Gao et al. 2022, arXiv 2212.10496) embeds answers that a model makes up, and averages
    their vectors with the query's. One short answer is written here, `hypothetical`, and searched
    for together with the query as one text, also by the lexical side of a hybrid. What it claims
    may be wrong: it is there to be worded like the passage that is wanted, and the model that
    answers never sees it.
    """
    match component.name:
        case "none":
            return text
        case "keywords":
            from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

            words = re.findall(r"[\w'-]+", text)
            kept = [word for word in words if word.lower() not in ENGLISH_STOP_WORDS]
            return " ".join(kept or words)
        case "hyde":
            return f"{text} {hypothetical}".strip()
    raise LabError(f"Unknown rewrite component {component.name!r}; known: none, keywords, hyde.")
