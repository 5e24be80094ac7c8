"""Measure the exported models and write `data/models/CARD.md`; put their sha256 into `data/models.toml`.

python -m scripts.pocket.card
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from random import Random

from ecollm_lab.catalog import load_catalog
from ecollm_lab.domains import load_domain
from ecollm_lab.grading import grade
from ecollm_lab.models.edge import EdgeModel
from ecollm_lab.records import Query
from ecollm_lab.stages.prompt import build_prompt
from scripts.pocket import corpus
from scripts.pocket.train import LESSONS, SHAPES

CATALOG = Path("data/models.toml")
CARD = Path("data/models/CARD.md")
KS = (1, 3, 6)
KINDS = ("lookup", "compare", "diagnose", "personal", "general")
N = 200  # fresh lessons per number of passages


def fresh(k: int) -> list[tuple[str, Query]]:
    """Return prompts and graded queries of freshly invented worlds with `k` passages, the same for every model."""
    rng = Random(1000 + k)
    out: list[tuple[str, Query]] = []
    while len(out) < N:
        lesson = corpus.lesson(rng, k, n_turns=1)
        for turn in lesson.turns:
            query = Query("q", turn.question, turn.kind, (turn.answer,), turn.facts, (), "heldout")
            out.append((build_prompt(lesson.passages, turn.question), query))
    return out


def gold(split: str) -> list[tuple[str, Query]]:
    """Return the queries of both domains' split with just their gold passages to read."""
    out = []
    for name in ("smart_home", "automotive"):
        domain = load_domain(f"data/{name}")
        texts = {passage.id: passage.text for passage in domain.passages}
        out += [(build_prompt([texts[g] for g in query.gold], query.text), query) for query in domain.split(split)]
    return out


def accuracy(model: EdgeModel, asked: list[tuple[str, Query]], by: str) -> dict[str, float]:
    """Return mean quality overall ("all") and by an attribute of the query."""
    scores: dict[str, list[float]] = defaultdict(list)
    for prompt, query in asked:
        quality = grade(query, model.reply(prompt).text)
        scores["all"].append(quality)
        scores[getattr(query, by)].append(quality)
    return {key: sum(values) / len(values) for key, values in scores.items()}


def main() -> None:
    """Write card and checksums."""
    text = CATALOG.read_text()
    for name in SHAPES:
        digest = hashlib.sha256(Path(f"data/models/{name}.gguf").read_bytes()).hexdigest()
        text = re.sub(rf'(file = "models/{name}\.gguf"\n)(sha256 = ".*"\n)?', rf'\1sha256 = "{digest}"\n', text)
    CATALOG.write_text(text)
    catalog = load_catalog(CATALOG)
    lines = [
        "# The pocket models",
        "",
        "Very small language models trained by this project (`scripts/pocket`, `make models`) to answer questions of its two domains",
        "from the passages they are given. Architecture LFM2 (gated short convolutions and grouped-query attention), byte-level BPE with",
        "1,024 entries, float16 GGUF. They know nothing else: no other language, no world knowledge beyond 36 general questions of the",
        "domains, and nothing about the domains' own products, people and values. Training text is invented anew for every step",
        f"({LESSONS} contexts of up to 6 passages, four questions each). Each larger model is grown from the one before, so its steps",
        "and tokens add to its parent's.",
        "",
        "| model | parameters | file | grown from | steps | training tokens | minutes | sha256 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    logs = {name: json.loads(Path(f"data/models/{name}.training.json").read_text()) for name in SHAPES}
    for name, log in logs.items():
        file = Path(f"data/models/{name}.gguf")
        lines.append(
            f"| {name} | {log['parameters']:,} | {file.stat().st_size / 1e6:.1f} MB | {log['grown_from'] or '–'} | {log['steps']:,} | "
            f"{log['tokens'] / 1e6:.1f} M | {log['minutes']:.0f} | `{catalog[name].sha256}` |"
        )
    lines += [
        "",
        f"Quality on {N} fresh questions per number of passages (worlds invented with seeds training never used), by kind. Guessing a",
        "passage would be right in 1/k. One passage cannot hold a comparison. Measured through llama.cpp on the committed files.",
        "",
        f"| model | passages | all | {' | '.join(KINDS)} |",
        "|---|---|---|" + "---|" * len(KINDS),
    ]
    on_gold = []
    for name in SHAPES:
        with EdgeModel(catalog[name]) as model:
            for k in KS:
                found = accuracy(model, fresh(k), "kind")
                cells = " | ".join(f"{found[kind]:.2f}" if kind in found else "–" for kind in KINDS)
                lines.append(f"| {name} | {k} | {found['all']:.2f} | {cells} |")
            asked = gold("train") + gold("heldout")
            by_kind, by_wording = accuracy(model, asked, "kind"), accuracy(model, asked, "wording")
            cells = " | ".join(f"{by_kind[kind]:.2f}" for kind in KINDS)
            on_gold.append(f"| {name} | {by_wording['template']:.2f} | {by_wording['free']:.2f} | {cells} |")
    lines += [
        "",
        "The same on all queries of both domains, reading exactly their gold passages. `free` wording follows no training pattern.",
        "",
        f"| model | template wording | free wording | {' | '.join(KINDS)} |",
        "|---|---|---|" + "---|" * len(KINDS),
        *on_gold,
        "",
        "Accuracy during training (share of exactly right answers on 64 fresh questions; greedy, by number of passages):",
        "",
        "| model | step | loss | k = 1 | k = 3 | k = 6 |",
        "|---|---|---|---|---|---|",
    ]
    for name, log in logs.items():
        for row in log["log"]:
            shares = " | ".join(f"{row['accuracy'][str(k)]['all']:.2f}" for k in KS)
            lines.append(f"| {name} | {row['step']:,} | {row['loss']:.3f} | {shares} |")
    CARD.write_text("\n".join(lines) + "\n")
    print(CARD)


if __name__ == "__main__":
    main()
