"""Which queries the routing benchmark draws together, and which it looks at apart."""

from __future__ import annotations

import numpy as np

from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.models import Encoder
from ecollm_lab.traces import Trace
from ecollm_lab.traces.groups import drawn_together

LEAST = 8  # fewest texts of a cluster


def together(trace: Trace) -> np.ndarray:
    """Return for each query the first text among the queries that it is related to.

    Related are queries of one text and, where these are known, of one product or person. A policy
    that knows none of them errs on them alike, so intervals draw them together.
    """
    _, first, group = np.unique(drawn_together(trace), return_index=True, return_inverse=True)
    texts: np.ndarray = trace.queries["text"].to_numpy()[first][group]
    return texts


def cluster_of(texts: list[str], encoder: Encoder) -> dict[str, str]:
    """Return for each text the nearest cluster of the texts, named by the text in its middle."""
    known = list(dict.fromkeys(texts))
    if len(known) < LEAST:
        return dict.fromkeys(known, "all")
    embeddings = encoder.encode(known)
    clusters = find_clusters(embeddings, LEAST)
    middles = (" ".join(known[at].split()).replace("|", "/") for at in clusters.representatives)
    names = [f"{number}: {text[:60]}" for number, text in enumerate(middles)]
    return {text: names[c] for text, c in zip(known, clusters.assign(embeddings), strict=True)}
