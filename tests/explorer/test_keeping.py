"""What is kept and carried away, in a real Chromium: columns, snapshots, files, links; and a page
without scripts.
"""

import csv
import re

import numpy as np
import pytest

from scripts.browser import SeenExplorer
from tests.explorer.browsing import agree, in_browser, pick

pytestmark = in_browser


def headings(seen):
    return [text.strip(" ▾▴") for text in seen.root.locator(".ecl-sort").all_inner_texts()]


def column(seen, name):
    """Show or hide a column of the table, as a hand would."""
    details = seen.root.locator(".ecl-columns")
    if not details.evaluate("(node) => node.open"):
        details.locator("summary").click()
    details.get_by_label(name, exact=True).click()
    seen.calm()


def test_columns_are_chosen_sorted_by_and_survive_a_step_back(seen, view):
    assert headings(seen)[:3] == ["path", "runs on", "quality"]
    column(seen, "retrieve")
    column(seen, "queries")
    assert "retrieve" in headings(seen)
    assert "queries" not in headings(seen)
    seen.click("retrieve")
    first = seen.root.locator("tr[data-path]").first.inner_text()
    assert min(part[1] for part in view.parts) in first
    seen.type("max_latency_s", "44 ms")
    seen.click("undo")
    assert "retrieve" in headings(seen)
    assert seen.state["columns"][-1] == "retrieve"


def test_the_table_leaves_as_csv_without_a_kernel(seen, view, tmp_path):
    seen.root.locator(".ecl-search").fill("hyde")
    seen.calm()
    with seen.page.expect_download() as caught:
        seen.root.locator("[data-take=table]").click()
    file = tmp_path / "paths.csv"
    caught.value.save_as(file)
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    hyde = [path for path in view.path_ids if "hyde" in path]
    assert {row["path"] for row in rows} == set(hyde)
    for row in rows:
        assert float(row["quality"]) == view.quality[view.path_ids.index(row["path"])]


def test_snapshots_are_named_restored_and_deleted(seen, view):
    seen.type("max_latency_s", "44.4 ms")
    seen.click("cost")
    pick(seen, view.path_ids[3])
    kept = {**seen.state}
    seen.tab("journey and snapshots")
    seen.root.locator(".ecl-name").fill("cheap and quick")
    seen.click("keep as a snapshot")
    seen.type("max_latency_s", "")
    seen.click("quality")
    assert "latency ≤ 44.4 ms" in seen.root.locator(".ecl-snapshots").inner_text()
    seen.root.locator("[data-restore]").click()
    seen.calm()
    decided = [key for key in kept if key not in ("tab", "snapshots")]
    assert {key: seen.state[key] for key in decided} == {key: kept[key] for key in decided}
    agree(seen, view)
    assert "snapshot cheap and quick" in seen.text("panel")
    seen.click("undo")
    assert seen.state["max_latency_s"] is None
    assert list(seen.state["snapshots"]) == ["cheap and quick"]  # a step back forgets none
    seen.root.locator("[data-forget]").click()
    seen.calm()
    assert seen.state["snapshots"] == {}


def test_a_copied_link_leads_to_the_same_state(seen, view, file):
    seen.type("max_latency_s", "0.0512345678901 s")
    pick(seen, view.path_ids[5])
    seen.root.locator("[data-act=pin]").click()
    seen.tab("journey and snapshots")
    seen.root.locator(".ecl-name").fill("mine")
    seen.click("keep as a snapshot")
    seen.tab("take it with you")
    before = seen.state
    seen.click("copy a link to this state")
    seen.page.wait_for_timeout(200)
    link = re.search(r"file://\S+", seen.root.locator(".ecl-said").inner_text())[0]
    seen.page.goto("about:blank")
    seen.page.goto(link)
    again = SeenExplorer(seen.page)
    assert again.state == before
    again.type("max_latency_s", "20 ms")
    seen.page.evaluate("(link) => { location.href = link.replace('0.0512', '0.0612'); }", link)
    again.calm()
    assert again.state["max_latency_s"] == 0.0612345678901  # the page is open already


