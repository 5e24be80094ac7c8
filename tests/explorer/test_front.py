"""Parts of the screen that are not pure, each alone in Node, with stand-ins for the others."""

import json

import pytest

from tests.explorer.support import needs_node, node

pytestmark = needs_node
MODEL = """((act) => { const heard = {}, sent = [], kernel = { comm_live: true };
  const model = { get: () => "IPY_MODEL_own", on: (event, hear) => { heard[event] = hear; },
    send: (message) => sent.push(message), widget_manager: { get_model: async () => kernel } };
  const store = widgetStore(model);
  const answer = (found) => heard["msg:custom"]({ file: sent.at(-1).file, ...found });
  const die = async () => { await null; kernel.comm_live = false; heard.comm_live_update(); };
  return act(store, answer, die); })"""


def told(act):
    return node([[f"(() => {MODEL}({act}))"]], also=("store.js",))[0]


def test_a_file_comes_as_a_text_or_as_the_reason_why_there_is_none():
    ask = "(store, answer) => { const found = store.file('toml'); answer(%s); return found; }"
    assert told(ask % "{text: 'slo'}") == {"text": "slo"}
    assert told(ask % "{error: 'No path'}") == {"error": "No path"}


def test_a_busy_kernel_is_waited_for_and_a_dead_one_is_not():
    late = """async (store, answer, die) => { const found = store.file("html", %s);
      const first = await Promise.race([found, new Promise((end) => setTimeout(end, 60, "open"))]);
      %s; return [first, await found]; }"""
    assert told(late % ("null", "answer({ text: 'page' })")) == ["open", {"text": "page"}]
    assert told(late % ("null", "await die()")) == ["open", None]
    assert told(late % ("20", "")) == [None, None]  # what the screen can write by itself


TAKE = """((found, alive) => { const said = [], files = [], panel = {}, nodes = [];
  globalThis.download = (text, name) => files.push([name, text]);
  const s = { tab: "take", split: "all", kind: "all", cluster: "all" };
  const screen = { fixed: { choices: {} }, $: () => ({ textContent: "" }), $$: () => [],
    local: { sr: "", counted: "all|all|all", set said(text) { said.push(text); } },
    store: { file: async () => found, alive: () => alive }, state: () => s, panel,
    setHtml: () => {}, moment: () => ({ p: { view: "" }, s, decision: { chosen: null } }) };
  return tabsOf(screen).take("toml").then(() => [said, files]); })"""


def test_what_cannot_be_written_is_said_and_no_file_is_left():
    reason = "No path keeps this SLO, so there is nothing to serve."
    refused, written, gone = node(
        [[TAKE, {"error": reason}, True], [TAKE, {"text": "[slo]"}, True], [TAKE, None, False]],
        also=("tabs.js",),
    )
    assert (refused[0][-1], refused[1]) == (reason, [])
    assert (written[0][-1], written[1]) == ("Written: explorer.toml.", [["explorer.toml", "[slo]"]])
    assert "needs a running kernel" in gone[0][-1]
    assert len(gone[0]) == 1


def test_a_key_and_then_a_click_are_two_steps():
    script = """(() => { const kept = { state: { a: 1, selected: null }, journey: { at: 0,
          steps: [["start", { a: 1, selected: null }]] } };
      const store = { get: (name) => kept[name], set: (values) => Object.assign(kept, values) };
      const screen = { store, fixed: { paths: ["x"] }, $$: () => [], local: {},
        state: () => kept.state, index: new Map(), parts: [] };
      const steps = stepsOf(screen);
      steps.change({ a: 2 });
      steps.commitSoon("a is 2");
      steps.select(0);
      return kept.journey.steps; })"""
    (found,) = node([[script]], also=("steps.js",))
    assert found[1:] == [["a is 2", {"a": 2}], ["selected x", {"selected": "x"}]]


@pytest.mark.parametrize(
    ("free", "ranges", "labels"),
    [
        (None, [[-1, 2], [-3, 0], [0, 1]], ["0.1", "1", "10", "100"]),
        ([0.01, 0.5], [[-2, 2], [-3, 0], [0, 1]], ["1", "3", "10", "30", "100"]),
        (
            None,
            [[0, 0.05], [-3, 0], [0.71, 0.74]],
            ["1", "1.02", "1.04", "1.06", "1.08", "1.1", "1.12"],
        ),
    ],
)
def test_labels_of_the_axes_are_those_of_the_part_that_is_shown(free, ranges, labels):
    axes = dict(zip(("xaxis", "xaxis2", "yaxis"), ({"range": r} for r in ranges), strict=True))
    (found,) = node([["ticksOf", {"free": free}, axes]], also=("picture.js",))
    assert found["xaxis"]["ticktext"] == labels
    low, high = ranges[2]
    assert len(found["yaxis"]["tickvals"]) >= 3
    assert all(low <= v <= high for v in found["yaxis"]["tickvals"]), json.dumps(found)


def test_no_label_stands_in_the_strip_for_what_is_far_below():
    axes = {name: {"range": [0, 1]} for name in ("xaxis", "xaxis2", "yaxis")}
    (found,) = node([["ticksOf", {"sunk": [0, 0.55]}, axes]], also=("picture.js",))
    assert min(found["yaxis"]["tickvals"]) >= 0.55
