"""The study: clusters, fronts, policies and their replays on the committed traces."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab import figures
from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.domains.clusters import NOISE, Clusters, find_clusters
from ecollm_lab.files import require_writable, write
from ecollm_lab.models import CachedEncoder, Catalog, default_encoder, load_catalog
from ecollm_lab.policies import POLICIES, Policy, fit_policy, replay_all
from ecollm_lab.policies.slos import slo_grid, study_slos
from ecollm_lab.records import DATA, SLO, LabError
from ecollm_lab.study.resamples import complete
from ecollm_lab.sweeps import live_check
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.traces import Trace, pareto_front
from ecollm_lab.traces.path_ids import model_of

DOMAINS = ("smart_home", "automotive")
FOLDS = 5


@dataclass(frozen=True)
class _Study:
    """What is known of one domain: its trace in two parts, their embeddings, clusters, policies.

    `replays` are of the fitted policies on the held-out queries, `every_query` of policies fitted
    anew in each of five folds, so that each query is scored once by a policy that has not seen it.
    """

    trace: Trace
    train: Trace
    heldout: Trace
    seen: np.ndarray
    unseen: np.ndarray
    clusters: Clusters
    fitted: list[Policy]
    replays: dict[str, pd.DataFrame]
    every_query: dict[str, pd.DataFrame]

    @property
    def everyone(self) -> list[Policy | str]:
        """The fitted policies and the oracle."""
        return [*self.fitted, "oracle"]


def run(
    traces: FilePath, out: FilePath, catalog_file: FilePath, *, live_outcomes: int, seed: int
) -> str:
    """Run the whole study on the committed traces and return the headline table.

    The figures and `summary.json` go to `out`.
    """
    require_writable(out / "summary.json")
    catalog = load_catalog(catalog_file)
    encoder = CachedEncoder(default_encoder())
    summary: dict[str, Any] = {"git_revision": git_revision(), "domains": {}}
    drawn: dict[str, dict[str, go.Figure]] = {}
    for name in DOMAINS:
        domain = load_domain(DATA / name)
        trace = _measured(traces / f"{name}.parquet", domain)
        study = _fitted(trace, encoder, seed)
        absent = _not_here(trace, catalog) if live_outcomes else []
        check = None
        if live_outcomes and not absent:
            check = live_check(trace, domain, catalog, live_outcomes, seed)
        about = {
            "n_passages": len(domain.passages),
            "n_domain": len(domain.queries),
            "live_check": check,
            "models_not_here": absent,
        }
        summary["domains"][name] = _summary(study) | about
        drawn[name] = _figures(study)
    drawn["emulator"] = _budget_figures(DATA / "benchmarks/emulator.parquet")
    figures.pages.write_pages(drawn, out)
    write(json.dumps(summary, indent=1) + "\n", out / "summary.json")
    return (
        f"{headline(summary)}\n\nFigures and summary.json are in {out}/; {out}/index.html shows"
        " them all."
    )


def _measured(file: FilePath, domain: Domain) -> Trace:
    """Return the queries of a trace that were measured on every path."""
    trace = Trace.load(file)
    if trace.provenance.get("domain_digest") != domain.digest:
        raise LabError(
            f"{file} was measured on another edition of {DATA / domain.name}; run: ecollm-lab sweep"
            f" --domain {domain.name} --space {DATA / 'space.toml'} --out {file}"
        )
    return complete(trace)


def _not_here(trace: Trace, catalog: Catalog) -> list[str]:
    """Return the models of a trace whose files are not on this machine."""
    models = [catalog[model_of(path_id)] for path_id in trace.path_ids]
    missing = [one.name for one in models if one.file and not one.file.is_file()]
    return list(dict.fromkeys(missing))


def _fitted(trace: Trace, encoder: CachedEncoder, seed: int) -> _Study:
    """Cluster the training queries of a trace, fit all policies on them, and replay them."""
    train, heldout = trace.split("train"), trace.split("heldout")
    seen, unseen = (encoder.encode(part.queries["text"].tolist()) for part in (train, heldout))
    fitted = [fit_policy(train, policy, encoder=encoder, seed=seed) for policy in POLICIES]
    slos = study_slos(train)
    replays = {
        prefer: replay_all([*fitted, "oracle"], heldout, slo, embeddings=unseen)
        for prefer, slo in slos.items()
    }
    every = [*POLICIES, "oracle"]
    every_query = {
        prefer: replay_all(every, trace, slo, folds=FOLDS, infeasible="least_violating", seed=seed)
        for prefer, slo in slos.items()
    }
    clusters = find_clusters(seen)
    return _Study(trace, train, heldout, seen, unseen, clusters, fitted, replays, every_query)


def _summary(study: _Study) -> dict[str, Any]:
    """Return a domain's part of the summary, but for what needs the domain itself."""
    trace, clusters = study.trace, study.clusters
    seen = replay_all(study.everyone, study.train, SLO(prefer="cost"), embeddings=study.seen)
    front = figures.fronts.compute_front(trace)
    columns = ["path_id", "quality", "cost_usd", "latency_s"]
    return {
        "source": trace.provenance["source"],
        "source_line": trace.source_line,
        "n_queries": len(trace.query_ids),
        "n_heldout": len(study.heldout.query_ids),
        "n_paths": len(trace.path_ids),
        "n_clusters": len(clusters),
        "noise_share": float(np.mean(clusters.labels == NOISE)),
        "front": front.loc[front["on_front"], columns].to_dict("records"),
        "cluster_fronts": _cluster_fronts(study.train, clusters, study.seen),
        "best_path_by_kind": _best_by_kind(trace),
        "slos": {prefer: asdict(slo) for prefer, slo in study_slos(study.train).items()},
        "seen": _rows(seen[["quality", "cost_usd", "latency_s"]]),
        "heldout": {prefer: _rows(table) for prefer, table in study.replays.items()},
        "every_query": {prefer: _rows(table) for prefer, table in study.every_query.items()},
    }


