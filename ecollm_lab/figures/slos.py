"""SLOs: what was asked and what was obtained, and where the choices ran, on held-out queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import error_bars, log_axis, time_unit
from ecollm_lab.figures.style import (
    CHOSEN,
    FAINT,
    INK,
    PLACEMENTS,
    finish,
    legend_aside,
    policy_look,
    require_rows,
)
from ecollm_lab.policies import Decision, Policy, replay
from ecollm_lab.policies.choosing import oracle_choice
from ecollm_lab.policies.replays import outcomes_of, recorded_answers
from ecollm_lab.records import SLO, InfeasibleSLO, LabError, require_choice
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import path_placements


def compute_attainment(
    policies: Sequence[Policy | str],
    trace: Trace,
    slos: Sequence[SLO],
    *,
    embeddings: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return what latency each policy obtained for each latency limit asked.

    Parameters
    ----------
    policies
        Fitted policies, or "oracle".
    trace
        Outcomes to score on, usually the held-out split.
    slos
        With `max_latency_s`, e.g. of `slo_grid`.
    embeddings
        Unit embeddings of the trace's queries, shape (queries, dimension); computed if left out.

    Returns
    -------
    One row per policy and SLO: policy, asked_s, obtained_p95_s (with its 95 % bootstrap interval,
    `_low` and `_high`), obtained_s (mean), quality, slo_violation_rate, feasible, n. Where a policy
    calls the SLO infeasible, what it obtained is NaN. An obtained 95th percentile below the limit
    keeps it at a violation rate of 5 %; far below leaves quality unused.

    """
    _require_some(policies, slos)
    rows = [_attained(policy, trace, slo, embeddings) for policy in policies for slo in slos]
    tail = [f"obtained_p95_s{end}" for end in ("", "_low", "_high")]
    columns = ["policy", "asked_s", *tail, "obtained_s", "quality", "slo_violation_rate"]
    return pd.DataFrame(rows).reindex(columns=[*columns, "feasible", "n"])


def _attained(
    policy: Policy | str, trace: Trace, slo: SLO, embeddings: np.ndarray | None
) -> dict[str, Any]:
    if slo.max_latency_s is None:
        raise LabError(f"compute_attainment needs SLOs with max_latency_s, got {slo}.")
    row: dict[str, Any] = {"policy": policy_name(policy), "asked_s": slo.max_latency_s}
    row |= {"feasible": False, "n": len(trace.query_ids)}
    try:
        done = replay(policy, trace, slo, embeddings=embeddings)
    except InfeasibleSLO:
        return row
    tail = done.summary.loc["latency_p95_s"]
    row |= {f"obtained_p95_s_{end}": tail[end] for end in ("low", "high")}
    row |= {name: done[name] for name in ("quality", "slo_violation_rate")}
    obtained = {"obtained_p95_s": tail["value"], "obtained_s": done["latency_s"]}
    return row | obtained | {"feasible": True}


