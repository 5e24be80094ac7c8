"""The data card of a pocket domain; every number in it is counted or measured by `make_domains`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

KINDS = {
    "lookup": "one fact of one product",
    "compare": "two products of one family or type, two passages; three facts: both values and the winner",
    "diagnose": "a symptom; the fact is the action that the manual advises",
    "procedure": "one step of an ordered procedure; the fact is that step's action",
    "personal": "only in the notes",
    "general": "common knowledge that no passage states",
    "unanswerable": "an attribute, symptom, procedure or setting that no passage states for that product or person; the right answer "
    'is "The manual does not say."',
}
ABOUT = {
    "smart_home": ("a smart home", "devices (bulbs, locks, vacuums, …)", "rooms and people of one household"),
    "automotive": ("a car", "vehicles (hatchbacks, vans, pickups, …)", "trips and drivers of one fleet"),
}


def card(name: str, passages: list[dict[str, str]], queries: list[dict[str, Any]], cosines: np.ndarray, near: float) -> str:
    """Return a domain's card; `cosines` are the drawn held-out queries' largest cosines to a training query, `near` the limit."""
    subject, things, whose = ABOUT[name]
    manual = [p["title"].split(":")[0] for p in passages if p["source"] == "manual"]
    count = Counter((q["kind"], q["wording"], q["split"]) for q in queries)
    cells = [(wording, split) for wording in ("template", "free") for split in ("train", "heldout")]
    rows = {kind: [count[kind, *cell] for cell in cells] for kind in KINDS}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    table = [f"| {kind} | {' | '.join(map(str, n))} | {sum(n)} | {(n[2] + n[3]) / sum(n):.2f} |" for kind, n in rows.items()]
    kept = cosines[cosines < near]
    median, ninth = np.quantile(kept, (0.5, 0.9))
    return "\n".join(
        [
            f"# The domain `{name}`",
            "",
            f"Questions people put to an assistant about {subject}, and what it could look them up in. This card is written by",
            "`python -m scripts.pocket.make_domains`, as the data are; its numbers are counted and measured there.",
            "",
            f"- **Passages** ({len(passages)}): {len(manual)} manual sections of {len(set(manual))} invented {things}: specifications, everyday",
            f"  use, troubleshooting and one or two procedures each; and notes on {len(passages) - len(manual)} {whose}.",
            "  Products share first names and types, so that they are easily confused. Values are drawn with a fixed seed; sentences follow",
            "  a few patterns, and each states its fact by itself.",
            f"- **Queries** ({len(queries)}), by kind:",
            *(f"  - `{kind}`: {text}." for kind, text in KINDS.items()),
            "- **Wording**: `template` follows a pattern that also occurs, with other names and values, in the training text of the pocket",
            "  models. `free` follows none: these wordings were written by hand, one by one, as people type and dictate (typos, half",
            f"  sentences, context first, indirect requests), in `scripts/pocket/wordings/{name}.toml`. One wording serves up to three queries.",
            "  General questions are all free: one wording that is kept out of training, and one from that file.",
            "",
            "| kind | template, train | template, held out | free, train | free, held out | all | free share |",
            "|---|---|---|---|---|---|---|",
            *table,
            "",
            "- **Split**: by product family, by owner, by subject of the general questions and, for free wordings, by wording. No product,",
            "  owner or free wording of the held-out queries occurs in a training query. Template patterns are shared by both splits.",
            f"- **Near-duplicates**: a held-out query with a cosine of {near} or more to any training query (all-MiniLM-L6-v2) is left out:",
            f"  {len(cosines) - len(kept)} of the {len(cosines)} drawn. Largest cosine that remains: {kept.max():.3f}; median of a held-out",
            f"  query's largest: {median:.3f}; nine in ten are below {ninth:.3f}. They are high because one pattern asks about many",
            "  products: the same question about another product has another answer, and stays in.",
            "- **Grading**: the share of the required `facts` that an answer states.",
            "- **Licence**: Apache-2.0, as the project.",
            "- **What it is not**: a record of what real users ask. One team wrote the free wordings; real users are more varied. Passages are",
            "  cleaner and more uniform than real manuals; values are drawn without regard to physics, so a kettle may have gigabytes.",
            "  An unanswerable query is about a known product or person: questions outside the domain are not in it. Conclusions about",
            "  real assistants need real queries; bring your own domain folder.",
            "",
        ]
    )
