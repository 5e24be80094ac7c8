"""README, notebooks and what they show are kept true."""

import re
from pathlib import Path

import pytest

from scripts import tables

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
        assert len(re.findall(r"\d\.\d\d", table())) > 1
