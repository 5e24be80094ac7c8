"""What the tests in a browser share: whether one can run, and what an explorer on the screen must
agree with.
"""

import importlib.util
from contextlib import contextmanager

import nbformat
import numpy as np
import pytest

from ecollm_lab.explorer.decision import decide
from ecollm_lab.records import SLO
from scripts.browser import find_chromium, jupyter_lab, run_all_cells

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not find_chromium(), reason="this test needs Chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="this test needs playwright"
    ),
]


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@contextmanager
def run_notebook(browser, file, sources):
    """A page of JupyterLab with a new notebook, whose cells were run."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, file)
    page = browser.context.browser.new_page(viewport={"width": 1440, "height": 1100})
    page.set_default_timeout(60_000)
    with jupyter_lab(file.parent) as address:
        run_all_cells(page, address.format(file.name))
        yield page
        page.close()


def slo_on(seen):
    state = seen.state
    names = ("max_latency_s", "max_cost_usd", "min_quality", "prefer")
    return SLO(*(state[name] for name in names))


def agree(seen, view):
    """The sentence, the halo and the points that keep the limits are those of the decision in
    Python.
    """
    decision = decide(view, slo_on(seen), seen.state["statistic"], seen.state["dropped"])
    drawn, ids = seen.drawn(), view.path_ids
    assert seen.chosen == ("" if decision.chosen is None else ids[decision.chosen])
    assert set(drawn["within"]) == {ids[i] for i in np.flatnonzero(decision.within)}
    assert drawn["chosen"] == ([] if decision.chosen is None else [seen.chosen])
    if decision.chosen is None:
        assert "Infeasible" in seen.text("sentence")
    else:
        assert f"{seen.chosen} wins: quality {view.quality[decision.chosen]:.3f}" in seen.text(
            "sentence"
        )
    return decision


def pick(seen, path):
    """Select a path in the table, as a hand would: search, click."""
    seen.tab("paths")
    seen.root.locator(".ecl-search").fill(path)
    seen.calm()
    if seen.state["selected"] != path:  # another press would take it back
        seen.root.locator(".ecl-pick").first.click()
    seen.calm()
