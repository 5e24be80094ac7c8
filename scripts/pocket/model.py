"""The pocket network: short gated convolutions and grouped attention, the LFM2 layout that llama.cpp runs.

A convolution over the last few tokens hands each position its neighbours, so one attention layer can match "the reset time
of the Halo bulb is" against the passages. A pure transformer of this size has to compose two attention layers for that and
stayed at chance (1/k) among k passages for as long as it was trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Size of one network; `layers` spells its blocks, c = convolution, a = attention."""

    width: int
    layers: str
    heads: int
    kv_heads: int
    feed_forward: int
    kernel: int = 4
    vocab: int = 1024
    context: int = 1024
    rope_base: float = 10000.0


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32 whatever comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last axis of `x` to unit mean square."""
        full = x.float()
        return (full * torch.rsqrt(full.square().mean(-1, keepdim=True) + 1e-5) * self.weight).to(x.dtype)


class Convolution(nn.Module):
    """Gated causal depthwise convolution."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.in_proj = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.conv = nn.Parameter(torch.randn(shape.width, shape.kernel) * shape.kernel**-0.5)
        self.out_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        """Mix `x` (batch, time, width) with the `kernel - 1` tokens before each; a sum of shifts fuses better than `conv1d`."""
        b, c, x = self.in_proj(x).chunk(3, dim=-1)
        kernel, time = self.conv.shape[1], x.shape[1]
        past = F.pad(b * x, (0, 0, kernel - 1, 0))
        mixed = past[:, :time] * self.conv[:, 0]
        for i in range(1, kernel):
            mixed = mixed + past[:, i : i + time] * self.conv[:, i]
        return self.out_proj(c * mixed)


class Attention(nn.Module):
    """Causal grouped-query attention with RMS-normalised queries and keys and rotary positions (NeoX halves)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = shape.heads, shape.kv_heads, shape.width // shape.heads
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, shape.kv_heads * self.size, bias=False)
        self.v = nn.Linear(shape.width, shape.kv_heads * self.size, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)
        self.q_norm = RMSNorm(self.size)
        self.k_norm = RMSNorm(self.size)

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
        self.operator_norm = RMSNorm(shape.width)
        self.operator = Convolution(shape) if kind == "c" else Attention(shape)
        self.ffn_norm = RMSNorm(shape.width)
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
        self.norm = RMSNorm(shape.width)
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
        x = self.embed(tokens)
        rope = (angle.cos().to(x.dtype), angle.sin().to(x.dtype))
        for block in self.blocks:
            x = block(x, rope)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (batch, time, vocab) of `tokens` (batch, time)."""
        return self.output(self.hidden(tokens))

    def n_parameters(self) -> int:
        """Count the parameters."""
        return sum(p.numel() for p in self.parameters())


def optimizers(net: Pocket, lr: float, adam_lr: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) on the hidden matrices, AdamW on embeddings, output, norms and convolutions."""
    hidden = [p for n, p in net.blocks.named_parameters() if p.ndim == 2 and not n.endswith(".conv")]
    chosen = {id(p) for p in hidden}
    rest = [p for p in net.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(hidden, lr=lr, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]
