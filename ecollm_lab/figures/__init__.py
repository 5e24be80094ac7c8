"""Frames → plotly figures, pure: every `plot_x` draws the frame its twin `compute_x` returns."""

from ecollm_lab.figures.budgets import METRICS, compute_budget, plot_budget, plot_samples, plot_tightening
from ecollm_lab.figures.clusters import compute_cluster_map, plot_cluster_map
from ecollm_lab.figures.fronts import LOOKS, compute_front, hover, marker_style, plot_front, slo_limits, staircase
from ecollm_lab.figures.paths import declared_delays, path_placements
from ecollm_lab.figures.policies import compute_policies, plot_policies
from ecollm_lab.figures.stages import compute_interplay, plot_interplay
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
    PALETTE,
    QUALITY,
    SYMBOLS,
    finish,
    plain,
)  # fmt: skip

__all__ = [
    "CHOSEN", "CLOUD", "CONFIG", "COST", "EDGE", "FAINT", "INK", "LATENCY", "LOG", "LOOKS", "METRICS", "PALETTE", "QUALITY", "SYMBOLS",
    "compute_budget", "compute_cluster_map", "compute_front", "compute_interplay", "compute_policies", "declared_delays", "finish",
    "hover", "marker_style", "path_placements", "plain", "plot_budget", "plot_cluster_map", "plot_front", "plot_interplay",
    "plot_policies", "plot_samples", "plot_tightening", "slo_limits", "staircase",
]  # fmt: skip
