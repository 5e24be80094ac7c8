"""The command that checks a domain."""

from pathlib import Path

from tests.support.commands import call


def test_check_domain_passes_the_shipped_and_fails_a_broken_one(tmp_path):
    n_passages = len(Path("data/smart_home/passages.jsonl").read_text().splitlines())
    assert f"is sound: {n_passages} passages" in call("check-domain", "data/smart_home", code=0)
    assert "Cannot read" in call("check-domain", tmp_path, code=1)
    assert "There is no domain or folder 'smart_hom'" in call("check-domain", "smart_hom", code=1)
