"""Rewrite: what is searched for. The model that answers always sees the user's own words."""

from __future__ import annotations

import re

from ecollm_lab.paths.components import component

HYDE = "hyde"  # the one component that needs a model


def build_hyde_prompt(question: str) -> str:
    """Ask for a hypothetical answer."""
    return f"Write the sentence that would answer.\nQuestion: {question}"


@component("rewrite", "none")
def unchanged(text: str) -> str:
    """Search for the user's own words."""
    return text


@component("rewrite", "keywords")
def keywords(text: str) -> str:
    """Search for the query without English stop words, or for all of it if nothing is left."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    words = re.findall(r"[\w'-]+", text)
    rare = [word for word in words if word.lower() not in ENGLISH_STOP_WORDS]
    return " ".join(rare or words)


@component("rewrite", HYDE)
def hyde(text: str, hypothetical: str = "") -> str:
    """Search for the query together with an answer that a model made up.

    Notes
    -----
    HyDE (Gao et al. 2022, arXiv 2212.10496) embeds answers that a model makes up, and averages
    their vectors with the query's. One short answer is written here, `hypothetical`, and searched
    for together with the query as one text, also by the lexical side of a hybrid. What it claims
    may be wrong: it is there to be worded like the passage that is wanted, and the model that
    answers never sees it.
    """
    return f"{text} {hypothetical}".strip()
