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
    "unanswerable": "an attribute, symptom, procedure or setting that no passage states for that product or owner;\n"
    "    the right answer is 'The manual does not say'",
}
ABOUT = {
    "smart_home": (
        "a smart home",
        "devices (bulbs, locks, vacuums, …)",
        "rooms and people of one household",
        "a kettle may have gigabytes",
    ),
    "automotive": ("a car", "vehicles (hatchbacks, vans, pickups, …)", "trips and drivers of one fleet", "a scooter may tow two tonnes"),
}


def card(name: str, passages: list[dict[str, str]], queries: list[dict[str, Any]], cosines: np.ndarray, near: float) -> str:
    """Return a domain's card; `cosines` are the drawn held-out queries' largest cosines to a training query, `near` the limit."""
    subject, things, whose, odd = ABOUT[name]
    manual = [p["title"].split(":")[0] for p in passages if p["source"] == "manual"]
    count = Counter((q["kind"], q["wording"], q["split"]) for q in queries)
    cells = [(wording, split) for wording in ("template", "free") for split in ("train", "heldout")]
    rows = {kind: [count[kind, *cell] for cell in cells] for kind in KINDS}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    table = "\n".join(f"| {kind} | {' | '.join(map(str, n))} | {sum(n)} | {(n[2] + n[3]) / sum(n):.2f} |" for kind, n in rows.items())
    kinds = "\n".join(f"  - `{kind}`: {what}." for kind, what in KINDS.items())
    kept = cosines[cosines < near]
    median, ninth = np.quantile(kept, (0.5, 0.9))
    return f"""# The domain `{name}`

Questions people put to an assistant about {subject}, and what it could look them up in. This card is written by
`python -m scripts.pocket.make_domains`, as the data are; its numbers are counted and measured there.

- **Passages** ({len(passages)}): {len(manual)} manual sections of {len(set(manual))} invented {things}: specifications,
  everyday use, troubleshooting and one or two procedures each; and notes on {len(passages) - len(manual)} {whose}.
  Products share first names and types, so that they are easily confused. Values are drawn with a fixed seed; sentences
  follow a few patterns, and each states its fact by itself.
- **Queries** ({len(queries)}), by kind:
{kinds}
- **Wording**: `template` follows a pattern that also occurs, with other names and values, in the training text of the pocket
  models. No such pattern gives a `free` wording: these were written by hand, as people type and dictate (typos, half sentences, context
  first, indirect requests), in `scripts/pocket/wordings/{name}.toml`. One wording serves up to three queries; for comparisons,
  symptoms and procedures it is a frame that is filled with a phrase for the attribute, the symptom or the goal. Some of these phrases
  occur in the training text as well; those for attributes and goals serve both splits. General questions are all free:
  one wording that is kept out of training, and one from that file.

| kind | template, train | template, held out | free, train | free, held out | all | free share |
|---|---|---|---|---|---|---|
{table}

- **Split**: by product family, by owner, by subject of the general questions and, for free wordings, by wording. No product,
  owner or free wording of the held-out queries occurs in a training query. Template patterns are shared by both splits.
- **Near-duplicates**: a held-out query with a cosine of {near} or more to any training query (all-MiniLM-L6-v2) is left out:
  {len(cosines) - len(kept)} of the {len(cosines)} drawn. Largest cosine that remains: {kept.max():.3f}; of each held-out query's
  largest, the median is {median:.3f}, and nine in ten are below {ninth:.3f}. What is near is one pattern asking about two
  products, which have different answers.
- **Grading**: the share of the required `facts` that an answer states.
- **Licence**: Apache-2.0, as the project.
- **What it is not**: a record of what real users ask. The free wordings come from few hands; real users are more varied.
  Passages are cleaner and more uniform than real manuals, and values are drawn without regard to physics: {odd},
  and the cure for a red light may be to call the support line. An unanswerable query is about a known product or owner;
  questions outside the domain are not in it. Conclusions about real assistants need real queries; bring your own domain folder.
"""
