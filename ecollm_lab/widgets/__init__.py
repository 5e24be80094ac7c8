"""The SLO explorer as a widget over `ecollm_lab.explorer`. The only room that imports ipywidgets.

Names that stay. Ordinary widgets: `explorer.latency`, `.cost` (USD per 1,000 queries), `.min_quality`, `.prefer`, `.statistic`, `.split`,
`.kind`, `.cluster`, `.path`. To read: `.slo`, `.chosen`, `.frame`, `.figure`, `.state`, `.selection`, `.code`. To do: `.select(path_id)`,
`.pin()`, `.undo()`, `.redo()`, `.reset()`, `.apply(slo)`, `.settle()`, `.to_html(file)`, `.to_toml(file)`, `.to_csv(file)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecollm_lab.policies import Policy
from ecollm_lab.traces import Trace, require_trace
from ecollm_lab.widgets.explorer import Explorer

__all__ = ["Explorer", "explore"]


def explore(
    trace: Trace, policy: Policy | None = None, *, embeddings: np.ndarray | None = None, state: Mapping[str, Any] | None = None
) -> Explorer:
    """Show the SLO explorer of a trace; leave it as the last expression of a cell.

    Parameters
    ----------
    trace
        Any trace; outcomes may be missing, latency or cost not recorded.
    policy
        A fitted policy: the tab "policy replay" then shows what it would choose for each kind of query.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension): adds a filter by cluster; the policy uses them too.
    state
        What `explorer.state` returned: restored exactly; `explorer.forgotten` names what no longer fits.

    Raises
    ------
    LabError
        If `trace` is no Trace, the state is no such state, or embeddings do not match the trace.

    """
    require_trace(trace)
    return Explorer(trace, policy, embeddings=embeddings, state=state)
