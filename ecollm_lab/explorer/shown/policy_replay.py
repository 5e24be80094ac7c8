"""What a fitted policy would choose under the explorer's SLO, kind by kind, on queries it has not seen where there are any."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from ecollm_lab.explorer.shown.words import LOOKS, cut, seconds, short, usd
from ecollm_lab.explorer.verdicts.views import Board, View
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError

NONE = (
    "<div class='ecl-dim'>No policy was given. <code>explore(trace,"
    " fit_policy(trace.split('train')))</code> shows here what it would choose for each kind of"
    " query under this SLO.</div>"
)


def choices(
    board: Board, view: View, policy: Policy, slo: SLO, embeddings: np.ndarray | None = None
) -> pd.DataFrame:
    """Return one row per held-out query of the view (per query of the view if none is held out): kind, path_id, placement, outcome, kept.

    An infeasible SLO is served by the least-violating path, as the policy does when told to.
    """
    rows = view.rows[board.split[view.rows] == "heldout"]
    rows = rows if len(rows) else view.rows
    asked = (
        board.trace.queries["text"].iloc[rows].tolist()
        if embeddings is None
        else np.asarray(embeddings)[rows]
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # that the SLO is infeasible is said above the figure
        chosen = policy.select(asked, slo, infeasible="least_violating")
    columns = pd.Index(board.path_ids).get_indexer(pd.Index(chosen))
    if (columns < 0).any():
        raise LabError(
            f"The policy chose {chosen[int((columns < 0).argmax())]}, a path this trace does not"
            " have; fit it to the same paths."
        )
    cost, latency = board.cost[columns, rows], board.latency[columns, rows]
    return pd.DataFrame(
        {
            "kind": board.kind[rows],
            "path_id": chosen,
            "placement": board.placement[columns],
            "quality": board.quality[columns, rows],
            "cost_usd": cost,
            "latency_s": latency,
            "kept": slo.keeps(cost, latency),
        }
    )


def table(
    board: Board, view: View, policy: Policy | None, slo: SLO, embeddings: np.ndarray | None = None
) -> str:
    """Return `choices` by kind as HTML, or why there are none."""
    if policy is None:
        return NONE
    try:
        made = choices(board, view, policy, slo, embeddings)
    except LabError as error:
        return f"<div><b>No replay:</b> {cut(error)}</div>"
    rows = [_row(cut(kind, 40), part) for kind, part in made.groupby("kind", sort=True)]
    rows.append(_row("<b>all</b>", made))
    head = "".join(
        f"<th>{name}</th>"
        for name in (
            "kind",
            "queries",
            "runs on",
            "most chosen path",
            "quality",
            "cost",
            "mean latency",
            "over the SLO",
        )
    )
    what = "held-out queries" if (board.split[view.rows] == "heldout").any() else "queries"
    title = f"<div class='ecl-dim'>{cut(policy.name)} on {len(made)} {what}</div>"
    return f"{title}<table class='ecl-queries'><tr>{head}</tr>{''.join(rows)}</table>"


def _row(kind: str, part: pd.DataFrame) -> str:
    shares = part["placement"].value_counts(normalize=True)
    where = " ".join(
        f"<span style='color:{LOOKS[p][0]}'>{LOOKS[p][1]}</span> {p} {shares[p]:.0%}"
        for p in LOOKS
        if p in shares
    )
    most = part["path_id"].value_counts()
    cells = (
        kind,
        len(part),
        where,
        f"{cut(short(most.index[0]), 60)} ({most.iloc[0] / len(part):.0%})",
        f"{part['quality'].mean():.3f}",
        usd(part["cost_usd"].mean()),
        seconds(part["latency_s"].mean()),
        f"{1 - part['kept'].mean():.0%}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
