"""Gates: how good an answer seems, by which a cascade decides whether to run its second path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ecollm_lab.models import Encoder

Reads = Literal["embeddings", "signs"]
_DENIES = re.compile(r"\b(no|not|none|never|cannot|unknown|unable|sorry)\b|n't\b", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer, and the mean log-probability of its tokens where the model gave it, else NaN."""

    text: str
    logprob: float = float("nan")


@dataclass(frozen=True, eq=False)
class Gate:
    """How good an answer is expected to be: a ridge regression for all paths at once.

    Attributes
    ----------
    quality
        Mean of each path, shape (paths,); what the answer says comes on top.
    centre, weights
        Of the features of `gate_features`; shape (features,).
    reads
        Which features.

    """

    quality: np.ndarray
    centre: np.ndarray
    weights: np.ndarray
    reads: Reads = "embeddings"

    def confidence(
        self, queries: np.ndarray, answers: Sequence[Answer | str], path: int, encoder: Encoder
    ) -> np.ndarray:
        """Return the expected quality of one path's answers, shape (queries,)."""
        features = gate_features(queries, answers, encoder, self.reads)[:, : len(self.weights)]
        features = np.where(np.isnan(features), self.centre, features)
        return self.quality[path] + (features - self.centre) @ self.weights


def gate_features(
    queries: np.ndarray, answers: Sequence[Answer | str], encoder: Encoder, reads: Reads
) -> np.ndarray:
    """Return what a gate looks at, shape (n, features); the last is the log-probability.

    "embeddings": those of the query (unit rows, shape (n, dimension)), of its answer, and their
    product element by element. "signs": the answer's length, likeness to the query, whether it
    has a number, denies something, and is a whole sentence.
    """
    read = [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]
    texts = [answer.text for answer in read]
    distinct = list(dict.fromkeys(texts))
    at = {text: i for i, text in enumerate(distinct)}
    said = encoder.encode(distinct)[[at[text] for text in texts]].astype(np.float64)
    logprob = np.array([[answer.logprob] for answer in read])
    if reads == "embeddings":
        return np.hstack([queries, said, queries * said * queries.shape[1] ** 0.5, logprob])
    signs = [
        (
            np.log1p(len(text.split())),
            bool(re.search(r"\d", text)),
            bool(_DENIES.search(text)),
            text.rstrip().endswith((".", "!", "?")),
        )
        for text in texts
    ]
    return np.hstack([np.array(signs, dtype=float), (queries * said).sum(1)[:, None], logprob])
