"""SLOs: what was asked, what was obtained, and where the choices ran, on queries the policies have not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.style import (
    CHOSEN,
    FAINT,
    INK,
    LOOKS,
    PALETTE,
    SYMBOLS,
    aside,
    decades,
    finish,
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
    rows = []
    for policy in policies:
        for slo in slos:
            if slo.max_latency_s is None:
                raise LabError(f"compute_attainment needs SLOs with max_latency_s, got {slo}.")
            row = {
                "policy": _name(policy),
                "asked_s": slo.max_latency_s,
                "feasible": False,
                "n": len(trace.query_ids),
            }
            try:
                done = replay(policy, trace, slo, embeddings=embeddings)
            except InfeasibleSLO:
                rows.append(row)
                continue
            tail = done.summary.loc["latency_p95_s"]
            row |= {
                "obtained_p95_s": tail["value"],
                "obtained_p95_s_low": tail["low"],
                "obtained_p95_s_high": tail["high"],
            }
            row |= {
                "obtained_s": done["latency_s"],
                "quality": done["quality"],
                "slo_violation_rate": done["slo_violation_rate"],
            }
            rows.append(row | {"feasible": True})
    if not rows:
        raise LabError(
            f"Give at least one policy and one SLO; got {len(policies)} policies and {len(slos)}"
            " SLOs."
        )
    columns = [
        "policy",
        "asked_s",
        "obtained_p95_s",
        "obtained_p95_s_low",
        "obtained_p95_s_high",
        "obtained_s",
        "quality",
    ]
    return pd.DataFrame(rows).reindex(columns=[*columns, "slo_violation_rate", "feasible", "n"])


def plot_attainment(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw the obtained 95th percentile of latency against the limit asked, on the same scale; diagonal and a band of ±10 %.

    Beside each name: the share of the feasible limits that the policy kept. A limit a policy calls
    infeasible has no point.
    """
    feasible = frame[frame["feasible"]]
    require_rows(feasible, "no policy finds any of these SLOs feasible; ask for more latency")
    figure = go.Figure()
    ends = np.array([frame["asked_s"].min() * 0.9, frame["asked_s"].max() * 1.1])
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
    for i, policy in enumerate(dict.fromkeys(frame["policy"])):
        part = feasible[feasible["policy"] == policy].sort_values("asked_s")
        kept = (part["obtained_p95_s"] <= part["asked_s"]).mean() if len(part) else np.nan
        ours = policy == "ours"
        figure.add_scatter(
            x=part["asked_s"],
            y=part["obtained_p95_s"],
            mode="lines+markers",
            name=f"{policy} (keeps {kept:.0%})",
            line={"color": PALETTE[i % len(PALETTE)], "width": 3 if ours else 1.5},
            marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 11 if ours else 8},
            error_y=(
                {
                    "type": "data",
                    "array": part["obtained_p95_s_high"] - part["obtained_p95_s"],
                    "thickness": 1,
                    "width": 0,
                    "arrayminus": part["obtained_p95_s"] - part["obtained_p95_s_low"],
                }
                if ours
                else None
            ),
            customdata=part[["obtained_s", "slo_violation_rate", "quality", "n"]].to_numpy(),
            hovertemplate=(
                f"<b>{policy}</b><br>asked %{{x:.3f}} s, obtained %{{y:.3f}} s p95,"
                " %{customdata[0]:.3f} s mean<br>%{customdata[1]:.1%} of %{customdata[3]}"
                " queries over the limit<br>quality %{customdata[2]:.3f}<extra></extra>"
            ),
        )
    spread = pd.concat([frame["asked_s"], feasible["obtained_p95_s"]])
    figure.update_xaxes(decades(spread), title="latency limit asked (s, log)")
    figure.update_yaxes(decades(spread), title="latency obtained (s, 95th percentile, log)")
    return aside(
        finish(figure, "Does a policy keep the latency it is asked for?", source, height=560)
    )


