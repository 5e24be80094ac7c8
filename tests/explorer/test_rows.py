"""The table of requirements in docs/explorer.md: every row is shown by a test in a real browser."""

import ast
import re
from pathlib import Path

ROWS = 24


def names_in(folder):
    """Names of all tests, and of those whose module runs in a browser."""
    every, in_browser = set(), set()
    for file in Path(folder).glob("test_*.py"):
        text = file.read_text()
        names = {
            node.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        }
        every |= names
        if "\npytestmark = in_browser\n" in text:
            in_browser |= names
    return every, in_browser


def test_every_row_names_tests_that_exist_and_one_of_them_runs_in_a_browser():
    every, in_browser = names_in("tests/explorer")
    lines = Path("docs/explorer.md").read_text().splitlines()
    rows = [line for line in lines if re.match(r"\| \d+ \|", line)]
    assert [int(line.split("|")[1]) for line in rows] == list(range(1, ROWS + 1))
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row.split("|")[-2]))
        assert named, row
        assert named <= every, sorted(named - every)
        assert named & in_browser, row
