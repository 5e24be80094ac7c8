import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from tests.support.sources import DATA, SIZE, a_download, scripted_sources

CATALOG = """
[prices]
date = "2026-11-28"
source = "a test"
edge_usd_per_hour = 0.01

[models.one]
placement = "edge"
bytes = {size}
sha256 = "{digest}"
licence = "MIT"
sources = [{{ hub = "people/model", file = "model.gguf" }}]

[models.own]
placement = "edge"
file = "own.gguf"
"""


@pytest.fixture
def sources(monkeypatch, tmp_path):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path))
    digest = a_download(tmp_path).sha256
    (tmp_path / "models.toml").write_text(CATALOG.format(size=SIZE, digest=digest))
    monkeypatch.setenv("ECOLLM_CATALOG", str(tmp_path / "models.toml"))
    with scripted_sources(monkeypatch) as server:
        yield server


def ask(*words):
    result = CliRunner().invoke(app, ["models", *words])
    return result.exit_code, result.output


def test_the_list_says_what_is_missing_then_fetch_brings_it_and_the_list_says_so(sources, tmp_path):
    sources.on_hub()
    code, said = ask()
    assert code == 0
    assert "one (edge, 0.5 MB, MIT): not here" in said
    assert "Fetch the others with: ecollm-lab models fetch" in said

    code, said = ask("fetch")
    assert code == 0
    assert "one: fetched from the Hugging Face hub (people/model, model.gguf)" in said
    assert (tmp_path / "one.gguf").read_bytes() == DATA

    assert "one (edge, 0.5 MB, MIT): here" in ask()[1]
    assert "one: here already, sha256 as declared" in ask("fetch", "one")[1]


def test_a_model_that_cannot_be_fetched_ends_the_command_with_a_plain_message(sources):
    code, said = ask("fetch", "one")
    assert code == 1
    assert said.startswith("Error: Model 'one' (0.5 MB) could not be fetched:")
    assert ask("fetch", "two") == (1, "Error: Unknown model 'two'; the catalog has: one, own.\n")
    code, said = ask("fetch", "own")
    assert code == 1
    assert "'own' has no 'sources'" in said


def test_the_catalog_may_be_named_before_or_after_fetch(sources, tmp_path, monkeypatch):
    sources.on_hub()
    monkeypatch.setenv("ECOLLM_CATALOG", str(tmp_path / "absent.toml"))
    file = str(tmp_path / "models.toml")
    assert ask("fetch")[0] == 1
    assert ask("--catalog", file, "fetch")[0] == 0
    assert ask("fetch", "--catalog", file)[0] == 0
