"""Groups of related queries: a policy that knows none of a group errs on all of it alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import block_array, csr_matrix, hstack
from scipy.sparse.csgraph import connected_components

from ecollm_lab.traces.trace import Trace

RELATED = ("text", "product", "person")  # columns: queries that share a value are one group


def related(trace: Trace) -> np.ndarray:
    """Return each query's group, shape (queries,): one text, product or person is one group."""
    links = []
    for column in RELATED:
        if column in trace.queries:
            code = pd.factorize(trace.queries[column].replace("", np.nan))[0]
            rows = np.flatnonzero(code >= 0)
            shape = len(code), int(code.max()) + 1
            links.append(csr_matrix((np.ones(len(rows)), (rows, code[rows])), shape=shape))
    member = hstack(links)  # queries × values: two queries are linked by a value that both have
    linked = block_array([[None, member], [member.T, None]])
    found: np.ndarray = connected_components(linked, directed=False)[1][: len(trace.queries)]
    return found