@pytest.mark.parametrize(
    "damaged", ['{"max_latency_s": 0.05', '{"max_latency_s": "soon"}', '{"pins": null}', "%"]
)
def test_a_link_that_cannot_be_used_says_so_and_the_page_is_as_it_was_written(seen, file, damaged):
    own = seen.state
    seen.page.goto("about:blank")
    seen.page.goto(f"{file.as_uri()}#{damaged}")
    again = SeenExplorer(seen.page)
    assert again.state == own
    assert "This link cannot be used" in again.text("sentence")
    again.tab("take it with you")
    assert "This link cannot be used" not in again.text("sentence")
    again.page.evaluate("(link) => { location.hash = `${link}%`; }", damaged)  # it is open already
    again.calm()
    assert again.state == own
    assert "This link cannot be used" in again.text("sentence")


def test_the_plots_leave_as_a_png(seen, tmp_path):
    seen.tab("take it with you")
    with seen.page.expect_download() as caught:
        seen.click("PNG of the plots")
    caught.value.save_as(tmp_path / "explorer.png")
    assert (tmp_path / "explorer.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_without_scripts_the_page_shows_a_picture_a_table_and_the_source(browser, file, explorer):
    context = browser.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    shown = page.locator("body").inner_text()
    assert explorer.trace.source_line in shown
    assert explorer.chosen in shown
    assert page.locator("svg circle").count() > 10
    assert page.locator("table tr").count() > 3
    context.close()


# --- the sliders' bands, the states of paths, the hover card


def test_the_band_is_hatched_where_nothing_is_feasible_and_says_what_is_within_reach(seen, view):
    seen.type("max_cost_usd", "")
    seen.type("min_quality", "0.6")
    box = seen.root.locator("[data-limit=max_latency_s]")
    able = view.quality >= 0.6
    least = 1000 * view.latency["mean"][able].min()
    assert f"from {least:.3g} ms" in box.locator(".ecl-note").inner_text()
    assert box.locator(".ecl-hatch").get_attribute("d") != ""
    seen.type("max_latency_s", f"{0.99 * least} ms")
    assert seen.drawn()["chosen"] == []
    assert "nothing is feasible" in box.locator(".ecl-note").inner_text()
    best = view.quality[view.latency["mean"] <= 0.99 * least / 1000].max()
    floor = seen.root.locator("[data-limit=min_quality] .ecl-note").inner_text()
    assert floor == f"feasible up to {best:.3f}"


def test_intervals_stand_on_the_front_and_perhaps_is_an_open_ring(seen, view):
    seen.type("max_latency_s", "")
    seen.type("max_cost_usd", "")
    front = np.flatnonzero(view.state["mean"] == 0)
    bars = seen.plot.evaluate(
        "(plot) => { const { x, y, error_y } = plot.data.find((one) => one.name === 'intervals');"
        " return x.map((_, k) => [y[k] - error_y.arrayminus[k], y[k] + error_y.array[k]]); }"
    )
    drawn = [(low, high) for low, high in bars if high > low]
    expected = [(view.low[i], view.high[i]) for i in front]
    assert len(drawn) > 3
    assert all(min(abs(a - c) + abs(b - d) for c, d in expected) < 1e-9 for a, b in drawn)
    states = seen.root.evaluate("(root) => [...root.explorer.scene().p.state]")
    names = ["front", "ambiguous", "dominated", "unknown"]
    assert states == [names[k] for k in view.state["mean"]]
    legend = seen.root.locator(".ecl-legend").first.inner_text()
    assert "○ perhaps on it" in legend


@pytest.mark.parametrize("seed", [0, 1])
def test_the_hover_card_has_at_most_six_lines_with_units_and_rank(seen, view, seed):
    places = seen.places()
    names = list(places)
    path = names[int(np.random.default_rng(seed).integers(len(names)))]
    x, y = places[path]
    seen.page.mouse.move(x - 2, y)
    seen.page.mouse.move(x, y, steps=4)
    seen.page.wait_for_timeout(300)
    lines = seen.plot.locator(".hoverlayer .hovertext text").first.locator(".line")
    texts = lines.all_text_contents()
    assert 4 <= len(texts) <= 6
    whole = " ".join(texts)
    assert "USD per 1,000 queries" in whole
    assert re.search(r"\d(st|nd|rd|th) of \d+|best of", whole)
    assert f"of {len(view.rows)} queries" in whole
