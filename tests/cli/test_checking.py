"""The command that checks a domain."""

import sys
from pathlib import Path

import pytest
from typer import Exit

from ecollm_lab.cli.shared import progress_bar, stop_on_interrupt
from ecollm_lab.sweeps import Progress
from tests.support.commands import call


def test_check_domain_passes_the_shipped_and_fails_a_broken_one(tmp_path):
    n_passages = len(Path("data/smart_home/passages.jsonl").read_text().splitlines())
    assert f"is sound: {n_passages} passages" in call("check-domain", "data/smart_home", code=0)
    assert "Cannot read" in call("check-domain", tmp_path, code=1)
    assert "There is no domain or folder 'smart_hom'" in call("check-domain", "smart_hom", code=1)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device", "t.parquet"), "t.parquet: No space left on device"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_what_the_system_refuses_is_one_message(monkeypatch, error, says):
    def refused(folder):
        raise error

    monkeypatch.setattr("ecollm_lab.domains.check_domain", refused)
    said = call("check-domain", "data/smart_home", code=1)
    assert said == f"Error: {says}\n"


def test_each_notice_of_a_sweep_is_printed_once(capsys):
    progress = Progress(2)
    with progress_bar() as show:
        for notices in ([], ["it is slow"], ["it is slow", "it billed more"]):
            progress.notices = notices
            show(progress)
    said = capsys.readouterr().err
    assert said.count("Notice: it is slow\n") == said.count("Notice: it billed more\n") == 1


def test_the_command_that_goes_on_can_be_pasted(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["ecollm-lab", "sweep", "--out", "my trace.parquet"])
    with pytest.raises(Exit), stop_on_interrupt(tmp_path / "s.sqlite") as stop:
        stop.set()
    assert "ecollm-lab sweep --out 'my trace.parquet'\n" in capsys.readouterr().err
