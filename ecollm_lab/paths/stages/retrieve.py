"""Retrieval by BM25, by cosine similarity of embeddings, and by the fusion of their ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import bm25s
import numpy as np

from ecollm_lab.models import Encoder
from ecollm_lab.records import LabError, Passage

RRF_CONSTANT = 60  # Cormack, Clarke & Büttcher, SIGIR 2009
POOL = 20  # candidates of each ranking that fusion looks at, and that a reranker gets to see

Embed = Callable[[str], np.ndarray]  # a text to its unit embedding, shape (dimension,)


class Retriever:
    """Ranks passages of one domain; titles are searched with the text."""

    def __init__(self, passages: Sequence[Passage], encoder: Encoder) -> None:
        self.passages = tuple(passages)
        texts = [f"{passage.title}. {passage.text}" for passage in passages]
        self._bm25 = LexicalIndex(texts)
        self._matrix = encoder.encode(texts)

    def rank(self, name: str, text: str, embed: Embed) -> tuple[Passage, ...]:
        """Return the 20 best passages for a search text, best first; none for the retriever "none".

        How many of them are read, a component's `k`, is for the refine stage to cut: one ranking
        serves every k.
        """
        match name:
            case "none":
                return ()
            case "bm25":
                order = best_first(self._bm25.scores(text))
            case "dense":
                order = best_first(self._matrix @ embed(text))
            case "hybrid":
                ranks = [
                    best_first(self._bm25.scores(text)),
                    best_first(self._matrix @ embed(text)),
                ]
                order = best_first(reciprocal_rank_fusion(ranks, len(self.passages)))
            case _:
                raise LabError(
                    f"Unknown retrieve component {name!r}; known: none, bm25, dense, hybrid."
                )
        return tuple(self.passages[i] for i in order[:POOL])


class LexicalIndex:
    """BM25 scores of a fixed list of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._bm25 = bm25s.BM25()
        self._bm25.index(
            bm25s.tokenize(list(texts), stopwords="en", show_progress=False), show_progress=False
        )
        self._n = len(texts)

    def scores(self, text: str) -> np.ndarray:
        """Return the BM25 score of every text, shape (n,); zeros if no word of `text` is known."""
        tokens = bm25s.tokenize([text], stopwords="en", return_ids=False, show_progress=False)[0]
        known = [token for token in tokens if token in self._bm25.vocab_dict]
        return self._bm25.get_scores(known) if known else np.zeros(self._n)


def reciprocal_rank_fusion(rankings: Sequence[np.ndarray], n: int) -> np.ndarray:
    """Return the sum over rankings of 1 / (60 + rank), shape (n,); ranks beyond 20 add nothing."""
    scores = np.zeros(n)
    for ranking in rankings:
        top = ranking[:POOL]
        scores[top] += 1.0 / (RRF_CONSTANT + 1 + np.arange(len(top)))
    return scores


def best_first(scores: np.ndarray) -> np.ndarray:
    """Return the order of scores (n,), highest first; ties keep their order."""
    return np.argsort(-scores, kind="stable")
