"""Traces of domains that were not measured to the end."""

import numpy as np
import pytest

from ecollm_lab.traces import Trace
from tests.conftest import LetterEncoder
from tests.support.commands import call
from tests.support.rig import HOSTED_CATALOG

IDS = [f"none/{found}/none/plain/hosted" for found in ("none", "bm25-1", "bm25-3")]


@pytest.fixture(autouse=True)
def _quick_encoder(monkeypatch):
    """What is retrieved does not matter here, so that no text needs to be embedded by a model."""
    monkeypatch.setattr("ecollm_lab.sweeps.domains.default_encoder", LetterEncoder)


def run(judge, place, *more, code=0, models=""):
    """Sweep three paths of the smart home; return what was said."""
    catalog = place / "models.toml"
    hosted = HOSTED_CATALOG.format(base_url=judge.base_url, remote="ok")
    catalog.write_text(f"{hosted}\n{models}")
    files = ("--catalog", catalog, "--store", place / "s.sqlite", "--out", place / "t.parquet")
    return call(
        "sweep", "--domain", "smart_home", "--paths", ",".join(IDS), *files, *more, code=code
    )


def test_what_is_stored_is_exported_without_measuring_or_opening_a_model(judge, tmp_path):
    run(judge, tmp_path, "--limit", 100)
    asked = judge.requests("ok")
    (tmp_path / "t.parquet").unlink()
    said = run(judge, tmp_path, "--limit", 0)
    assert "0 outcomes measured, 100 reused" in said
    assert judge.requests("ok") == asked
    trace = Trace.load(tmp_path / "t.parquet")
    assert len(trace.outcomes) == 100
    assert len(trace.query_ids) == 34  # the last of them on one path of three
    assert np.isnan(trace.array("quality")).sum() == 2
    assert trace.queries["kind"].nunique() >= 5  # a fair sample, though the file is in order


def test_queries_that_were_measured_on_some_paths_only_can_be_left_out(judge, tmp_path):
    run(judge, tmp_path, "--limit", 100)
    said = run(judge, tmp_path, "--limit", 0, "--whole-queries")
    assert "Left out: 1 queries" in said
    trace = Trace.load(tmp_path / "t.parquet")
    assert (len(trace.outcomes), len(trace.query_ids)) == (99, 33)
    assert not np.isnan(trace.array("quality")).any()


def test_if_no_query_is_whole_that_is_what_is_said(judge, tmp_path):
    run(judge, tmp_path, "--limit", 2)
    said = run(judge, tmp_path, "--limit", 0, "--whole-queries", code=1)
    assert "None of the 1 queries in the store was measured on all paths" in said


def test_an_empty_store_has_nothing_to_export(judge, tmp_path):
    assert "Nothing was measured" in run(judge, tmp_path, "--limit", 0, code=1)


ELSEWHERE = '[models.elsewhere]\nplacement = "edge"\nfile = "elsewhere.gguf"\n'
ON_IT = ("--paths", "none/none/none/plain/elsewhere")


def test_a_gguf_that_no_path_asks_need_not_be_there(judge, tmp_path):
    for n in (3, 3):
        said = run(judge, tmp_path, "--limit", n, models=ELSEWHERE)
        assert f"{n} outcomes measured" in said
    trace = Trace.load(tmp_path / "t.parquet")
    assert len(trace.outcomes) == 6
    assert len(trace.provenance["runs"]) == 2


def test_a_declared_sha256_is_enough_to_look_for_what_a_store_holds(judge, tmp_path):
    declared = f'{ELSEWHERE}sha256 = "{"0" * 64}"\n'
    said = run(judge, tmp_path, "--limit", 0, *ON_IT, models=declared, code=1)
    assert "Nothing was measured" in said
    said = run(judge, tmp_path, "--limit", 0, *ON_IT, models=ELSEWHERE, code=1)
    assert "cannot read" in said
    assert "declare its sha256" in said
