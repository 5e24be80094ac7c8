"""The order of work: whenever a sweep is stopped, what it has measured is a fair sample."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from ecollm_lab.records import Query


def fair_order(queries: Sequence[Query]) -> list[Query]:
    """Return the queries in an order of which every beginning is a fair sample.

    Each split and kind has its share of any beginning, to within a few queries. Inside a split and
    kind the order is random, but the same every time: by a digest of the query's id.

    Examples
    --------
    >>> def query(i, kind):
    ...     return Query(f"q{i}", "", kind, (), (), (), "train")
    >>> queries = [query(i, "lookup") for i in range(6)] + [query(i, "control") for i in (6, 7)]
    >>> kinds = [one.kind for one in fair_order(queries)]
    >>> kinds[:4].count("control"), kinds[4:].count("control")
    (1, 1)

    """
    alike: dict[tuple[str, str], list[Query]] = defaultdict(list)
    for query in queries:
        alike[query.split, query.kind].append(query)
    ranked: list[tuple[float, str, Query]] = []
    for some in alike.values():
        shuffled = sorted(some, key=_digest)
        ranked += [((i + 0.5) / len(some), _digest(q), q) for i, q in enumerate(shuffled)]
    return [query for *_, query in sorted(ranked, key=lambda row: row[:2])]


def _digest(query: Query) -> str:
    return hashlib.sha256(query.id.encode()).hexdigest()
