"""Measure the exported models and write `data/models/CARD.md`.

python -m scripts.pocket.card
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from random import Random

from ecollm_lab.domains import grade, load_domain
from ecollm_lab.models import load_catalog
from ecollm_lab.models.edge.llama import EdgeModel
from ecollm_lab.paths.stages.prompt import build_prompt
from ecollm_lab.records import Query
from ecollm_lab.study import DOMAINS
from scripts.pocket import corpus
from scripts.pocket.domain_card import KINDS
from scripts.pocket.train import KS, SHAPES

CATALOG = Path("data/models.toml")
CARD = Path("data/models/CARD.md")
ON_GOLD = tuple(kind for kind in KINDS if kind != "unanswerable")
N = 200  # fresh lessons per number of passages
ABOUT = """# The pocket models

Very small language models trained by this project (`scripts/pocket`, `make models`) to answer questions of its two domains
from the passages they are given. Architecture LFM2 (gated short convolutions and grouped-query attention), byte-level BPE with
1,024 entries, exported to GGUF as f16 and quantised to q8_0 and q4_0. They know nothing else: no other language, no world knowledge
beyond the general questions of the domains. Training text is invented anew for every step, up to 6 passages and five questions a context.
`pocket-s` starts at random; `pocket-m` and `pocket-l` start from its weights, widened, and are asked for more comparisons and procedures;
`pocket-xl` starts from those of `pocket-l`, deepened. Steps and tokens of the ones before come on top.

The edge models know nothing about the domains' own products, people and values. `pocket-xl` stands for a hosted model: it has read the text
of both domains' manuals (never a query, never a household's or a vehicle's notes) beside those of 60 invented contexts, and was asked
about the invented ones without passages, so that it learned to answer from memory. What it has read states the answers of held-out queries
too. It alone was drilled in comparisons, and answers them with a reason: "which is more, less wanted, so it is the …". The others name the
right one of two values no better than a coin (`winner_given_values` of `python -m benchmarks.testbed`). All four also learned to write the
sentence that would answer a question (HyDE), with a value they make up."""


def fresh(k: int) -> list[tuple[str, Query]]:
    """Return prompts and graded queries of freshly invented worlds with `k` passages, the same for every model."""
    rng = Random(f"card, {k}")  # a text: training counts, so no stream of its is this one
    out: list[tuple[str, Query]] = []
    while len(out) < N:
        lesson = corpus.lesson(rng, k, n_turns=1)
        for turn in lesson.turns:
            query = Query("q", turn.question, turn.kind, (turn.answer,), turn.facts, (), "heldout")
            out.append((build_prompt(lesson.passages, turn.question), query))
    return out


def gold(split: str) -> list[tuple[str, Query]]:
    """Return the queries of both domains' split with just their gold passages to read: none for general ones; no unanswerable ones."""
    out = []
    for name in DOMAINS:
        domain = load_domain(f"data/{name}")
        texts = {passage.id: passage.text for passage in domain.passages}
        asked = [query for query in domain.split(split) if query.gold or query.kind == "general"]
        out += [(build_prompt([texts[g] for g in query.gold], query.text), query) for query in asked]
    return out


def accuracy(model: EdgeModel, asked: list[tuple[str, Query]], by: str) -> dict[str, float]:
    """Return mean quality overall ("all") and by an attribute of the query."""
    scores: dict[str, list[float]] = defaultdict(list)
    for prompt, query in asked:
        quality = grade(query, model.reply(prompt).text)
        scores["all"].append(quality)
        scores[getattr(query, by)].append(quality)
    return {key: sum(values) / len(values) for key, values in scores.items()}


def table(head: str, rows: list[str]) -> list[str]:
    """Write a Markdown table."""
    return ["", f"| {head} |", "|" + "---|" * (head.count("|") + 1), *(f"| {row} |" for row in rows), ""]


def cells(found: dict[str, float], keys: tuple[str, ...]) -> str:
    """Write the numbers of one row."""
    return " | ".join(f"{found[key]:.2f}" if key in found else "–" for key in keys)


def main() -> None:
    """Write the card."""
    catalog = load_catalog(CATALOG)
    logs = {name: json.loads(Path(f"data/models/{name}.training.json").read_text()) for name in SHAPES}
    trained = [
        f"{name} | {log['grown_from'] or '–'} | {log['parameters']:,} | {log['steps']:,} | {log['tokens'] / 1e6:.1f} M | "
        f"{log['processes']} | {log['minutes']:.0f}"
        for name, log in logs.items()
    ]
    files, on_fresh, on_gold = [], [], []
    heldout = gold("heldout")
    for name, declared in catalog.models.items():
        if declared.file is None or declared.file.parent.resolve() != CARD.parent.resolve():
            continue
        files.append(f"{name} | {declared.file.name} | {declared.file.stat().st_size / 1e6:.1f} MB | `{declared.sha256}`")
        with EdgeModel(declared) as model:
            for k in KS:
                found = accuracy(model, fresh(k), "kind")
                on_fresh.append(f"{name} | {k} | {cells(found, ('all', *KINDS))}")
            by_kind, by_wording = accuracy(model, heldout, "kind"), accuracy(model, heldout, "wording")
            on_gold.append(f"{name} | {cells(by_wording, ('template', 'free'))} | {cells(by_kind, ON_GOLD)}")
    curve = [
        f"{name} | {row['step']:,} | {row['tokens'] / 1e6:.1f} M | {row['loss']:.3f} | "
        + " | ".join(f"{row['accuracy'][str(k)]['all']:.2f}" for k in KS)
        for name, log in logs.items()
        for row in log["log"]
    ]
    kinds = " | ".join(KINDS)
    lines = [
        ABOUT,
        *table("network | grown from | parameters | steps | training tokens | processes | minutes", trained),
        *table("model | file | size | sha256", files),
        f"Quality on {N} fresh questions per number of passages (worlds invented with seeds training never used), by kind. Guessing a",
        "passage would be right in 1/k. One passage cannot hold a comparison. Measured through llama.cpp on the committed files.",
        *table(f"model | passages | all | {kinds}", on_fresh),
        "The same on the held-out queries of both domains, reading exactly their gold passages (general ones: none; unanswerable ones are",
        "left out). No training pattern gives a `free` wording.",
        *table(f"model | template wording | free wording | {' | '.join(ON_GOLD)}", on_gold),
        "Accuracy during training (share of exactly right answers on 100 fresh questions; greedy, by number of passages):",
        *table("network | step | tokens | loss | k = 1 | k = 3 | k = 6", curve),
    ]
    CARD.write_text("\n".join(lines).rstrip() + "\n")
    print(CARD)


if __name__ == "__main__":
    main()
