"""Finds out by small calls which parameters an endpoint refuses, and how fast a model is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ecollm_lab.models import CallFailed, Catalog, Model, ModelPool, Reply
from ecollm_lab.models.replies import ChatModel
from ecollm_lab.records import Prompt

_OPTIONAL = ("seed", "temperature")


@dataclass(frozen=True)
class Accepted:
    """The first answer of an endpoint that refused the request as the catalog has it.

    `lines` are what the model's table in the catalog needs for such an answer.
    """

    reply: Reply
    lines: tuple[str, ...]


def find_accepted(model: Model, prompt: Prompt | str, error: CallFailed) -> Accepted | None:
    """Ask again without what the endpoint refuses; None if that does not help.

    A parameter that the endpoint names is changed first. If it names none, each change is tried
    alone, then two and three together. A request that is refused costs nothing.

    Parameters
    ----------
    model
        The model as the catalog has it.
    prompt
        What was asked.
    error
        The refusal.

    """
    changed, refusal = model, error
    while refusal.parameter in changed.parameters:
        changed = _changed(changed, refusal.parameter)
        answer = _ask(changed, prompt)
        if isinstance(answer, Reply):
            return Accepted(answer, catalog_lines(model, changed))
        refusal = answer
    if error.parameter or not error.rejected:
        return None
    for n in range(1, 4):
        for names in combinations(("max_tokens", *_OPTIONAL), n):
            changed = model
            for name in names:
                changed = _changed(changed, name)
            answer = _ask(changed, prompt)
            if isinstance(answer, Reply):
                return Accepted(answer, catalog_lines(model, changed))
    return None


def catalog_lines(model: Model, changed: Model) -> tuple[str, ...]:
    """Return the catalog's lines for what a changed model has in place of the original."""
    lines = []
    if changed.tokens_key != model.tokens_key:
        lines.append(f"{changed.tokens_key} = {changed.max_tokens}")
    if changed.omit != model.omit:
        lines.append(f"omit = [{', '.join(f'"{name}"' for name in changed.omit)}]")
    return tuple(lines)
