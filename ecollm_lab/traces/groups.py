"""Groups of related queries: a policy that knows none of a group errs on all of it alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import block_array, csr_matrix, hstack
from scipy.sparse.csgraph import connected_components

from ecollm_lab.traces.trace import Trace

RELATED = ("text", "product", "person")  # columns: queries that share a value are one group


def related(trace: Trace) -> np.ndarray:
    """Return each query's group, shape (queries,): one text, product or person is one group."""
    return _linked(trace, RELATED)


def drawn_together(trace: Trace) -> np.ndarray:
    """Return the group with which a bootstrap draws each query, shape (queries,).

    These are related queries. If all are related, which says nothing about others, they are those
    of one text; if there is but one text, single queries.
    """
    for columns in (RELATED, RELATED[:1]):
        groups = _linked(trace, columns)
        if groups.any():
            return groups
    return np.arange(len(trace.queries))


def _linked(trace: Trace, columns: Sequence[str]) -> np.ndarray:
    links = []
    for column in columns:
        if column in trace.queries:
            code = pd.factorize(trace.queries[column].replace("", np.nan))[0]
            rows = np.flatnonzero(code >= 0)
            shape = len(code), int(code.max()) + 1
            links.append(csr_matrix((np.ones(len(rows)), (rows, code[rows])), shape=shape))
    member = hstack(links)  # queries × values: two queries are linked by a value that both have
    linked = block_array([[None, member], [member.T, None]])
    found: np.ndarray = connected_components(linked, directed=False)[1][: len(trace.queries)]
    return found
