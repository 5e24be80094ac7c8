"""Every notebook is its reviewed text, keeps the house's limits, and can be rendered; `make test` executes them all."""

import re
from pathlib import Path

import jupytext
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from scripts import notebooks

TEXTS = sorted((Path(__file__).parents[2] / "notebooks").glob("0*.py"))


def test_they_are_numbered_without_a_gap():
    assert [int(text.name[:2]) for text in TEXTS] == list(range(1, len(TEXTS) + 1))
    assert len(TEXTS) >= 4


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_each_is_its_reviewed_text_without_outputs(text):
    reviewed, notebook = jupytext.read(text), jupytext.read(text.with_suffix(".ipynb"))
    assert [(c.cell_type, c.source) for c in reviewed.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ], "run: make notebooks"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert notebook.metadata["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_each_keeps_the_house_style(text):
    cells = jupytext.read(text).cells
    first, last = cells[0], cells[-1]
    assert first.cell_type == last.cell_type == "markdown", (
        "prose comes before the first cell and after the last"
    )
    assert re.match(rf"# {int(text.name[:2])} · .+\?$", first.source.splitlines()[0])
    for word in ("**Question.**", "**Inputs.**", "**Run time**", "**Cost**"):
        assert first.source.count(word) == 1
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert sum(len(source.splitlines()) for source in code) <= 150
    assert max(len(source.splitlines()) for source in code) <= 12
    assert max(len(line) for source in code for line in source.splitlines()) <= 120, (
        "longer lines are cut off on the page"
    )
    for body in re.findall(r"^ *def .*\n((?:    .*\n?)+)", "\n".join(code), re.MULTILINE):
        assert len(body.splitlines()) <= 5, (
            "a longer function belongs into the package, with a test"
        )


def test_pairing_strips_outputs_and_keeps_the_ids_of_cells_that_stay(tmp_path):
    text = tmp_path / "01_x.py"
    text.write_text("# %%\n1 + 1\n\n# %%\n2 + 2\n")
    ids = [cell.id for cell in notebooks.pair(text).cells]
    old = jupytext.read(text.with_suffix(".ipynb"))
    old.cells[0].outputs = [new_output("stream", text="2")]
    jupytext.write(old, text.with_suffix(".ipynb"))
    text.write_text("# %%\n1 + 1\n\n# %%\n3 + 3\n")
    assert notebooks.pair(text).cells[0].id == ids[0]
    again = jupytext.read(text.with_suffix(".ipynb"))
    assert again.cells[1].id != ids[1]
    assert again.cells[0].outputs == []


def test_a_rendered_page_loads_nothing_and_shows_figures_and_widgets(tmp_path):
    plot = {
        notebooks.PLOT: {
            "data": [{"y": [1, 2], "text": "</script>"}],
            "layout": {"title": {"text": "a figure"}},
        }
    }
    widget = {
        notebooks.WIDGET: {"model_id": "x"},
        notebooks.PAGE: "<p>what a reader sees</p>",
        "text/plain": "Widget()",
    }
    cell = new_code_cell(
        "show()", outputs=[new_output("display_data", data=data) for data in (plot, widget)]
    )
    file = tmp_path / "page.html"
    notebooks.render(new_notebook(cells=[cell]), file)
    page = file.read_text()
    assert "what a reader sees" in page
    assert "Widget()" not in page
    assert "a figure" in page
    assert '"text": "<\\/script>"' in page
    assert "Plotly.newPlot('figure-1'" in page
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//", page)
