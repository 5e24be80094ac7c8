"""The study: clusters, fronts, policies and their replay on the committed traces, in one summary."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab import figures
from ecollm_lab.domains import load_domain
from ecollm_lab.domains.clusters import NOISE, Clusters, find_clusters
from ecollm_lab.files import require_writable, write
from ecollm_lab.models import CachedEncoder, default_encoder, load_catalog
from ecollm_lab.policies import POLICIES, Policy, fit_policy, replay_all
from ecollm_lab.policies.slos import study_slos
from ecollm_lab.records import DATA, SLO, LabError
from ecollm_lab.sweeps import live_check
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.traces import Trace, pareto_front

DOMAINS = ("smart_home", "automotive")


def run(
    traces: FilePath, out: FilePath, catalog_file: FilePath, *, live_outcomes: int, seed: int
) -> str:
    """Run the whole study on the committed traces; write figures and `summary.json` to `out`; return the headline table."""
    require_writable(out / "summary.json")
    catalog = load_catalog(catalog_file)
    encoder = CachedEncoder(default_encoder())
    summary: dict[str, Any] = {"git_revision": git_revision(), "domains": {}}
    drawn: dict[str, dict[str, go.Figure]] = {}
    for name in DOMAINS:
        domain = load_domain(DATA / name)
        trace = Trace.load(traces / f"{name}.parquet")
        if trace.provenance.get("domain_digest") != domain.digest:
            raise LabError(
                f"{traces / name}.parquet was measured on another edition of {DATA / name}; run:"
                f" ecollm-lab sweep --domain {name}"
            )
        train, heldout = trace.split("train"), trace.split("heldout")
        seen, unseen = (encoder.encode(t.queries["text"].tolist()) for t in (train, heldout))
        clusters = find_clusters(seen)
        fitted = [
            fit_policy(train, policy, embeddings=seen, encoder=encoder, seed=seed)
            for policy in POLICIES
        ]
        tables = {
            prefer: replay_all([*fitted, "oracle"], heldout, slo, embeddings=unseen)
            for prefer, slo in study_slos(train).items()
        }
        known = replay_all([*fitted, "oracle"], train, SLO(prefer="cost"), embeddings=seen)
        front = figures.compute_front(trace)
        summary["domains"][name] = {
            "source": trace.provenance["source"],
            "source_line": trace.source_line,
            "n_queries": len(trace.query_ids),
            "n_heldout": len(heldout.query_ids),
            "n_passages": len(domain.passages),
            "n_paths": len(trace.path_ids),
            "n_clusters": len(clusters),
            "noise_share": float(np.mean(clusters.labels == NOISE)),
            "front": (
                front[front["on_front"]][["path_id", "quality", "cost_usd", "latency_s"]].to_dict(
                    "records"
                )
            ),
            "cluster_fronts": _cluster_fronts(train, clusters, seen),
            "best_path_by_kind": _best_by_kind(trace),
            "live_check": (
                live_check(trace, domain, catalog, live_outcomes, seed) if live_outcomes else None
            ),
            "slos": {prefer: asdict(slo) for prefer, slo in study_slos(train).items()},
            "seen": {
                policy: {m: float(row[m]) for m in ("quality", "cost_usd", "latency_s")}
                for policy, row in known.iterrows()
            },
            "heldout": {
                p: {
                    str(policy): {m: float(row[m]) for m in table}
                    for policy, row in table.iterrows()
                }
                for p, table in tables.items()
            },
        }
        drawn[name] = _figures(trace, (seen, unseen), clusters, fitted, tables)
    drawn["emulator"] = _budget_figures(DATA / "benchmarks/emulator.parquet")
    figures.write_pages(drawn, out)
    write(json.dumps(summary, indent=1) + "\n", out / "summary.json")
    return (
        f"{headline(summary)}\n\nFigures and summary.json are in {out}/; {out}/index.html shows"
        " them all."
    )


def _figures(
    trace: Trace,
    embeddings: tuple[np.ndarray, np.ndarray],
    clusters: Clusters,
    fitted: list[Policy],
    tables: dict[str, pd.DataFrame],
) -> dict[str, go.Figure]:
    """Return a domain's figures by name; policies and SLOs come from the training split, what they deliver from the held-out one."""
    train, heldout = trace.split("train"), trace.split("heldout")
    seen, unseen = embeddings
    slo = study_slos(train)["prefer_quality"]
    by_name = {policy.name: policy for policy in fitted}
    shown = [by_name[name] for name in ("ours", "knn", "best_single")]
    all_source, train_source = trace.source_line, f"{train.source_line} · training split"
    heldout_source = f"{heldout.source_line} · held-out split"
    front = figures.compute_front(trace, n_resamples=1000)
    within = front[
        (front["latency_s"] <= slo.max_latency_s) & (front["cost_usd"] <= slo.max_cost_usd)
    ]  # best quality first
    timed = figures.slo_grid(train, "latency_s")
    priced = [*figures.slo_grid(train, "cost_usd"), SLO()]
    attained = figures.compute_attainment(shown, heldout, timed, embeddings=unseen)
    mix = figures.compute_choice_mix(
        [by_name["ours"], by_name["best_single"], "oracle"], heldout, timed, embeddings=unseen
    )
    equal = figures.compute_equal([*fitted, "oracle"], heldout, priced, embeddings=unseen)
    drawn = {
        "front": figures.plot_front(
            front, all_source, slo, within["path_id"].iloc[0] if len(within) else None
        ),
        "latency": figures.plot_latency(figures.compute_latency(trace), all_source),
        "attainment": figures.plot_attainment(attained, heldout_source),
        "choice_mix": figures.plot_choice_mix(mix, heldout_source),
        "equal": figures.plot_equal(equal, heldout_source),
        "policies": figures.plot_policies(figures.compute_policies(tables), heldout_source),
        "winners": figures.plot_cluster_winners(
            figures.compute_cluster_winners(train, seen, clusters), train_source
        ),
        "sensitivity": figures.plot_sensitivity(
            figures.compute_sensitivity(trace, slo), all_source
        ),
        "clusters": figures.plot_cluster_map(
            figures.compute_cluster_map(train, seen, clusters), train_source
        ),
        "contribution": figures.plot_contribution(figures.compute_contribution(trace), all_source),
        "stage_latency": figures.plot_stage_latency(
            figures.compute_stage_latency(trace), all_source
        ),
        "interplay": figures.plot_interplay(figures.compute_interplay(trace), all_source),
    }
    answered = ~np.isnan(trace.array("quality")).any(axis=1)
    if answered.any():
        complete = trace.where(answered)
        drawn["whole_paths"] = figures.plot_whole_paths(
            figures.compute_whole_paths(complete), complete.source_line
        )
    return drawn


