"""Train one pocket model, deterministically, on a CPU.

    for m in pocket-s pocket-m pocket-xl; do python -m scripts.pocket.train $m; done

The smallest learns to find the asked passage from nothing, which takes about a thousand steps whatever the size; each larger
one starts as its parent with blocks inserted that do nothing yet, and so spends its dearer steps on what it can do better.

Each run writes `build/pocket/<name>.pt` (weights) and `data/models/<name>.training.json` (the log, for the model card).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ecollm_lab.stages.prompt import build_prompt
from scripts.pocket import corpus
from scripts.pocket.model import Pocket, Shape, optimizers

END = "<|end|>"
SHAPES = {
    "pocket-s": Shape("pocket-s", 128, "ca" * 2, 4, 2, 320),
    "pocket-m": Shape("pocket-m", 128, "ca" * 4, 4, 2, 320),
    "pocket-xl": Shape("pocket-xl", 128, "ca" * 8, 4, 2, 320),
}
PARENT = {"pocket-m": "pocket-s", "pocket-xl": "pocket-m"}  # each is grown from the one before, which it must follow
STEPS = {"pocket-s": 1500, "pocket-m": 700, "pocket-xl": 900}
LESSONS = 8  # lessons a step, four questions each
BUILD = Path("build/pocket")


def tokenizer(seed: int = 0) -> Tokenizer:
    """Train the byte-level BPE tokenizer (1,024 entries, single digits) on invented lessons; the same for all sizes."""
    rng = Random(seed)
    texts: list[str] = []
    for _ in range(6000):
        lesson = corpus.lesson(rng, rng.randint(0, 6))
        texts += lesson.passages
        texts += [f"{turn.question}\n{turn.answer}" for turn in lesson.turns]
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1024, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    return tok


def encode(tok: Tokenizer, lesson: corpus.Lesson) -> tuple[list[int], list[int]]:
    """Return the token ids of a lesson and, for each, the number of the turn whose answer it belongs to (0 = none)."""
    ids: list[int] = []
    marks: list[int] = []
    for i, turn in enumerate(lesson.turns, start=1):
        ask = build_prompt(lesson.passages, turn.question) if i == 1 else f"\nQuestion: {turn.question}"
        prompt = tok.encode(f"{ask}\nAnswer:").ids
        answer = [*tok.encode(f" {turn.answer}").ids, 0]
        ids += prompt + answer
        marks += [0] * len(prompt) + [i] * len(answer)
    return ids, marks


def batch(tok: Tokenizer, lessons: list[corpus.Lesson]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad lessons into tokens and answer marks, both (lessons, time)."""
    rows = [encode(tok, lesson) for lesson in lessons]
    width = max(len(ids) for ids, _ in rows)
    tokens = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    marks = torch.tensor([m + [0] * (width - len(m)) for _, m in rows])
    return tokens, marks


@torch.no_grad()
def accuracy(net: Pocket, tok: Tokenizer, seed: int, k: int, n: int = 64) -> dict[str, float]:
    """Share of answers that greedy decoding would write exactly, by kind, over fresh lessons of `k` passages."""
    rng = Random(seed)
    lessons = [corpus.lesson(rng, k, n_turns=1) for _ in range(n)]
    tokens, marks = batch(tok, lessons)
    right = net(tokens)[:, :-1].argmax(-1) == tokens[:, 1:]
    exact = (right | (marks[:, 1:] == 0)).all(1)
    out: dict[str, list[float]] = {"all": exact.float().tolist()}
    for lesson, ok in zip(lessons, exact.tolist(), strict=True):
        out.setdefault(lesson.turns[0].kind, []).append(float(ok))
    return {kind: sum(v) / len(v) for kind, v in out.items()}


def grow(parent: dict[str, torch.Tensor], net: Pocket) -> None:
    """Start `net` as its parent of half the depth: after each pair of the parent's blocks comes a new pair that adds nothing."""
    for name, parameter in net.named_parameters():
        if name.endswith(("down.weight", "operator.out_proj.weight", "operator.out.weight")):
            torch.nn.init.zeros_(parameter)
    moved = {}
    for key, value in parent.items():
        if key.startswith("blocks."):
            _, number, rest = key.split(".", 2)
            pair, place = divmod(int(number), 2)
            moved[f"blocks.{4 * pair + place}.{rest}"] = value
        else:
            moved[key] = value
    unexpected = net.load_state_dict(moved, strict=False).unexpected_keys
    if unexpected:
        raise SystemExit(f"cannot grow: {unexpected}")


def train(name: str, steps: int, threads: int = 2, seed: int = 0, lr: float = 0.02, adam_lr: float = 3e-3) -> dict:
    """Train one model and return its log."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)  # sums differ between thread counts: part of what makes a run repeatable
    rng = Random(seed + 1)
    tok = tokenizer()
    net = Pocket(SHAPES[name])
    if name in PARENT:
        grow(torch.load(BUILD / f"{PARENT[name]}.pt", weights_only=True), net)
    opts = optimizers(net, lr, adam_lr)
    started, n_tokens, log = time.perf_counter(), 0, []
    print(f"{name}: {net.n_parameters():,} parameters, {steps} steps", flush=True)
    for step in range(steps):
        scale = min(1.0, (step + 1) / 50) * min(1.0, max(0.02, (steps - step) / (0.4 * steps)))
        for opt, base in zip(opts, (lr, adam_lr), strict=True):
            for group in opt.param_groups:
                group["lr"] = base * scale
        most = 6 if name in PARENT else 2 + min(4, 8 * step // steps)  # the curriculum: at most 2 passages, later 6
        k = 0 if step % 25 == 0 else rng.randint(1, most)
        tokens, marks = batch(tok, [corpus.lesson(rng, k) for _ in range(LESSONS * (4 if k == 0 else 1))])
        n_tokens += tokens.numel()
        wanted = marks[:, 1:] > 0
        logits = net.output(net.hidden(tokens[:, :-1])[wanted])
        loss = F.cross_entropy(logits, tokens[:, 1:][wanted])
        for opt in opts:
            opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for opt in opts:
            opt.step()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            net.eval()
            by_k = {k: accuracy(net, tok, seed=99, k=k) for k in (1, 3, 6)}
            net.train()
            seconds = time.perf_counter() - started
            log.append({"step": step + 1, "tokens": n_tokens, "seconds": seconds, "loss": loss.item(), "accuracy": by_k})
            print(
                f"{step + 1:5d} loss {loss.item():.3f} {n_tokens / seconds:,.0f} tok/s {seconds:.0f}s  "
                + "  ".join(f"k={k} " + " ".join(f"{n[:2]} {v:.2f}" for n, v in sorted(a.items())) for k, a in by_k.items()),
                flush=True,
            )
            if not math.isfinite(loss.item()):
                raise SystemExit("training diverged")
    BUILD.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), BUILD / f"{name}.pt")
    tok.save(str(BUILD / "tokenizer.json"))
    return {
        "name": name,
        "parameters": net.n_parameters(),
        "tokens": n_tokens,
        "minutes": (time.perf_counter() - started) / 60,
        "steps": steps,
        "seed": seed,
        "threads": threads,
        "grown_from": PARENT.get(name),
        "log": log,
    }


def main() -> None:
    """Train the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    card = train(args.name, args.steps or STEPS[args.name], args.threads)
    Path(f"data/models/{args.name}.training.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
