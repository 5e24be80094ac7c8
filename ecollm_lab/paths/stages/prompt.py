"""The user message: what was found, then the question."""

from __future__ import annotations

from collections.abc import Sequence


def build_prompt(passages: Sequence[str], question: str) -> str:
    """Write the passages, one a line, and the question; without passages only the question."""
    context = "".join(f"- {passage}\n" for passage in passages)
    return f"Passages:\n{context}Question: {question}" if passages else f"Question: {question}"
