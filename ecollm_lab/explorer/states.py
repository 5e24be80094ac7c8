"""The explorer's state as small JSON, and the journey: each step named, to and fro."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecollm_lab.records import LabError

VERSION = 1
LIMIT = {"latency": "max_latency_s", "cost": "max_cost_usd", "min_quality": "min_quality"}
KEYS = (
    "version",
    "max_latency_s",
    "max_cost_usd",
    "min_quality",
    "prefer",
    "statistic",
    "split",
    "kind",
    "cluster",
    "show",
    "selected",
    "pins",
    "query_page",
)
MOST_STEPS = 200


@dataclass(eq=False)
class Journey:
    """Steps taken, each with its name and the state it led to; `at` is the present one.

    Moves of one control in a row are one step, so that a drag can be undone at once. A step from
    the past forgets what came after it.
    """

    names: list[str] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)
    at: int = -1

    def step(self, control: str, state: dict[str, Any], name: str) -> None:
        """Add a step, or go on with the last one if the same control made it."""
        if self.at >= 0 and state == self.states[self.at]:
            return
        again = self.at == len(self.names) - 1 > 0 and self.controls[self.at] == control
        end = self.at if again else self.at + 1
        self.names[end:], self.states[end:], self.controls[end:] = [name], [state], [control]
        if len(self.names) > MOST_STEPS:
            del self.names[1], self.states[1], self.controls[1]
        self.at = len(self.names) - 1

    def go(self, to: int) -> dict[str, Any] | None:
        """Move to a step and return its state; None, and no move, if there is none."""
        if not 0 <= to < len(self.names):
            return None
        self.at = to
        self.controls = [
            f"{control}." if not control.endswith(".") else control for control in self.controls
        ]  # a move starts a new step
        return self.states[to]


def check(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as a dictionary.

    Raises
    ------
    LabError
        If it is no mapping, of another version, has a key this edition does not know or a value of
        another type.

    """
    if not isinstance(state, Mapping):
        raise LabError(
            f"state must be a mapping as explorer.state returns it, got {type(state).__name__};"
            " load JSON first."
        )
    if state.get("version", VERSION) != VERSION:
        raise LabError(
            f"state has version {state['version']!r}; this edition reads version {VERSION}."
        )
    unknown = [key for key in state if key not in KEYS]
    if unknown:
        raise LabError(
            f"state has unknown keys: {', '.join(map(str, unknown))}; known: {', '.join(KEYS)}."
        )
    for key, kind in (("show", list), ("pins", list), ("query_page", int)):
        if not isinstance(state.get(key, kind()), kind):
            raise LabError(
                f"{key} in a state must be of type {kind.__name__}, got {state[key]!r}; take states"
                " from explorer.state."
            )
    return dict(state)
