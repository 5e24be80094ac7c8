"""What a policy is worth at equal cost and at equal quality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import PER_1K, least_of_most, lifted, log_axis, mark_zero
from ecollm_lab.figures.policies import BOUNDS
from ecollm_lab.figures.slos import delivered, policy_name
from ecollm_lab.figures.style import FAINT, GREY, INK, SMALL, finish, policy_look, require_rows
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError, require_choice
from ecollm_lab.traces import Trace
from ecollm_lab.traces.groups import drawn_together
from ecollm_lab.traces.intervals import group_weights

COST, QUALITY = "equal cost", "equal quality"
GAINS = ("gain", "gain_low", "gain_high")


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
        Of the paired bootstrap over groups of related queries.

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
    points = _operating_points(policies, trace, slos, embeddings)
    require_choice("reference", reference, tuple(points))
    weights = group_weights(drawn_together(trace), n_resamples, seed)
    means = {name: (weights @ q.T, weights @ c.T) for name, (q, c) in points.items()}
    target_quality, target_cost = (values[:, -1] for values in means[reference])
    if (target_cost == 0).any():
        raise LabError(
            f"{reference} costs nothing, so no cost can be set against it; name another reference,"
            " or declare what the edge costs."
        )
    means[reference] = target_quality[:, None], target_cost[:, None]
    parts = [_compared(q, c, target_quality, target_cost) for q, c in means.values()]
    frame = pd.concat(parts, keys=means, names=["policy"]).reset_index("policy")
    return frame.reset_index(drop=True).assign(reference=reference, n=len(trace.query_ids))


def _compared(
    quality: np.ndarray, cost: np.ndarray, target_quality: np.ndarray, target_cost: np.ndarray
) -> pd.DataFrame:
    """Return a policy's two comparisons; its points have shape (resamples, SLOs)."""
    at_cost = zip(cost, quality, target_cost, strict=True)
    at_quality = zip(cost, quality, target_quality, strict=True)
    reached = np.array([_quality_at(*case) for case in at_cost])
    paid = np.array([_cost_at(*case) for case in at_quality])
    spent = min(target_cost[0], cost[0].max())
    rows = [
        {"comparison": COST} | _gain(reached - target_quality, reached[0], spent),
        {"comparison": QUALITY} | _gain(paid / target_cost, target_quality[0], paid[0]),
    ]
    return pd.DataFrame(rows)


def _operating_points(
    policies: Sequence[Policy | str],
    trace: Trace,
    slos: Sequence[SLO],
    embeddings: np.ndarray | None,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return quality and cost of each policy, shape (SLOs that it can meet, queries)."""
    if np.isnan(trace.array("cost_usd")).all():
        raise LabError(
            "The trace has no cost_usd, so policies cannot be compared at equal cost; declare"
            " prices or import a trace with cost."
        )
    points = {}
    for policy in policies:
        answers = (delivered(policy, trace, slo, embeddings) for slo in slos)
        done = [frame for frame in answers if frame is not None]
        if any(frame["quality"].isna().any() for frame in done):
            raise LabError(
                "The trace lacks outcomes that a policy chooses, so it cannot be compared; replay"
                " on a complete trace."
            )
        if done:
            quality, cost = (
                np.stack([frame[name] for frame in done]) for name in ("quality", "cost_usd")
            )
            points[policy_name(policy)] = quality, cost
    return points


def _gain(values: np.ndarray, quality: float, cost: float) -> dict[str, float]:
    """Return a comparison's numbers; the first value is as it was, the others are resamples."""
    if not np.isfinite(values[0]):
        return dict.fromkeys(("quality", "cost_usd", *GAINS), np.nan)
    low, high = np.quantile(values[1:], [0.025, 0.975], method="inverted_cdf")
    gains = dict(zip(GAINS, (values[0], low, high), strict=True))
    return {"quality": quality, "cost_usd": cost} | gains


def _quality_at(costs: np.ndarray, qualities: np.ndarray, target: float) -> float:
    """Return the quality of the mix that costs the target.

    Of the dearest point if that is cheaper; -inf if all points cost more.
    """
    order = np.argsort(costs, kind="stable")
    return float(np.interp(target, costs[order], qualities[order], left=-np.inf))


def _cost_at(costs: np.ndarray, qualities: np.ndarray, target: float) -> float:
    """Return the cost of the cheapest mix with the target's quality; infinite if there is none."""
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
    """Draw each policy's quality at the reference's cost, and its cost at the reference's quality.

    Bars are 95 % paired intervals. Oracle and random are lines, the others rows, best on top. A
    cost interval that runs off the panel has no upper end: in more than 2.5 % of the resamples the
    policy does not reach the quality.
    """
    require_rows(frame, "the frame has no policies")
    reference = frame["reference"].iloc[0]
    titles = (f"at the cost of {reference}", f"at the quality of {reference}")
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=titles)
    shown = frame[~frame["policy"].isin(BOUNDS) & (frame["comparison"] == COST)]
    ranked = shown.sort_values("gain", ascending=False, na_position="last")["policy"].tolist()
    for column, comparison in enumerate((COST, QUALITY), start=1):
        rows = frame[frame["comparison"] == comparison]
        rows = rows.assign(card=_gain_cards(rows))
        zero = lifted(pd.concat([rows[end] for end in GAINS]))[1] if column == 2 else None
        if zero is not None:
            mark_zero(figure, zero, column)
            rows = rows.assign(**{end: rows[end].replace(0.0, zero) for end in GAINS})
        _add_rows(figure, rows, ranked, column, zero)
        _add_bounds(figure, rows, ranked, column)
    figure.add_vline(x=0, line={"color": FAINT, "width": 1}, row=1, col=1)
    figure.add_vline(x=1, line={"color": FAINT, "width": 1}, row=1, col=2)
    title = f"quality minus that of {reference} (higher is better)"
    figure.update_xaxes(title=title, zeroline=False, row=1, col=1)
    order = {"categoryorder": "array", "categoryarray": ranked}
    figure.update_yaxes(autorange="reversed", automargin=True, **order)
    title = "What is a policy worth at equal cost and at equal quality?"
    return finish(figure, title, source, height=max(380, 220 + 30 * len(ranked)))


