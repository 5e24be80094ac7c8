"""Gates: how good an answer seems, by which a cascade decides whether to run its second path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from ecollm_lab.models import Encoder
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace

Reads = Literal["embeddings", "signs"]
_DENIES = re.compile(r"\b(no|not|none|never|cannot|unknown|unable|sorry)\b|n't\b", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer, and the mean log-probability of its tokens where the model gave it, else NaN."""

    text: str
    logprob: float = float("nan")


Ask = Callable[[np.ndarray, str], Sequence[Answer | str]]
"""Answers of a path to some of the queries: (rows, path_id) → one a row."""


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
    codes, distinct = pd.factorize(np.array(texts, dtype=object))
    said = encoder.encode(distinct.tolist())[codes].astype(np.float64)
    if said.shape[1] != queries.shape[1]:
        raise LabError(
            f"The answers' embeddings have dimension {said.shape[1]}, the queries'"
            f" {queries.shape[1]}; give the encoder that made the queries'."
        )
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


def recorded_answers(trace: Trace) -> Ask:
    """Return a function that looks up a path's answers to some rows of the queries table.

    It raises `LabError` where the trace has no column `answer`.
    """

    def ask(rows: np.ndarray, path_id: str) -> list[Answer]:
        if "answer" not in trace.outcomes:
            raise LabError(
                "The trace has no column answer, so a policy that reads answers cannot be replayed"
                " on it."
            )
        one = trace.outcomes[trace.outcomes["path_id"] == path_id].set_index("query_id")
        columns = ["answer", "logprob"]  # NaN where it was not recorded
        found = one.reindex(index=pd.Index(trace.query_ids)[rows], columns=columns)
        words = found["answer"].fillna("").astype(str)
        return [Answer(*each) for each in zip(words, found["logprob"].astype(float), strict=True)]

    return ask
