"""A domain of nine lamps and their weights."""

from ecollm_lab.domains import Domain
from ecollm_lab.records import Passage, Query


def a_domain():
    passages = tuple(
        Passage(f"p{i}", f"lamp {i}", "manual", f"The weight of the lamp {i} is {100 + i} grams.")
        for i in range(9)
    )
    queries = tuple(
        Query(
            f"q{i}",
            f"how heavy is the lamp {i}?",
            "lookup",
            (f"{100 + i} grams",),
            (f"{100 + i} grams",),
            (f"p{i}",),
            "heldout",
            wording,
        )
        for i, wording in enumerate(["template"] * 6 + ["free"] * 3)
    )
    return Domain("tiny", passages, queries)
