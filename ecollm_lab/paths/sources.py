"""The passages of a domain as components see them: with scores, rankings, and room for an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ecollm_lab.models import Encoder
from ecollm_lab.paths.lexical import LexicalIndex
from ecollm_lab.records import Passage

RRF_CONSTANT = 60  # Cormack, Clarke & Büttcher, SIGIR 2009
POOL = 20  # candidates of each ranking that fusion looks at, and that a reranker gets to see

Embed = Callable[[str], np.ndarray]  # a text to its unit embedding, shape (dimension,)
Built = TypeVar("Built")


class Indexes:
    """What is built once for a domain: its lexical and dense index, and what components add."""

    def __init__(self, passages: Sequence[Passage], encoder: Encoder) -> None:
        self.passages, self.encoder = tuple(passages), encoder
        texts = [f"{passage.title}. {passage.text}" for passage in passages]
        self.lexical = LexicalIndex(texts)
        self.matrix = encoder.encode(texts)
        self.added: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages of a domain, for a component that searches them or chooses among them.

    `embed` turns a text into its unit embedding; a text is embedded once for a query, and the time
    is charged to each path whose stage asks for it.
    """

    indexes: Indexes
    embed: Embed

    @property
    def passages(self) -> tuple[Passage, ...]:
        """All passages of the domain, in file order."""
        return self.indexes.passages

    def lexical_scores(self, text: str) -> np.ndarray:
        """Return the BM25 score of every passage with its title, shape (passages,)."""
        return self.indexes.lexical.scores(text)

    def dense_scores(self, text: str) -> np.ndarray:
        """Return the cosine of every passage with its title to a text, shape (passages,)."""
        scores: np.ndarray = self.indexes.matrix @ self.embed(text)
        return scores

    def ranked(self, scores: np.ndarray) -> tuple[Passage, ...]:
        """Return the passages of the 20 highest scores, best first; ties keep the file's order."""
        return tuple(self.passages[i] for i in best_first(scores)[:POOL])

    def built_once(self, name: str, build: Callable[[Indexes], Built]) -> Built:
        """Return what `build` makes of the domain; it is built at the first call of this name."""
        if name not in self.indexes.added:
            self.indexes.added[name] = build(self.indexes)
        built: Built = self.indexes.added[name]
        return built


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
