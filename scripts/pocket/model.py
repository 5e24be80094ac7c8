"""The pocket network: short gated convolutions and grouped attention, the LFM2 layout that llama.cpp runs.

A convolution over the last few tokens hands each position its neighbours, so one attention layer can match "the reset time
of the Halo bulb is" against the passages. A pure transformer of this size has to compose two attention layers for that and
stayed at chance (1/k) among k passages for as long as anyone had patience on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Size of one network; `layers` spells its blocks, c = convolution, a = attention."""

    name: str
    width: int
    layers: str
    heads: int
    kv_heads: int
    feed_forward: int
    kernel: int = 4
    vocab: int = 1024
    context: int = 1024
    rope_base: float = 10000.0


class Convolution(nn.Module):
    """Gated causal depthwise convolution."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.kernel = shape.kernel
        self.in_proj = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.conv = nn.Parameter(torch.randn(shape.width, shape.kernel) * shape.kernel**-0.5)
        self.out_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        """Mix `x` (batch, time, width) with the `kernel - 1` tokens before each."""
        b, c, x = self.in_proj(x).chunk(3, dim=-1)
        x = F.pad((b * x).transpose(1, 2), (self.kernel - 1, 0))
        x = F.conv1d(x, self.conv[:, None, :], groups=x.shape[1]).transpose(1, 2)
        return self.out_proj(c * x)


class Attention(nn.Module):
    """Causal grouped-query attention with RMS-normalised queries and keys and rotary positions (NeoX halves)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = shape.heads, shape.kv_heads, shape.width // shape.heads
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, shape.kv_heads * self.size, bias=False)
        self.v = nn.Linear(shape.width, shape.kv_heads * self.size, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.q_norm = nn.RMSNorm(self.size, eps=1e-5)
        self.k_norm = nn.RMSNorm(self.size, eps=1e-5)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        """Attend over `x` (batch, time, width)."""
        n, t, _ = x.shape
        q = rotate(self.q_norm(self.q(x).view(n, t, self.heads, self.size)), rope).transpose(1, 2)
        k = rotate(self.k_norm(self.k(x).view(n, t, self.kv_heads, self.size)), rope).transpose(1, 2)
        v = self.v(x).view(n, t, self.kv_heads, self.size).transpose(1, 2)
        groups = self.heads // self.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, -1))


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """Apply rotary positions to `x` (batch, time, heads, size)."""
    cos, sin = rope
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Block(nn.Module):
    """Operator and SwiGLU feed-forward, each behind an RMS norm and a residual."""

    def __init__(self, shape: Shape, kind: str) -> None:
        super().__init__()
        self.operator_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.operator = Convolution(shape) if kind == "c" else Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        """Run the block on `x` (batch, time, width)."""
        x = x + self.operator(self.operator_norm(x), rope)
        y = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Pocket(nn.Module):
    """The whole network. Unit-variance embeddings, untied output."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape, kind) for kind in shape.layers)
        self.norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.output = nn.Linear(shape.width, shape.vocab, bias=False)
        nn.init.normal_(self.output.weight, std=0.02)
        for block in self.blocks:
            assert isinstance(block, Block)
            block.down.weight.data *= (2 * len(shape.layers)) ** -0.5

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return normalised hidden states (batch, time, width) of `tokens` (batch, time)."""
        size = self.shape.width // self.shape.heads
        inverse = self.shape.rope_base ** (-torch.arange(0, size, 2) / size)
        angle = torch.arange(tokens.shape[1])[:, None, None] * inverse
        rope = (angle.cos(), angle.sin())
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, rope)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (batch, time, vocab) of `tokens` (batch, time)."""
        return self.output(self.hidden(tokens))

    def n_parameters(self) -> int:
        """Count the parameters."""
        return sum(p.numel() for p in self.parameters())


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz (Jordan et al. 2024), in float32 and batched over matrices of one shape.

    `torch.optim.Muon` iterates in bfloat16, matrix by matrix; a CPU without bfloat16 units emulates that, and a step of the
    smallest model took 1.4 s instead of the 0.1 s it takes here.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update every matrix by its orthogonalised Nesterov momentum."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                grads = torch.stack([p.grad for p in params if p.grad is not None])
                buffers = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in params]
                for buffer, grad in zip(buffers, grads, strict=True):
                    buffer.lerp_(grad, 1 - group["momentum"])
                update = orthogonalise(grads.lerp(torch.stack(buffers), group["momentum"]))
                update *= max(1.0, shape[0] / shape[1]) ** 0.5 * group["lr"]
                for p, u in zip(params, update, strict=True):
                    p.sub_(u)


def orthogonalise(g: Tensor) -> Tensor:
    """Push the singular values of `g` (matrices, rows, columns) towards one: five quintic Newton-Schulz steps."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x


def optimizers(net: Pocket, lr: float, adam_lr: float) -> list[torch.optim.Optimizer]:
    """Muon on the hidden matrices, AdamW on embeddings, output, norms and convolutions."""
    hidden = [p for n, p in net.blocks.named_parameters() if p.ndim == 2 and not n.endswith(".conv")]
    chosen = {id(p) for p in hidden}
    rest = [p for p in net.parameters() if id(p) not in chosen]
    return [Muon(hidden, lr), torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)]
