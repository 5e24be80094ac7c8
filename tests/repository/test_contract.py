"""Every benchmark is called alike: `python -m benchmarks.<name> --json OUT [--quick]`."""

import ast
import importlib
from pathlib import Path

import pytest

# what helps benchmarks, and is none: it samples answers to judge, measures a part, fills the docs
OTHERS = {"judging", "scale_parts", "tables"}
MAINS = [
    file.stem
    for file in sorted(Path("benchmarks").glob("*.py"))
    if any(getattr(node, "name", "") == "main" for node in ast.parse(file.read_text()).body)
]


def test_the_benchmarks_are_found():
    assert {"routing", "decision", "payoff", "wide", *OTHERS} <= set(MAINS)


@pytest.mark.parametrize("name", [name for name in MAINS if name not in OTHERS])
def test_a_benchmark_writes_its_records_and_has_a_quick_form(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [name, "--json", "out.json", "--quick", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 0
    said = capsys.readouterr().out.split("\n\n")[0]  # the usage alone
    assert "--json" in said
    assert "--quick" in said
