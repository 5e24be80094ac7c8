"""The explorer's state as small JSON, and the journey: each step named, to and fro.

A journey is {"at": k, "steps": [[name, changes], …]}: the state after step k is what the changes of
steps 0 to k amount to. `front/decide.js` keeps the same rules for the screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecollm_lab.explorer.resampling import FRONT
from ecollm_lab.explorer.views import ANY, FILTERS, USUAL_COLUMNS, Board, View
from ecollm_lab.records import SLO, LabError, Prefer

MOST_STEPS = 200
MOST_PINS = 3
# where one looks, not what one decides: no step of the journey
APART = ("tab", "query_page", "columns", "snapshots")
STAYING = ("tab", "columns", "snapshots")  # what a step back leaves as it is
Journey = dict[str, Any]


class Snapshot(BaseModel):
    """What is decided in the explorer: the limits and all else that can be kept under a name."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_latency_s: float | None = Field(default=None, gt=0)
    max_cost_usd: float | None = Field(default=None, gt=0)
    min_quality: float | None = Field(default=None, ge=0, le=1)
    prefer: Prefer = "quality"
    statistic: Literal["mean", "p95"] = "mean"
    split: str = "all"
    kind: str = "all"
    cluster: str = "all"
    show: list[Literal["dominated", "beyond", "groups"]] = ["dominated", "beyond"]
    dropped: dict[str, list[str]] = {}
    colour: str = "placement"
    selected: str | None = None
    pins: list[str] = Field(default=[], max_length=MOST_PINS)


class State(Snapshot):
    """Everything that can be set in the explorer; a state may leave out what it does not say."""

    version: Literal[1] = 1
    query_page: int = Field(default=0, ge=0)
    tab: Literal["paths", "components", "queries", "policy", "measure", "journey", "take"] = "paths"
    columns: list[str] = list(USUAL_COLUMNS)
    snapshots: dict[str, Snapshot] = {}


def check(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a state says, as a dictionary.

    Raises
    ------
    LabError
        If it is no mapping, has an unknown key or a value that cannot be; all faults are named.

    """
    if not isinstance(state, Mapping):
        raise LabError(
            f"state must be a mapping as explorer.state returns it, got {type(state).__name__};"
            " load JSON first."
        )
    try:
        found = State(**state)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}, got {one['input']!r}"
            for one in error.errors()
        ]
        raise LabError(
            f"This is no state of the explorer: {'; '.join(faults)}. Its keys are"
            f" {', '.join(State.model_fields)}; take states from explorer.state."
        ) from error
    said = found.model_dump(exclude_unset=True)
    if "snapshots" in said:  # each says everything, so that it can be gone back to
        said["snapshots"] = {name: one.model_dump() for name, one in found.snapshots.items()}
    return said


def fitting(
    board: Board, state: dict[str, Any], *, measures: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Return the part of a state that fits a trace, and what does not, in words.

    `measures`: the explorer can measure, so that there is a tab for it.
    """
    state, choices, paths = dict(state), board.choices, set(board.path_ids)
    strange = [name for name in FILTERS if state.get(name, ANY) not in choices[name]]
    lost = [f"{name} {state.pop(name)!r}" for name in strange]
    try:
        board.view(*(state.get(name, ANY) for name in FILTERS))
    except LabError as error:
        lost.append(f"the filters: {error}")
        state = {key: value for key, value in state.items() if key not in FILTERS}
    named = [*state.get("pins", []), *filter(None, [state.get("selected")])]
    lost += [f"path {name!r}" for name in named if name not in paths]
    state["pins"] = [name for name in state.get("pins", []) if name in paths]
    state["selected"] = state.get("selected") if state.get("selected") in paths else None
    stages = {str(k): {part[k] for part in board.parts} for k in range(len(board.stages))}
    dropped = state.get("dropped", {})
    lost += [f"components dropped at stage {stage}" for stage in dropped if stage not in stages]
    dropped = {stage: slugs for stage, slugs in dropped.items() if stage in stages}
    lost += [
        f"component {slug!r} dropped at stage {stage}"
        for stage, slugs in dropped.items()
        for slug in slugs
        if slug not in stages[stage]
    ]
    state["dropped"] = {
        stage: [slug for slug in slugs if slug in stages[stage]] for stage, slugs in dropped.items()
    }
    if state.get("colour", "placement") not in {"placement", *stages}:
        lost.append(f"colour {state.pop('colour')!r}")
    if state.get("tab") == "measure" and not measures:
        lost.append(f"tab {state.pop('tab')!r}")
    columns = state.get("columns", [])
    lost += [f"column {name!r}" for name in columns if name not in board.columns]
    if "columns" in state:
        state["columns"] = [name for name in columns if name in board.columns]
    for name, snapshot in state.get("snapshots", {}).items():
        fits, gone = fitting(board, snapshot)
        state["snapshots"] = {**state["snapshots"], name: fits}
        lost += [f"{what} in the snapshot {name!r}" for what in gone]
    return state, lost


def back(state: Mapping[str, Any], to: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state that a step back from `state` leads to; some of it stays as it is."""
    return {**to, **{key: state[key] for key in STAYING if key in state}}


def starting(view: View) -> dict[str, Any]:
    """Return the state an explorer starts with: limits a little above most of the front.

    That is the upper quartile. At the median, the dear and slow models of an edge–cloud trace would
    be beyond a limit, and there would be nothing to choose.
    """
    return {
        **State().model_dump(),
        "max_latency_s": _above_quartile(view.latency["mean"], view.state["mean"]),
        "max_cost_usd": _above_quartile(view.cost["mean"], view.state["mean"]),
    }


def _above_quartile(values: np.ndarray, state: np.ndarray) -> float | None:
    """Return a short number in the gap above the upper quartile of the front, None without one."""
    every = np.unique(values[np.isfinite(values) & (values > 0)])
    front = np.sort(values[(state == FRONT) & (values > 0)])
    low = front[-(-3 * (len(front) - 1) // 4)] if len(front) else np.inf
    above = every[every > low]
    if not len(above):
        return None
    middle = float(np.sqrt(low * above[0]))
    short = (float(f"{middle:.{digits}g}") for digits in range(2, 18))
    return next(value for value in short if low <= value < above[0])


def slo_of(state: Mapping[str, Any]) -> SLO:
    """Return the SLO of a state."""
    limits = (state["max_latency_s"], state["max_cost_usd"], state["min_quality"])
    return SLO(*limits, prefer=state["prefer"])


def state_at(journey: Journey, at: int) -> dict[str, Any]:
    """Return the state after a step."""
    state: dict[str, Any] = {}
    for _, changed in journey["steps"][: at + 1]:
        state |= changed
    return state


def add_step(journey: Journey, state: Mapping[str, Any], name: str) -> Journey:
    """Return the journey with what changed since its last step as one more step.

    Steps that were undone are forgotten. Of too many the oldest after the start is forgotten: what
    it changed is part of the next.
    """
    before = state_at(journey, journey["at"])
    changed = {
        key: value
        for key, value in state.items()
        if key not in APART and (key not in before or before[key] != value)
    }
    if not changed:
        return journey
    steps = [*journey["steps"][: journey["at"] + 1], [name, changed]]
    if len(steps) > MOST_STEPS:
        steps = [steps[0], [steps[2][0], {**steps[1][1], **steps[2][1]}], *steps[3:]]
    return {"at": len(steps) - 1, "steps": steps}
