"""Fitting the gate of a cascade: how good an answer is, from what the query and the answer say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import solve

from ecollm_lab.models import Encoder
from ecollm_lab.policies.fitting.learners import Queries
from ecollm_lab.policies.gates import Answer, Gate, Reads, gate_features
from ecollm_lab.records import LabError
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
    rows, columns = np.nonzero(~np.isnan(quality))
    features = _features(trace, candidates, (rows, columns), queries, encoder, reads)
    target = quality[rows, columns] - mean[candidates][columns]
    fold = queries.folds[rows]
    left_out = {ridge: np.zeros(len(target)) for ridge in RIDGES}

    def fits(mask: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        centre = features[mask].mean(axis=0)
        centred = features[mask] - centre
        gram, projected = centred.T @ centred, centred.T @ target[mask]
        for ridge in RIDGES:
            yield ridge, centre, solve(gram + ridge * np.eye(len(gram)), projected, assume_a="pos")

    for f in np.unique(fold) if len(np.unique(fold)) > 1 else ():
        for ridge, centre, weights in fits(fold != f):
            left_out[ridge][fold == f] = (features[fold == f] - centre) @ weights
    errors = {ridge: float(np.square(out - target).mean()) for ridge, out in left_out.items()}
    best = min(errors, key=errors.__getitem__)
    everything = np.ones(len(target), dtype=bool)
    centre, weights = next((c, w) for ridge, c, w in fits(everything) if ridge == best)
    confidence = np.tile(mean[candidates], (len(quality), 1))
    confidence[rows, columns] += left_out[best]
    return Gate(mean, centre, weights, reads), confidence, {"ridge": best, "errors": errors}


def _features(
    trace: Trace,
    candidates: np.ndarray,
    cells: tuple[np.ndarray, np.ndarray],
    queries: Queries,
    encoder: Encoder,
    reads: Reads,
) -> np.ndarray:
    """Return the features of the answers in some (row, column) cells that have an answer."""
    rows, columns = cells
    paths = np.array(trace.path_ids, dtype=object)[candidates]
    ids = np.array(trace.query_ids, dtype=object)
    table = trace.outcomes.set_index(["query_id", "path_id"])
    found = table.reindex(pd.MultiIndex.from_arrays([ids[rows], paths[columns]]))
    words = found["answer"].fillna("").astype(str)
    logprob = found["logprob"].astype(float) if "logprob" in found else [np.nan] * len(words)
    answers = [Answer(*one) for one in zip(words, logprob, strict=True)]
    dimension = encoder.encode([answers[0].text]).shape[1]
    if dimension != queries.embeddings.shape[1]:
        raise LabError(
            f"The answers' embeddings have dimension {dimension}, the queries'"
            f" {queries.embeddings.shape[1]}; give the encoder that made the queries'."
        )
    features = gate_features(queries.embeddings[rows], answers, encoder, reads)
    known = ~np.isnan(features)
    features = features[:, known.any(axis=0)]
    return np.where(np.isnan(features), np.nanmean(features, axis=0), features)
