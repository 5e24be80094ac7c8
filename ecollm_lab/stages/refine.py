"""Refine: what of the found passages the model gets to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ecollm_lab.records import Component, LabError, Passage
from ecollm_lab.stages.retrieve import LexicalIndex


class Refiner:
    """Cuts passages of one domain down to the sentences that matter for a query."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._sentences = {p.id: re.split(r"(?<=[.!?])\s+", p.text.strip()) for p in passages}
        rows = [(p.id, s) for p in passages for s in self._sentences[p.id]]
        self._start = {}
        for i, (passage_id, _) in enumerate(rows):
            self._start.setdefault(passage_id, i)
        self._index = LexicalIndex([sentence for _, sentence in rows])

    def refine(self, component: Component, query: str, passages: Sequence[Passage]) -> tuple[str, ...]:
        """Return the texts to read, in retrieval order: whole ("none") or only the `k` best sentences by BM25 ("extract")."""
        match component.name:
            case "none":
                return tuple(passage.text for passage in passages)
            case "extract":
                return self._extract(component.k, query, passages)
        raise LabError(f"Unknown refine component {component.name!r}; known: none, extract.")

    def _extract(self, k: int, query: str, passages: Sequence[Passage]) -> tuple[str, ...]:
        scores = self._index.scores(query)
        rows = [(p.id, i, self._start[p.id] + i) for p in passages for i in range(len(self._sentences[p.id]))]
        best = np.argsort(-scores[[row for _, _, row in rows]], kind="stable")[:k]
        kept = {rows[i][:2] for i in best}
        texts = (
            " ".join(s for i, s in enumerate(self._sentences[p.id]) if (p.id, i) in kept) for p in passages
        )
        return tuple(text for text in texts if text)
