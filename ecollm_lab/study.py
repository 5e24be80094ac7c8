"""The study: clusters, fronts, policies and their replay on the committed traces, in one summary."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.catalog import DATA, load_catalog
from ecollm_lab.cluster import NOISE, Clusters, find_clusters
from ecollm_lab.domains import load_domain
from ecollm_lab.embed import CachedEncoder, default_encoder
from ecollm_lab.figures import (
    CONFIG,
    compute_cluster_map,
    compute_front,
    compute_interplay,
    compute_policies,
    plot_cluster_map,
    plot_front,
    plot_interplay,
    plot_policies,
)
from ecollm_lab.fitting import POLICIES, fit_policy
from ecollm_lab.measuring import git_revision, live_check, require_writable
from ecollm_lab.pareto import pareto_front
from ecollm_lab.records import SLO, LabError
from ecollm_lab.replays import replay_all
from ecollm_lab.traces import Trace

DOMAINS = ("smart_home", "automotive")


def study_slos(train: Trace) -> dict[str, SLO]:
    """Return the SLO of each preference, set on the training split alone.

    The limits are the upper quartiles, over paths, of the 95th percentiles of latency and cost, moved into the middle of the gap
    to the next path so that no path sits on a limit.
    """
    limits = {}
    for column in ("latency_s", "cost_usd"):
        tails = np.unique(np.nanquantile(train.array(column), 0.95, axis=0))
        i = min(int(0.75 * len(tails)), len(tails) - 2)
        limits[column] = float(tails[i : i + 2].mean())
    return {
        "prefer_quality": SLO(max_latency_s=limits["latency_s"], max_cost_usd=limits["cost_usd"], prefer="quality"),
        "prefer_cost": SLO(max_latency_s=limits["latency_s"], prefer="cost"),
        "prefer_latency": SLO(max_cost_usd=limits["cost_usd"], prefer="latency"),
    }


def run(traces: FilePath, out: FilePath, catalog_file: FilePath, *, live_outcomes: int, seed: int) -> str:
    """Run the whole study on the committed traces; write figures and `summary.json` to `out`; return the headline table."""
    require_writable(out / "summary.json")
    catalog = load_catalog(catalog_file)
    encoder = CachedEncoder(default_encoder())
    summary: dict[str, Any] = {"git_revision": git_revision(), "domains": {}}
    text = []
    for name in DOMAINS:
        domain = load_domain(DATA / name)
        trace = Trace.load(traces / f"{name}.parquet")
        if trace.provenance.get("domain_digest") != domain.digest:
            raise LabError(
                f"{traces / name}.parquet was measured on another edition of {DATA / name}; run: ecollm-lab sweep --domain {name}"
            )
        train, heldout = trace.split("train"), trace.split("heldout")
        seen, unseen = (encoder.encode(t.queries["text"].tolist()) for t in (train, heldout))
        clusters = find_clusters(seen)
        fitted = [fit_policy(train, policy, embeddings=seen, encoder=encoder, seed=seed) for policy in POLICIES]
        tables = {prefer: replay_all([*fitted, "oracle"], heldout, slo, embeddings=unseen) for prefer, slo in study_slos(train).items()}
        known = replay_all([*fitted, "oracle"], train, SLO(prefer="cost"), embeddings=seen)
        front = compute_front(trace)
        summary["domains"][name] = {
            "source": trace.provenance["source"],
            "source_line": trace.source_line,
            "n_queries": len(trace.query_ids),
            "n_heldout": len(heldout.query_ids),
            "n_passages": len(domain.passages),
            "n_paths": len(trace.path_ids),
            "n_clusters": len(clusters),
            "noise_share": float(np.mean(clusters.labels == NOISE)),
            "front": front[front["on_front"]][["path_id", "quality", "cost_usd", "latency_s"]].to_dict("records"),
            "cluster_fronts": _cluster_fronts(train, clusters, seen),
            "best_path_by_kind": _best_by_kind(trace),
            "live_check": live_check(trace, domain, catalog, live_outcomes, seed) if live_outcomes else None,
            "slos": {prefer: asdict(slo) for prefer, slo in study_slos(train).items()},
            "seen": {policy: {m: float(row[m]) for m in ("quality", "cost_usd", "latency_s")} for policy, row in known.iterrows()},
            "heldout": {
                p: {str(policy): {m: float(row[m]) for m in table} for policy, row in table.iterrows()} for p, table in tables.items()
            },
        }
        source = trace.source_line
        drawn = {
            "front": plot_front(front, source, study_slos(train)["prefer_quality"]),
            "interplay": plot_interplay(compute_interplay(trace), source),
            "policies": plot_policies(compute_policies(tables), f"{source} · held-out split"),
            "clusters": plot_cluster_map(compute_cluster_map(train, seen, clusters), f"{source} · training split"),
        }
        for title, figure in drawn.items():
            figure.write_html(out / f"{name}_{title}.html", include_plotlyjs="directory", config=CONFIG)
        text.append(_headline(name, summary["domains"][name], tables))
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return "\n\n".join([*text, f"Figures and summary.json are in {out}/."])


def _cluster_fronts(train: Trace, clusters: Clusters, embeddings: np.ndarray) -> dict[str, list[str]]:
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


def _headline(name: str, summary: dict[str, Any], tables: dict[str, pd.DataFrame]) -> str:
    """Write one domain's replay as a plain table."""
    check = summary["live_check"]
    lines = [
        f"{name}: {summary['n_queries']} queries ({summary['n_heldout']} held out) × {summary['n_paths']} paths, "
        f"{summary['n_clusters']} clusters, {len(summary['front'])} paths on the front. Source: {summary['source_line']}.",
        f"Live check: {check['n_outcomes']} outcomes measured anew, quality agrees in {check['quality_agreement_rate']:.1%}; "
        f"latency {check['latency_ratio_median']:.2f} × the trace's."
        if check
        else "Live check: not run.",
        f"{'held-out queries':16} {'policy':20} {'quality':>16} {'USD/1k':>9} {'mean s':>7} {'p95 s':>7} {'violations':>10} {'regret':>7}",
    ]
    for prefer, table in tables.items():
        for policy, row in table.iterrows():
            quality = f"{row['quality']:.3f} [{row['quality_low']:.2f}, {row['quality_high']:.2f}]"
            lines.append(
                f"{prefer:16} {policy:20} {quality:>16} {1000 * row['cost_usd']:9.5f} {row['latency_s']:7.3f} "
                f"{row['latency_p95_s']:7.3f} {row['slo_violation_rate']:10.1%} {row['regret']:7.3f}"
            )
    return "\n".join(lines)
