"""Train one pocket model on a CPU; run again after an interruption, it goes on from its last checkpoint.

    for m in pocket-s pocket-m pocket-l pocket-xl; do torchrun --nproc-per-node 2 -m scripts.pocket.train $m; done

Weights are kept in float32; forward and backward run on a bfloat16 copy, in blocks fused by `torch.compile`, which on a CPU with
bfloat16 units is several times as fast as float32 block by block. Two processes of one thread each draw lessons of their own and share
their gradients, which on two cores is faster than one process of two threads.

What is hard to learn (finding the asked passage, later the asked step) takes thousands of steps whatever the size: the smallest learns it,
and the others start from its weights, widened and deepened. Which of two numbers is larger the smaller ones never learn. `pocket-xl` does,
from drills of comparisons and from answers that say first how the second number stands to the first, and what is wanted.

Each run writes `build/pocket/<name>.pt` (weights), `build/pocket/tokenizer.json` and `data/models/<name>.training.json` (the log, for the
model card). A finished run keeps its checkpoint, so running it again trains nothing, whatever has changed in the training text: remove
`build/pocket` to begin anew, or `build/pocket/<name>.checkpoint` for one model and for those grown from it.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ecollm_lab.domains import load_domain
from ecollm_lab.paths.stages.prompt import build_prompt
from ecollm_lab.paths.stages.rewrite import build_hyde_prompt
from ecollm_lab.study import DOMAINS
from scripts.pocket import corpus
from scripts.pocket.model import Pocket, Shape, optimizers

END = "<|end|>"
SHAPES = {
    "pocket-s": Shape(128, "ca" * 2, 4, 2, 320),
    "pocket-m": Shape(256, "ca" * 2, 8, 4, 512),
    "pocket-l": Shape(384, "ca" * 2, 12, 6, 704),
    "pocket-xl": Shape(384, "ca" * 7, 12, 6, 704),
}


# What each is grown from, and must be trained before it; the last is as wide as its parent, and deeper.
PARENTS = {"pocket-m": "pocket-s", "pocket-l": "pocket-s", "pocket-xl": "pocket-l"}


@dataclass(frozen=True)
class Plan:
    """How long one model trains: steps, tokens a step and process, the share of the learning rates, and the number of processes."""

    steps: int
    tokens: int
    rate: float = 1.0
    processes: int = 2


PLANS = {
    "pocket-s": Plan(2800, 2000),
    "pocket-m": Plan(400, 3500, rate=0.5),
    "pocket-l": Plan(700, 3500, rate=0.5),
    "pocket-xl": Plan(500, 3000, rate=0.5),
}
READS = "pocket-xl"  # the domains' manuals too, as a hosted model would have
MOST = 6  # passages at most
WHOLE = 200  # steps in which its drills are of whole answers
KNOWN = 60  # invented contexts that the hosted model has read and is asked about
KS = (1, 3, 6)  # looked at
EVERY = 200  # steps between two looks at the accuracy, each with a checkpoint
BUILD = Path("build/pocket")


def tokenizer(seed: int = 0) -> Tokenizer:
    """Train the byte-level BPE tokenizer (1,024 entries, single digits) on invented lessons; the same for all sizes."""
    rng = Random(seed)
    texts: list[str] = []
    for _ in range(6000):
        lesson = corpus.lesson(rng, rng.randint(0, MOST))
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


Row = tuple[list[int], list[int]]


def encode(tok: Tokenizer, lesson: corpus.Lesson) -> Row:
    """Return the token ids of a lesson and, for each, the number of the turn whose answer it belongs to (0 = none)."""
    ids: list[int] = []
    marks: list[int] = []
    for i, turn in enumerate(lesson.turns, start=1):
        if turn.hyde:
            ask = build_hyde_prompt(turn.question)
        else:
            ask = build_prompt(lesson.passages, turn.question) if i == 1 else f"\nQuestion: {turn.question}"
        prompt = tok.encode(f"{ask}\nAnswer:").ids
        answer = [*tok.encode(f" {turn.answer}").ids, 0]
        ids += prompt + answer
        marks += [0] * len(prompt) + [i] * len(answer)
    return ids, marks


def batch(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad rows into tokens and answer marks, both (rows, time)."""
    width = max(len(ids) for ids, _ in rows)
    tokens = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    marks = torch.tensor([m + [0] * (width - len(m)) for _, m in rows])
    return tokens, marks


