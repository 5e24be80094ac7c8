"""Frames → plotly figures, pure: every `plot_x` draws the frame its twin `compute_x` returns."""

from ecollm_lab.figures.budgets import (
    METRICS,
    compute_budget,
    plot_budget,
    plot_samples,
    plot_tightening,
)
from ecollm_lab.figures.clusters import (
    compute_cluster_map,
    compute_cluster_winners,
    plot_cluster_map,
    plot_cluster_winners,
)
from ecollm_lab.figures.contribution import compute_contribution, plot_contribution
from ecollm_lab.figures.fronts import (
    compute_front,
    hover,
    marker_style,
    plot_front,
    slo_limits,
    staircase,
)
from ecollm_lab.figures.latencies import (
    compute_latency,
    compute_stage_latency,
    plot_latency,
    plot_stage_latency,
)
from ecollm_lab.figures.pages import write_pages
from ecollm_lab.figures.policies import compute_equal, compute_policies, plot_equal, plot_policies
from ecollm_lab.figures.sensitivity import compute_sensitivity, plot_sensitivity
from ecollm_lab.figures.slos import (
    compute_attainment,
    compute_choice_mix,
    plot_attainment,
    plot_choice_mix,
)
from ecollm_lab.figures.stage_interplay import compute_interplay, plot_interplay
from ecollm_lab.figures.style import (
    CHOSEN,
    CLOUD,
    CONFIG,
    COST,
    EDGE,
    FAINT,
    INK,
    LATENCY,
    LOG,
    LOOKS,
    MIXED,
    PALETTE,
    QUALITY,
    SYMBOLS,
    finish,
    plain,
)
from ecollm_lab.figures.whole_paths import compute_whole_paths, plot_whole_paths
from ecollm_lab.policies.slos import slo_grid
from ecollm_lab.traces.path_ids import declared_delays, path_placements

__all__ = [
    "CHOSEN",
    "CLOUD",
    "CONFIG",
    "COST",
    "EDGE",
    "FAINT",
    "INK",
    "LATENCY",
    "LOG",
    "LOOKS",
    "METRICS",
    "MIXED",
    "PALETTE",
    "QUALITY",
    "SYMBOLS",
    "compute_attainment",
    "compute_budget",
    "compute_choice_mix",
    "compute_cluster_map",
    "compute_cluster_winners",
    "compute_contribution",
    "compute_equal",
    "compute_front",
    "compute_interplay",
    "compute_latency",
    "compute_policies",
    "compute_sensitivity",
    "compute_stage_latency",
    "compute_whole_paths",
    "declared_delays",
    "finish",
    "hover",
    "marker_style",
    "path_placements",
    "plain",
    "plot_attainment",
    "plot_budget",
    "plot_choice_mix",
    "plot_cluster_map",
    "plot_cluster_winners",
    "plot_contribution",
    "plot_equal",
    "plot_front",
    "plot_interplay",
    "plot_latency",
    "plot_policies",
    "plot_samples",
    "plot_sensitivity",
    "plot_stage_latency",
    "plot_tightening",
    "plot_whole_paths",
    "slo_grid",
    "slo_limits",
    "staircase",
    "write_pages",
]
