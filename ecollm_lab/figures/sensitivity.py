"""Sensitivity: whether the answer changes when the declared prices and network delays do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import GREEN, INK, PLACEMENTS, finish, plain, require_rows
from ecollm_lab.policies.choosing import choose, truly_best
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace, is_on_front
from ecollm_lab.traces.path_ids import declared_delays, model_row, path_placements

PRICES = (0.001, 0.003, 0.01, 0.1, 1.0, 3.0, 10.0)
DELAYS_S = (0.0, 0.02, 0.04, 0.08, 0.16, 0.32)
MAY_BREAK = 0.05  # share of queries on which the winning path may break a limit


def compute_sensitivity(
    trace: Trace,
    slo: SLO | None = None,
    *,
    price_factors: Sequence[float] = PRICES,
    delays_s: Sequence[float] = DELAYS_S,
) -> pd.DataFrame:
    """Return which paths win under other token prices and another network delay.

    Parameters
    ----------
    trace
        Measured, with token counts and, in its provenance, the declared prices and delays of its
        cloud models.
    slo
        Under which paths win; no limits, prefer="quality" if left out. Of equally good paths the
        cheapest wins.
    price_factors
        Multiples of the declared token prices of cloud models; the edge's hourly price stays.
    delays_s
        Network delays in seconds, in place of those declared.

    Returns
    -------
    One row per price_factor and delay_s: edge_share, mixed_share, cloud_share (where the oracle,
    which knows each outcome beforehand, sends the queries), path_id and placement of the path with
    the best mean quality that keeps the SLO on 95 % of the queries (None if none does), its
    quality, front_size, front_off_edge_share (mixed and cloud paths on the front of means),
    declared (whether this is the declared case), n.

    """
    tokens, declared = _token_cost(trace), declared_delays(trace)
    places = np.array(path_placements(trace))
    off_edge = (places == "mixed") | (places == "cloud")
    if not off_edge.any():
        raise LabError(
            "The trace has no path with a cloud model, so neither price nor network delay can"
            " change anything."
        )
    rows = []
    for factor in price_factors:
        priced = trace.array("cost_usd") + (factor - 1) * tokens
        for delay in delays_s:
            delayed = trace.array("latency_s") + np.where(off_edge, delay - declared, 0.0)
            as_declared = factor == 1 and bool(np.isclose(declared[off_edge], delay).all())
            row: dict[str, Any] = {"price_factor": factor, "delay_s": delay}
            row |= _shares(trace, priced, delayed, slo or SLO())
            row |= _winner(trace, priced, delayed, slo or SLO())
            rows.append(row | {"declared": as_declared, "n": len(trace.query_ids)})
    return pd.DataFrame(rows)


def _shares(trace: Trace, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> dict[str, float]:
    """Return where the oracle sends the queries."""
    best = truly_best(trace.array("quality"), cost, latency, slo)
    chosen = np.array(path_placements(trace))[best]
    return {
        f"{place}_share": float((chosen == place).mean()) for place in ("edge", "mixed", "cloud")
    }


def _winner(trace: Trace, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> dict[str, Any]:
    """Return the path of best mean quality that keeps the SLO on most queries, and the front."""
    quality, places = trace.array("quality"), np.array(path_placements(trace))
    off_edge = (places == "mixed") | (places == "cloud")
    known = ~np.isnan(quality)
    broken = ~slo.keeps(cost, latency) & known
    lasting = (broken.sum(axis=0) <= MAY_BREAK * known.sum(axis=0)) & known.any(axis=0)
    mean, dollars, seconds = (np.nanmean(values, axis=0) for values in (quality, cost, latency))
    front = is_on_front(np.column_stack([mean, dollars, seconds]))
    winner: dict[str, Any] = {"path_id": None, "placement": None, "quality": np.nan}
    if lasting.any():
        best = int(choose(np.nan_to_num(mean)[None], lasting, dollars, seconds, slo)[0])
        winner = {"path_id": trace.path_ids[best], "placement": str(places[best])}
        winner["quality"] = mean[best]
    share = float(off_edge[front].mean()) if front.any() else np.nan
    return winner | {"front_size": int(front.sum()), "front_off_edge_share": share}


def _token_cost(trace: Trace) -> np.ndarray:
    """Return the part of each outcome's cost that cloud tokens make up, in US dollars.

    Shape (queries, paths).
    """
    rows = [model_row(trace, path) for path in trace.path_ids]
    for path, row in zip(trace.path_ids, rows, strict=True):
        missing = [
            key
            for key in ("price_in_usd_per_mtok", "price_out_usd_per_mtok", "network_delay_s")
            if key not in row
        ]
        if row.get("placement") == "cloud" and missing:
            raise LabError(
                f"The provenance declares no {missing[0]} for the model of {path}; without it the"
                " trace cannot be re-priced."
            )
    prices = [
        np.array([row.get(f"price_{way}_usd_per_mtok", 0.0) for row in rows])
        for way in ("in", "out")
    ]
    counts = [trace.array(f"tokens_{way}") for way in ("in", "out")]
    priced = prices[0] + prices[1] > 0
    if any(
        np.isnan(count[:, priced]).any() and np.isnan(count[:, priced]).all() for count in counts
    ):
        raise LabError(
            "The trace has no token counts for its priced models, so it cannot be re-priced."
        )
    return (np.nan_to_num(counts[0]) * prices[0] + np.nan_to_num(counts[1]) * prices[1]) / 1e6


def plot_sensitivity(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw, over price and delay, how many queries the oracle sends off the edge, and who wins.

    Frames mark what is declared. The winner is the best path within the SLO; below it stands how
    many paths on the front leave the edge.
    """
    require_rows(frame, "the frame has no cases")
    prices, delays = (sorted(set(frame[name])) for name in ("price_factor", "delay_s"))
    cells = frame.set_index(["delay_s", "price_factor"])
    grid = [[cells.loc[(delay, price)] for price in prices] for delay in delays]
    titles = (
        "queries the oracle sends off the edge (%)",
        "where the best path within the SLO runs; front: off the edge, of all",
    )
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    shared = {
        "x": [f"{price:g}" for price in prices],
        "y": [f"{1000 * delay:g}" for delay in delays],
        "customdata": [[_card(c) for c in row] for row in grid],
        "hovertemplate": "%{customdata}<extra></extra>",
        "texttemplate": "%{text}",
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
    }
    share = [[100 * (c["mixed_share"] + c["cloud_share"]) for c in row] for row in grid]
    text = [[f"{value:.0f}" for value in row] for row in share]
    scale = {"colorscale": [[0, "#FFFFFF"], [1, GREEN]], "zmin": 0, "zmax": 100}
    figure.add_heatmap(z=share, text=text, **scale, **shared, row=1, col=1)
    _add_winners(figure, grid, shared)
    for case in frame[frame["declared"]].itertuples():
        i, j = prices.index(case.price_factor), delays.index(case.delay_s)
        box = {"x0": i - 0.5, "x1": i + 0.5, "y0": j - 0.5, "y1": j + 0.5}
        for column in (1, 2):
            line = {"color": INK, "width": 2.5}
            figure.add_shape(type="rect", **box, line=line, row=1, col=column)
    figure.update_xaxes(title="price of cloud tokens (× declared)", type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False)
    figure.update_yaxes(title="network delay to the cloud (ms)", row=1, col=1)
    title = "Would other prices or another network change the choice? (frame: as declared)"
    return finish(figure, title, source)


