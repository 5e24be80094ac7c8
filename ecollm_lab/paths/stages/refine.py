"""Refine: what of the found passages the model gets to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ecollm_lab.models import Encoder
from ecollm_lab.paths.stages.retrieve import Embed, LexicalIndex, best_first, reciprocal_rank_fusion
from ecollm_lab.records import Component, LabError, Passage


class Refiner:
    """Chooses those of the found passages, or of their sentences, that matter for a query."""

    def __init__(self, passages: Sequence[Passage], encoder: Encoder) -> None:
        self._sentences = {p.id: re.split(r"(?<=[.!?])\s+", p.text.strip()) for p in passages}
        self._start: dict[str, int] = {}
        texts: list[str] = []
        for passage_id, sentences in self._sentences.items():
            self._start[passage_id] = len(texts)
            texts += sentences
        self._index = LexicalIndex(texts)
        self._matrix = encoder.encode(texts)

    def refine(
        self, component: Component, query: str, ranking: Sequence[Passage], k: int, embed: Embed
    ) -> tuple[str, ...]:
        """Return the texts to read, from the k best passages of a ranking.

        "none" hands them on whole. "rerank" orders all passages of the ranking anew, by the best
        sentence of each, and hands on k of them whole: `dense-3/rerank` reads 3 passages out of 20
        candidates. "extract" hands on the `component.k` best sentences of the k passages, in
        retrieval order.

        Notes
        -----
        Sentences are ranked among each other by reciprocal-rank fusion of BM25 and cosine
        similarity to the query. To score a passage by its best part is MaxP (Dai and Callan, SIGIR
        2019): a long passage is found by the one sentence that answers.
        """
        match component.name:
            case "none":
                return tuple(passage.text for passage in ranking[:k])
            case "rerank":
                return self._rerank(query, ranking, embed)[:k]
            case "extract":
                return self._extract(component.k, query, ranking[:k], embed)
        raise LabError(
            f"Unknown refine component {component.name!r}; known: none, rerank, extract."
        )

    def _rerank(self, query: str, ranking: Sequence[Passage], embed: Embed) -> tuple[str, ...]:
        rows, scores = self._score(query, ranking, embed)
        best = dict.fromkeys((p.id for p in ranking), 0.0)
        for (passage_id, _), score in zip(rows, scores, strict=True):
            best[passage_id] = max(best[passage_id], score)
        return tuple(p.text for p in sorted(ranking, key=lambda p: -best[p.id]))

    def _extract(
        self, n: int, query: str, passages: Sequence[Passage], embed: Embed
    ) -> tuple[str, ...]:
        rows, scores = self._score(query, passages, embed)
        kept = {rows[i] for i in best_first(scores)[:n]}
        texts = (
            " ".join(s for i, s in enumerate(self._sentences[p.id]) if (p.id, i) in kept)
            for p in passages
        )
        return tuple(text for text in texts if text)

    def _score(
        self, query: str, passages: Sequence[Passage], embed: Embed
    ) -> tuple[list[tuple[str, int]], np.ndarray]:
        """Return the passages' sentences as (passage id, number in it), and the score of each."""
        rows = [(p.id, i) for p in passages for i in range(len(self._sentences[p.id]))]
        where = [self._start[passage_id] + i for passage_id, i in rows]
        if not where:
            return rows, np.zeros(0)
        lexical, dense = self._index.scores(query)[where], self._matrix[where] @ embed(query)
        return rows, reciprocal_rank_fusion([best_first(lexical), best_first(dense)], len(rows))
