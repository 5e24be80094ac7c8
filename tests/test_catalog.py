import pytest

from ecollm_lab.catalog import load_catalog
from ecollm_lab.records import LabError

HEAD = '[prices]\ndate = "2026-01-01"\nsource = "test"\nedge_usd_per_hour = 0.36\n'
EDGE = '[models.s]\nplacement = "edge"\nfile = "s.gguf"\n'
CLOUD = (
    '[models.c]\nplacement = "cloud"\nbase_url = "http://127.0.0.1:1/v1"\nprice_in_usd_per_mtok = 1.0\nprice_out_usd_per_mtok = 4.0\n'
    "network_delay_s = 0.1\n"
)


def load(tmp_path, text):
    file = tmp_path / "models.toml"
    file.write_text(text)
    return load_catalog(file)


def test_costs_follow_the_declared_prices(tmp_path):
    catalog = load(tmp_path, HEAD + EDGE + CLOUD)
    assert catalog["s"].cost_usd(10.0, 99, 99) == pytest.approx(0.001)  # 10 s of 0.36 USD/h
    assert catalog["c"].cost_usd(10.0, 1000, 500) == pytest.approx(0.003)  # 1,000 x 1 + 500 x 4 USD per million
    assert catalog["s"].file == tmp_path / "s.gguf"


def test_limits_of_an_endpoint_are_declared_or_absent(tmp_path):
    plain = load(tmp_path, HEAD + CLOUD)["c"]
    assert (plain.requests_per_minute, plain.tokens_per_minute, plain.max_in_flight, plain.timeout_s) == (None, None, None, 60.0)
    limited = load(tmp_path, HEAD + CLOUD + "requests_per_minute = 60\ntokens_per_minute = 9000\nmax_in_flight = 4\ntimeout_s = 5\n")["c"]
    assert (limited.requests_per_minute, limited.tokens_per_minute, limited.max_in_flight, limited.timeout_s) == (60, 9000, 4, 5.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + CLOUD.replace("price_out_usd_per_mtok = 4.0\n", ""), "missing 'price_out_usd_per_mtok'.*never 0"),
        (HEAD + CLOUD.replace("network_delay_s = 0.1", ""), "network_delay_s"),
        (HEAD + CLOUD.replace("1.0", '"cheap"'), "price_in_usd_per_mtok must be a number"),
        (HEAD + CLOUD.replace("4.0", "-4.0"), ">= 0"),
        (HEAD.replace("edge_usd_per_hour = 0.36\n", "") + EDGE, "lacks 'edge_usd_per_hour'"),
        (HEAD.replace('date = "2026-01-01"\n', "") + EDGE, "lacks 'date'"),
        (HEAD, "declare at least one model"),
        (HEAD + EDGE.replace("edge", "fog"), "edge, cloud; got 'fog'"),
        (HEAD + EDGE + "temprature = 0\n", "temprature"),
        (HEAD + EDGE.replace('file = "s.gguf"\n', ""), "'file'"),
        (HEAD + EDGE + "threads = 0\n", "threads must be a whole number >= 1"),
        (HEAD + CLOUD + "timeout_s = 0\n", "timeout_s must be more than 0 seconds, got 0"),
        (HEAD + CLOUD + 'timeout_s = "long"\n', "timeout_s must be a number"),
        (HEAD + CLOUD + "requests_per_minute = 0\n", "requests_per_minute must be a whole number >= 1"),
        (HEAD + CLOUD + "tokens_per_minute = 1.5\n", "tokens_per_minute must be a whole number >= 1"),
        (HEAD + EDGE + "max_in_flight = 4\n", "max_in_flight"),
        ("[prices", "not valid TOML"),
    ],
)
def test_a_bad_catalog_says_what_to_mend(tmp_path, text, says):
    with pytest.raises(LabError, match=says):
        load(tmp_path, text)


def test_unknown_model_and_missing_file(tmp_path):
    with pytest.raises(LabError, match="Unknown model 'gpt'; the catalog has: s"):
        load(tmp_path, HEAD + EDGE)["gpt"]
    with pytest.raises(LabError, match="Cannot read the model catalog"):
        load_catalog(tmp_path / "none.toml")


def test_the_shipped_catalog_has_two_edge_sizes_and_a_cloud_model():
    catalog = load_catalog("data/models.toml")
    placements = sorted(model.placement for model in catalog.models.values())
    assert placements == ["cloud", "edge", "edge"]
    assert all(model.sha256 for model in catalog.models.values())