class Library:
    """What a hosted model has read: both domains' manuals, and the passages of invented contexts, about whose products it is also asked.

    Of the domains it sees the manuals' text alone, sentences in random order, never a query and never a household's notes. That one
    answers from memory it learns from the invented products only.
    """

    def __init__(self, tok: Tokenizer, seed: int = 7) -> None:
        self._tok = tok
        manuals = (p.text for name in DOMAINS for p in load_domain(f"data/{name}").passages if p.source == "manual")
        self._texts = [text.split(". ") for text in manuals]
        rng = Random(seed)
        self._known = [corpus.lesson(rng, 4, reasoned=True) for _ in range(KNOWN)]
        self._texts += [text.split(". ") for lesson in self._known for text in lesson.passages]

    def rows(self, rng: Random, tokens: int) -> list[Row]:
        """Draw texts to read and, a third of the rows, questions to answer without them, about `tokens` tokens in all."""
        out: list[Row] = []
        while sum(len(ids) for ids, _ in out) < tokens:
            lesson = rng.choice(self._known)
            asked = [t for t in lesson.turns if t.kind in ("lookup", "compare", "diagnose", "procedure")]
            if asked and rng.random() < 0.34:
                out.append(encode(self._tok, corpus.Lesson((), (rng.choice(asked),))))
                continue
            ids: list[int] = []
            for text in rng.sample(self._texts, 5):
                sentences = [sentence.rstrip(".") for sentence in text]
                rng.shuffle(sentences)
                ids += [token for s in sentences for token in (*self._tok.encode(f" {s}.").ids, 0)]
            out.append((ids, [1] * len(ids)))
        return out


def reasons(tok: Tokenizer, turn: corpus.Turn) -> Row:
    """Return the token ids of a reasoned comparison without its passages; what is learned begins after both values."""
    values, which, reason = turn.answer.partition(", which is ")
    prompt = tok.encode(f"{build_prompt((), turn.question)}\nAnswer: {values}").ids
    rest = [*tok.encode(which + reason).ids, 0]
    return prompt + rest, [0] * len(prompt) + [1] * len(rest)


def lessons(tok: Tokenizer, rng: Random, tokens: int, step: int, most: int, grown: bool) -> list[Row]:
    """Draw the rows of one step, all of one number of passages, `most` at most; none in every tenth step."""
    odds = corpus.HARDER if grown else corpus.KINDS
    k = 0 if step % 10 == 0 else rng.randint(1, most)
    return _filled([], tokens, lambda: [encode(tok, corpus.lesson(rng, k, n_turns=5, odds=odds))])


