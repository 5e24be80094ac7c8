"""Every notebook keeps the limits of the house and can be rendered; `make test` runs them all."""

import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

TEXTS = sorted((Path(__file__).parents[2] / "notebooks").glob("0*.py"))


def test_they_are_numbered_without_a_gap():
    assert [int(text.name[:2]) for text in TEXTS] == list(range(1, len(TEXTS) + 1))
    assert len(TEXTS) >= 4


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


SHOWN = """
# %%
import plotly.graph_objects as go
from IPython.display import display

view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "Widget()"}
display(view | {"text/html": "<p>what a reader sees</p>"}, raw=True)
go.Figure(layout={"title": "a figure"}).add_scatter(y=[1, 2], text="</script>")
"""


def test_a_rendered_page_loads_nothing_and_shows_figures_and_widgets(tmp_path):
    (tmp_path / "shown.py").write_text(SHOWN)
    command = [sys.executable, "-m", "scripts.notebooks", str(tmp_path / "shown.py")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    page = Path(said.split(":")[0]).read_text()
    Path(said.split(":")[0]).unlink()
    assert "<p>what a reader sees</p>" in page
    assert page.count("plotly.js v") == 1
    assert "a figure" in page
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//", page)
