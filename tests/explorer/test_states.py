"""The state as small JSON and the journey: Python and the screen keep the same rules."""

import pytest

from ecollm_lab.explorer import states
from ecollm_lab.records import LabError
from tests.explorer.support import needs_node, node


def walk():
    """A journey of four steps with one taken back, as (state, name) in order; None takes a step
    back.
    """
    start = {"a": 1, "b": {"0": ["x"]}, "tab": "paths"}
    return start, [
        ({**start, "a": 2}, "a is 2"),
        ({**start, "a": 2, "b": {}}, "b is empty"),
        None,
        ({**start, "a": 3, "tab": "journey"}, "a is 3"),
        ({**start, "a": 3}, "nothing new"),
    ]


def walked():
    start, steps = walk()
    journey = {"at": 0, "steps": [["start", start]]}
    for step in steps:
        if step is None:
            journey = {**journey, "at": journey["at"] - 1}
        else:
            journey = states.add_step(journey, *step)
    return journey


def test_a_step_from_the_past_forgets_what_came_after_and_nothing_new_is_no_step():
    journey = walked()
    assert [name for name, _ in journey["steps"]] == ["start", "a is 2", "a is 3"]
    assert journey["at"] == 2
    assert states.state_at(journey, 1) == {"a": 2, "b": {"0": ["x"]}, "tab": "paths"}
    assert states.state_at(journey, 2)["a"] == 3
    assert states.state_at(journey, 2)["tab"] == "paths"  # where one looks is no step


@needs_node
def test_the_screen_walks_the_same_journey():
    start, steps = walk()
    script = (
        "(() => { let j = {at: 0, steps: [['start', START]]};"
        " for (const s of STEPS) j = s ? addStep(j, ...s) : {...j, at: j.at - 1};"
        " return [j, stateAt(j, 1)]; })"
    )
    import json

    script = script.replace("START", json.dumps(start)).replace("STEPS", json.dumps(steps))
    journey, first = node([[script]])[0]
    assert journey == walked()
    assert first == states.state_at(walked(), 1)


@needs_node
def test_a_long_journey_forgets_its_first_steps_and_keeps_every_state():
    journey = {"at": 0, "steps": [["start", {"a": -1, "b": 0}]]}
    for k in range(states.MOST_STEPS + 20):
        journey = states.add_step(journey, {"a": k, "b": 0}, f"step {k}")
    assert len(journey["steps"]) == states.MOST_STEPS
    assert states.state_at(journey, journey["at"]) == {"a": states.MOST_STEPS + 19, "b": 0}
    assert states.state_at(journey, 0) == {"a": -1, "b": 0}  # the start is still the start
    assert states.state_at(journey, 1) == {"a": 21, "b": 0}
    script = (
        "(() => { let j = {at: 0, steps: [['start', {a: -1, b: 0}]]};"
        " for (let k = 0; k < 220; k++) j = addStep(j, {a: k, b: 0}, `step ${k}`); return j; })"
    )
    assert node([[script]])[0] == journey


def test_a_state_may_leave_out_what_it_does_not_say_and_all_its_faults_are_named():
    assert states.check({"max_latency_s": 0.05}) == {"max_latency_s": 0.05}
    assert states.check({"max_latency_s": 1}) == {"max_latency_s": 1}
    with pytest.raises(LabError, match=r"must be a mapping as explorer\.state returns it, got str"):
        states.check("{}")
    with pytest.raises(LabError) as raised:
        states.check({"volume": 1, "max_cost_usd": -1, "prefer": "fame", "pins": ["a"] * 4})
    said = str(raised.value)
    for part in ("volume", "max_cost_usd", "prefer", "pins", "got -1", "explorer.state"):
        assert part in said
