"""Refine: what of the found passages the model gets to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ecollm_lab.embed import Encoder
from ecollm_lab.records import Component, LabError, Passage
from ecollm_lab.stages.retrieve import LexicalIndex, best_first, reciprocal_rank_fusion


class Refiner:
    """Cuts passages of one domain down to the sentences that matter for a query."""

    def __init__(self, passages: Sequence[Passage], encoder: Encoder) -> None:
        self._sentences = {p.id: re.split(r"(?<=[.!?])\s+", p.text.strip()) for p in passages}
        self._start: dict[str, int] = {}
        texts: list[str] = []
        for passage_id, sentences in self._sentences.items():
            self._start[passage_id] = len(texts)
            texts += sentences
        self._index = LexicalIndex(texts)
        self._encoder = encoder
        self._matrix = encoder.encode(texts)

    def refine(self, component: Component, query: str, passages: Sequence[Passage]) -> tuple[str, ...]:
        """Return the texts to read, in retrieval order: whole ("none") or their `k` best sentences ("extract").

        Sentences are ranked among each other by reciprocal-rank fusion of BM25 and cosine similarity to the query.
        """
        match component.name:
            case "none":
                return tuple(passage.text for passage in passages)
            case "extract":
                return self._extract(component.k, query, passages)
        raise LabError(f"Unknown refine component {component.name!r}; known: none, extract.")

    def _extract(self, k: int, query: str, passages: Sequence[Passage]) -> tuple[str, ...]:
        rows = [(p.id, i) for p in passages for i in range(len(self._sentences[p.id]))]
        where = [self._start[passage_id] + i for passage_id, i in rows]
        lexical = best_first(self._index.scores(query)[where])
        dense = best_first(self._matrix[where] @ self._encoder.encode([query])[0])
        kept = {rows[i] for i in best_first(reciprocal_rank_fusion([lexical, dense], len(rows)))[:k]}
        texts = (" ".join(s for i, s in enumerate(self._sentences[p.id]) if (p.id, i) in kept) for p in passages)
        return tuple(text for text in texts if text)
