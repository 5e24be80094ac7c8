"""Policies on recorded outcomes: what each would have delivered, query by query, with bootstrap intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecollm_lab.policies.choosing import oracle_choice
from ecollm_lab.policies.policy import Ask, Decision, Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace, require_trace
from ecollm_lab.traces.intervals import drawn_rows, interval

METRICS = ("quality", "cost_usd", "latency_s", "latency_p95_s", "slo_violation_rate", "regret")


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
        One row per metric of `METRICS`: value and the 95 % bootstrap interval over queries, low and
        high.

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
    seed: int = 0,
) -> Replay:
    """Apply a policy to every query of a trace and look up what its choices delivered.

    Parameters
    ----------
    policy
        A fitted policy, or "oracle": the best path under the SLO by the very outcomes it is scored
        on (an upper bound).
    trace
        Outcomes to score on, usually the held-out split.
    slo
        Limits and preference.
    embeddings
        Unit embeddings of the trace's queries, shape (queries, dimension); computed if left out.
    seed
        Of the bootstrap.

    Notes
    -----
    A choice whose outcome breaks a limit counts in `slo_violation_rate`. Regret is the oracle's
    quality minus the choice's, where a choice in violation delivers 0; lower is better and the
    oracle has none.

    A policy that learned from another domain than the trace's is replayed with a warning.

    Raises
    ------
    LabError
        If an argument is of the wrong type, the policy chooses a pair the trace has no outcome for,
        or embeddings are not those of the trace's queries.

    """
    if not isinstance(policy, (Policy, str)):
        raise LabError(
            f"policy must be a fitted policy or 'oracle', got {type(policy).__name__}. "
            "Give the policy first, then the trace: replay(policy, trace, slo)."
        )
    require_trace(trace)
    if isinstance(policy, str):
        if policy != "oracle":
            raise LabError(
                f"replay takes a fitted policy or 'oracle', got {policy!r}; fit one with"
                f" fit_policy(trace, {policy!r})."
            )
        name, best = "oracle", oracle_choice(trace, slo)
        decision = Decision(best, best[:, None])
    else:
        queries = trace.queries["text"].tolist() if embeddings is None else embeddings
        if len(queries) != len(trace.query_ids):
            raise LabError(
                f"embeddings must have one row per query of the trace: {len(trace.query_ids)}, got"
                f" {len(queries)}."
            )
        _warn_of_other_domain(policy, trace)
        name, decision = policy.name, policy.decide(queries, slo, ask=recorded_answers(trace))
    frame = outcomes_of(trace, decision)
    if frame["quality"].isna().any():
        row = frame[frame["quality"].isna()].iloc[0]
        raise LabError(
            f"The trace has no outcome of query {row.query_id} on path {row.path_id}; replay needs"
            " every chosen pair."
        )
    chosen = oracle_choice(trace, slo)
    ideal = outcomes_of(trace, Decision(chosen, chosen[:, None]))
    frame["violated"] = ~slo.keeps(frame["cost_usd"].to_numpy(), frame["latency_s"].to_numpy())
    ideal_kept = slo.keeps(ideal["cost_usd"].to_numpy(), ideal["latency_s"].to_numpy())
    frame["regret"] = ideal["quality"] * ideal_kept - frame["quality"] * ~frame["violated"]
    return Replay(name, slo, frame, _summarise(frame, seed))


def replay_all(
    policies: Sequence[Policy | str],
    trace: Trace,
    slo: SLO,
    *,
    embeddings: np.ndarray | None = None,
) -> pd.DataFrame:
    """Replay several policies on the same queries; one row per policy, columns `METRICS` and `<metric>_low`, `<metric>_high`."""
    rows = {}
    for policy in policies:
        done = replay(policy, trace, slo, embeddings=embeddings)
        table = done.summary
        rows[done.policy] = {
            **table["value"],
            **table["low"].add_suffix("_low"),
            **table["high"].add_suffix("_high"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def _warn_of_other_domain(policy: Policy, trace: Trace) -> None:
    learned, given = policy.provenance.get("domain"), trace.provenance.get("domain")
    if learned and given and learned != given:
        warnings.warn(
            f"{policy.name} learned from the domain {learned}, and the trace is of {given}: its"
            " choices may mean little there.",
            stacklevel=3,
        )


def recorded_answers(trace: Trace) -> Ask:
    """Return a function that looks the answers of a path up in a trace, by rows of its queries table.

    It raises `LabError` where the trace has no column `answer`.
    """

    def ask(rows: np.ndarray, path_id: str) -> list[str]:
        if "answer" not in trace.outcomes:
            raise LabError(
                "The trace has no column answer, so a policy that reads answers cannot be replayed"
                " on it."
            )
        one = trace.outcomes[trace.outcomes["path_id"] == path_id].set_index("query_id")["answer"]
        return one.reindex(pd.Index(trace.query_ids)[rows]).fillna("").astype(str).tolist()

    return ask


def outcomes_of(trace: Trace, decision: Decision) -> pd.DataFrame:
    """Return what a decision about a trace's queries delivered: query_id, path_id, quality, cost_usd, latency_s, n_runs."""
    ids, rows = pd.Index(trace.path_ids), np.arange(len(decision.path_ids))
    run = ~pd.isna(decision.runs)
    columns = np.where(run, ids.get_indexer(pd.Index(decision.runs.ravel())).reshape(run.shape), 0)
    if (columns < 0).any():
        raise LabError(
            f"Path {decision.runs[columns < 0][0]} is not in the trace it is replayed on."
        )
    last = ids.get_indexer(pd.Index(decision.path_ids))
    spent = {
        name: np.where(run, trace.array(name)[rows[:, None], columns], 0.0).sum(axis=1)
        for name in ("cost_usd", "latency_s")
    }
    quality = trace.array("quality")[rows, last]
    return pd.DataFrame(
        {
            "query_id": trace.query_ids,
            "path_id": decision.path_ids,
            "quality": quality,
            **spent,
            "n_runs": run.sum(axis=1),
        }
    )


def _summarise(frame: pd.DataFrame, seed: int, n_resamples: int = 1000) -> pd.DataFrame:
    """Return the metrics with percentile bootstrap intervals over queries."""
    columns = frame[["quality", "cost_usd", "latency_s", "violated", "regret"]].to_numpy(
        dtype=float
    )
    latency = columns[:, 2]

    def metrics(rows: np.ndarray) -> np.ndarray:
        quality, cost, mean_latency, violated, regret = columns[rows].mean(axis=-2).T
        return np.array(
            [
                quality,
                cost,
                mean_latency,
                np.quantile(latency[rows], 0.95, axis=-1),
                violated,
                regret,
            ]
        )

    n = len(columns)
    low, high = interval(metrics(drawn_rows(n, n_resamples, seed)).T)
    return pd.DataFrame(
        {"value": metrics(np.arange(n)), "low": low, "high": high}, index=list(METRICS)
    )
