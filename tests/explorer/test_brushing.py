"""Stages and plots in a real Chromium: grouped by a stage, linked both ways by hover and brush."""

import numpy as np

from ecollm_lab.explorer.decision import decide
from tests.explorer.browsing import agree, in_browser, slo_on

pytestmark = in_browser
GROUPS = "(root) => root.explorer.groups()"


def having(view, slug, stage=0):
    """The paths that have a component."""
    return [
        path for path, part in zip(view.path_ids, view.parts, strict=True) if part[stage] == slug
    ]


def pointed(seen):
    """The components whose bars are marked."""
    rows = seen.root.locator("tr[data-slug].ecl-pointed")
    return {(row.get_attribute("data-stage"), row.get_attribute("data-slug")) for row in rows.all()}


def test_paths_are_grouped_by_the_stage_that_colours_them(seen, view):
    seen.type("max_latency_s", "50 ms")
    seen.type("max_cost_usd", "")
    seen.root.locator("select[data-key=colour]").select_option("rewrite")
    seen.root.get_by_text("one mark per colour").click()
    seen.calm()
    groups = seen.root.evaluate(GROUPS)
    decision = decide(view, slo_on(seen))
    assert {one["name"] for one in groups} == {
        part[0] for part, within in zip(view.parts, decision.within, strict=True) if within
    }
    for one in groups:
        paths = [i for i in np.flatnonzero(decision.within) if view.parts[i][0] == one["name"]]
        assert one["paths"] == paths
        assert abs(one["mean"] - view.quality[paths].mean()) < 1e-12
        assert one["low"] < one["mean"] < one["high"]
        assert one["x"][1] == np.median(view.latency["mean"][paths])
    one = groups[0]
    seen.plot.scroll_into_view_if_needed()
    x, y = seen.root.evaluate(GROUPS)[0]["at"]
    seen.page.mouse.move(x - 30, y - 30)
    seen.page.mouse.move(x, y, steps=3)
    seen.calm()
    assert seen.drawn()["lit"] == [view.path_ids[i] for i in one["paths"]]
    seen.tab("components")
    seen.page.mouse.move(x - 30, y - 30)
    seen.page.mouse.move(x, y, steps=3)
    seen.calm()
    assert ("0", one["name"]) in pointed(seen)
    seen.click("undo")
    assert seen.root.evaluate(GROUPS) == []


def test_pointing_links_bars_and_points_both_ways(seen, view):
    seen.tab("components")
    row = seen.root.locator("tr[data-slug=hyde]")
    row.hover()
    seen.calm()
    assert set(seen.drawn()["lit"]) == set(having(view, "hyde"))
    path = seen.chosen
    x, y = seen.places()[path]
    seen.page.mouse.move(x - 3, y)
    seen.page.mouse.move(x, y, steps=4)
    seen.page.wait_for_timeout(300)
    seen.calm()
    parts = view.parts[view.path_ids.index(seen.drawn()["lit"][0])]
    marked = pointed(seen)
    assert marked
    assert all(parts[int(stage)] == slug for stage, slug in marked)


def test_a_brush_in_the_plot_fills_the_table_and_the_bars(seen, view):
    seen.plot.hover()
    seen.plot.locator(".modebar-btn[data-title='Box Select']").click()
    box = seen.plot.locator(".draglayer .xy .nsewdrag").bounding_box()
    seen.page.mouse.move(box["x"] + 2, box["y"] + 2)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"], steps=8)
    seen.page.mouse.up()
    seen.page.wait_for_timeout(400)
    seen.calm()
    brushed = set(seen.drawn()["lit"])
    assert 3 < len(brushed) < len(view.path_ids)
    assert seen.root.locator("tr[data-path]").count() == len(brushed)
    assert "inside the marked part of the plot" in seen.text("panel")
    seen.tab("components")
    share = len(brushed & set(having(view, "hyde"))) / len(brushed)
    cells = seen.root.locator("tr[data-slug=hyde] td").all_inner_texts()
    assert f"{round(100 * share)} %" in cells[2]
    seen.click("all paths")
    assert seen.drawn()["lit"] == []
    assert "of selection" not in seen.text("panel")


def test_a_brush_of_a_bar_rings_its_paths_and_lists_them(seen, view):
    seen.tab("components")
    seen.root.locator("tr[data-slug=hyde] .ecl-brush").click()
    seen.page.mouse.move(0, 0)
    seen.calm()
    assert set(seen.drawn()["lit"]) == set(having(view, "hyde"))
    seen.tab("paths")
    assert seen.root.locator("tr[data-path]").count() == len(having(view, "hyde"))
    seen.tab("components")
    seen.root.locator("tr[data-slug=hyde] .ecl-brush").click()
    seen.page.mouse.move(0, 0)
    seen.calm()
    assert seen.drawn()["lit"] == []


def test_insisting_on_a_component_drops_the_others_and_the_sentence_says_what_it_costs(seen, view):
    seen.type("max_latency_s", "80 ms")
    seen.type("max_cost_usd", "")
    seen.tab("components")
    before = agree(seen, view).chosen
    other = next(
        slug
        for slug in dict.fromkeys(part[0] for part in view.parts)
        if slug != view.parts[before][0]
    )
    seen.root.locator(f"tr[data-stage='0'][data-slug='{other}'] .ecl-only").click()
    seen.calm()
    after = agree(seen, view).chosen
    assert all(path in having(view, other) for path in seen.drawn()["within"])
    gap = view.quality[after] - view.quality[before]
    said = seen.text("sentence")
    assert f"{view.path_ids[before]} no longer wins; against it" in said
    assert f"quality {'+' if gap > 0 else '−'}{abs(gap):.3f}" in said
    seen.click("undo")
    assert "Without" not in seen.text("sentence")
