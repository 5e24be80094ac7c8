"""Pressing in the offline page in a real Chromium: nothing is lost, taken back, or pointless."""

import numpy as np

from ecollm_lab import explore
from scripts.browser import SeenExplorer
from tests.explorer.browsing import in_browser, pick
from tests.explorer.support import noisy
from tests.explorer.test_brushing import having

pytestmark = in_browser


def test_a_press_is_not_lost_where_the_panel_changes_meanwhile(seen, view):
    seen.tab("components")
    button = seen.root.locator("tr[data-slug=hyde] .ecl-brush")
    button.scroll_into_view_if_needed()
    box, shown = button.bounding_box(), seen.text("panel")
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.page.mouse.down()
    other = {"max_latency_s": 0.02, "max_cost_usd": None, "tab": "components"}
    seen.page.evaluate("(state) => { location.hash = JSON.stringify(state); }", other)
    seen.page.wait_for_timeout(300)
    seen.calm()
    assert seen.state["max_latency_s"] == 0.02
    assert seen.text("panel") == shown
    seen.page.mouse.up()
    seen.page.mouse.move(0, 0)
    seen.calm()
    assert set(seen.drawn()["lit"]) == set(having(view, "hyde"))
    assert "selected, with hyde" in seen.text("panel")
    assert seen.text("panel") != shown


def test_a_drag_is_drawn_while_the_pointer_is_down(seen):
    slider = seen.slider("max_latency_s")
    box, said = slider.bounding_box(), seen.text("sentence")
    height = box["y"] + box["height"] / 2
    seen.page.mouse.move(box["x"] + 0.9 * box["width"], height)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 2, height, steps=5)
    seen.page.wait_for_timeout(200)
    assert seen.text("sentence") != said
    seen.page.mouse.up()
    seen.calm()


def test_a_second_press_takes_the_selection_back(seen, view):
    path = view.path_ids[3]
    pick(seen, path)
    assert seen.state["selected"] == path
    seen.root.locator(".ecl-pick").first.click()
    seen.calm()
    assert seen.state["selected"] is None
    assert seen.root.locator(".ecl-pick").first.get_attribute("aria-pressed") == "false"


def test_the_keys_of_tabs_go_to_the_neighbour_and_to_the_ends(seen):
    seen.root.locator("[role=tab]").first.focus()
    for key, tab in (("End", "take"), ("ArrowRight", "paths"), ("ArrowDown", "paths")):
        seen.page.keyboard.press(key)
        seen.calm()
        assert seen.state["tab"] == tab
        assert seen.page.evaluate("document.activeElement.dataset.tab") == tab


def test_the_box_of_a_limit_is_described_by_what_is_wrong_with_it(seen):
    seen.type("max_latency_s", "fast")
    box = seen.root.locator("[data-limit=max_latency_s] .ecl-typed")
    said = seen.page.locator(f"#{box.get_attribute('aria-describedby')}")
    assert "type for example 50 ms" in said.inner_text()


def test_what_was_not_recorded_cannot_be_preferred(browser, tmp_path):
    explorer = explore(noisy([0.5, 0.6], cost=np.nan, latency=[0.1, 0.2]))
    browser.goto("about:blank")
    browser.goto(explorer.to_html(tmp_path / "page.html").as_uri())
    seen = SeenExplorer(browser)
    cost, latency = (seen.root.locator(f"[data-value={name}]") for name in ("cost", "latency"))
    assert (cost.is_disabled(), latency.is_disabled()) == (True, False)
    assert cost.get_attribute("title") == "cost was not recorded"
    latency.click()
    seen.calm()
    assert "it is the fastest" in seen.text("card")
