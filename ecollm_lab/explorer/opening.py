"""Opening an explorer: `explore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecollm_lab.explorer.widget import Explorer
from ecollm_lab.policies import Policy
from ecollm_lab.traces import Trace, require_trace


def explore(
    trace: Trace,
    policy: Policy | None = None,
    *,
    embeddings: np.ndarray | None = None,
    state: Mapping[str, Any] | None = None,
) -> Explorer:
    """Show the SLO explorer of a trace; leave it as the last expression of a cell.

    Parameters
    ----------
    trace
        Any trace; outcomes may be missing, latency or cost not recorded.
    policy
        A fitted policy: the tab "policy replay" and the plots then show what it would choose.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension): adds a filter
        by cluster; the policy uses them too.
    state
        What `explorer.state` returned: restored exactly; `forgotten` names what no longer fits.

    Raises
    ------
    LabError
        If `trace` is no Trace, the state is no such state, or embeddings do not match the trace.

    """
    require_trace(trace)
    return Explorer(trace, policy, embeddings=embeddings, state=state)