def _rows(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    return {
        str(policy): {name: float(row[name]) for name in table} for policy, row in table.iterrows()
    }


def _figures(study: _Study) -> dict[str, go.Figure]:
    """Return a domain's figures by name.

    Limits come from the training split. So do the policies, and what they deliver from the
    held-out one, except in `policies`.
    """
    trace, train, clusters = study.trace, study.train, study.clusters
    slo = study_slos(train)["prefer_quality"]
    front = figures.fronts.compute_front(trace, n_resamples=1000)
    within = front["latency_s"].le(slo.max_latency_s) & front["cost_usd"].le(slo.max_cost_usd)
    best = front.loc[within, "path_id"].iloc[0] if within.any() else None  # best quality first
    source, train_source = trace.source_line, f"{train.source_line} · training split"
    frames = {
        "sensitivity": figures.sensitivity.compute_sensitivity(trace, slo),
        "winners": figures.clusters.compute_cluster_winners(train, study.seen, clusters),
        "clusters": figures.clusters.compute_cluster_map(train, study.seen, clusters),
        "contribution": figures.stages.compute_contribution(trace),
        "passages": figures.stages.compute_passages(trace),
        "latency": figures.latencies.compute_latency(trace),
        "stage_latency": figures.latencies.compute_stage_latency(trace),
        "whole_paths": figures.whole_paths.compute_whole_paths(trace),
    }
    return {
        "front": figures.fronts.plot_front(front, source, slo, best),
        "latency": figures.latencies.plot_latency(frames["latency"], source),
        **_policy_figures(study),
        "winners": figures.clusters.plot_cluster_winners(frames["winners"], train_source),
        "sensitivity": figures.sensitivity.plot_sensitivity(frames["sensitivity"], source),
        "clusters": figures.clusters.plot_cluster_map(frames["clusters"], train_source),
        "contribution": figures.stages.plot_contribution(frames["contribution"], source),
        "stage_latency": figures.latencies.plot_stage_latency(frames["stage_latency"], source),
        "passages": figures.stages.plot_passages(frames["passages"], source),
        "whole_paths": figures.whole_paths.plot_whole_paths(frames["whole_paths"], source),
    }


def _policy_figures(study: _Study) -> dict[str, go.Figure]:
    """Return the figures of policies on queries that they have not seen."""
    train, heldout, unseen = study.train, study.heldout, study.unseen
    source = f"{heldout.source_line} · held-out split"
    by_name = {policy.name: policy for policy in study.fitted}
    shown = [by_name[name] for name in ("ours", "knn", "best_single")]
    timed = slo_grid(train, "latency_s")
    attained = figures.slos.compute_attainment(shown, heldout, timed, embeddings=unseen)
    some: list[Policy | str] = [by_name["ours"], by_name["best_single"], "oracle"]
    mix = figures.slos.compute_choice_mix(some, heldout, timed, embeddings=unseen)
    priced = [*slo_grid(train, "cost_usd"), SLO()]
    equal = figures.comparisons.compute_equal(study.everyone, heldout, priced, embeddings=unseen)
    replays = figures.policies.compute_policies(study.every_query)
    return {
        "attainment": figures.slos.plot_attainment(attained, source),
        "choice_mix": figures.slos.plot_choice_mix(mix, source),
        "equal": figures.comparisons.plot_equal(equal, source),
        "policies": figures.policies.plot_policies(
            replays, f"{study.trace.source_line} · each query held out once, {FOLDS} folds"
        ),
    }


def _budget_figures(file: FilePath) -> dict[str, go.Figure]:
    """Return the figures of the Emulator's recorded benchmark; none if there is no record.

    Methods that borrow our estimator are left out.
    """
    if not file.exists():
        return {}
    records = pd.read_parquet(file)
    records = records[
        records["trace"].isin([*DOMAINS, "homeassistant"])
        & ~records["method"].str.contains("+", regex=False)
    ]
    runs = records.groupby(["git_revision", "measured_at"], sort=False)["trace"].unique()
    said = "; ".join(
        f"{', '.join(traces)} at revision {revision}, {day}"
        for (revision, day), traces in runs.items()
    )
    source = f"recorded by python -m benchmarks.emulator: {said}"
    return {
        metric: figures.budgets.plot_budget(figures.budgets.compute_budget(records, metric), source)
        for metric in figures.budgets.METRICS
    }


def _cluster_fronts(
    train: Trace, clusters: Clusters, embeddings: np.ndarray
) -> dict[str, list[str]]:
    """Return the path ids on each cluster's own front; noise counts with its nearest cluster."""
    nearest = clusters.assign(embeddings)
    out = {}
    for label in range(len(clusters)):
        front = pareto_front(train.where(nearest == label))
        out[str(label)] = front.loc[front["on_front"], "path_id"].tolist()
    return out


def _best_by_kind(trace: Trace) -> dict[str, dict[str, Any]]:
    """Return the path with the best mean quality for each kind of query; the cheapest of equals."""
    out = {}
    for kind in sorted(set(trace.queries["kind"])):
        best = pareto_front(trace.where(trace.queries["kind"] == kind)).iloc[0]
        out[kind] = {"path_id": best["path_id"], "quality": float(best["quality"])}
    return out


def headline(summary: dict[str, Any]) -> str:
    """Write the replay of each domain of a summary as a plain table."""
    return "\n\n".join(_headline(name, one) for name, one in summary["domains"].items())


def _headline(name: str, one: dict[str, Any]) -> str:
    check, absent = one["live_check"], one["models_not_here"]
    why = f": {', '.join(absent)} not here; ecollm-lab models fetch brings them" if absent else ""
    lines = [
        (
            f"{name}: {one['n_queries']} of {one['n_domain']} queries ({one['n_heldout']} held out)"
            f" × {one['n_paths']} paths, {one['n_clusters']} clusters, {len(one['front'])} paths on"
            f" the front. Source: {one['source_line']}."
        ),
        (
            f"Live check: {check['n_outcomes']} outcomes measured anew, quality agrees in"
            f" {check['quality_agreement_rate']:.1%}; latency {check['latency_ratio_median']:.2f} ×"
            " the trace's (another machine or load differs here)."
            if check
            else f"Live check: not run{why}."
        ),
        (
            f"{'each query once':16} {'policy':20} {'quality':>16} {'USD/1k':>9} {'mean s':>7}"
            f" {'p95 s':>7} {'violations':>10} {'regret':>7}"
        ),
    ]
    for prefer, policies in one["every_query"].items():
        for policy, row in policies.items():
            quality = f"{row['quality']:.3f} [{row['quality_low']:.2f}, {row['quality_high']:.2f}]"
            lines.append(
                f"{prefer:16} {policy:20} {quality:>16} {1000 * row['cost_usd']:9.5f}"
                f" {row['latency_s']:7.3f} {row['latency_p95_s']:7.3f}"
                f" {row['slo_violation_rate']:10.1%} {row['regret']:7.3f}"
            )
    return "\n".join(lines)
