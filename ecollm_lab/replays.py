"""Policies on recorded outcomes: what each would have delivered, query by query, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecollm_lab.choices import keeps, oracle_choice
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace

METRICS = ("quality", "cost_usd", "latency_s", "latency_p95_s", "slo_violation_rate", "regret")


@dataclass(frozen=True, eq=False)
class Replay:
    """One policy replayed under one SLO.

    Attributes
    ----------
    choices
        One row per query: query_id, path_id, quality, cost_usd, latency_s, violated, regret.
    summary
        One row per metric of `METRICS`: value and the 95 % bootstrap interval over queries, low and high.

    """

    policy: str
    slo: SLO
    choices: pd.DataFrame
    summary: pd.DataFrame

    def __getitem__(self, metric: str) -> float:
        return float(self.summary.loc[metric, "value"])


def replay(policy: Policy | str, trace: Trace, slo: SLO, *, embeddings: np.ndarray | None = None, seed: int = 0) -> Replay:
    """Apply a policy to every query of a trace and look up what its choices delivered.

    Parameters
    ----------
    policy
        A fitted policy, or "oracle": the best path under the SLO by the very outcomes it is scored on (an upper bound).
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
    A choice whose outcome breaks a limit counts in `slo_violation_rate`. Regret is the oracle's quality minus the choice's,
    where a choice in violation delivers 0; lower is better and the oracle has none.

    Raises
    ------
    LabError
        If the policy chooses a pair the trace has no outcome for.

    """
    if isinstance(policy, str):
        if policy != "oracle":
            raise LabError(f"replay takes a fitted policy or 'oracle', got {policy!r}; fit one with fit_policy(trace, {policy!r}).")
        name, chosen = "oracle", oracle_choice(trace, slo)
    else:
        name, chosen = policy.name, policy.select(trace.queries["text"].tolist() if embeddings is None else embeddings, slo)
    frame = _outcomes(trace, chosen)
    if frame["quality"].isna().any():
        row = frame[frame["quality"].isna()].iloc[0]
        raise LabError(f"The trace has no outcome of query {row.query_id} on path {row.path_id}; replay needs every chosen pair.")
    best = _outcomes(trace, oracle_choice(trace, slo))
    frame["violated"] = ~keeps(slo, frame["cost_usd"].to_numpy(), frame["latency_s"].to_numpy())
    best_kept = keeps(slo, best["cost_usd"].to_numpy(), best["latency_s"].to_numpy())
    frame["regret"] = best["quality"] * best_kept - frame["quality"] * ~frame["violated"]
    return Replay(name, slo, frame, _summarise(frame, seed))


def replay_all(policies: Sequence[Policy | str], trace: Trace, slo: SLO, *, embeddings: np.ndarray | None = None) -> pd.DataFrame:
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


def _outcomes(trace: Trace, chosen: np.ndarray) -> pd.DataFrame:
    """Return the outcomes of the chosen (query, path) pairs in the order of the queries."""
    rows, columns = np.arange(len(chosen)), pd.Index(trace.path_ids).get_indexer(pd.Index(chosen))
    if (columns < 0).any():
        raise LabError(f"Path {chosen[int((columns < 0).argmax())]} is not in the trace it is replayed on.")
    values = {name: trace.array(name)[rows, columns] for name in ("quality", "cost_usd", "latency_s")}
    return pd.DataFrame({"query_id": trace.query_ids, "path_id": chosen, **values})


def _summarise(frame: pd.DataFrame, seed: int, n_resamples: int = 1000) -> pd.DataFrame:
    """Return the metrics with percentile bootstrap intervals over queries."""
    columns = frame[["quality", "cost_usd", "latency_s", "violated", "regret"]].to_numpy(dtype=float)
    latency = columns[:, 2]

    def metrics(rows: np.ndarray) -> np.ndarray:
        quality, cost, mean_latency, violated, regret = columns[rows].mean(axis=-2).T
        return np.array([quality, cost, mean_latency, np.quantile(latency[rows], 0.95, axis=-1), violated, regret])

    n = len(columns)
    resampled = metrics(np.random.default_rng(seed).integers(0, n, (n_resamples, n)))
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
    return pd.DataFrame({"value": metrics(np.arange(n)), "low": low, "high": high}, index=list(METRICS))
