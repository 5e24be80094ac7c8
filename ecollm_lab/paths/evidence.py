"""What retrieval says of a query before any model answers: scores, margins, agreement."""

from __future__ import annotations

import numpy as np

from ecollm_lab.paths.sources import Sources, best_first, reciprocal_rank_fusion

DEEP = 6  # the most passages that a path reads


def compute_evidence(sources: Sources, text: str) -> dict[str, float | str]:
    """Return what the retrieval for a query's own words found, for a policy to go by.

    Returns
    -------
    dict[str, float | str]
        For BM25 and for embeddings (cosine) each: the score of the first passage (`_top`), its
        distance to the second (`_margin`) and to the sixth (`_spread`). `same_first`: 1.0 if both
        put the same passage first. `overlap`: the share of the first six that they have in common.
        `first_source`: the source of the first passage of their fusion, "manual" or "notes". All
        names begin with "evidence_"; scores that do not exist are 0.

    Examples
    --------
    The second passage wins both rankings, which agree on all passages there are:

    >>> import numpy as np
    >>> from ecollm_lab.paths.sources import Indexes
    >>> from ecollm_lab.records import Passage
    >>> class Encoder:
    ...     name = "two"
    ...     def encode(self, texts):
    ...         return np.array([[float("lamp" in t), float("pump" in t)] for t in texts])
    >>> passages = [Passage("a", "pump", "manual", "old"), Passage("b", "lamp", "notes", "new")]
    >>> sources = Sources(Indexes(passages, Encoder()), lambda text: np.array([1.0, 0.0]))
    >>> found = compute_evidence(sources, "which lamp?")
    >>> found["evidence_dense_margin"], found["evidence_same_first"], found["evidence_first_source"]
    (1.0, 1.0, 'notes')

    """
    scores = {"bm25": sources.lexical_scores(text), "dense": sources.dense_scores(text)}
    orders = {name: best_first(values) for name, values in scores.items()}
    found: dict[str, float | str] = {}
    for name, values in scores.items():
        best = np.append(values[orders[name]][:DEEP], np.zeros(DEEP))
        last = best[min(DEEP, len(values)) - 1]
        found[f"evidence_{name}_top"] = float(best[0])
        found[f"evidence_{name}_margin"] = float(best[0] - best[1])
        found[f"evidence_{name}_spread"] = float(best[0] - last)
    bm25, dense = orders.values()
    n = min(DEEP, len(bm25))
    fused = best_first(reciprocal_rank_fusion([bm25, dense], len(bm25)))
    found["evidence_same_first"] = float(bm25[0] == dense[0])
    found["evidence_overlap"] = len(set(bm25[:n]) & set(dense[:n])) / n
    found["evidence_first_source"] = sources.passages[fused[0]].source
    return found