def _add_rows(
    figure: go.Figure, rows: pd.DataFrame, ranked: list[str], column: int, zero: float | None
) -> None:
    """Draw a point with its interval per policy, and give the panel the axis that holds them."""
    place = {"row": 1, "col": column}
    part = rows.set_index("policy").loc[ranked].dropna(subset="gain").reset_index()
    known = rows[list(GAINS)].to_numpy()
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if known.size else (0.5, 1.0)
    if column == 1:
        least = least_of_most(rows["gain"])
        if least is not None:
            far, part = part[part["gain"] < least], part[part["gain"] >= least]
            low = float(rows.loc[rows["gain"] >= least, "gain_low"].min())
            for one in far.itertuples():  # at the left end, in words
                said = f"◂ {one.gain:.2f} [{one.gain_low:.2f}, {one.gain_high:.2f}]"
                _say(figure, one.policy, said.replace("-", "−"), 0.01, column)
        room = 0.03 + 0.03 * (high - low)
        figure.update_xaxes(range=[low - room, high + room], **place)
        ends = [part[end].clip(low, high) for end in ("gain_low", "gain_high")]
    else:  # an interval without an upper end runs off the panel
        title = f"cost over that of {rows['reference'].iloc[0]} (×, log, lower is better)"
        span = [np.log10(low) - 0.15, np.log10(high) + 0.3]
        axis = log_axis(known, title, zero) | {"range": span}
        figure.update_xaxes(axis, **place)
        ends = [part[end].clip(low / 2, 3 * high) for end in ("gain_low", "gain_high")]
    looks = [policy_look(policy) for policy in part["policy"]]
    figure.add_scatter(
        x=part["gain"],
        y=part["policy"],
        mode="markers",
        name="policy, 95 % paired interval",
        showlegend=False,
        marker={
            "size": np.where(part["policy"] == "ours", 14, 9),
            "color": [look.colour for look in looks],
            "symbol": [look.symbol for look in looks],
            "opacity": 1,
        },
        error_x={
            "type": "data",
            "array": ends[1] - part["gain"],
            "arrayminus": part["gain"] - ends[0],
            "thickness": 1.5,
            "width": 4,
            "color": INK,
        },
        customdata=part["card"],
        hovertemplate="%{customdata}<extra></extra>",
        **place,
    )
    for policy in [p for p in ranked if p not in set(rows.dropna(subset="gain")["policy"])]:
        _say(figure, policy, "not reached", 0.4, column)


def _say(figure: go.Figure, policy: str, text: str, at: float, column: int) -> None:
    """Write words into a policy's row, from a share of the panel's width on."""
    figure.add_annotation(
        text=text,
        x=at,
        xref=f"x{column if column > 1 else ''} domain",
        y=policy,
        xanchor="left",
        showarrow=False,
        font={"size": SMALL, "color": GREY},
        row=1,
        col=column,
    )


def _add_bounds(figure: go.Figure, rows: pd.DataFrame, ranked: list[str], column: int) -> None:
    for bound in rows[rows["policy"].isin(BOUNDS) & rows["gain"].notna()].itertuples():
        look = policy_look(bound.policy)
        figure.add_scatter(
            x=[bound.gain] * 2,
            y=[ranked[0], ranked[-1]],
            mode="lines",
            name=bound.policy,
            legendgroup=bound.policy,
            showlegend=column == 1,
            line={"dash": look.dash, "color": look.colour, "width": 2.5},
            row=1,
            col=column,
            hovertemplate=f"{bound.card}<extra></extra>",
        )


def _gain_cards(part: pd.DataFrame) -> list[str]:
    """Return one hover card per policy."""
    cards = []
    for r in part.itertuples():
        equal = r.comparison == COST
        high = f"{r.gain_high:.3g}" if np.isfinite(r.gain_high) else "not always reached"
        cards.append(
            f"<b>{r.policy}</b> at {r.comparison} to"
            f" {r.reference}<br>{'quality gained' if equal else 'times the cost'}: {r.gain:.3g}"
            f" [{r.gain_low:.3g}, {high}]<br>quality {r.quality:.3f}, {1000 * r.cost_usd:.4g}"
            f" {PER_1K}<br>{r.n} queries"
        )
    return cards