def compute_choice_mix(
    policies: Sequence[Policy | str],
    trace: Trace,
    slos: Sequence[SLO],
    *,
    embeddings: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return where the paths that each policy chooses under each SLO run: shares of queries on the edge, mixed, in the cloud.

    See `compute_attainment` for the arguments and `path_placements` for what "mixed" means. One row
    per policy, SLO and placement that the trace has: policy, max_latency_s, max_cost_usd,
    placement, share (NaN where the policy calls the SLO infeasible), quality, n.
    """
    places = dict(zip(trace.path_ids, path_placements(trace), strict=True))
    rows = []
    for policy in policies:
        for slo in slos:
            done = delivered(policy, trace, slo, embeddings)
            common = {
                "policy": _name(policy),
                "max_latency_s": slo.max_latency_s,
                "max_cost_usd": slo.max_cost_usd,
            }
            common |= {
                "quality": np.nan if done is None else done["quality"].mean(),
                "n": len(trace.query_ids),
            }
            at = None if done is None else done["path_id"].map(places)
            for placement, _, _ in LOOKS:
                if placement in places.values():
                    share = np.nan if at is None else float((at == placement).mean())
                    rows.append(common | {"placement": placement, "share": share})
    if not rows:
        raise LabError(
            f"Give at least one policy and one SLO; got {len(policies)} policies and {len(slos)}"
            " SLOs."
        )
    return pd.DataFrame(rows)[
        ["policy", "max_latency_s", "max_cost_usd", "placement", "share", "quality", "n"]
    ]


def delivered(
    policy: Policy | str, trace: Trace, slo: SLO, embeddings: np.ndarray | None = None
) -> pd.DataFrame | None:
    """Return what a policy's choices deliver, one row per query (see `outcomes_of`); None if it calls the SLO infeasible."""
    if isinstance(policy, str):
        require_choice("policy", policy, ("oracle",))
        best = oracle_choice(trace, slo)
        return outcomes_of(trace, Decision(best, best[:, None]))
    queries = trace.queries["text"].tolist() if embeddings is None else embeddings
    try:
        return outcomes_of(trace, policy.decide(queries, slo, ask=recorded_answers(trace)))
    except InfeasibleSLO:
        return None


def plot_choice_mix(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw, per policy, stacked bars of where its choices run, one bar a latency limit, and quality as a line over them."""
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
        for placement, colour, _ in LOOKS:
            part = mine[mine["placement"] == placement].sort_values("max_latency_s")
            if part.empty:
                continue
            figure.add_bar(
                x=part["max_latency_s"].map(_ms),
                y=100 * part["share"],
                name=placement,
                legendgroup=placement,
                showlegend=column == 1,
                marker={
                    "color": colour,
                    "pattern": {"shape": patterns[placement], "fgcolor": "white", "size": 6},
                },
                customdata=part[["n", "quality"]].to_numpy(),
                row=1,
                col=column,
                hovertemplate=(
                    f"{policy}, limit %{{x}} ms<br>{placement}: %{{y:.1f}} % of %{{customdata[0]}}"
                    " queries<br>quality %{customdata[1]:.3f}<extra></extra>"
                ),
            )
        line = mine.drop_duplicates("max_latency_s").sort_values("max_latency_s")
        figure.add_scatter(
            x=line["max_latency_s"].map(_ms),
            y=100 * line["quality"],
            mode="lines+markers",
            name="quality × 100",
            legendgroup="quality",
            showlegend=column == 1,
            line={"color": INK, "width": 2},
            marker={
                "symbol": "star",
                "size": 10,
                "color": CHOSEN,
                "line": {"color": INK, "width": 1},
            },
            hovertemplate=f"{policy}, limit %{{x}} ms<br>quality × 100: %{{y:.1f}}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(
        title="latency limit (ms)", type="category", tickangle=0, tickfont={"size": 10}
    )
    figure.update_yaxes(title="queries (%)", range=[0, 101], row=1, col=1)
    return finish(figure, "Where do the choices run as the latency limit loosens?", source)


def _ms(seconds: float) -> str:
    """Return a limit in milliseconds with three digits or all before the point."""
    return f"{1000 * seconds:.0f}" if seconds >= 0.1 else f"{1000 * seconds:.3g}"


def _name(policy: Policy | str) -> str:
    return policy if isinstance(policy, str) else policy.name
