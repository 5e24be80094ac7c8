"""BM25 over a fixed list of texts."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np


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
