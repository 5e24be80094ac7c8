"""Policies on recorded outcomes: what each would have delivered, with bootstrap intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecollm_lab.models import CachedEncoder, Encoder, default_encoder
from ecollm_lab.policies.choosing import Decision, oracle_choice
from ecollm_lab.policies.fitting import POLICIES, fit_policy
from ecollm_lab.policies.gates import recorded_answers
from ecollm_lab.policies.policy import Infeasible, Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace, require_trace
from ecollm_lab.traces.groups import drawn_together, related
from ecollm_lab.traces.intervals import counted_percentiles, group_counts, interval

METRICS = ("quality", "cost_usd", "latency_s", "latency_p95_s", "slo_violation_rate", "regret")
MOST_RUNS = 2  # for a query: a cascade runs two paths
ROUTER = "_router"  # how the name ends of a policy that chooses only the model


@dataclass(frozen=True, eq=False)
class Replay:
    """One policy replayed under one SLO.

    Attributes
    ----------
    choices
        One row per query: query_id, path_id, quality, cost_usd, latency_s, n_runs, violated,
        regret. Where several paths were run for a query, path_id and quality are those of the last,
        cost and latency the sums.
    summary
        One row per metric of `METRICS`: value and its 95 % bootstrap interval, low and high. Drawn
        are groups of related queries, those of one text, product or person: a policy that knows
        none of them errs on them alike. If all are one group, texts or single queries are drawn.

    """

    policy: str
    slo: SLO
    choices: pd.DataFrame
    summary: pd.DataFrame

    def __getitem__(self, metric: str) -> float:
        return float(self.summary.loc[metric, "value"])


def replay(
    policy: Policy | str,
    trace: Trace,
    slo: SLO,
    *,
    embeddings: np.ndarray | None = None,
    folds: int | None = None,
    infeasible: Infeasible = "raise",
    seed: int = 0,
) -> Replay:
    """Apply a policy to every query of a trace and look up what its choices delivered.

    Parameters
    ----------
    policy
        A fitted policy; "oracle", the best path under the SLO by the very outcomes it is scored on
        (an upper bound); or, with `folds`, the name of a policy that is fitted anew in each fold,
        of a router of models if `_router` follows the name.
    trace
        Outcomes to score on, usually the held-out split; with `folds`, all there are.
    slo, infeasible
        See `Policy.select`.
    embeddings
        Unit embeddings of the trace's queries, shape (queries, dimension); computed once for a
        trace if left out, and not used by a fitted policy that looks at words (`reads_text`).
    folds
        Parts of the trace: every query is scored once, by a policy that was fitted without its
        part; queries of one product, person or text are in one part.
    seed
        Of the bootstrap, the folds, and what is drawn in fitting on them.

    Raises
    ------
    LabError
        If the trace lacks an outcome that the policy chooses, or a column that the SLO limits, or
        `embeddings` does not have one row for each of the trace's queries, or all queries are to be
        in one part.

    """
    _require_arguments(policy, trace, slo, embeddings, folds)
    if folds is not None and policy != "oracle":
        decision = _cross_validated(str(policy), trace, slo, embeddings, folds, infeasible, seed)
    elif isinstance(policy, str):
        decision = Decision.single(oracle_choice(trace, slo))
    else:
        _warn_of_other_domain(policy, trace)
        decision = _decided(policy, trace, slo, embeddings, infeasible)
    frame = outcomes_of(trace, decision)
    if frame["quality"].isna().any():
        row = frame[frame["quality"].isna()].iloc[0]
        raise LabError(
            f"The trace has no outcome of query {row.query_id} on path {row.path_id}; replay needs"
            " every chosen pair."
        )
    _score(frame, trace, slo)
    name = policy if isinstance(policy, str) else policy.name
    return Replay(name, slo, frame, _summarise(frame, drawn_together(trace), seed))


def _decided(
    policy: Policy, trace: Trace, slo: SLO, embeddings: np.ndarray | None, infeasible: Infeasible
) -> Decision:
    if embeddings is None or policy.reads_text:
        encoder = policy.encoder or default_encoder()
        known = vars(trace).setdefault("_embeddings", {})  # computed once per trace and encoder
        if encoder.name not in known:
            known[encoder.name] = encoder.encode(trace.queries["text"].tolist())
        embeddings = known[encoder.name]
    return policy.decide(embeddings, slo, ask=recorded_answers(trace), infeasible=infeasible)


def folds_of(trace: Trace, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each query, shape (queries,); those of one group are in one fold."""
    group = related(trace)
    if not group.any():
        raise LabError(
            "folds need at least two groups of related queries, one to be left out, and all queries"
            " of this trace are one group, by text, product or person. Replay a fitted policy, or"
            " give a trace of more groups."
        )
    return np.random.default_rng(seed).permutation(group.max() + 1)[group] % folds


def _cross_validated(
    name: str,
    trace: Trace,
    slo: SLO,
    embeddings: np.ndarray | None,
    folds: int,
    infeasible: Infeasible,
    seed: int,
) -> Decision:
    encoder: Encoder = vars(trace).setdefault("_encoder", CachedEncoder(default_encoder()))
    fold = folds_of(trace, folds, seed)
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
        part = _decided(policy, trace.where(fold == f), slo, unseen, infeasible)
        path_ids[fold == f] = part.path_ids
        runs[fold == f, : part.runs.shape[1]] = part.runs
    return Decision(path_ids, runs)


