"""Decisions about a whole trace, by a fitted policy or by policies fitted on its other folds."""

from __future__ import annotations

import numpy as np

from ecollm_lab.models import CachedEncoder, Encoder, default_encoder
from ecollm_lab.policies.choosing import Decision
from ecollm_lab.policies.fitting import fit_policy
from ecollm_lab.policies.gates import recorded_answers
from ecollm_lab.policies.policy import Infeasible, Policy
from ecollm_lab.policies.training import related
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace

MOST_RUNS = 2  # for a query: a cascade runs two paths
ROUTER = "_router"  # how the name ends of a policy that chooses only the model


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
    embeddings: np.ndarray | None,
    folds: int,
    infeasible: Infeasible,
    seed: int,
) -> Decision:
    """Return what policies decide that are fitted on the other folds."""
    encoder: Encoder = vars(trace).setdefault("_encoder", CachedEncoder(default_encoder()))
    group = related(trace)
    if not group.any():
        raise LabError(
            "folds need at least two groups of related queries, one to be left out, and all queries"
            " of this trace are one group, by text, product or person. Replay a fitted policy, or"
            " give a trace of more groups."
        )
    fold = np.random.default_rng(seed).permutation(group.max() + 1)[group] % folds
    path_ids = np.empty(len(fold), dtype=object)
    runs = np.full((len(fold), MOST_RUNS), None, dtype=object)
    for f in np.unique(fold):
        seen, unseen = (
            None if embeddings is None else embeddings[part] for part in (fold != f, fold == f)
        )
        policy = fit_policy(
            trace.where(fold != f),
            name.removesuffix(ROUTER),
            embeddings=seen,
            encoder=encoder,
            models_only=name.endswith(ROUTER),
            seed=seed,
        )
        part = decided(policy, trace.where(fold == f), slo, unseen, infeasible)
        path_ids[fold == f] = part.path_ids
        runs[fold == f, : part.runs.shape[1]] = part.runs
    return Decision(path_ids, runs)


def embeddings_of(trace: Trace, encoder: Encoder | None) -> np.ndarray:
    """Return the embeddings of a trace's queries, computed once per trace and encoder."""
    encoder = encoder or default_encoder()
    known: dict[str, np.ndarray] = vars(trace).setdefault("_embeddings", {})
    if encoder.name not in known:
        known[encoder.name] = encoder.encode(trace.queries["text"].tolist())
    return known[encoder.name]
