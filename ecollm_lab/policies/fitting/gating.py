"""Fitting the gate of a cascade: how good an answer is, from what the query and the answer say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg import solve

from ecollm_lab.models import Encoder
from ecollm_lab.policies.fitting.learners import Queries
from ecollm_lab.policies.gates import Gate, Reads, gate_features, recorded_answers
from ecollm_lab.traces import Trace

RIDGES = (1.0, 10.0, 100.0, 1000.0)


def fit_gate(
    trace: Trace, candidates: np.ndarray, queries: Queries, encoder: Encoder, reads: Reads
) -> tuple[Gate, np.ndarray, dict[str, Any]]:
    """Fit how good an answer is to what a query and the answer say, for all paths at once.

    Parameters
    ----------
    trace
        With a column `answer`, and `logprob` where answers' log-probabilities were recorded.
    candidates
        Columns of the paths whose answers are read, shape (candidates,).
    queries
        Of the trace.
    encoder
        The one that made the queries' embeddings.
    reads
        What the gate looks at; see `gate_features`.

    Returns
    -------
    The gate; its confidence in each answer, from other queries, shape (queries, candidates); the
    errors of the ridges tried.

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
    features = _known(gate_features(queries.embeddings[rows], answers, encoder, reads))
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


def _known(features: np.ndarray) -> np.ndarray:
    """Return the features that some answers have, their means where one lacks them."""
    some = features[:, ~np.isnan(features).all(axis=0)]
    return np.where(np.isnan(some), np.nanmean(some, axis=0), some)
