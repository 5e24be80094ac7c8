"""Gates: how good an answer seems, by which a cascade decides whether to run its second path.

They are fitted to what queries and recorded answers say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import solve

from ecollm_lab.models import Encoder
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace

if TYPE_CHECKING:
    from ecollm_lab.policies.fitting.learners import Queries

Reads = Literal["embeddings", "signs"]
RIDGES = (1.0, 10.0, 100.0, 1000.0)
_DENIES = re.compile(r"\b(no|not|none|never|cannot|unknown|unable|sorry)\b|n't\b", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer, and the mean log-probability of its tokens where the model gave it, else NaN."""

    text: str
    logprob: float = float("nan")


Ask = Callable[[np.ndarray, str], Sequence[Answer | str]]
"""Answers of a path to some of the queries: (rows, path_id) → one a row."""


@dataclass(frozen=True, eq=False)
class Gate:
    """How good an answer is expected to be: a ridge regression for all paths at once."""

    quality: np.ndarray  # mean of each path, (paths,); what the answer says comes on top
    centre: np.ndarray  # of the features of `gate_features`, (features,)
    weights: np.ndarray  # likewise
    reads: Reads = "embeddings"  # which features

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


def fit_gate(
    trace: Trace, candidates: np.ndarray, queries: Queries, encoder: Encoder, reads: Reads
) -> tuple[Gate, np.ndarray, dict[str, Any]]:
    """Fit how good an answer is to what a query and the answer say, for all paths at once.

    `candidates` are the columns of the paths whose answers are read, shape (candidates,), and the
    encoder is the one that made the queries' embeddings. Returns the gate; its confidence in each
    answer, from other queries, shape (queries, candidates); the errors of the ridges tried.
    """
    mean = np.nanmean(trace.array("quality"), axis=0)
    quality = trace.array("quality")[:, candidates]
    columns, rows = np.nonzero(~np.isnan(quality.T))  # path by path
    ask = recorded_answers(trace)
    answers = [
        answer
        for at, column in enumerate(candidates)
        for answer in ask(rows[columns == at], trace.path_ids[column])
    ]
    features = gate_features(queries.embeddings[rows], answers, encoder, reads)
    features = features[:, ~np.isnan(features).all(axis=0)]
    features = np.where(np.isnan(features), np.nanmean(features, axis=0), features)
    target = quality[rows, columns] - mean[candidates][columns]
    left_out = {ridge: np.zeros(len(target)) for ridge in RIDGES}

    def fits(mask: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        centre = features[mask].mean(axis=0)
        centred = features[mask] - centre
        gram, projected = centred.T @ centred, centred.T @ target[mask]
        for ridge in RIDGES:
            yield ridge, centre, solve(gram + ridge * np.eye(len(gram)), projected, assume_a="pos")

    for rest in queries.rest:
        inside = rest[rows]
        for ridge, centre, weights in fits(inside):
            left_out[ridge][~inside] = (features[~inside] - centre) @ weights
    errors = {ridge: float(np.square(out - target).mean()) for ridge, out in left_out.items()}
    best = min(errors, key=errors.__getitem__)
    everything = np.ones(len(target), dtype=bool)
    centre, weights = next((c, w) for ridge, c, w in fits(everything) if ridge == best)
    confidence = np.tile(mean[candidates], (len(quality), 1))
    confidence[rows, columns] += left_out[best]
    return Gate(mean, centre, weights, reads), confidence, {"ridge": best, "errors": errors}
