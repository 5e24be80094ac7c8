"""How the offline page looks in a real Chromium: what stays, what fits, names, contrast, special
paths.
"""

import numpy as np
import pytest

from ecollm_lab import explore
from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO
from scripts.browser import SeenExplorer
from tests.conftest import make_trace
from tests.explorer.browsing import in_browser
from tests.explorer.support import noisy, without

pytestmark = in_browser


def test_nothing_vanishes_unless_it_is_hidden(seen, view):
    assert len(seen.drawn()["outlines"]) == len(view.path_ids)
    seen.root.get_by_text("beyond limits").click()
    seen.calm()
    assert set(seen.drawn()["outlines"]) == set(seen.drawn()["within"])
    seen.root.get_by_text("dominated", exact=True).first.click()
    seen.calm()
    dominated = {view.path_ids[i] for i in np.flatnonzero(view.state["mean"] == 2)}
    assert not dominated & set(seen.drawn()["outlines"])


def test_zoom_survives_a_move_and_labels_follow_it(seen):
    box = seen.plot.locator(".draglayer .xy .nsewdrag").bounding_box()
    across = [box["x"] + box["width"] * share for share in (0.1, 0.4)]
    seen.page.mouse.move(across[0], box["y"] + 30)
    seen.page.mouse.down()
    seen.page.mouse.move(across[1], box["y"] + 200, steps=5)
    seen.page.mouse.up()
    seen.page.wait_for_timeout(400)
    zoom = seen.drawn()["zoom"]
    assert zoom[1] - zoom[0] < 2
    for statistic in ("mean", "p95"):
        seen.press("max_latency_s", "ArrowRight", 3)
        seen.click(statistic)
        assert seen.drawn()["zoom"] == zoom
        for axis in (".xaxislayer-above .xtick", ".yaxislayer-above .ytick"):
            assert seen.plot.locator(axis).count() >= 3


def test_labels_stand_on_the_front_only_and_do_not_overlap(seen, view):
    seen.type("max_cost_usd", "")
    for width in (990, 1440):
        seen.page.set_viewport_size({"width": width, "height": 1000})
        seen.page.wait_for_timeout(300)
        panels = seen.root.evaluate("(root) => root.explorer.scene().c.places.labels")
        assert sum(map(len, panels)) > 0
        for labels in panels:
            assert all(view.state["mean"][i] == 0 for i, _, _ in labels)
            boxes = [box for _, _, box in labels]
            for k, (x0, y0, x1, y1) in enumerate(boxes):
                for a0, b0, a1, b1 in boxes[:k]:
                    assert x0 >= a1 or a0 >= x1 or y0 >= b1 or b0 >= y1


def test_the_axes_name_units_and_the_figure_its_source(seen, explorer):
    titles = seen.plot.locator(".xtitle, .x2title, .ytitle").all_text_contents()
    assert any("cheaper" in one and "USD per 1,000 queries (mean, log)" in one for one in titles)
    assert any("faster" in one and "latency (mean, log)" in one for one in titles)
    assert any("better" in one for one in titles)
    notes = seen.plot.locator(".annotation-text").all_text_contents()
    assert any(explorer.trace.source_line in note for note in notes)
    for axis in (".xaxislayer-above .xtick", ".xaxislayer-above .x2tick"):
        assert seen.plot.locator(axis).count() >= 3
    assert seen.plot.locator("[data-title*=loud], [data-title*=hare]").count() == 0  # no upload


def test_the_staircase_is_that_of_the_feasible_paths(seen, view):
    seen.type("max_cost_usd", "")
    within = set(seen.drawn()["within"])
    steps = seen.root.evaluate(
        "(root) => { const {p, c, decision} = root.explorer.scene();"
        " return root.explorer.stairs(p, c.x[1], decision.paths).map((i) => p.paths[i]); }"
    )
    index = {path: i for i, path in enumerate(view.path_ids)}
    latency, quality = view.latency["mean"], view.quality
    expected = [
        path
        for path in within
        if not any(
            (latency[index[o]] <= latency[index[path]] and quality[index[o]] > quality[index[path]])
            or (
                latency[index[o]] < latency[index[path]]
                and quality[index[o]] >= quality[index[path]]
            )
            for o in within
        )
    ]
    assert sorted(steps) == sorted(expected)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_stand_out_in_light_and_dark(seen, scheme):
    seen.page.emulate_media(color_scheme=scheme)
    seen.page.wait_for_timeout(200)
    seen.calm()
    colours = seen.root.evaluate(
        "(root) => { const {marks, theme} = root.explorer.scene();"
        " const colours = [...new Set(marks.map((one) => one.colour)), theme.halo, theme.lit];"
        " return [colours, theme.paper]; }"
    )
    paper = [int(v) for v in colours[1].strip("rgb()").split(",")]
    for colour in colours[0]:
        rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert contrast(rgb, paper) >= 3, colour
    seen.page.emulate_media(color_scheme="light")