def plot_attainment(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw the obtained 95th percentile of latency against the limit asked, on the same scale.

    With the diagonal, and a band of ±10 %. Beside each name stands the share of the feasible limits
    that the policy kept. A limit that a policy calls infeasible has no point.
    """
    feasible = frame[frame["feasible"]]
    require_rows(feasible, "no policy finds any of these SLOs feasible; ask for more latency")
    figure = go.Figure()
    factor, unit = time_unit(frame["asked_s"])
    ends = factor * np.array([frame["asked_s"].min() * 0.9, frame["asked_s"].max() * 1.1])
    figure.add_scatter(
        x=[*ends, *ends[::-1]],
        y=[*(0.9 * ends), *(1.1 * ends[::-1])],
        fill="toself",
        fillcolor=FAINT,
        opacity=0.35,
        mode="lines",
        line={"width": 0},
        name="± 10 %",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": INK, "dash": "dash", "width": 1},
        name="asked = obtained",
        hoverinfo="skip",
    )
    for policy in dict.fromkeys(frame["policy"]):
        _add_attained(figure, feasible[feasible["policy"] == policy], policy, factor)
    spread = factor * pd.concat([frame["asked_s"], feasible["obtained_p95_s"]])
    figure.update_xaxes(log_axis(spread, f"latency limit asked ({unit}, log)"))
    figure.update_yaxes(log_axis(spread, f"latency obtained ({unit}, 95th percentile, log)"))
    title = "Does a policy keep the latency it is asked for?"
    return legend_aside(finish(figure, title, source, height=560))


def _add_attained(figure: go.Figure, part: pd.DataFrame, policy: str, factor: float) -> None:
    part = part.sort_values("asked_s")
    kept = (part["obtained_p95_s"] <= part["asked_s"]).mean() if len(part) else np.nan
    ours, look = policy == "ours", policy_look(policy)
    ends = [name for name in part if name.startswith("obtained_p95_s")]
    bars = error_bars(factor * part[ends], "obtained_p95_s", width=0) if ours else None
    facts = ["asked_s", "obtained_p95_s", "obtained_s", "slo_violation_rate", "quality", "n"]
    figure.add_scatter(
        x=factor * part["asked_s"],
        y=factor * part["obtained_p95_s"],
        mode="lines+markers",
        name=f"{policy} (keeps {kept:.0%})",
        line={"color": look.colour, "width": 3 if ours else 1.5},
        marker={"symbol": look.symbol, "size": 11 if ours else 8},
        error_y=bars,
        customdata=part[facts].to_numpy(),
        hovertemplate=(
            f"<b>{policy}</b><br>asked %{{customdata[0]:.3f}} s, obtained %{{customdata[1]:.3f}} s"
            " p95, %{customdata[2]:.3f} s mean<br>%{customdata[3]:.1%} of %{customdata[5]} queries"
            " over the limit<br>quality %{customdata[4]:.3f}<extra></extra>"
        ),
    )


def compute_choice_mix(
    policies: Sequence[Policy | str],
    trace: Trace,
    slos: Sequence[SLO],
    *,
    embeddings: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return where the paths run that each policy chooses under each SLO, as shares of queries.

    See `compute_attainment` for the arguments and `path_placements` for what "mixed" means. One row
    per policy, SLO and placement that the trace has: policy, max_latency_s, max_cost_usd,
    placement, share (NaN where the policy calls the SLO infeasible), quality, n.
    """
    _require_some(policies, slos)
    places = dict(zip(trace.path_ids, path_placements(trace), strict=True))
    rows = []
    for policy in policies:
        for slo in slos:
            done = delivered(policy, trace, slo, embeddings)
            row = {
                "policy": policy_name(policy),
                "max_latency_s": slo.max_latency_s,
                "max_cost_usd": slo.max_cost_usd,
                "quality": np.nan if done is None else done["quality"].mean(),
                "n": len(trace.query_ids),
            }
            at = None if done is None else done["path_id"].map(places)
            for placement in PLACEMENTS:
                if placement in places.values():
                    share = np.nan if at is None else float((at == placement).mean())
                    rows.append(row | {"placement": placement, "share": share})
    columns = ["policy", "max_latency_s", "max_cost_usd", "placement", "share", "quality", "n"]
    return pd.DataFrame(rows)[columns]


def _require_some(policies: Sequence[Policy | str], slos: Sequence[SLO]) -> None:
    if not policies or not slos:
        raise LabError(
            f"Give at least one policy and one SLO; got {len(policies)} policies and {len(slos)}"
            " SLOs."
        )


def delivered(
    policy: Policy | str, trace: Trace, slo: SLO, embeddings: np.ndarray | None = None
) -> pd.DataFrame | None:
    """Return what a policy's choices deliver, a row per query; see `outcomes_of`.

    None if the policy calls the SLO infeasible.
    """
    if isinstance(policy, str):
        require_choice("policy", policy, ("oracle",))
        best = oracle_choice(trace, slo)
        return outcomes_of(trace, Decision.single(best))
    given = None if policy.reads_text else embeddings
    queries = trace.queries["text"].tolist() if given is None else given
    try:
        return outcomes_of(trace, policy.decide(queries, slo, ask=recorded_answers(trace)))
    except InfeasibleSLO:
        return None


def plot_choice_mix(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw, per policy, bars of where its choices run, a bar per latency limit.

    Quality is a line over them.
    """
    require_rows(
        frame[frame["share"].notna()], "no policy finds any of these SLOs feasible; ask for more"
    )
    policies = list(dict.fromkeys(frame["policy"]))
    figure = make_subplots(
        1, len(policies), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=policies
    )
    patterns = {"edge": "", "mixed": "/", "cloud": "x", "not stated": "."}
    for column, policy in enumerate(policies, start=1):
        mine = frame[frame["policy"] == policy]
        for placement, look in PLACEMENTS.items():
            part = mine[mine["placement"] == placement].sort_values("max_latency_s")
            if part.empty:
                continue
            figure.add_bar(
                x=part["max_latency_s"].map("{:.3g}".format),
                y=100 * part["share"],
                name=placement,
                legendgroup=placement,
                showlegend=column == 1,
                marker={
                    "color": look.colour,
                    "pattern": {"shape": patterns[placement], "fgcolor": "white", "size": 6},
                },
                customdata=part[["n", "quality"]].to_numpy(),
                row=1,
                col=column,
                hovertemplate=(
                    f"{policy}, limit %{{x}} s<br>{placement}: %{{y:.1f}} % of %{{customdata[0]}}"
                    " queries<br>quality %{customdata[1]:.3f}<extra></extra>"
                ),
            )
        line = mine.drop_duplicates("max_latency_s").sort_values("max_latency_s")
        figure.add_scatter(
            x=line["max_latency_s"].map("{:.3g}".format),
            y=100 * line["quality"],
            mode="lines+markers",
            name="quality × 100",
            legendgroup="quality",
            showlegend=column == 1,
            line={"color": INK, "width": 2},
            marker={"symbol": "star", "size": 10, "color": CHOSEN},
            hovertemplate=f"{policy}, limit %{{x}} s<br>quality × 100: %{{y:.1f}}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(
        title="latency limit (s)", type="category", tickangle=-90, tickfont={"size": 10}
    )
    figure.update_yaxes(title="queries (%)", range=[0, 101], row=1, col=1)
    return finish(figure, "Where do the choices run as the latency limit loosens?", source)


def policy_name(policy: Policy | str) -> str:
    """Return the name of a policy, or the name itself."""
    return policy if isinstance(policy, str) else policy.name