def hosted_lessons(tok: Tokenizer, rng: Random, tokens: int, step: int, library: Library) -> list[Row]:
    """Draw the rows of one step of the hosted model: drills in every other step, manuals and questions without passages in every fourth.

    Drills are of whole answers up to step `WHOLE`, then of reasons alone: which number is larger is one word of an answer of forty.
    """
    if step % 2:
        if step < WHOLE:
            return _filled([], tokens, lambda: [encode(tok, corpus.drill(rng))])
        return _filled([], tokens, lambda: [reasons(tok, turn) for turn in corpus.drill(rng).turns])
    k, rows = rng.randint(1, MOST), []
    if step % 4 == 0:
        k, rows = 0, library.rows(rng, tokens * 3 // 4)
    return _filled(rows, tokens, lambda: [encode(tok, corpus.lesson(rng, k, n_turns=5, odds=corpus.HARDER, reasoned=True))])


def _filled(rows: list[Row], tokens: int, draw: Callable[[], list[Row]]) -> list[Row]:
    while sum(len(ids) for ids, _ in rows) < tokens:
        rows.extend(draw())
    return rows


@torch.no_grad()
def accuracy(net: Pocket, tok: Tokenizer, seed: int, k: int, n: int = 100, reasoned: bool = False) -> dict[str, float]:
    """Share of answers that greedy decoding would write exactly, by kind, over fresh lessons of `k` passages."""
    rng = Random(seed)
    asked = [corpus.lesson(rng, k, n_turns=1, reasoned=reasoned) for _ in range(n)]
    tokens, marks = batch([encode(tok, lesson) for lesson in asked])
    right = net(tokens)[:, :-1].argmax(-1) == tokens[:, 1:]
    exact = (right | (marks[:, 1:] == 0)).all(1)
    out: dict[str, list[float]] = {"all": exact.float().tolist()}
    for lesson, ok in zip(asked, exact.tolist(), strict=True):
        out.setdefault(lesson.turns[0].kind, []).append(float(ok))
    return {kind: sum(v) / len(v) for kind, v in out.items()}


def grow(parent: Pocket, shape: Shape, noise: float = 0.1) -> Pocket:
    """Return a wider or deeper network that computes what `parent` does, but for `noise`.

    Every channel, head and hidden unit becomes several, each with its share of what reads it (Net2Net, Chen et al. 2016), and after each
    pair of blocks come pairs that add nothing yet. Noise, in standard deviations of each matrix, tells the copies apart; without it they
    would stay alike.
    """
    net, small = Pocket(shape), parent.shape
    times, deep, shallow = shape.width // small.width, len(net.blocks) // 2, len(parent.blocks) // 2
    if shape.width % small.width or (shape.heads, shape.kv_heads) != (small.heads * times, small.kv_heads * times):
        raise ValueError(f"{shape} is not {small} times a whole number in width and heads.")
    for name, parameter in net.named_parameters():
        if name.endswith(("down.weight", "operator.out_proj.weight", "operator.out.weight")):
            torch.nn.init.zeros_(parameter)
    moved = {}
    for key, old in parent.state_dict().items():
        value = _widened(key.removesuffix(".weight"), old, times, shape.feed_forward)
        if value.ndim == 2 and times > 1:
            value = value + noise * value.std() * torch.randn(value.shape)
        if key.startswith("blocks."):
            _, number, rest = key.split(".", 2)
            pair, place = divmod(int(number), 2)
            moved[f"blocks.{2 * (pair * deep // shallow) + place}.{rest}"] = value
        else:
            moved[key] = value
    unexpected = net.load_state_dict(moved, strict=False).unexpected_keys
    if unexpected:
        raise ValueError(f"cannot grow: {unexpected}")
    return net


def _widened(name: str, value: torch.Tensor, times: int, feed_forward: int) -> torch.Tensor:  # noqa: PLR0911 - one case a line
    """Return a parameter for `times` the width and another number of hidden units; what is read from copies is shared among them."""
    if name.endswith(("gate", "up")):
        return value[torch.arange(feed_forward) % value.shape[0]].repeat(1, times) / times
    if name.endswith("down"):
        units = torch.arange(feed_forward) % value.shape[1]
        return (value[:, units] / torch.bincount(units)[units]).repeat(times, 1)
    if name.endswith("in_proj"):
        return torch.cat([part.repeat(times, times) / times for part in value.chunk(3)])
    if name.endswith((".q", ".k", ".v", ".out", "out_proj")):
        return value.repeat(times, times) / times
    if name == "embed":
        return value.repeat(1, times)
    if name == "output":
        return value.repeat(1, times) / times
    if name.endswith("conv"):
        return value.repeat(times, 1)
    return value if name.endswith(("q_norm", "k_norm")) else value.repeat(times)


def place() -> tuple[int, int]:
    """Return the number of this process and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


class Trainer:
    """Weights in float32 with their optimisers, and the bfloat16 copy that computes."""

    def __init__(self, net: Pocket, lr: float, adam_lr: float, fused: bool) -> None:
        self.net, self.rates = net, (lr, adam_lr)
        self.opts = optimizers(net, lr, adam_lr)
        self.copy = copy.deepcopy(net).bfloat16()
        if fused:
            for block in self.copy.blocks:
                block.compile(dynamic=True)

    def step(self, rows: list[Row], scale: float) -> float:
        """Take one step at `scale` of the learning rates; return the loss."""
        rank, n = place()
        for opt, base in zip(self.opts, self.rates, strict=True):
            for group in opt.param_groups:
                group["lr"] = base * scale
        tokens, marks = batch(rows)
        wanted = marks[:, 1:] > 0
        logits = self.copy.output(self.copy.hidden(tokens[:, :-1])[wanted])
        loss = F.cross_entropy(logits.float(), tokens[:, 1:][wanted])
        self.copy.zero_grad(set_to_none=True)
        loss.backward()
        pairs = list(zip(self.net.parameters(), self.copy.parameters(), strict=True))
        for p, c in pairs:
            p.grad = torch.zeros_like(p) if c.grad is None else c.grad.float()
        self.share([p.grad for p in self.net.parameters() if p.grad is not None], 1 / n)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        # Muon is as much work as the gradients of a large network: each process updates its share of the matrices, where the others' stay 0
        matrices = [p for group in self.opts[0].param_groups for p in group["params"]]
        owned = {id(p) for p in matrices[rank::n]}
        for p in matrices:
            p.grad = p.grad if id(p) in owned else None
        for opt in self.opts:
            opt.step()
        self.share([p.data if id(p) in owned else p.data.zero_() for p in matrices])
        self.refresh()
        return loss.item()

    @staticmethod
    def share(tensors: list[torch.Tensor], scale: float = 1.0) -> None:
        """Set tensors to `scale` times their sum over all processes."""
        if dist.is_initialized():
            whole = torch.cat([t.ravel() for t in tensors])
            dist.all_reduce(whole)
            for t, part in zip(tensors, whole.split([t.numel() for t in tensors]), strict=True):
                t.copy_(part.view_as(t) * scale)

    @torch.no_grad()
    def refresh(self) -> None:
        """Bring the copy up to date."""
        for p, c in zip(self.net.parameters(), self.copy.parameters(), strict=True):
            c.copy_(p)


def each(value: Any) -> list[Any]:
    """Return what every process gave, in their order; just the value if there is one process."""
    if not dist.is_initialized():
        return [value]
    found: list[Any] = [None] * place()[1]
    dist.all_gather_object(found, value)
    return found


def untrained(name: str) -> Pocket:
    """Return the network that training starts from: random, or grown from its trained parent."""
    if name not in PARENTS:
        return Pocket(SHAPES[name])
    parent = Pocket(SHAPES[PARENTS[name]])
    parent.load_state_dict(torch.load(BUILD / f"{PARENTS[name]}.pt", weights_only=True))
    return grow(parent, SHAPES[name])


def described(name: str, plan: Plan) -> str:
    """Say what a checkpoint is of: the plan, and the weights it grew out of."""
    grown = hashlib.sha256((BUILD / f"{PARENTS[name]}.pt").read_bytes()).hexdigest()[:16] if name in PARENTS else "nothing"
    return f"{plan!r} grown from {grown}"


def resume(trainer: Trainer, rng: Random, checkpoint: Path, plan: str, rank: int) -> tuple[int, int, float, list[dict[str, Any]]]:
    """Set weights, optimisers and random numbers to those of a checkpoint; return its step, tokens, seconds and log."""
    saved = torch.load(checkpoint, weights_only=True)
    if saved["plan"] != plan:
        raise SystemExit(f"{checkpoint} is of {saved['plan']}, asked for {plan}; remove it to begin anew.")
    trainer.net.load_state_dict(saved["weights"])
    (version, numbers, gauss), states = saved["states"][rank]
    for opt, state in zip(trainer.opts, states, strict=True):
        opt.load_state_dict(state)
    rng.setstate((version, tuple(numbers), gauss))
    trainer.refresh()
    return saved["step"], saved["tokens"], saved["seconds"], saved["log"]


def train(
    name: str, plan: Plan, *, seed: int = 0, lr: float = 0.02, adam_lr: float = 3e-3, threads: int = 1, fused: bool = True
) -> dict[str, Any]:
    """Train one model, from its checkpoint if there is one, and return its log."""
    rank, n = place()
    if n != plan.processes:
        raise SystemExit(f"{name} trains in {plan.processes} processes, got {n}: see torchrun in the docstring.")
    torch.manual_seed(seed)
    torch.set_num_threads(threads)  # sums differ between thread counts: part of what makes a run repeatable
    rng = Random(seed + 1 + 1000 * rank)
    tok = tokenizer()
    library = Library(tok) if name == READS else None
    trainer = Trainer(untrained(name), lr, adam_lr, fused)
    BUILD.mkdir(parents=True, exist_ok=True)
    checkpoint = BUILD / f"{name}.checkpoint"
    start, n_tokens, before, log = resume(trainer, rng, checkpoint, described(name, plan), rank) if checkpoint.exists() else (0, 0, 0.0, [])
    started = time.perf_counter() - before
    if rank == 0:
        print(f"{name}: {trainer.net.n_parameters():,} parameters, steps {start} to {plan.steps}", flush=True)
    for step in range(start, plan.steps):
        scale = plan.rate * min(1.0, (step + 1) / 50) * min(1.0, max(0.02, (plan.steps - step) / (0.5 * plan.steps)))
        if library:
            rows = hosted_lessons(tok, rng, plan.tokens, step, library)
        else:  # the curriculum: at first 2 passages, later up to 6; the grown ones have that behind them
            most = MOST if name in PARENTS else min(MOST, 2 + max(0, 12 * (step - 300) // plan.steps))
            rows = lessons(tok, rng, plan.tokens, step, most, name in PARENTS)
        n_tokens += sum(each(sum(len(ids) for ids, _ in rows)))
        loss = trainer.step(rows, scale)
        if (step + 1) % EVERY == 0 or step + 1 == plan.steps:
            if not math.isfinite(loss):
                raise SystemExit("training diverged")
            states = each((rng.getstate(), [opt.state_dict() for opt in trainer.opts]))
            if rank:
                continue
            by_k = {k: accuracy(trainer.copy, tok, seed=99, k=k, reasoned=bool(library)) for k in KS}
            seconds = time.perf_counter() - started
            log.append({"step": step + 1, "tokens": n_tokens, "seconds": round(seconds), "loss": round(loss, 4), "accuracy": by_k})
            said = "  ".join(f"k={k} " + " ".join(f"{n[:3]} {v:.2f}" for n, v in sorted(a.items())) for k, a in by_k.items())
            print(f"{step + 1:5d} loss {loss:.3f} {n_tokens / seconds:,.0f} tok/s {seconds:.0f}s  {said}", flush=True)
            saved = {
                "plan": described(name, plan), "step": step + 1, "tokens": n_tokens, "seconds": seconds, "log": log, "states": states,
                "weights": trainer.net.state_dict(),
            }  # fmt: skip
            torch.save(saved, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    if rank == 0:
        torch.save(trainer.net.state_dict(), BUILD / f"{name}.pt")
        tok.save(str(BUILD / "tokenizer.json"))
    return {
        "name": name, "parameters": trainer.net.n_parameters(), "tokens": n_tokens,
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "steps": plan.steps, "seed": seed, "processes": plan.processes, "threads": threads, "grown_from": PARENTS.get(name), "log": log,
    }  # fmt: skip


def main() -> None:
    """Train the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("--steps", type=int, help="train shorter than planned, to try something; replaces weights and log")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--plain", action="store_true", help="no torch.compile, where no C++ compiler is at hand")
    args = parser.parse_args()
    plan = replace(PLANS[args.name], steps=args.steps) if args.steps else PLANS[args.name]
    if "WORLD_SIZE" in os.environ:  # torchrun sets it
        dist.init_process_group("gloo")
    log = train(args.name, plan, threads=args.threads, fused=not args.plain)
    if not int(os.environ.get("RANK", "0")):
        Path(f"data/models/{args.name}.training.json").write_text(json.dumps(log, indent=1) + "\n")
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
