"""Decisions about a whole trace, by a fitted policy or by policies fitted on its other folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, identity
from scipy.sparse.csgraph import connected_components

from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.policies.choosing import Ask, Decision
from ecollm_lab.policies.fitting import fit_policy
from ecollm_lab.policies.gates import Answer
from ecollm_lab.policies.policy import Infeasible, Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace


def decided(
    policy: Policy, trace: Trace, slo: SLO, embeddings: np.ndarray | None, infeasible: Infeasible
) -> Decision:
    """Return what a policy decides about every query of a trace."""
    if embeddings is None or policy.reads_text:
        embeddings = embeddings_of(trace, policy.encoder)
    return policy.decide(embeddings, slo, ask=recorded_answers(trace), infeasible=infeasible)


def cross_validated(
    name: str,
    trace: Trace,
    slo: SLO,
    how: tuple[np.ndarray | None, int, Infeasible, int],
) -> Decision:
    """Return what policies decide that are fitted on the other folds."""
    embeddings, folds, infeasible, seed = how
    embeddings = embeddings_of(trace, None) if embeddings is None else embeddings
    group = related(trace)
    fold = np.random.default_rng(seed).permutation(group.max() + 1)[group] % folds
    parts = []
    for f in np.unique(fold):
        policy = fit_policy(trace.where(fold != f), name, embeddings=embeddings[fold != f])
        unseen = trace.where(fold == f)
        parts.append(decided(policy, unseen, slo, embeddings[fold == f], infeasible))
    most = max(part.runs.shape[1] for part in parts)
    path_ids = np.empty(len(fold), dtype=object)
    runs = np.full((len(fold), most), None, dtype=object)
    for f, part in zip(np.unique(fold), parts, strict=True):
        path_ids[fold == f] = part.path_ids
        runs[fold == f, : part.runs.shape[1]] = part.runs
    return Decision(path_ids, runs)


def related(trace: Trace) -> np.ndarray:
    """Return each query's group, shape (queries,): one text, product or person is one group."""
    n = len(trace.queries)
    links = []
    for column in ("text", "product", "person"):
        if column in trace.queries:
            values = trace.queries[column].replace("", np.nan)
            code = pd.factorize(values)[0]
            links.append(np.eye(max(code.max() + 1, 1), dtype=bool)[code] & (code >= 0)[:, None])
    member = np.hstack(links).astype(float)
    shared = csr_matrix(member) @ csr_matrix(member).T
    found: np.ndarray = connected_components(shared + identity(n), directed=False)[1]
    return found


def embeddings_of(trace: Trace, encoder: Encoder | None) -> np.ndarray:
    """Return the embeddings of a trace's queries, computed once per trace and encoder."""
    encoder = encoder or default_encoder()
    known: dict[str, np.ndarray] = vars(trace).setdefault("_embeddings", {})
    if encoder.name not in known:
        known[encoder.name] = encoder.encode(trace.queries["text"].tolist())
    return known[encoder.name]


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
        found = one.reindex(pd.Index(trace.query_ids)[rows])
        words = found["answer"].fillna("").astype(str)
        if "logprob" not in found:
            return [Answer(text) for text in words]
        return [Answer(*each) for each in zip(words, found["logprob"].astype(float), strict=True)]

    return ask
