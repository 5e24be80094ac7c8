"""What a user of the installed package has: the code whole, and clear words about the lab's
data.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked():
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "ecollm_lab"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return [name for name in names.split() if (ROOT / name).exists()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what `pip install` of the wheel would put beside other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in [*tracked(), "pyproject.toml", "README.md", "LICENSE"]:
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", folder, "./source"], check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, *arguments, **variables):
    code = "import ecollm_lab.cli; ecollm_lab.cli.app()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(installed), **variables},
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_all_of_the_package(installed):
    assert [name for name in tracked() if not (installed / name).exists()] == []


@pytest.mark.parametrize(
    "command",
    [("doctor",), ("check-domain", "smart_home"), ("study", "--figures", "out")],
    ids=lambda command: command[0],
)
def test_without_the_repository_a_command_says_how_to_get_the_labs_data(installed, command):
    done = run(installed, *command)
    assert done.returncode == 1, done.stderr
    assert "get its repository and set ECOLLM_DATA" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_folder_of_the_labs_data_can_be_named(installed):
    done = run(installed, "check-domain", "smart_home", ECOLLM_DATA=str(ROOT / "data"))
    assert done.returncode == 0, done.stderr
    assert "is sound" in done.stdout
