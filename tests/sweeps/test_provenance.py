"""What a trace says of the code that measured it."""

import re
import subprocess

from ecollm_lab.sweeps import provenance


def test_the_revision_is_that_of_the_labs_own_repository_and_of_none_further_up(
    tmp_path, monkeypatch
):
    def git(*words):
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "--message", "A project of somebody's own")
    installed = tmp_path / "venv/site-packages"
    installed.mkdir(parents=True)
    for root, revision in ((tmp_path, "[0-9a-f]{7,}"), (installed, "unknown")):
        monkeypatch.setattr(provenance, "ROOT", root)
        assert re.fullmatch(revision, provenance.git_revision())