def _budget_figures(file: FilePath) -> dict[str, go.Figure]:
    """Return the figures of the Emulator's recorded benchmark, without methods that borrow our estimator; none if there is no record."""
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
        metric: figures.plot_budget(figures.compute_budget(records, metric), source)
        for metric in figures.METRICS
    }


def _cluster_fronts(
    train: Trace, clusters: Clusters, embeddings: np.ndarray
) -> dict[str, list[str]]:
    """Return, per cluster, the path ids on its own front; noise queries count with their nearest cluster."""
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
    check = one["live_check"]
    lines = [
        (
            f"{name}: {one['n_queries']} queries ({one['n_heldout']} held out) × {one['n_paths']}"
            f" paths, {one['n_clusters']} clusters, {len(one['front'])} paths on the front. Source:"
            f" {one['source_line']}."
        ),
        (
            f"Live check: {check['n_outcomes']} outcomes measured anew, quality agrees in"
            f" {check['quality_agreement_rate']:.1%}; latency {check['latency_ratio_median']:.2f} ×"
            " the trace's (another machine or load differs here)."
            if check
            else "Live check: not run."
        ),
        (
            f"{'held-out queries':16} {'policy':20} {'quality':>16} {'USD/1k':>9} {'mean s':>7}"
            f" {'p95 s':>7} {'violations':>10} {'regret':>7}"
        ),
    ]
    for prefer, policies in one["heldout"].items():
        for policy, row in policies.items():
            quality = f"{row['quality']:.3f} [{row['quality_low']:.2f}, {row['quality_high']:.2f}]"
            lines.append(
                f"{prefer:16} {policy:20} {quality:>16} {1000 * row['cost_usd']:9.5f}"
                f" {row['latency_s']:7.3f} {row['latency_p95_s']:7.3f}"
                f" {row['slo_violation_rate']:10.1%} {row['regret']:7.3f}"
            )
    return "\n".join(lines)
