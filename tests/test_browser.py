"""The explorer in a real JupyterLab, in a real browser, by real keys and clicks; what it must show is computed here, apart from it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.widgets import explore
from scripts.browser import ROOT, chromium_page, find_chromium, jupyter_lab, run_all_cells

pytest.importorskip("playwright", reason="the browser test needs playwright: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not find_chromium(), reason="the browser test needs Chromium: apt-get install chromium"),
]
SHOTS = Path(os.environ.get("ECOLLM_SCREENSHOTS", ROOT / "build/screenshots"))
POINTS = """(plot) => plot.data.filter((trace) => trace.customdata && trace.xaxis !== 'x2')
    .flatMap((trace) => [...trace.customdata].map((id, i) => [id, trace.marker.opacity[i]]))"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    for folder in ("notebooks", "data"):
        shutil.copytree(ROOT / folder, root / folder)
    with jupyter_lab(root) as address, chromium_page() as page:
        run_all_cells(page, address.format("notebooks/03_pareto_slo_explorer.ipynb"))
        yield page


@pytest.fixture
def cell(page):
    cell = page.locator(".jp-Cell:has(.js-plotly-plot)").first
    cell.scroll_into_view_if_needed()
    return cell


def slider(cell, label):
    return cell.locator(f".widget-inline-hbox:has(label:text-matches('{label}'))")


def drag(page, box, key, presses):
    box.locator(".noUi-handle").focus()
    for _ in range(presses):
        page.keyboard.press(key)


def shot(cell, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    cell.page.mouse.move(0, 0)
    cell.page.wait_for_timeout(500)
    cell.locator(".jp-Cell-outputWrapper").screenshot(path=SHOTS / f"explorer_{name}.png")


def test_the_latency_slider_moves_by_keyboard(page, cell, measured):
    shot(cell, "start")
    twin = explore(measured)  # only for the positions of the slider
    drag(page, slider(cell, "latency"), "ArrowLeft", 40)
    label, limit = twin.latency.options[-41]
    page.wait_for_function("(said) => document.body.textContent.includes(said)", arg=label)
    frame = figures.compute_front(measured)
    within = frame[frame["latency_s"] <= limit]
    near = within[within["quality"] >= within["quality"].max() - 0.02].sort_values("cost_usd").iloc[0]
    sentence = cell.locator(".widget-html-content").first
    page.wait_for_function("([node, id]) => node.textContent.includes(id)", arg=[sentence.element_handle(), near["path_id"]])
    assert f"quality {near['quality']:.3f}" in sentence.text_content()
    faint = {path for path, opacity in cell.locator(".js-plotly-plot").first.evaluate(POINTS) if opacity < 0.2}
    assert faint == set(frame["path_id"]) - set(within["path_id"])
    assert 0 < len(within) < len(frame)
    shot(cell, "tight")


def test_an_infeasible_slo_is_called_so(page, cell):
    drag(page, slider(cell, "latency"), "Home", 1)
    drag(page, slider(cell, "cost"), "Home", 1)
    sentence = cell.locator(".widget-html-content").first
    page.wait_for_function("(node) => node.textContent.includes('nfeasible')", arg=sentence.element_handle())
    halo = cell.locator(".js-plotly-plot").first.evaluate("(plot) => plot.data.filter((t) => t.name === 'chosen').map((t) => t.x.length)")
    assert not np.any(halo)
    shot(cell, "infeasible")
