"""Refine: what of the found passages the model gets to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ecollm_lab.paths.components import component
from ecollm_lab.paths.lexical import LexicalIndex
from ecollm_lab.paths.sources import Indexes, Sources, best_first, reciprocal_rank_fusion
from ecollm_lab.records import LabError, Passage

Texts = tuple[str, ...]


@component("refine", "none")
def whole(sources: Sources, query: str, found: Sequence[Passage], k: int, n: int) -> Texts:
    """Hand on the passages as they are."""
    return tuple(passage.text for passage in found[:k])


@component("refine", "extract", numbers=(3,))
def extract(sources: Sources, query: str, found: Sequence[Passage], k: int, n: int) -> Texts:
    """Hand on the n best sentences of the k passages, in the order in which they were found."""
    sentences = _sentences(sources)
    if strange := [passage.id for passage in found[:k] if passage.id not in sentences.of]:
        raise LabError(
            f"The refine component 'extract' takes passages of the domain alone, and {strange[0]!r}"
            " is none. Let the retriever return some of `sources.passages`, or leave 'extract' out"
            " of its paths."
        )
    rows, scores = sentences.scores(sources, query, found[:k])
    chosen = {rows[i] for i in best_first(scores)[:n]}
    texts = []
    for passage in found[:k]:
        parts = enumerate(sentences.of[passage.id])
        texts.append(" ".join(text for i, text in parts if (passage.id, i) in chosen))
    return tuple(text for text in texts if text)


class Sentences:
    """The sentences of all passages of a domain, with their indexes."""

    def __init__(self, indexes: Indexes) -> None:
        self.of = {p.id: re.split(r"(?<=[.!?])\s+", p.text.strip()) for p in indexes.passages}
        self._start: dict[str, int] = {}
        texts: list[str] = []
        for passage_id, sentences in self.of.items():
            self._start[passage_id] = len(texts)
            texts += sentences
        self._lexical = LexicalIndex(texts)
        self._matrix = indexes.encoder.encode(texts)

    def scores(
        self, sources: Sources, query: str, passages: Sequence[Passage]
    ) -> tuple[list[tuple[str, int]], np.ndarray]:
        """Return the passages' sentences as (passage id, number in it), and the score of each.

        The score is the reciprocal-rank fusion of BM25 and cosine similarity to the query.
        """
        rows = [(p.id, i) for p in passages for i in range(len(self.of[p.id]))]
        where = [self._start[passage_id] + i for passage_id, i in rows]
        if not where:
            return rows, np.zeros(0)
        lexical = self._lexical.scores(query)[where]
        dense = self._matrix[where] @ sources.embed(query)
        return rows, reciprocal_rank_fusion([best_first(lexical), best_first(dense)], len(rows))


def _sentences(sources: Sources) -> Sentences:
    return sources.built_once("sentences", Sentences)
