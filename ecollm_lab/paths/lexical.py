"""BM25 over a fixed list of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bm25s
import numpy as np

from ecollm_lab.domains.words import MARKS, spaced

# A word is letters with their marks and digits; shorter ones than two letters are left out.
WORD = rf"(?u)[\w{MARKS}]{{2,}}"
ANY_WORD = rf"(?u)[\w{MARKS}]+"


class LexicalIndex:
    """BM25 scores of a fixed list of texts.

    English stop words are left out, unless the texts hold nothing else. Scripts without spaces are
    indexed by overlapping pairs of letters. Where no text holds any word, all scores are 0.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._n, self._bm25 = len(texts), bm25s.BM25()
        self._how: dict[str, Any] = {"stopwords": "en", "token_pattern": WORD}
        tokens = self._tokens(texts)
        if not any(tokens):
            self._how = {"stopwords": [], "token_pattern": ANY_WORD}
            tokens = self._tokens(texts)
        self._is_empty = not any(tokens)
        if not self._is_empty:
            self._bm25.index(tokens, show_progress=False)

    def _tokens(self, texts: Sequence[str]) -> list[list[str]]:
        tokens: list[list[str]] = bm25s.tokenize(
            [spaced(text) for text in texts], return_ids=False, show_progress=False, **self._how
        )
        return tokens

    def scores(self, text: str) -> np.ndarray:
        """Return the BM25 score of every text, shape (n,); zeros if no word of `text` is known."""
        if self._is_empty:
            return np.zeros(self._n)
        known = [token for token in self._tokens([text])[0] if token in self._bm25.vocab_dict]
        return self._bm25.get_scores(known) if known else np.zeros(self._n)
