"""The order of a sweep's work: every beginning of it is a fair sample of the domain."""

from collections import Counter

import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.sweeps.order import fair_order


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_each_split_and_kind_has_its_share_of_any_beginning(name):
    queries = load_domain(f"data/{name}").queries
    ordered = fair_order(queries)
    assert sorted(q.id for q in ordered) == sorted(q.id for q in queries)
    strata = Counter((q.split, q.kind) for q in queries)
    seen = Counter()
    for n, query in enumerate(ordered, 1):
        seen[query.split, query.kind] += 1
        far = {one: seen[one] - n * size / len(queries) for one, size in strata.items()}
        assert max(map(abs, far.values())) < 2, (n, far)


def test_the_order_is_the_same_whatever_the_order_of_the_file():
    queries = load_domain("data/smart_home").queries
    assert fair_order(queries) == fair_order(queries[::-1])


def test_queries_that_stand_together_in_the_file_are_spread():
    queries = load_domain("data/smart_home").queries
    place = {query.id: i for i, query in enumerate(queries)}
    first = [place[query.id] for query in fair_order(queries)[: len(queries) // 4]]
    halves = sum(i < len(queries) / 2 for i in first) / len(first)
    assert 0.35 < halves < 0.65
