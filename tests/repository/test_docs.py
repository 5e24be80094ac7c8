"""README, notebooks and what they show are kept true."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import spaces, tables
from scripts import pictures, screenshots

PAGES = [
    Path("README.md"),
    *(
        Path("docs") / file.name
        for file in sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
    ),
]


def test_the_readme_example_runs():
    for block in re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL):
        exec(compile(block, "README.md", "exec"), {})


def test_the_readme_has_at_most_700_words():
    assert len(Path("README.md").read_text().split()) <= 700


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_a_page_links_to_exists(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    assert len(links) > 5 or page.name != "README.md"
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_committed_picture_is_one_that_a_command_renews():
    """Others would show what was measured long ago."""
    explorer = {f"explorer_{state}" for state in screenshots.STATES}
    there = {file.stem for file in Path("figures").glob("*.png")}
    assert there == explorer | {*pictures.SHOWN, "live_predictions"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tables_of_a_page_are_those_of_the_committed_records(page):
    text = page.read_text()
    assert tables.filled(text) == text, "run: python -m benchmarks.tables"


def test_the_committed_figures_of_the_testbed_are_of_the_committed_traces():
    """After a trace has grown: make claims."""
    records = json.loads(Path("data/benchmarks/testbed.json").read_text())
    assert not any(record["quick"] for record in records)
    found = {(r["domain"], r["edition"]) for r in records if "edition" in r}
    files = {name: spaces.trace_file(name) for name in tables.DOMAINS}
    assert found == {(name, spaces.digest(f)) for name, f in files.items() if f.exists()}


def test_gains_and_kinds_by_hand(tmp_path, monkeypatch):
    def row(quality, broken=0.0):
        return {"quality": quality, "slo_violation_rate": broken}

    policies = {
        "ours": row(0.75, 0.04),
        "knn": row(0.5),
        "cascade": row(0.625, 0.1),
        "best_single": row(0.5),
        "oracle": row(1.0),
    }
    best = {"lookup": {"path_id": "a/b/c/d", "quality": 0.25}}
    summary = {
        "domains": {"here": {"every_query": {"prefer_cost": policies}, "best_path_by_kind": best}}
    }
    (tmp_path / "study.json").write_text(json.dumps(summary))
    monkeypatch.setattr(tables, "STUDY", tmp_path / "study.json")
    assert tables.gains().splitlines()[2:] == [
        "| here, prefer_cost | 0.500 | +0.250 | +0.125 (cascade) | +0.500 | 4.0% | 10.0% |"
    ]
    assert tables.kinds().splitlines()[2:] == ["| lookup | here | `a/b/c/d` | 0.250 |"]


def test_every_table_stands_somewhere_and_holds_figures():
    text = "".join(page.read_text() for page in PAGES)
    for name, table in tables.TABLES.items():
        assert f"<!-- table: {name} -->\n{table()}\n<!-- end of table -->" in text
        empty = {tables.NOT_YET, *([""] if name == "wide" else [])}
        assert table() in empty or len(re.findall(r"\d\.\d\d", table())) > 3


@pytest.mark.parametrize("name", ["serve", "live"])
def test_committed_records_of_serving_are_of_a_whole_run(name):
    file = Path(f"data/benchmarks/{name}.json")
    assert not file.exists() or not any(row["quick"] for row in json.loads(file.read_text()))
