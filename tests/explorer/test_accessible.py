"""axe-core finds no serious issue in the explorer: in the offline page and in JupyterLab, light and
dark.
"""

import re
from pathlib import Path

import nbformat
import pytest

from scripts.browser import ROOT, SeenExplorer, jupyter_lab, run_all_cells
from tests.explorer.browsing import in_browser, pick

pytestmark = in_browser
TABS = (
    "paths",
    "components",
    "queries behind the path",
    "policy replay",
    "journey and snapshots",
    "take it with you",
)
CELL = f"""from ecollm_lab import Trace, explore
explore(Trace.load({str(ROOT / "data/benchmarks/pocket_smart_home.parquet")!r}))"""
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def issues(page, part=None):
    """Serious and critical issues that axe-core finds in a part of a page, as readable lines."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, part).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']} at {node['target']} {node['html'][:120]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_issue_in_the_offline_page(seen, view, scheme):
    seen.page.emulate_media(color_scheme=scheme)
    seen.calm()
    pick(seen, view.path_ids[int(view.quality.argmax())])
    found = {}
    for tab in TABS:
        seen.tab(tab)
        found[tab] = issues(seen.page)
    seen.type("max_latency_s", "1 ms")
    found["infeasible"] = issues(seen.page)
    seen.page.emulate_media(color_scheme="light")
    assert {tab: lines for tab, lines in found.items() if lines} == {}


FOCUSED = """() => { const one = document.activeElement, row = one.closest("tr");
  return [one.className, { ...one.dataset }, row && { ...row.dataset }]; }"""


def test_a_key_takes_away_neither_the_focus_nor_what_was_typed(seen):
    box = seen.root.locator("[data-limit=max_latency_s] .ecl-typed")
    before = box.input_value()
    for text, wrong in (("fast", "true"), (before, "false")):
        seen.type("max_latency_s", text)
        seen.page.keyboard.press("Tab")
        seen.calm()
        assert (box.input_value(), box.get_attribute("aria-invalid")) == (text, wrong)
    for tab, what in (("components", ".ecl-keep"), ("paths", ".ecl-sort")):
        seen.tab(tab)
        shown = seen.text("panel")
        seen.root.locator(what).nth(1).focus()
        before = seen.page.evaluate(FOCUSED)
        seen.page.keyboard.press("Space")
        seen.calm()
        assert seen.text("panel") != shown, tab
        assert seen.page.evaluate(FOCUSED) == before
    seen.type("max_latency_s", "1 ms")
    seen.root.locator("[data-offer]").first.focus()
    seen.page.keyboard.press("Enter")
    seen.calm()
    assert seen.page.evaluate(FOCUSED)[0] == "ecl-top"  # the offers are gone


def test_axe_sees_what_is_wrong(seen):
    """A test that finds nothing must be able to find something."""
    seen.root.evaluate("(root) => root.insertAdjacentHTML('beforeend', '<button></button>')")
    assert any("button-name (critical)" in line for line in issues(seen.page))


def test_axe_finds_no_serious_issue_in_the_explorer_in_jupyterlab(browser, tmp_path):
    cells = [nbformat.v4.new_code_cell(CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, Path(tmp_path, "n.ipynb"))
    page = browser.context.browser.new_page(viewport={"width": 1440, "height": 1100})
    page.set_default_timeout(60_000)
    with jupyter_lab(tmp_path) as address:
        run_all_cells(page, address.format("n.ipynb"))
        seen, found = SeenExplorer(page), {}
        for scheme in ("light", "dark"):
            if scheme == "dark":
                page.get_by_role("menuitem", name="Settings", exact=True).click()
                labels = page.locator(".lm-Menu-itemLabel")
                labels.filter(has_text=re.compile("^Theme$")).click()
                labels.filter(has_text=re.compile("^JupyterLab Dark$")).click()
                page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
                seen.calm()
            assert seen.root.evaluate("(root) => root.classList.contains('ecl-dark')") == (
                scheme == "dark"
            )
            for tab in TABS:
                seen.tab(tab)
                found[scheme, tab] = issues(page, ".ecl")
        page.close()
    assert {where: lines for where, lines in found.items() if lines} == {}
