"""Policies: what each delivers on queries it has not seen, and what that is worth at equal cost and at equal quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.slos import delivered
from ecollm_lab.figures.style import (
    CHOSEN,
    COST,
    FAINT,
    INK,
    LOG,
    PALETTE,
    QUALITY,
    SYMBOLS,
    aside,
    finish,
    lifted,
    mark_zero,
    require_rows,
)
from ecollm_lab.policies import Policy
from ecollm_lab.policies.fitting.fit import STATIC
from ecollm_lab.records import SLO, LabError, require_choice
from ecollm_lab.traces import Trace
from ecollm_lab.traces.intervals import bootstrap_counts

GAINS = ("gain", "gain_low", "gain_high")
LINES = (("oracle", "dash"), ("random", "dot"))  # policies that bound the others: drawn as lines


def compute_policies(replays: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Stack tables of `replay_all`, given by preference, into one frame with the columns `prefer` and `policy`."""
    return pd.concat(
        {name: table.reset_index() for name, table in replays.items()}, names=["prefer"]
    ).reset_index(level="prefer")


def plot_policies(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw each policy's quality on held-out queries against its cost, with 95 % intervals; one panel per preference.

    Oracle and random are lines across, policies that do not look at the query are grey.
    """
    names = list(dict.fromkeys(frame["prefer"]))
    titles = [name.replace("_", " = ") for name in names]
    figure = make_subplots(
        1, len(names), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=titles
    )
    lines = dict(LINES)
    policies = [policy for policy in dict.fromkeys(frame["policy"]) if policy not in lines]
    looking = [policy for policy in policies if policy not in STATIC]
    still = [policy for policy in policies if policy in STATIC]
    looks = {policy: (PALETTE[i % 6], SYMBOLS[i % 6]) for i, policy in enumerate(looking)}
    looks |= {policy: ("#777777", SYMBOLS[6 + i % 4]) for i, policy in enumerate(still)}
    for column, name in enumerate(names, start=1):
        panel = frame[frame["prefer"] == name].set_index("policy")
        costs, zero = lifted(1000 * panel["cost_usd"])
        ends = costs.agg(["min", "max"])
        if zero is not None:
            mark_zero(figure, zero, column)
        for policy, dash in LINES:
            if policy in panel.index:
                figure.add_scatter(
                    x=ends,
                    y=[panel.loc[policy, "quality"]] * 2,
                    mode="lines",
                    name=policy,
                    legendgroup=policy,
                    showlegend=column == 1,
                    line={"dash": dash, "color": INK, "width": 1.5},
                    row=1,
                    col=column,
                    hovertemplate=(
                        f"{policy}: quality %{{y:.3f}}, {1000 * panel.loc[policy, 'cost_usd']:.4g}"
                        " USD per 1,000<extra></extra>"
                    ),
                )
        for policy, (colour, symbol) in looks.items():
            part = panel[panel.index == policy]
            figure.add_scatter(
                x=costs[part.index],
                y=part["quality"],
                mode="markers",
                name=policy,
                legendgroup=policy,
                showlegend=column == 1,
                marker={"size": 16 if policy == "ours" else 10, "color": colour, "symbol": symbol},
                error_y={
                    "type": "data",
                    "array": part["quality_high"] - part["quality"],
                    "arrayminus": part["quality"] - part["quality_low"],
                    "thickness": 1,
                },
                customdata=np.stack(
                    [
                        part["latency_s"],
                        part["slo_violation_rate"],
                        part["regret"],
                        1000 * part["cost_usd"],
                    ],
                    axis=1,
                ),
                hovertemplate=(
                    f"{policy}<br>quality %{{y:.3f}}<br>%{{customdata[3]:.4g}} USD per 1,000"
                    " queries<br>%{customdata[0]:.3f} s mean<br>violations"
                    " %{customdata[1]:.1%}<br>regret %{customdata[2]:.3f}<extra></extra>"
                ),
                row=1,
                col=column,
            )
    figure.update_xaxes(LOG, title=COST)
    figure.update_yaxes(title=QUALITY, range=[-0.03, 1.03], row=1, col=1)
    return aside(
        finish(figure, "What does each policy deliver on queries it has not seen?", source)
    )


def compute_equal(
    policies: Sequence[Policy | str],
    trace: Trace,
    slos: Sequence[SLO],
    *,
    embeddings: np.ndarray | None = None,
    reference: str = "best_single",
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare policies with a reference at its cost and at its quality.

    Parameters
    ----------
    policies
        Fitted policies, the reference among them, and "oracle".
    trace
        Outcomes to score on, usually the held-out split.
    slos
        From tight to loose, e.g. `slo_grid(train, "cost_usd")`: each gives a policy one operating
        point. What is compared is the reference under the last of them.
    embeddings
        Unit embeddings of the trace's queries, shape (queries, dimension); computed if left out.
    reference
        Name of the policy all others are compared with.
    n_resamples, seed
        Of the paired bootstrap over queries.

    Returns
    -------
    One row per policy and comparison, "equal cost" or "equal quality": quality, cost_usd, gain with
    its 95 % paired interval (`gain_low`, `gain_high`), reference, n. The gain at equal cost is
    quality minus the reference's (higher is better); at equal quality it is cost over the
    reference's (lower is better), NaN where a policy does not reach that quality; an infinite end
    of an interval says that more than 2.5 % of the resamples do not.

    Notes
    -----
    A policy between two operating points mixes them at random, so quality and cost are linear
    between points in order of mean cost. At equal cost, the mix that costs what the reference
    costs, or the dearest point if that is cheaper; at equal quality, the cheapest mix of neighbours
    that delivers it. Both are found anew in each resample. That the mix is found on the queries it
    is scored on favours, slightly and alike, every policy but the reference.

    """
    if np.isnan(trace.array("cost_usd")).all():
        raise LabError(
            "The trace has no cost_usd, so policies cannot be compared at equal cost; declare"
            " prices or import a trace with cost."
        )
    points: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for policy in policies:
        done = [
            d for d in (delivered(policy, trace, slo, embeddings) for slo in slos) if d is not None
        ]
        if any(d["quality"].isna().any() for d in done):
            raise LabError(
                "The trace lacks outcomes that a policy chooses, so it cannot be compared; replay"
                " on a complete trace."
            )
        if done:
            name = policy if isinstance(policy, str) else policy.name
            points[name] = (
                np.stack([d["quality"] for d in done]),
                np.stack([d["cost_usd"] for d in done]),
            )
    require_choice("reference", reference, tuple(points))
    n = len(trace.query_ids)
    counts = (
        np.vstack([np.ones((1, n)), bootstrap_counts(n, n_resamples, seed)]) / n
    )  # first: as it was
    means = {name: (counts @ q.T, counts @ c.T) for name, (q, c) in points.items()}
    target_quality, target_cost = (values[:, -1] for values in means[reference])
    if (target_cost == 0).any():
        raise LabError(
            f"{reference} costs nothing, so no cost can be set against it; name another reference,"
            " or declare what the edge costs."
        )
    out = []
    means[reference] = target_quality[:, None], target_cost[:, None]
    for name, (q, c) in means.items():
        reached = np.array([_quality_at(*case) for case in zip(c, q, target_cost, strict=True)])
        paid = np.array([_cost_at(*case) for case in zip(c, q, target_quality, strict=True)])
        for comparison, gain in (
            ("equal cost", reached - target_quality),
            ("equal quality", paid / target_cost),
        ):
            low, high = (
                np.quantile(gain[1:], [0.025, 0.975], method="inverted_cdf")
                if np.isfinite(gain[0])
                else (np.nan, np.nan)
            )
            at = (
                (reached[0], min(target_cost[0], c[0].max()))
                if comparison == "equal cost"
                else (target_quality[0], paid[0])
            )
            numbers = dict(
                zip(
                    ("quality", "cost_usd", "gain", "gain_low", "gain_high"),
                    (*at, gain[0], low, high),
                    strict=True,
                )
            )
            numbers = numbers if np.isfinite(gain[0]) else dict.fromkeys(numbers, np.nan)
            out.append(
                {
                    "policy": name,
                    "comparison": comparison,
                    **numbers,
                    "reference": reference,
                    "n": n,
                }
            )
    return pd.DataFrame(out)


def _quality_at(costs: np.ndarray, qualities: np.ndarray, target: float) -> float:
    """Return the quality of the mix that costs the target, of the dearest point if that is cheaper; -inf if all cost more."""
    order = np.argsort(costs, kind="stable")
    return float(np.interp(target, costs[order], qualities[order], left=-np.inf))


def _cost_at(costs: np.ndarray, qualities: np.ndarray, target: float) -> float:
    """Return the cost of the cheapest mix of neighbours with the target's quality; infinite if it is not reached."""
    order = np.argsort(costs, kind="stable")
    good = qualities[order] >= target - 1e-12
    if not good.any():
        return np.inf
    first = int(good.argmax())
    if first == 0:
        return float(costs[order[0]])
    low, high = order[first - 1], order[first]
    return float(np.interp(target, qualities[[low, high]], costs[[low, high]]))


def plot_equal(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw each policy's quality at the reference's cost, and its cost at the reference's quality, with 95 % paired intervals.

    Oracle and random are lines, the others rows, best on top. A cost interval that runs off the
    panel has no upper end: in more than 2.5 % of the resamples the policy does not reach the
    quality.
    """
    require_rows(frame, "the frame has no policies")
    reference = frame["reference"].iloc[0]
    titles = (f"at the cost of {reference}", f"at the quality of {reference}")
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=titles)
    lines = [name for name, _ in LINES]
    shown = frame[~frame["policy"].isin(lines)]
    ranked = (
        shown[shown["comparison"] == "equal cost"]
        .sort_values("gain", ascending=False, na_position="last")["policy"]
        .tolist()
    )
    for column, comparison in enumerate(("equal cost", "equal quality"), start=1):
        rows = frame[frame["comparison"] == comparison]
        rows = rows.assign(card=_gain_cards(rows))
        zero = lifted(pd.concat([rows[end] for end in GAINS]))[1] if column == 2 else None
        if zero is not None:
            mark_zero(figure, zero, column)
            rows = rows.assign(**{end: rows[end].replace(0.0, zero) for end in GAINS})
        part = rows.set_index("policy").loc[ranked].dropna(subset="gain").reset_index()
        known = rows[list(GAINS)].to_numpy()
        known = known[np.isfinite(known)]
        ends = (known.min(), known.max()) if known.size else (0.0, 1.0)
        room = (
            (0.03, 0.03) if column == 1 else (0.15, 0.3)
        )  # an interval without an end runs off the panel
        scaled = np.array(ends) if column == 1 else np.log10(ends) if known.size else np.zeros(2)
        figure.update_xaxes(range=[scaled[0] - room[0], scaled[1] + room[1]], row=1, col=column)
        low, high = (
            part[end].clip(*(ends if column == 1 else (ends[0] / 2, 3 * ends[1])))
            for end in ("gain_low", "gain_high")
        )
        figure.add_scatter(
            x=part["gain"],
            y=part["policy"],
            mode="markers",
            name="policy, 95 % paired interval",
            showlegend=False,
            marker={
                "size": np.where(part["policy"] == "ours", 14, 9),
                "color": np.where(part["policy"] == "ours", CHOSEN, INK),
                "symbol": np.where(part["policy"] == "ours", "star", "circle"),
                "opacity": 1,
            },
            error_x={
                "type": "data",
                "array": high - part["gain"],
                "arrayminus": part["gain"] - low,
                "thickness": 1.5,
                "width": 4,
                "color": INK,
            },
            customdata=part["card"],
            hovertemplate="%{customdata}<extra></extra>",
            row=1,
            col=column,
        )
        for name, dash in LINES:
            for bound in rows[(rows["policy"] == name) & rows["gain"].notna()].itertuples():
                figure.add_scatter(
                    x=[bound.gain] * 2,
                    y=[ranked[0], ranked[-1]],
                    mode="lines",
                    name=name,
                    legendgroup=name,
                    showlegend=column == 1,
                    line={
                        "dash": dash,
                        "color": PALETTE[1] if name == "oracle" else FAINT,
                        "width": 2.5,
                    },
                    row=1,
                    col=column,
                    hovertemplate=f"{bound.card}<extra></extra>",
                )
        absent = [policy for policy in ranked if policy not in set(part["policy"])]
        for policy in absent:
            figure.add_annotation(
                text="not reached",
                x=0.4,
                xref=f"x{column if column > 1 else ''} domain",
                y=policy,
                xanchor="left",
                showarrow=False,
                font={"size": 11, "color": "#888888"},
                row=1,
                col=column,
            )
    figure.add_vline(x=0, line={"color": FAINT, "width": 1}, row=1, col=1)
    figure.add_vline(x=1, line={"color": FAINT, "width": 1}, row=1, col=2)
    figure.update_xaxes(
        title=f"quality minus that of {reference} (higher is better)", zeroline=False, row=1, col=1
    )
    figure.update_xaxes(
        LOG, title=f"cost over that of {reference} (×, log, lower is better)", row=1, col=2
    )
    figure.update_yaxes(
        autorange="reversed", automargin=True, categoryorder="array", categoryarray=ranked
    )
    return finish(
        figure,
        "What is a policy worth at equal cost and at equal quality?",
        source,
        height=max(380, 220 + 30 * len(ranked)),
    )


def _gain_cards(part: pd.DataFrame) -> list[str]:
    """Return one hover card per policy."""
    cards = []
    for r in part.itertuples():
        equal = r.comparison == "equal cost"
        high = f"{r.gain_high:.3g}" if np.isfinite(r.gain_high) else "not always reached"
        cards.append(
            f"<b>{r.policy}</b> at {r.comparison} to"
            f" {r.reference}<br>{'quality gained' if equal else 'times the cost'}: {r.gain:.3g}"
            f" [{r.gain_low:.3g}, {high}]<br>quality {r.quality:.3f}, {1000 * r.cost_usd:.4g} USD"
            f" per 1,000 queries<br>{r.n} queries"
        )
    return cards
