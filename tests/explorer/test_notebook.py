"""The explorer in a real JupyterLab: one session, one notebook, from the first cell to a kernel
that is gone.
"""

import json
import re
import tomllib

import pytest

from scripts.browser import ROOT, SeenExplorer
from tests.explorer.browsing import in_browser, run_notebook

pytestmark = in_browser
CELLS = (
    f"""from ecollm_lab import SLO, Trace, explore
trace = Trace.load({str(ROOT / "data/benchmarks/pocket_smart_home.parquet")!r})
explorer = explore(trace)
explorer""",
    "print('said', explorer.state['max_latency_s'], explorer.slo.max_cost_usd, explorer.chosen)",
    "explorer.apply(SLO(0.0345678901234, prefer='cost'))",
)


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """A page with the notebook, all cells run; the tests below follow one another in it."""
    file = tmp_path_factory.mktemp("lab") / "n.ipynb"
    with run_notebook(browser, file, CELLS[:2]) as page:
        page.file = file
        yield page


def run_cell(page, source, number=1):
    """Run other code in a cell, as a person would; return its output."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    before = cell.locator(".jp-InputPrompt").inner_text()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([number, before]) => { const all = (what) => document.querySelectorAll(what);"
        " const now = all('.jp-CodeCell .jp-InputPrompt')[2 * number]?.textContent"
        " ?? all('.jp-CodeCell')[number].querySelector('.jp-InputPrompt').textContent;"
        " return /\\d/.test(now) && now !== before; }",
        arg=[number, before],
    )
    page.wait_for_timeout(300)
    return cell.locator(".jp-OutputArea-output").all_inner_texts()


def picture(seen):
    """What must be the same wherever the explorer is shown."""
    seen.calm()
    drawn = seen.drawn()
    return seen.text("sentence"), sorted(drawn["within"]), drawn["chosen"], seen.state


def test_opening_changes_nothing_and_typing_is_exact_in_the_kernel(lab):
    seen = SeenExplorer(lab)
    said = lab.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output").inner_text()
    state = seen.state
    assert said.split() == [
        "said",
        str(state["max_latency_s"]),
        str(state["max_cost_usd"]),
        seen.chosen,
    ]
    seen.type("max_latency_s", "0.0512345678901 s")
    seen.type("max_cost_usd", "")
    said = run_cell(lab, CELLS[1])[0].split()
    assert said == ["said", "0.0512345678901", "None", seen.chosen]


def test_the_kernel_sets_what_the_screen_shows(lab):
    seen = SeenExplorer(lab)
    run_cell(lab, CELLS[2])
    lab.wait_for_function("document.querySelector('.ecl').explorer.moment().s.prefer === 'cost'")
    seen.calm()
    assert seen.state["max_latency_s"] == 0.0345678901234
    run_cell(lab, "explorer.undo()")
    lab.wait_for_function("document.querySelector('.ecl').explorer.moment().s.prefer === 'quality'")
    assert seen.state["max_latency_s"] == 0.0512345678901
    seen.click("redo")
    assert run_cell(lab, CELLS[1])[0].split()[1] == "0.0345678901234"


def test_other_queries_come_from_the_kernel_and_everything_follows(lab):
    seen = SeenExplorer(lab)
    seen.root.locator("select[data-key=kind]").select_option("lookup")
    lab.wait_for_function(
        "document.querySelector('.ecl').explorer.moment().p.view === 'all|lookup|all'"
    )
    seen.calm()
    said = run_cell(lab, CELLS[1])[0].split()
    assert said[3] == seen.chosen
    seen.tab("queries behind the path")
    lab.wait_for_function("document.querySelector('.ecl .ecl-queries') !== null")
    assert "worst regret first" in seen.text("panel")
    seen.click("undo")
    assert seen.state["kind"] == "all"


def test_files_and_code_come_from_the_kernel_and_restore_what_is_set(lab, tmp_path):
    seen = SeenExplorer(lab)
    seen.tab("take it with you")
    texts = {}
    for button, ending in (
        ("CSV of the feasible paths", "csv"),
        ("TOML for serving", "toml"),
        ("offline page", "html"),
    ):
        with lab.expect_download() as caught:
            seen.click(button)
        caught.value.save_as(tmp_path / ending)
        texts[ending] = (tmp_path / ending).read_text()
    assert seen.chosen in texts["csv"]
    assert tomllib.loads(texts["toml"])["choice"]["path_id"] == seen.chosen
    assert texts["html"].startswith("<!doctype html>")
    for button in ("copy as code", "copy this state as a line of code"):
        seen.click(button)
        lab.wait_for_timeout(500)
        said = seen.root.locator(".ecl-said").inner_text()
        line = re.search(r"explore\(trace, state=\{.*\}\)", said)[0]
        assert run_cell(lab, f"print({line}.state == explorer.state)")[0].strip() == "True"
    run_cell(lab, CELLS[1])
    seen.tab("paths")


def test_keys_never_reach_the_notebook(lab):
    seen = SeenExplorer(lab)
    cells = lab.locator(".jp-Cell").count()
    for where in (seen.slider("max_latency_s"), seen.root.locator("[role=tab]").first):
        where.focus()
        for key in ("x", "d", "d", "a", "b", "m", "0", "0", "z"):
            lab.keyboard.press(key)
    lab.wait_for_timeout(300)
    assert lab.locator(".jp-Cell").count() == cells
    assert lab.locator(".jp-Dialog").count() == 0


def test_a_second_view_shows_the_same_and_moves_with_the_first(lab):
    run_cell(lab, "explorer")
    lab.locator(".ecl").nth(1).wait_for()
    first, second = SeenExplorer(lab), SeenExplorer(lab, 1)
    second.root.scroll_into_view_if_needed()
    second.type("max_latency_s", "44.4 ms")
    assert first.state["max_latency_s"] == 0.0444
    assert picture(first) == picture(second)
    run_cell(lab, CELLS[1])


def test_a_reload_of_the_page_shows_the_same_picture(lab):
    before = picture(SeenExplorer(lab))
    lab.keyboard.press("Control+S")
    lab.wait_for_timeout(1500)
    lab.reload()
    lab.locator(".ecl .main-svg").first.wait_for()
    after = SeenExplorer(lab)
    assert picture(after) == before
    after.type("max_latency_s", "33.3 ms")
    assert run_cell(lab, CELLS[1])[0].split()[1] == "0.0333"


def test_with_a_dead_kernel_everything_but_new_computations_works(lab):
    seen = SeenExplorer(lab)
    seen.tab("paths")
    lab.keyboard.press("Control+S")
    before = picture(seen)
    lab.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    lab.locator(".jp-StatusBar-TextItem", has_text="No Kernel").wait_for()
    assert picture(seen) == before
    seen.type("max_latency_s", "22.2 ms")
    assert seen.state["max_latency_s"] == 0.0222
    seen.click("undo")
    assert picture(seen) == before
    seen.root.locator("select[data-key=kind]").select_option("compare")
    seen.calm()
    assert "no kernel is running" in seen.text("sentence")
    seen.click("undo")
    assert picture(seen) == before


def test_the_notebook_opened_again_without_a_kernel_shows_the_same_picture(lab):
    before = picture(SeenExplorer(lab))
    lab.keyboard.press("Control+S")
    lab.wait_for_timeout(2000)
    saved = json.loads(lab.file.read_text())
    assert "widgets" in saved["metadata"]
    outputs = [o for cell in saved["cells"] for o in cell.get("outputs", []) if "data" in o]
    assert any("<svg" in "".join(o["data"].get("text/html", "")) for o in outputs)
    lab.reload()
    lab.locator(".ecl .main-svg").first.wait_for()
    again = SeenExplorer(lab)
    assert picture(again) == before
    again.type("max_latency_s", "18 ms")
    assert again.state["max_latency_s"] == 0.018
    assert re.search(r"wins: quality|Infeasible", again.text("sentence"))
