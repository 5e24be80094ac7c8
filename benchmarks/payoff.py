"""What a policy saves against what it gives up: a figure for each trace of `benchmarks.routing`.

`python -m benchmarks.payoff [--parquet FILE] [--out FOLDER] [--json OUT.json] [--quick]`

Read from the records of `python -m benchmarks.routing`: choices without limits that prefer cost or
latency, compared with the best single path. Ours is a line over `tolerance`, the quality that it
may give up; every other policy is a point. Writes FOLDER/payoff_<trace>.html, and to OUT.json what
the figures show: `quality_over` and `share` of each trace, prefer and policy.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.figures.axes import log_axis
from ecollm_lab.figures.pages import write_figure
from ecollm_lab.figures.style import FAINT, finish, policy_look
from ecollm_lab.files import write

RECORDS, OUT = Path("data/benchmarks/routing.parquet"), Path("figures")
PANELS = {"cost": "cost_usd", "latency": "latency_s"}
# forms of ours by the quality that they may give up; 0.02 is the default
TOLERANCES = {
    "ours_giving_up_nothing": 0.0,
    "ours": 0.02,
    "ours_giving_up_0.05": 0.05,
    "ours_giving_up_0.1": 0.1,
}
ASIDE = ("random", "cheapest", "fastest", "best_single")


def points(records: pd.DataFrame) -> pd.DataFrame:
    """Return each policy's quality over the best single path's, and its share of what that spends.

    Parameters
    ----------
    records
        Of one trace; the best single path is the one for quality without limits.

    Returns
    -------
    A row per preference and policy: `prefer`, `policy`, `quality_over`, `share`.

    """
    free = records[records["slo"] == "none"].set_index(["prefer", "policy"])
    single = free.loc[("quality", "best_single")]
    rows = [
        {
            "prefer": prefer,
            "policy": policy,
            "quality_over": row["quality"] - single["quality"],
            "share": row[PANELS[prefer]] / single[PANELS[prefer]],
        }
        for (prefer, policy), row in free.iterrows()
        if prefer in PANELS and policy not in ASIDE and not policy.endswith("_router")
    ]
    frame = pd.DataFrame(rows, columns=["prefer", "policy", "quality_over", "share"])
    return frame[frame["share"] > 0].reset_index(drop=True)


def plot(frame: pd.DataFrame, source: str) -> go.Figure:
    """Draw quality given up or gained against the share of cost and of latency that is left."""
    shown = [prefer for prefer in PANELS if prefer in set(frame["prefer"])]
    figure = make_subplots(1, len(shown), subplot_titles=[f"prefer={one}" for one in shown])
    listed: set[str] = set()  # in the legend; what is free stands in one panel alone
    for column, prefer in enumerate(shown, start=1):
        part = frame[frame["prefer"] == prefer].set_index("policy")
        ours = part.loc[[name for name in TOLERANCES if name in part.index]]
        lines = {"ours": ours} | {name: part.loc[[name]] for name in part.index.drop(ours.index)}
        for name, rows in lines.items():
            if rows.empty:
                continue
            look = policy_look(name)
            labels = _labels(rows) if rows is ours else None
            figure.add_scatter(
                x=rows["share"],
                y=rows["quality_over"],
                mode="lines+markers+text" if rows is ours else "markers",
                text=labels,
                textposition=_turns(labels) if labels else None,
                marker={"color": look.colour, "symbol": look.symbol, "size": 9},
                line={"color": look.colour},
                name="ours, by what it may give up" if rows is ours else name,
                legendgroup=name,
                showlegend=name not in listed,
                hovertemplate="%{x:.1%} of the best single path<br>quality %{y:+.3f}",
                row=1,
                col=column,
            )
            listed.add(name)
        spent = "cost" if prefer == "cost" else "latency"
        axis = log_axis([*part["share"], 1.0], f"{spent} ÷ the best single path's (log)")
        figure.update_xaxes(axis, row=1, col=column)
        for line in (figure.add_hline, figure.add_vline):
            at = {"y": 0} if line == figure.add_hline else {"x": 1}
            line(**at, line={"color": FAINT, "width": 1}, row=1, col=column)
    figure.update_yaxes(title="quality − the best single path's", col=1)
    return finish(figure, "What is saved, and what is given up for it?", source)


def _labels(ours: pd.DataFrame) -> list[str]:
    """Return the tolerances of each point, those that lie together on the first of them."""
    together: dict[tuple[float, ...], list[str]] = {}
    places = [tuple(row) for row in ours[["share", "quality_over"]].round(3).to_numpy()]
    for name, place in zip(ours.index, places, strict=True):
        together.setdefault(place, []).append(f"{TOLERANCES[str(name)]:g}")
    return [", ".join(together.pop(place, [])) for place in places]


def _turns(labels: list[str]) -> list[str]:
    """Return where each label stands: those that say something below and above in turn."""
    said = np.cumsum([bool(label) for label in labels], dtype=int)
    return ["bottom center" if count % 2 else "top center" for count in said]


def listed(trace: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what a figure shows as records, two for each point."""
    return [
        {"trace": trace, **about, "metric": metric, "value": value}
        for row in frame.to_dict("records")
        for about in [{"prefer": row["prefer"], "policy": row["policy"]}]
        for metric, value in row.items()
        if metric not in about
    ]


def main() -> None:
    """Draw a figure for each trace, and write the records of all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parquet", type=Path, default=RECORDS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--json", type=Path, help="also write what the figures show here")
    parser.add_argument("--quick", action="store_true", help="the first trace alone")
    args = parser.parse_args()
    found: list[dict[str, Any]] = []
    every = list(pd.read_parquet(args.parquet).groupby("trace", sort=False))
    for trace, records in every[:1] if args.quick else every:
        frame, first = points(records), records.iloc[0]
        if frame.empty:
            continue
        made = f"{first['measured_at']}, revision {first['git_revision']}"
        source = f"python -m benchmarks.routing: {trace}, queries not trained on; {made}"
        write_figure(plot(frame, source), args.out / f"payoff_{trace}.html")
        found += listed(str(trace), frame)
        print(frame.round(3).to_string())
    if args.json:
        write(json.dumps(found, indent=1) + "\n", args.json)


if __name__ == "__main__":
    main()
