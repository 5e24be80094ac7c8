"""What a link to a page may say: a state of the explorer, checked before it is believed."""

import json
from urllib.parse import quote

import pytest

from ecollm_lab.explorer.states import Snapshot, State
from ecollm_lab.explorer.views import Board
from tests.explorer.support import needs_node, node, some

pytestmark = needs_node


@pytest.fixture(scope="module")
def board():
    return Board(some())


def read(board, text):
    plain = ("paths", "stages", "parts", "choices", "columns")
    fixed = {name: board.fixed()[name] for name in plain}
    return node([["fromLink", text, fixed]])[0]


def test_a_link_may_hold_whatever_a_state_may(board):
    decided = {
        **Snapshot().model_dump(),
        "max_latency_s": 0.05,
        "min_quality": 0.0,
        "dropped": {"1": ["bm25-1"]},
        "selected": board.path_ids[0],
        "pins": board.path_ids[:3],
    }
    state = {**State().model_dump(), **decided, "snapshots": {"mine <b>": decided}, "tab": "take"}
    assert read(board, quote(json.dumps(state))) == [state, None]
    assert read(board, json.dumps({"prefer": "cost"})) == [{"prefer": "cost"}, None]


@pytest.mark.parametrize("text", ["", "%", "{", "null", "3", "[]", '"state"', '{"prefer": "cost"'])
def test_what_is_no_state_is_called_damaged(board, text):
    assert read(board, text) == [None, "it is cut short or damaged"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_latency_s", 0),
        ("max_cost_usd", "0.2"),
        ("min_quality", 1.5),
        ("prefer", "speed"),
        ("statistic", None),
        ("kind", "nowhere"),
        ("show", ["everything"]),
        ("dropped", {"9": []}),
        ("dropped", {"1": "bm25-1"}),
        ("dropped", {"1": ["hyde"]}),
        ("colour", "7"),
        ("selected", "no/such/path"),
        ("pins", ["no/such/path"]),
        ("pins", None),
        ("version", 2),
        ("query_page", -1),
        ("tab", "settings"),
        ("tab", "measure"),
        ("columns", "quality"),
        ("snapshots", {"mine": {}}),
        ("snapshots", {"mine": {**Snapshot().model_dump(), "tab": "paths"}}),
        ("constructor", 1),
        ("__proto__", {}),
    ],
)
def test_a_value_that_cannot_be_is_named(board, key, value):
    said, fault = read(board, json.dumps({"prefer": "cost", key: value}))
    assert said is None
    assert fault.startswith(f"its {key} does not fit this page ({json.dumps(value)[:3]}")


def test_links_and_python_know_the_same_keys(board):
    fixed = {
        name: board.fixed()[name] for name in ("paths", "stages", "parts", "choices", "columns")
    }
    keys = node([["((fixed) => Object.keys(rulesOf(fixed)))", fixed]])[0]
    assert set(keys) == set(State.model_fields)
