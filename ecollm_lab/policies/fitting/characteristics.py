"""Yes/no questions about a query, answered by rules on its words: alone, or beside an embedding.

Some are asked about every query, others only in the domain that asks them (`Domain`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from ecollm_lab.models import DEFAULT_ENCODER, Encoder, default_encoder
from ecollm_lab.records import MOST_MATCHED, LabError

_WORDS = {
    "asks what, which or who": r"^\W*(what|which|who|whose)\b|\b(what|which|who|whose)\b[^.]*\?",
    "asks how": r"\bhow\b(?! (many|much|long|far|heavy|big))",
    "asks how many or how much": r"\bhow (many|much|long|far|heavy|big)\b|\bnumber of\b",
    "asks where or when": r"\b(where|when)\b",
    "asks why": r"\bwhy\b|\breason\b|\bcause",
    "asks yes or no": r"^\W*(is|are|do|does|did|can|could|will|would|should|has|have|was|were)\b",
    "compares": r"\b(than|versus|vs|compare|compared|difference|better|worse|more|less|\w{3,}er)\b",
    "asks for the most": r"\b(most|least|best|worst|\w{3,}est)\b",
    "names two things": r"\b(and|or|both|between)\b",
    "has a condition": r"\b(if|when|unless|while|after|before|whenever)\b",
    "denies": r"\b(not|no|never|without|cannot)\b|n't\b",
    "has a number": r"\d",
    "has several numbers": r"\d\D+\d",
    "has code or symbols": r"[{}<>=\[\]_\\]|\w\(|\$",
    "is in the first person": r"\b(i|my|me|we|our)\b",
    "tells of a fault": r"\b(fail|fails|broken|error|wrong|problem|won't|stuck|noise|warning)\b",
    "asks for steps": r"\b(steps?|set up|install|replace|change|reset|pair|clean|turn|make)\b",
    "asks to calculate": r"\b(total|sum|average|per|each|times|percent|calculate|cost)\b",
    "lists choices": r"(^|\n)\W*[A-D1-4][.)]",
    "has a quotation or a name": r"\"[^\"]+\"|(?<=[a-z] )[A-Z][a-z]+",
}
_PATTERNS = [
    re.compile(pattern, re.IGNORECASE if name != "has a quotation or a name" else 0)
    for name, pattern in _WORDS.items()
]
_LENGTHS = (8, 16, 32, 64, 128, 256)  # whether a text has at least so many words

WEIGHT = 0.5  # of a characteristic beside an embedding, which has the length 1


class Characteristics:
    """Answers yes/no questions about texts; BRANE asks a model instead (arXiv 2605.27361).

    A domain adds questions, each with the regular expression that is found if the answer is yes;
    the name tells which.
    """

    def __init__(self, questions: Mapping[str, str] | None = None) -> None:
        asked = questions or {}
        if not isinstance(asked, Mapping):
            raise LabError(
                "characteristics must be a table of questions, each with a regular expression; got"
                f" {type(asked).__name__}. Mend them in domain.toml."
            )
        self._asked = tuple(_compiled(asked.items()))
        digest = hashlib.sha256(json.dumps(list(asked.items())).encode()).hexdigest()[:8]
        self.name = f"characteristics {digest}" if asked else "characteristics"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return 1 for yes and 0 for no, shape (len(texts), questions)."""
        return np.array([_answers(text, self._asked) for text in texts], dtype=np.float32)

    def beside(self, embeddings: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Return embeddings, and as further columns the characteristics of their texts."""
        return np.hstack([embeddings, WEIGHT * self.encode(texts)])


def _compiled(questions: Iterable[tuple[str, str]]) -> Iterable[re.Pattern[str]]:
    for question, pattern in questions:
        try:
            yield re.compile(pattern, re.IGNORECASE)
        except (re.error, TypeError, OverflowError, RecursionError) as error:
            raise LabError(
                f"The characteristic {question!r} must be a regular expression; got {pattern!r}"
                f" ({error}). Mend it in domain.toml."
            ) from error


@lru_cache(maxsize=8192)
def _answers(text: str, asked: tuple[re.Pattern[str], ...]) -> tuple[bool, ...]:
    found = (pattern.search(text[:MOST_MATCHED]) is not None for pattern in (*_PATTERNS, *asked))
    return (*found, *(len(text.split()) >= length for length in _LENGTHS))


class Beside:
    """Another encoder's embeddings, and beside them the characteristics of the texts.

    The other encoder is the default one if None, loaded when needed.
    """

    def __init__(self, encoder: Encoder | None, characteristics: Characteristics) -> None:
        name = encoder.name if encoder else DEFAULT_ENCODER
        self.name = f"{name} and {characteristics.name}"
        self._encoder, self._characteristics = encoder, characteristics

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return both side by side, shape (len(texts), dimension + questions)."""
        embeddings = (self._encoder or default_encoder()).encode(texts)
        return self._characteristics.beside(embeddings, texts)
