"""What hands do, with stand-ins for the page: keys, presses and filters change the state; run in
Node.
"""

import pytest

from tests.explorer.support import needs_node, node

pytestmark = needs_node
LISTEN = """((act) => { const heard = {}, changed = [], focused = [];
  const tabs = ["paths", "queries", "take"];
  const hears = { addEventListener: (kind, hear) => (heard[kind] ??= []).push(hear) };
  globalThis.window = hears;
  const s = { query_page: 5, tab: "paths" };
  const screen = { root: hears, panel: hears, fixed: {}, parts: [], state: () => s, drawn: 0,
    local: { error: {}, lastPage: 1 }, $: (what) => ({ focus: () => focused.push(what) }),
    $$: () => tabs.map((tab) => ({ dataset: { tab } })), schedule: () => { screen.drawn++; },
    change: (patch) => changed.push(patch), finish: () => {} };
  listen(screen);
  const fire = (kind, event) => heard[kind].forEach((hear) => hear(event));
  const target = (what, dataset, more = {}) => ({ dataset, matches: (name) => name === what,
    closest: (names) => (names.split(", ").includes(what)
      ? { dataset, matches: () => false } : null), ...more });
  act(fire, target, screen);
  return [changed, focused]; })"""


def done(act):
    return node([[f"(() => {LISTEN}({act}))"]], also=("hands.js",))[0]


def test_another_filter_begins_at_the_first_page_of_the_queries_and_a_colour_does_not():
    act = """(fire, target) => { for (const key of ["kind", "colour"]) fire("change", { target:
      target("select[data-key]", { key }, { value: "x", selectedOptions: [{ textContent: "x" }] })
      }); }"""
    assert done(act)[0] == [{"kind": "x", "query_page": 0}, {"colour": "x"}]


def test_previous_leads_from_the_page_that_is_shown_though_the_state_names_a_later_one():
    act = """(fire, target) => { for (const turn of ["-1", "1"])
      fire("click", { target: target("button", { turn }) }); }"""
    assert done(act)[0] == [{"query_page": 0}, {"query_page": 1}]
    assert node([["turned", *given] for given in ((0, -1, 3), (2, 1, 3), (9, -1, 3))]) == [0, 3, 2]


@pytest.mark.parametrize(
    ("key", "at", "to"),
    [
        ("ArrowRight", "paths", "queries"),
        ("ArrowRight", "take", "paths"),
        ("ArrowLeft", "paths", "take"),
        ("Home", "take", "paths"),
        ("End", "paths", "take"),
        ("ArrowDown", "paths", None),
        ("PageUp", "paths", None),
    ],
)
def test_tabs_are_reached_by_the_keys_that_readers_know_and_by_no_other(key, at, to):
    act = f"""(fire, target, screen) => {{ let held = 0;
      fire("keydown", {{ key: "{key}", target: target("[role=tab]", {{ tab: "{at}" }}),
        preventDefault: () => {{ held++; }}, stopPropagation: () => {{}} }});
      screen.change({{ held }}); }}"""
    changed, focused = done(act)
    assert changed == ([] if to is None else [{"tab": to}]) + [{"held": int(to is not None)}]
    assert focused == ([] if to is None else [f"[data-tab={to}]"])


def test_a_part_under_a_pointer_that_is_down_is_known_until_it_is_let_go():
    act = """(fire, target, screen) => { const button = target("button", {});
      const told = () => screen.change({ held: Boolean(screen.pressed), drag: screen.mouse });
      for (const [node, which, end] of [[button, 0, "pointerup"], [button, 0, "pointercancel"],
          [button, 2, "pointerup"], [target(".ecl-range-input", {}), 0, "pointerup"]]) {
        fire("pointerdown", { target: node, button: which });
        told();
        fire(end, {});
      }
      told();
      screen.change({ drawn: screen.drawn }); }"""
    held, idle = {"held": True, "drag": False}, {"held": False, "drag": False}
    drag = {"held": False, "drag": True}
    assert done(act)[0] == [held, held, idle, drag, idle, {"drawn": 3}]


def test_a_second_press_on_a_path_takes_the_selection_back():
    script = """(() => { const kept = { state: { selected: null }, journey: { at: 0,
          steps: [["start", { selected: null }]] } };
      const store = { get: (name) => kept[name], set: (values) => Object.assign(kept, values) };
      const screen = { store, fixed: { paths: ["x", "y"] }, $$: () => [], local: {},
        state: () => kept.state, index: new Map(), parts: [] };
      const { select } = stepsOf(screen), told = [];
      for (const i of [0, 1, 1, null]) { select(i); told.push(kept.state.selected); }
      return [told, kept.journey.steps.map(([name]) => name)]; })"""
    told, steps = node([[script]], also=("steps.js",))[0]
    assert told == ["x", "y", None, None]
    assert steps == ["start", "selected x", "selected y", "nothing selected"]


def test_what_was_said_of_a_copy_is_gone_once_another_limit_is_set():
    script = """(async () => { const shown = [];
      const s = { tab: "take", split: "all", kind: "all", cluster: "all", max_latency_s: 1 };
      const screen = { fixed: { choices: {} }, $: () => ({ textContent: "" }), $$: () => [],
        local: { sr: "", counted: "all|all|all" }, store: { alive: () => true }, state: () => s,
        panel: {}, setHtml: (_, html) => { shown.push(html); },
        moment: () => ({ p: { view: "" }, s, decision: { chosen: null } }) };
      const { take, settle } = tabsOf(screen);
      await take("link");
      settle();
      s.max_latency_s = 2;
      settle();
      return shown.map((html) => html.includes("explore(trace, state=")); })"""
    assert node([[script]], also=("tabs.js",)) == [[True, True, False]]
