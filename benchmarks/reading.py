"""How well the models of the pocket testbed read the passages that they are given."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from ecollm_lab.domains import Domain, grade
from ecollm_lab.models import Catalog, ModelPool, default_encoder
from ecollm_lab.paths.sources import Indexes, Sources
from ecollm_lab.paths.stages import build_prompt
from ecollm_lab.paths.stages.retrieve import hybrid
from ecollm_lab.records import Passage, Query

SIZES = ("pocket-s", "pocket-m", "pocket-l", "pocket-xl")


GOLD_AIMS = {
    ("pocket-xl", "template"): 0.90,
    ("pocket-xl", "free"): 0.65,
    ("pocket-s", "template"): 0.65,
    ("pocket-l", "template"): 0.80,
}


LOSS_AIMS: dict[str, dict[str, float]] = {
    "pocket-s": {"at_least": 15.0},
    "pocket-xl": {"at_most": 8.0},
}


N_PASSAGES = 6


Record = dict[str, Any]


def most_exact(catalog: Catalog) -> dict[str, str]:
    """Return, by size, the catalog name of its most exact file.

    `pocket-s-f16`, or `pocket-xl` where a size has one file of any type.
    """
    named = {
        size: next((name for name in (f"{size}-f16", size) if name in catalog.models), None)
        for size in SIZES
    }
    return {size: name for size, name in named.items() if name}


def among_others(
    query: Query, found: tuple[Passage, ...], passages: dict[str, Passage]
) -> list[Passage]:
    """Return the gold passages of a query among the best others, six in all.

    Their places are drawn by the query's id.
    """
    out = [passage for passage in found if passage.id not in query.gold][
        : N_PASSAGES - len(query.gold)
    ]
    rng = Random(query.id)
    for one in query.gold:
        out.insert(rng.randrange(len(out) + 1), passages[one])
    return out


def reading(domain: Domain, catalog: Catalog, models: ModelPool, quick: bool) -> Iterator[Record]:
    """Ask held-out queries with their gold passages, alone and among others."""
    queries = [query for query in domain.split("heldout") if query.gold]
    queries = queries[:: max(1, len(queries) // 12)] if quick else queries
    passages = {passage.id: passage for passage in domain.passages}
    encoder = default_encoder()
    sources = Sources(Indexes(domain.passages, encoder), lambda text: encoder.encode([text])[0])
    gold = [[passages[one] for one in query.gold] for query in queries]
    found = [hybrid(sources, query.text) for query in queries]
    six = [among_others(query, best, passages) for query, best in zip(queries, found, strict=True)]
    for size, name in most_exact(catalog).items():
        values = {}
        for metric, contexts in (("gold_passages_quality", gold), ("six_passages_quality", six)):
            grades = []
            for query, context in zip(queries, contexts, strict=True):
                prompt = build_prompt([one.text for one in context], query.text)
                grades.append(grade(query, models[name].reply(prompt).text))
            values[metric] = np.array(grades)
        about = {"domain": domain.name, "model": name, "queries": "heldout"}
        yield from _by_wording(queries, size, values, about)
        for kind in sorted({query.kind for query in queries}):
            mask = np.array([query.kind == kind for query in queries])
            here = about | {"kind": kind, "n": int(mask.sum())}
            for metric, value in values.items():
                yield here | {"metric": metric, "value": value[mask].mean()}


def _by_wording(
    queries: list[Query], size: str, values: dict[str, np.ndarray], about: Record
) -> Iterator[Record]:
    """Return the means by wording of the query, with the aims that are set for them."""
    lost = 100 * (values["gold_passages_quality"] - values["six_passages_quality"])
    for wording in ("template", "free", "any"):
        mask = np.array([wording in (query.wording, "any") for query in queries])
        if not mask.any():
            continue
        kinds = sorted({query.kind for query, here in zip(queries, mask, strict=True) if here})
        here = about | {"wording": wording, "n": int(mask.sum()), "kinds": kinds}
        for metric, value in values.items():
            gold = metric == "gold_passages_quality"
            bound = GOLD_AIMS.get((size, wording)) if gold else None
            record = here | {"metric": metric, "value": value[mask].mean()}
            yield record | ({"at_least": bound} if bound else {})
        bounds = LOSS_AIMS.get(size, {}) if wording == "any" else {}
        yield here | {"metric": "points_lost_with_six", "value": lost[mask].mean()} | bounds
