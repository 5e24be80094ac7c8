"""What an exploration says when it ends."""

from __future__ import annotations

from pathlib import Path as FilePath

import pandas as pd

from ecollm_lab.emulator.budget import Ending
from ecollm_lab.emulator.emulator import Emulator
from ecollm_lab.sweeps import Progress


def report(
    name: str,
    emulator: Emulator,
    history: pd.DataFrame,
    fronts: pd.DataFrame,
    progress: Progress,
    out: FilePath,
) -> str:
    """Say what was spent and where, what was set aside and why, and how sure the front is."""
    last, pairs = history.iloc[-1], emulator.n_pairs
    whole = fronts[fronts["scope"] == "all"].sort_values("quality", ascending=False)
    front = whole[whole["on_front"]]
    ended, recalled = last["stopped"], progress.reused
    if ended == Ending.BUDGET and emulator.n_told == recalled:
        ended += (
            f"; the store already held {recalled} of them, which count towards it; give a larger"
            " budget or another --store"
        )
    if ended == Ending.EARLY and progress.stopped:
        ended += f"; {progress.stopped.removesuffix('.')}"
    on_front = front["n"].sum() / max(whole["n"].sum(), 1)
    lines = [
        (
            f"{name}: {emulator.n_told} of {pairs} outcomes ({emulator.n_told / pairs:.1%};"
            f" {recalled} of them were there before), {last['cost_usd']:.6f} USD (declared prices),"
            f" {len(history)} batches. Deciding took {history['deciding_s'].sum():.1f} s, measuring"
            f" {history['running_s'].sum():.1f} s. Ended because: {ended}."
        ),
        (
            f"Expected regret {last['expected_regret']:.3f}: the quality that knowing every path"
            " exactly would still add, mean over 25 SLOs."
        ),
        (
            f"Estimated front over all {len(emulator.query_ids)} training queries, {len(front)}"
            f" paths, 90 % credible intervals; {on_front:.0%} of the outcomes went to them:"
        ),
        (
            f"  {'path':36} {'quality':>18} {'USD per 1,000':>30} {'seconds':>20} {'P(front)':>8}"
            f" {'n':>4}"
        ),
    ]
    lines += [
        f"  {row.path_id:36} {row.quality:.2f} [{row.quality_low:.2f}, {row.quality_high:.2f}]"
        f" {1000 * row.cost_usd:9.6f} [{1000 * row.cost_usd_low:.6f},"
        f" {1000 * row.cost_usd_high:.6f}] {row.latency_s:6.3f} [{row.latency_s_low:.3f},"
        f" {row.latency_s_high:.3f}] {row.front_probability:8.2f} {row.n:4d}"
        for row in front.itertuples()
    ]
    lines += _aside(whole)
    scopes = fronts[fronts["on_front"] & (fronts["scope"] != "all")].groupby("scope").size()
    if len(scopes):
        lines.append(
            "Paths on the front of each cluster of queries: "
            + ", ".join(f"{scope} {n}" for scope, n in scopes.items())
            + "."
        )
    lines.append(f"Partial trace: {out}. All estimates: {out.with_suffix('.fronts.csv')}.")
    return "\n".join(lines)


def _aside(whole: pd.DataFrame) -> list[str]:
    aside = whole[whole["status"] == "set aside"]
    if aside.empty:
        return []
    said = (
        f"Set aside, {len(aside)} of {len(whole)} paths: with a probability above 99 % one path or"
        " another beats each, overall and in every cluster. Which one is less sure; the likeliest,"
        " for example:"
    )
    return [said, *(f"  {row.path_id}: {row.because}" for row in aside.head(3).itertuples())]