def _score(frame: pd.DataFrame, trace: Trace, slo: SLO) -> None:
    """Add whether choices broke limits, and their regret: the oracle's quality minus theirs.

    A choice in violation delivers 0.
    """
    ideal = outcomes_of(trace, Decision.single(oracle_choice(trace, slo)))
    frame["violated"] = ~slo.keeps(frame["cost_usd"].to_numpy(), frame["latency_s"].to_numpy())
    ideal_kept = slo.keeps(ideal["cost_usd"].to_numpy(), ideal["latency_s"].to_numpy())
    frame["regret"] = ideal["quality"] * ideal_kept - frame["quality"] * ~frame["violated"]


def replay_all(
    policies: Sequence[Policy | str],
    trace: Trace,
    slo: SLO,
    *,
    embeddings: np.ndarray | None = None,
    folds: int | None = None,
    infeasible: Infeasible = "raise",
    seed: int = 0,
) -> pd.DataFrame:
    """Replay several policies on the same queries: one row each, with `METRICS` and intervals.

    Columns are the metrics, `<metric>_low` and `<metric>_high`; arguments are those of `replay`.
    """
    rows = {}
    for policy in policies:
        done = replay(
            policy, trace, slo, embeddings=embeddings, folds=folds, infeasible=infeasible, seed=seed
        )
        table = done.summary
        rows[done.policy] = {
            **table["value"],
            **table["low"].add_suffix("_low"),
            **table["high"].add_suffix("_high"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def _require_arguments(
    policy: object, trace: Trace, slo: object, embeddings: np.ndarray | None, folds: int | None
) -> None:
    if not isinstance(policy, (Policy, str)):
        raise LabError(
            f"policy must be a fitted policy or 'oracle', got {type(policy).__name__}. "
            "Give the policy first, then the trace: replay(policy, trace, slo)."
        )
    require_trace(trace)
    if not isinstance(slo, SLO):
        raise LabError(f"slo must be an SLO, e.g. SLO(max_latency_s=1.0); got {slo!r}.")
    known = () if folds is None else POLICIES
    if isinstance(policy, str) and policy != "oracle" and policy.removesuffix(ROUTER) not in known:
        raise LabError(
            f"replay takes a fitted policy or 'oracle', got {policy!r}; fit one with"
            f" fit_policy(trace, {policy!r}), or name one of {', '.join(POLICIES)} with folds=5."
        )
    if folds is not None and (isinstance(policy, Policy) or folds < 2):
        raise LabError(
            "folds must be at least 2, and the policy then a name, because it is fitted anew in"
            f" each fold; got folds={folds!r} and {policy!r}."
        )
    if embeddings is not None and len(embeddings) != len(trace.query_ids):
        raise LabError(
            f"embeddings must have one row per query of the trace: {len(trace.query_ids)}, got"
            f" {len(embeddings)}."
        )
    for limit in slo.limits:
        if np.isnan(trace.array(limit.column)).all():
            raise LabError(
                f"The trace has no {limit.column}, so an SLO cannot limit it; got {slo}."
            )


def _warn_of_other_domain(policy: Policy, trace: Trace) -> None:
    learned, given = policy.provenance.get("domain"), trace.provenance.get("domain")
    if learned and given and learned != given:
        warnings.warn(
            f"{policy.name} learned from the domain {learned}, and the trace is of {given}: its"
            " choices may mean little there.",
            stacklevel=3,
        )


def outcomes_of(trace: Trace, decision: Decision) -> pd.DataFrame:
    """Return what a decision delivered, a row a query: path_id, quality, costs, latency, n_runs."""
    ids, rows = pd.Index(trace.path_ids), np.arange(len(decision.path_ids))
    run = ~pd.isna(decision.runs)
    columns = np.where(run, ids.get_indexer(pd.Index(decision.runs.ravel())).reshape(run.shape), 0)
    if (columns < 0).any():
        raise LabError(
            f"Path {decision.runs[columns < 0][0]} is not in the trace it is replayed on; fit the"
            " policy to the same paths."
        )
    last = ids.get_indexer(pd.Index(decision.path_ids))
    spent = {
        name: np.where(run, trace.array(name)[rows[:, None], columns], 0.0).sum(axis=1)
        for name in ("cost_usd", "latency_s")
    }
    quality = trace.array("quality")[rows, last]
    told = {"query_id": trace.query_ids, "path_id": decision.path_ids, "quality": quality}
    return pd.DataFrame({**told, **spent, "n_runs": run.sum(axis=1)})


def _summarise(frame: pd.DataFrame, groups: np.ndarray, seed: int) -> pd.DataFrame:
    """Return the metrics with percentile bootstrap intervals over groups of related queries."""
    named = ["quality", "cost_usd", "latency_s", "violated", "regret"]
    ordered = np.argsort(frame["latency_s"].to_numpy(), kind="stable")
    columns, groups = frame[named].to_numpy(dtype=float)[ordered], groups[ordered]

    def metrics(counts: np.ndarray) -> np.ndarray:
        means = counts @ columns / counts.sum(axis=1, keepdims=True)
        tail = counted_percentiles(columns[:, 2], counts, 0.95)
        return np.insert(means, 3, np.where(np.isnan(means[:, 2]), np.nan, tail), axis=1)

    drawn = [metrics(counts) for counts in group_counts(groups, 1000, seed)]
    low, high = interval(np.vstack(drawn))
    return pd.DataFrame(
        {"value": metrics(np.ones((1, len(frame))))[0], "low": low, "high": high},
        index=list(METRICS),
    )