def _add_winners(figure: go.Figure, grid: list[list[pd.Series]], shared: dict[str, Any]) -> None:
    """Draw where the winners run, in pale colours of the placements."""
    words = [None, *PLACEMENTS]
    tints = ("#EEEEEE", "#B3D5EA", "#B2E2D5", "#F2CEB2", "#CCCCCC")
    at, said = [], []
    for row in grid:
        places = [c["placement"] if isinstance(c["placement"], str) else None for c in row]
        at.append([words.index(place) for place in places])
        both = zip(places, row, strict=True)
        said.append([f"{place or 'none'}<br>{_off_edge(c)}" for place, c in both])
    scale = [[(i + end) / len(tints), tint] for i, tint in enumerate(tints) for end in (0, 1)]
    ends = {"zmin": -0.5, "zmax": 4.5}
    figure.add_heatmap(z=at, text=said, colorscale=scale, **ends, **shared, row=1, col=2)


def _off_edge(c: pd.Series) -> str:
    """Return how many paths on the front leave the edge, of how many."""
    return (
        f"{round(c['front_off_edge_share'] * c['front_size'])} of {c['front_size']}"
        if c["front_size"]
        else "no front"
    )


def _card(c: pd.Series) -> str:
    """Return the hover card of one case."""
    winner = (
        f"{plain(c['path_id'])}, quality {c['quality']:.3f}"
        if isinstance(c["path_id"], str)
        else "no path keeps the SLO"
    )
    return (
        f"oracle on {c['n']} queries: {c['edge_share']:.0%} edge, {c['mixed_share']:.0%} mixed,"
        f" {c['cloud_share']:.0%} cloud<br>best within the SLO: {winner}<br>front:"
        f" {c['front_size']} paths, {c['front_off_edge_share']:.0%} off the edge"
    )
