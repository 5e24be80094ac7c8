"""Finds out by small calls which parameters an endpoint refuses, and how fast a model is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ecollm_lab.models import CallFailed, Model, Reply

CHANGEABLE = ("max_tokens", "seed", "temperature")


@dataclass(frozen=True)
class Accepted:
    """An answer of an endpoint that refused the request as the catalog has it.

    `lines` are what the model's table in the catalog needs for such an answer.
    """

    reply: Reply
    lines: tuple[str, ...]


def find_accepted(
    model: Model, refusal: CallFailed, ask: Callable[[Model], Reply]
) -> Accepted | None:
    """Ask again without what an endpoint refuses; None if no change helps.

    Where the endpoint names a parameter, that one is changed, and so on with the next refusal.
    Where it names none, each change is tried alone, then two and three together. A request that
    is refused costs nothing.

    Parameters
    ----------
    model
        The model as the catalog has it.
    refusal
        Why its first call failed.
    ask
        Makes one small call to a model; raises `CallFailed` if it is refused.

    """
    changed = model
    while refusal.parameter in CHANGEABLE and _is_sent(changed, refusal.parameter):
        changed = _without(changed, refusal.parameter)
        answer = _try(changed, ask)
        if isinstance(answer, Reply):
            return Accepted(answer, _catalog_lines(model, changed))
        refusal = answer
    if refusal.rejected and not refusal.parameter:
        for candidate in _combinations(changed):
            answer = _try(candidate, ask)
            if isinstance(answer, Reply):
                return Accepted(answer, _catalog_lines(model, candidate))
    return None


def _try(model: Model, ask: Callable[[Model], Reply]) -> Reply | CallFailed:
    try:
        return ask(model)
    except CallFailed as refusal:
        return refusal


def _is_sent(model: Model, parameter: str) -> bool:
    if parameter == "max_tokens":
        return model.tokens_key == parameter
    return parameter not in model.omit


def _without(model: Model, parameter: str) -> Model:
    """Return the model without a parameter; a limit of tokens has a second name."""
    if parameter == "max_tokens":
        return replace(model, tokens_key="max_completion_tokens")
    return replace(model, omit=tuple(sorted({*model.omit, parameter})))


def _combinations(model: Model) -> Iterator[Model]:
    """Yield the model with one, two, and three of its parameters changed."""
    sent = [name for name in CHANGEABLE if _is_sent(model, name)]
    for n in range(1, len(sent) + 1):
        for names in combinations(sent, n):
            changed = model
            for name in names:
                changed = _without(changed, name)
            yield changed


def _catalog_lines(model: Model, changed: Model) -> tuple[str, ...]:
    """Return the lines of the catalog that turn one model into the other."""
    lines = []
    if changed.tokens_key != model.tokens_key:
        lines.append(f"{changed.tokens_key} = {changed.max_tokens}")
    if changed.omit != model.omit:
        lines.append(f"omit = {json.dumps(list(changed.omit))}")
    return tuple(lines)


def tokens_per_second(replies: Sequence[Reply]) -> tuple[float, float]:
    """Return how many tokens of a prompt a model reads, and how many of an answer it writes.

    Both are per second and fitted to the whole times of the calls; infinite where a time is too
    short to tell. The calls need prompts of different lengths.

    Examples
    --------
    >>> calls = [Reply("", 100, 10, 1.5), Reply("", 20, 10, 1.1), Reply("", 120, 5, 1.1)]
    >>> [round(rate, 6) for rate in tokens_per_second(calls)]
    [200.0, 10.0]

    """
    from scipy.optimize import nnls

    tokens = np.array([(reply.tokens_in, reply.tokens_out) for reply in replies], dtype=float)
    seconds = nnls(tokens, np.array([reply.latency_s for reply in replies]))[0]
    with np.errstate(divide="ignore"):
        read, wrote = 1 / seconds
    return float(read), float(wrote)
