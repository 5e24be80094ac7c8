"""The rules of the house: rooms with doors of few names, short modules and short functions."""

import ast
import importlib
import subprocess
from pathlib import Path

import pytest

MOST_ROOMS, MOST_NAMES, MOST_LINES, MOST_LINES_A_FUNCTION, MOST_PARAMETERS = 14, 12, 300, 60, 8
LAB = Path("ecollm_lab")
PACKAGES = sorted(file.parent for file in (Path(__file__).parents[2] / LAB).rglob("__init__.py"))


def modules(*folders):
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run([*listed, *folders], capture_output=True, text=True, check=True).stdout
    return [
        Path(name) for name in names.splitlines() if name.endswith(".py") and Path(name).exists()
    ]


def functions(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def room(module):
    return module.split(".")[1] if module.count(".") else ""


def test_the_lab_has_few_rooms():
    entries = {file.parts[1].removesuffix(".py") for file in modules("ecollm_lab")} - {"__init__"}
    assert len(entries) <= MOST_ROOMS, sorted(entries)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_package_has_a_door_of_few_names(package):
    root = Path(__file__).parents[2]
    door = importlib.import_module(".".join(package.relative_to(root).parts))
    assert door.__doc__
    assert 1 <= len(door.__all__) <= MOST_NAMES, door.__all__
    assert all(getattr(door, name) is not None for name in door.__all__)


def test_a_room_imports_another_by_its_door_or_by_a_module_that_the_door_names():
    by_the_window = []
    for file in modules("ecollm_lab"):
        here = room(".".join(file.with_suffix("").parts))
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith(
                "ecollm_lab."
            ):
                continue
            _, other, *inner = str(node.module).split(".")
            if other == here or not inner:
                continue
            door = importlib.import_module(f"ecollm_lab.{other}")
            if len(inner) > 1 or inner[0] not in door.__all__:
                by_the_window.append(f"{file}:{node.lineno} {node.module}")
    assert by_the_window == []


def test_only_the_room_of_models_imports_llama_cpp_or_openai_whatever_rooms_there_are():
    text = Path("pyproject.toml").read_text()
    named = text.split('name = "Only models/')[1].split("source_modules = [")[1].split("]")[0]
    rooms = {file.parts[1].removesuffix(".py") for file in modules("ecollm_lab")}
    assert {f'"ecollm_lab.{one}"' for one in rooms - {"__init__", "models"}} == set(
        named.replace(",", " ").split()
    )


@pytest.mark.parametrize("folder", ["ecollm_lab", "scripts", "benchmarks", "tests"])
def test_no_module_is_longer_than_300_lines(folder):
    lengths = {str(file): len(file.read_text().splitlines()) for file in modules(folder)}
    assert {file: n for file, n in lengths.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("folder", ["ecollm_lab", "scripts", "benchmarks", "tests"])
def test_no_function_is_longer_than_60_lines(folder):
    long = {
        f"{file}:{node.name}": node.end_lineno - node.lineno + 1
        for file in modules(folder)
        for node in functions(file)
        if node.end_lineno - node.lineno + 1 > MOST_LINES_A_FUNCTION
    }
    assert long == {}


def test_no_function_outside_the_command_line_has_more_than_8_parameters():
    many = {}
    for file in modules("ecollm_lab", "scripts", "benchmarks"):
        if "cli" in file.parts:
            continue
        for node in functions(file):
            args = node.args
            names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
            if len(set(names) - {"self", "cls"}) > MOST_PARAMETERS:
                many[f"{file}:{node.name}"] = len(names)
    assert many == {}


def test_the_formatter_is_left_alone():
    marks = [file for file in modules() if "# fmt: " + "skip" in file.read_text()]
    assert len(marks) <= 5, marks


def test_the_code_holds_no_duplicate_of_the_paired_notebooks():
    assert [
        file for file in Path("notebooks").glob("*") if file.suffix == ".ipynb" and tracked(file)
    ] == []


def tracked(file):
    return bool(subprocess.run(["git", "ls-files", file], capture_output=True, check=True).stdout)
