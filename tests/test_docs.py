"""README, notebooks and what they show are kept true."""

import json
import re
from importlib import import_module
from pathlib import Path

import jupytext
import pandas as pd
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("0*.py"))


def test_the_readme_example_runs():
    for block in re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL):
        exec(compile(block, "README.md", "exec"), {})


def test_every_file_the_readme_links_to_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", Path("README.md").read_text())
    assert len(links) > 5
    assert not [link for link in links if not Path(link).exists()]


def test_the_table_in_the_readme_is_the_one_in_the_summary():
    text = Path("README.md").read_text()
    for name, one in json.loads(Path("figures/summary.json").read_text())["domains"].items():
        table = text.split(f"\n{name}: ", 1)[1].split("\n\n", 1)[0].split("```")[0]
        for prefer, policies in one["heldout"].items():
            for policy, row in policies.items():
                line = next(line for line in table.splitlines() if line.split()[:2] == [prefer, policy])
                assert f" {row['quality']:.3f} [" in line
                assert f" {1000 * row['cost_usd']:.5f} {row['latency_s']:7.3f} " in line


@pytest.mark.parametrize("name", ["emulator", "routing"])
def test_the_benchmark_tables_in_the_readme_are_those_of_their_records(name):
    benchmark = import_module(f"benchmarks.{name}")
    rows = [row for row in benchmark.markdown(pd.read_parquet(f"data/benchmarks/{name}.parquet")).splitlines() if row]
    assert len(rows) >= 4
    text = Path("README.md").read_text()
    assert not [row for row in rows if row not in text]


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
