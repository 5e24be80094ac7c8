"""README, notebooks and what they show are kept true."""

import re
from pathlib import Path

import jupytext
import pytest

from scripts import tables

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("0*.py"))


PAGES = [Path("README.md"), *(Path("docs") / file.name for file in sorted((Path(__file__).parent.parent / "docs").glob("*.md")))]


def test_the_readme_example_runs():
    for block in re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL):
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_a_page_links_to_exists(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    assert len(links) > 5 or page.name != "README.md"
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tables_of_a_page_are_those_of_the_committed_records(page):
    text = page.read_text()
    assert tables.filled(text) == text, "run: python -m scripts.tables"


def test_every_table_stands_somewhere_and_holds_figures():
    text = "".join(page.read_text() for page in PAGES)
    for name, table in tables.TABLES.items():
        assert f"<!-- table: {name} -->\n{table()}\n<!-- end of table -->" in text
        assert len(re.findall(r"\d\.\d\d", table())) > 10


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_each_notebook_is_its_reviewed_text_without_outputs(file):
    text, notebook = jupytext.read(file), jupytext.read(file.with_suffix(".ipynb"))
    assert [(c.cell_type, c.source) for c in text.cells] == [(c.cell_type, c.source) for c in notebook.cells]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    code = [cell.source for cell in text.cells if cell.cell_type == "code"]
    assert sum(len(source.splitlines()) for source in code) <= 150
    assert max(len(source.splitlines()) for source in code) <= 22


def test_there_are_four_notebooks():
    assert len(NOTEBOOKS) == 4
