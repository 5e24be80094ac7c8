"""Retrieval by BM25, by cosine similarity of embeddings, and by the fusion of their ranks."""

from __future__ import annotations

from ecollm_lab.paths.components import component
from ecollm_lab.paths.sources import Sources, best_first, reciprocal_rank_fusion
from ecollm_lab.records import Passage

KS = (1, 3, 6)  # how many passages a path reads
Ranking = tuple[Passage, ...]


@component("retrieve", "none")
def no_retrieval(sources: Sources, text: str) -> Ranking:
    """Find nothing."""
    return ()


@component("retrieve", "bm25", numbers=KS)
def bm25(sources: Sources, text: str) -> Ranking:
    """Rank passages by BM25 on title and text."""
    return sources.ranked(sources.lexical_scores(text))


@component("retrieve", "dense", numbers=KS)
def dense(sources: Sources, text: str) -> Ranking:
    """Rank passages by the cosine of their embedding and that of the text."""
    return sources.ranked(sources.dense_scores(text))


@component("retrieve", "hybrid", numbers=KS)
def hybrid(sources: Sources, text: str) -> Ranking:
    """Rank passages by the fusion of both rankings."""
    rankings = [
        best_first(sources.lexical_scores(text)),
        best_first(sources.dense_scores(text)),
    ]
    return sources.ranked(reciprocal_rank_fusion(rankings, len(sources.passages)))
