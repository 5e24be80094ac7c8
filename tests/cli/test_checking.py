"""The command that checks a domain."""

import json
import sys
from pathlib import Path

import pytest
from typer import Exit

from ecollm_lab.cli.shared import progress_bar, stop_on_interrupt
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Progress
from tests.support.commands import call
from tests.support.endpoint import Endpoint
from tests.support.rig import HOSTED_CATALOG


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


def test_a_judge_that_cannot_answer_for_a_moment_is_asked_again(tmp_path):
    labels, place = tmp_path / "labels.jsonl", tmp_path / "models.toml"
    rows = [{"query_id": "q001", "answer": "14 months", "label": 1}]
    rows += [{"query_id": "q001", "answer": "2 months", "label": 0}]
    labels.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    replies = iter([(503, {"error": {"message": "not yet"}}), '{"score": 1}', '{"score": 0}'])
    with Endpoint({"judge": lambda _: next(replies)}) as endpoint:
        place.write_text(HOSTED_CATALOG.format(base_url=endpoint.base_url, remote="judge"))
        words = ["grade-agreement", "data/smart_home", labels, "--catalog", place]
        said = call(*words, "--grading", "judge", "--judge-model", "hosted", code=0)
    assert endpoint.requests["judge"] == 3
    assert next(line for line in said.splitlines() if "hosted" in line).split()[1:3] == ["2", "0"]


def stop_and_fail(store, error):
    with stop_on_interrupt(store) as stop:
        stop.set()
        raise error


def test_an_error_after_ctrl_c_is_not_lost(tmp_path):
    full = OSError(28, "No space left on device", "t.parquet")
    with pytest.raises(OSError, match="No space"):
        stop_and_fail(tmp_path / "s.sqlite", full)


def test_what_the_lab_says_after_ctrl_c_is_told_with_the_way_on(tmp_path, capsys):
    with pytest.raises(Exit) as ended:
        stop_and_fail(tmp_path / "s.sqlite", LabError("There is nothing to write yet."))
    assert ended.value.exit_code == 130
    said = capsys.readouterr().err
    assert said.index("nothing to write yet") < said.index("the same command goes on")