def contrast(one, other):
    """The contrast of two colours as WCAG 2 defines it."""

    def luminance(rgb):
        parts = [v / 255 for v in rgb]
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [700, 900, 990, 1440, 1900])
def test_nothing_overflows_or_is_cut(seen, width):
    seen.page.set_viewport_size({"width": width, "height": 900})
    seen.page.wait_for_timeout(400)
    wide = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    cut = seen.root.evaluate(
        "(root) => [...root.querySelectorAll('button, label, select, .ecl-note, .ecl-sentence')]"
        ".filter((node) => node.offsetParent && node.scrollWidth > node.clientWidth + 1)"
        ".map((node) => node.textContent)"
    )
    assert cut == []


def test_it_fits_at_150_percent_zoom(seen):
    seen.page.set_viewport_size({"width": 1440 * 2 // 3, "height": 600})
    seen.page.wait_for_timeout(300)
    wide = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]


def test_every_control_has_a_name_and_can_be_tabbed(seen):
    nameless = seen.root.evaluate(
        "(root) => [...root.querySelectorAll('button, input, select')].filter((node) =>"
        " !(node.ariaLabel || node.textContent.trim() || node.closest('label')?.textContent.trim()"
        " || node.getAttribute('aria-label'))).length"
    )
    assert nameless == 0
    pressed = seen.root.locator(".ecl-choice[aria-pressed=true]").all_inner_texts()
    assert pressed == ["quality", "mean"]
    seen.slider("max_latency_s").focus()
    for _ in range(3):
        seen.page.keyboard.press("Tab")
    assert seen.root.evaluate("(root) => root.contains(document.activeElement)")
    assert seen.chosen in seen.root.locator("[role=status]").text_content()
    assert "table of paths" in seen.plot.get_attribute("aria-label")


CONTRAST = """(root) => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (c) => { const [r, g, b] = c.map((v) =>
      v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ground = (node) => { for (; node; node = node.parentElement) {
      const c = rgb(getComputedStyle(node).backgroundColor); if (c.length < 4 ||
      c[3] > 0.5) return c.slice(0, 3); } return [255, 255, 255]; };
    const weak = [];
    for (const node of root.querySelectorAll('*')) {
        if (node.closest('svg') || !node.offsetParent || node.disabled ||
          ![...node.childNodes].some((one) =>
            one.nodeType === 3 && /[\\p{L}\\d]/u.test(one.textContent))) continue;
        const [a, b] = [light(rgb(getComputedStyle(node).color).slice(0, 3)),
          light(ground(node))].sort((x, y) => y - x);
        const text = node.textContent.slice(0, 40), colour = getComputedStyle(node).color;
        if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(`${node.className} ${text} ${colour}`);
    }
    return weak;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(seen, scheme):
    seen.page.emulate_media(color_scheme=scheme)
    weak = []
    for tab in ("paths", "components", "queries behind the path", "journey", "take it with you"):
        seen.tab(tab)
        weak += seen.root.evaluate(CONTRAST)
    assert seen.root.evaluate("(root) => root.classList.contains('ecl-dark')") == (scheme == "dark")
    assert weak == []
    seen.page.emulate_media(color_scheme="light")


def test_partial_free_and_far_paths_are_drawn_as_such(browser, tmp_path):
    quality = [0.04, 0.045, *np.linspace(0.4, 0.7, 30)]
    cost = [0.0, *np.geomspace(1e-7, 1e-5, 31)]
    trace = noisy(quality, cost=cost, latency=np.geomspace(0.01, 0.3, 32))
    trace = without(trace, [(q, 5) for q in range(300)])
    explorer = explore(trace)
    explorer.select(trace.path_ids[int(explorer.view.n.argmin())])
    explorer.apply(SLO())
    browser.goto(explorer.to_html(tmp_path / "page.html").as_uri())
    seen = SeenExplorer(browser)
    assert "100 of 400 queries" in seen.text("card")
    assert len(seen.drawn()["outlines"]) == len(trace.path_ids)  # the free one too
    notes = seen.plot.locator(".annotation-text").all_text_contents()
    assert any("free" in note for note in notes)
    assert any("2 paths far below" in note for note in notes)


def test_many_paths_are_a_density_and_it_says_so(browser, tmp_path):
    rng, n = np.random.default_rng(0), 3000
    shape = (25, n)
    trace = make_trace(
        rng.random(shape), 10 ** rng.uniform(-7, -4, shape), 10 ** rng.uniform(-2, 1, shape)
    )
    explorer = explore(trace)
    browser.goto(explorer.to_html(tmp_path / "page.html").as_uri())
    seen = SeenExplorer(browser)
    notes = seen.plot.locator(".annotation-text").all_text_contents()
    assert any("3,000 paths: grey shows how many lie where" in note for note in notes)
    seen.type("max_latency_s", "900 ms")
    decision = decide(Board(trace).view(), SLO(0.9, explorer.state["max_cost_usd"]))
    assert seen.chosen == trace.path_ids[decision.chosen]
    assert 0 < len(seen.drawn()["outlines"]) <= 800
