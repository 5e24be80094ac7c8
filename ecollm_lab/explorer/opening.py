"""Opening an explorer: `explore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ecollm_lab.explorer.widget import Explorer
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace, require_trace

if TYPE_CHECKING:
    from ecollm_lab.emulator import Measuring


def explore(
    trace: Trace,
    other: Policy | Trace | SLO | None = None,
    *,
    policy: Policy | None = None,
    measure: Measuring | None = None,
    embeddings: np.ndarray | None = None,
    state: Mapping[str, Any] | None = None,
) -> Explorer:
    """Show the SLO explorer of a trace; leave it as the last expression of a cell.

    Parameters
    ----------
    trace
        Any trace; outcomes may be missing, latency or cost not recorded.
    other
        What to show beside it. A fitted policy: marks in the plots, and a tab, show what it would
        choose. Another trace, of another domain, price list, machine or day: the same SLO holds on
        both, and the differences are drawn and said. An SLO: the trace is compared with itself
        under this SLO.
    policy
        A fitted policy, where `other` is a trace or an SLO.
    measure
        Measures further outcomes where the picture is unsure, from the tab "measure" or with
        `explorer.measure`: `measuring_domain(trace, ...)` with real models, or
        `Measuring(emulator, run)`. `explorer.trace` grows with them.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension): adds a filter
        by cluster; the policy uses them too.
    state
        What `explorer.state` returned: restored exactly; `forgotten` names what no longer fits.

    Raises
    ------
    LabError
        If `trace` is no Trace, `other` is none of these or has no path in common with it, two
        policies are given, the state is no such state, or embeddings do not match the trace.

    """
    require_trace(trace)
    against = None
    if isinstance(other, Policy):
        if policy is not None:
            raise LabError(
                f"Only one policy can be shown, got {other.name} and, as policy=, {policy.name};"
                " leave one out."
            )
        policy = other
    else:
        against = other
    return Explorer(
        trace, policy, against=against, measure=measure, embeddings=embeddings, state=state
    )
