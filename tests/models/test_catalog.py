import re
from pathlib import Path

import pytest

from ecollm_lab.models import load_catalog
from ecollm_lab.paths import PathSpace, called_on
from ecollm_lab.records import LabError

LAB = load_catalog("data/models.toml").models
SMALLEST = next(iter(LAB))

HEAD = '[prices]\ndate = "2026-01-01"\nsource = "test"\nedge_usd_per_hour = 0.36\n'
EDGE = '[models.s]\nplacement = "edge"\nfile = "s.gguf"\n'
CLOUD = (
    '[models.c]\nplacement = "cloud"\nbase_url = "http://127.0.0.1:1/v1"\nprice_in_usd_per_mtok ='
    " 1.0\nprice_out_usd_per_mtok = 4.0\nnetwork_delay_s = 0.1\n"
)


def load(tmp_path, text):
    file = tmp_path / "models.toml"
    file.write_text(text)
    return load_catalog(file)


def test_costs_follow_the_declared_prices(tmp_path):
    catalog = load(tmp_path, HEAD + EDGE + CLOUD)
    assert catalog["s"].cost_usd(10.0, 99, 99) == pytest.approx(0.001)  # 10 s of 0.36 USD/h
    assert catalog["c"].cost_usd(10.0, 1000, 500) == pytest.approx(
        0.003
    )  # 1,000 x 1 + 500 x 4 USD per million
    assert catalog["s"].file == tmp_path / "s.gguf"


def test_limits_of_an_endpoint_are_declared_or_absent(tmp_path):
    plain = load(tmp_path, HEAD + CLOUD)["c"]
    assert (
        plain.requests_per_minute,
        plain.tokens_per_minute,
        plain.max_in_flight,
        plain.timeout_s,
    ) == (None, None, None, 60.0)
    limited = load(
        tmp_path,
        HEAD
        + CLOUD
        + "requests_per_minute = 60\ntokens_per_minute = 9000\nmax_in_flight = 4\ntimeout_s = 5\n",
    )["c"]
    assert (
        limited.requests_per_minute,
        limited.tokens_per_minute,
        limited.max_in_flight,
        limited.timeout_s,
    ) == (60, 9000, 4, 5.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            HEAD + CLOUD.replace("price_out_usd_per_mtok = 4.0\n", ""),
            "missing 'price_out_usd_per_mtok'.*never 0",
        ),
        (HEAD + CLOUD.replace("network_delay_s = 0.1", ""), "network_delay_s"),
        (
            HEAD + CLOUD.replace("1.0", '"cheap"'),
            "price_in_usd_per_mtok must be a valid number, got 'cheap'",
        ),
        (
            HEAD + CLOUD.replace("4.0", "-4.0"),
            r"price_out_usd_per_mtok must be greater than or equal to 0, got -4\.0",
        ),
        (HEAD.replace("edge_usd_per_hour = 0.36\n", "") + EDGE, "lacks 'edge_usd_per_hour'"),
        (HEAD.replace('date = "2026-01-01"\n', "") + EDGE, "lacks 'date'"),
        (HEAD, "declare at least one model"),
        (HEAD + EDGE.replace("edge", "fog"), "placement must be 'edge' or 'cloud', got 'fog'"),
        (HEAD + EDGE + "temprature = 0\n", "temprature"),
        (
            HEAD + EDGE.replace("placement", "placment"),
            "key must be one of .*placement.*; got 'placment'",
        ),
        (
            HEAD.replace("edge_usd_per_hour", "edge_usd_an_hour") + EDGE,
            r"\[prices\] key must be one of .*; got 'edge_usd_an_hour'",
        ),
        (HEAD + EDGE.replace('file = "s.gguf"\n', ""), "'file'"),
        (HEAD + EDGE + "threads = 0\n", "threads must be greater than or equal to 1, got 0"),
        (HEAD + CLOUD + "timeout_s = 0\n", "timeout_s must be greater than 0, got 0"),
        (HEAD + CLOUD + 'timeout_s = "long"\n', "timeout_s must be a valid number, got 'long'"),
        (
            HEAD + CLOUD + "requests_per_minute = 0\n",
            "requests_per_minute must be greater than or equal to 1",
        ),
        (
            HEAD + CLOUD + "tokens_per_minute = 1.5\n",
            r"tokens_per_minute must be a valid integer, got 1\.5",
        ),
        (HEAD + EDGE + "max_in_flight = 4\n", "max_in_flight"),
        ("[prices", "not valid TOML"),
        ("models = 3\n" + HEAD, r"models must be tables, \[models\.NAME\]"),
        (
            HEAD.replace("2026-01-01", "last week") + EDGE,
            "date must be a date such as 2026-11-23, got 'last week'",
        ),
        (
            "hyde_model = 's'\n" + HEAD + CLOUD,
            r"hyde_model must name an edge model of this catalog \(it has none\), got 's'",
        ),
        (
            "hyde_model = 'c'\n" + HEAD + EDGE + CLOUD,
            r"hyde_model must name an edge model of this catalog \(s\), got 'c'",
        ),
        ("hyde_model = 3\n" + HEAD + EDGE, "hyde_model must name an edge model"),
        (
            "lab_model = true\n" + HEAD + EDGE,
            "top-level key must be one of .*lab_models.*got 'lab_model'",
        ),
        (
            "lab_models = true\n" + HEAD + EDGE.replace("models.s", f"models.'{SMALLEST}'"),
            "has the name of one of the lab's models",
        ),
        (HEAD + EDGE + "sha256 = 3\n", "sha256 must be a valid string, got 3"),
        (HEAD + EDGE + "gpu_layers = -2\n", "gpu_layers must be greater than or equal to -1"),
        (
            HEAD + EDGE + 'chat_template = "none.jinja"\n',
            r"cannot read the template file none\.jinja",
        ),
        (
            HEAD + CLOUD + "threads = 2\ngpu_layers = 1\n",
            "gpu_layers, threads would do nothing with a base_url",
        ),
        (
            HEAD + CLOUD + "context = 512\nstart_timeout_s = 9.0\n",
            "context, start_timeout_s would do nothing with a base_url",
        ),
        (HEAD + CLOUD + 'price_date = "2026-01-01"\n', "price_date and price_source go together"),
        (HEAD + CLOUD + 'price_date = "soon"\nprice_source = "x"\n', "price_date must be a date"),
    ],
)
def test_a_bad_catalog_says_what_to_mend(tmp_path, text, says):
    with pytest.raises(LabError, match=says):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:80a/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1:0/v1",
        "http://127.0.0.256:80/v1",
        "http://:8000/v1",
        "http://[::1/v1",
        "http://b\u00fccher..example/v1",
    ],
)
def test_a_mistyped_address_is_a_fault_of_the_catalog(tmp_path, address):
    text = HEAD + CLOUD.replace("http://127.0.0.1:1/v1", address)
    with pytest.raises(LabError, match=r"base_url must be .* from 1 to 65535"):
        load(tmp_path, text)


def test_a_catalog_has_paths_with_hyde_if_it_names_a_model_that_rewrites(tmp_path):
    assert not [
        path
        for path in PathSpace.of(load(tmp_path, HEAD + EDGE + CLOUD))
        if path.id.startswith("hyde/")
    ]
    catalog = load(tmp_path, "hyde_model = 's'\n" + HEAD + EDGE + CLOUD)
    (path,) = PathSpace.of(catalog).select(["hyde/dense-1/none/plain/c"])
    assert called_on(catalog, path) == ("s", "c")
    assert PathSpace((path, path)).models(catalog, "j") == ["s", "c", "j"]
    (path,) = PathSpace.of(catalog).select(["none/dense-1/none/plain/c"])
    assert called_on(catalog, path) == ("c",)
    assert PathSpace((path,)).models(catalog) == ["c"]
    borrowed = load(tmp_path, f"hyde_model = '{SMALLEST}'\nlab_models = true\n" + HEAD + CLOUD)
    assert (
        borrowed.hyde_model,
        load(tmp_path, "lab_models = true\n" + HEAD + CLOUD).hyde_model,
    ) == (SMALLEST, None)


def test_unknown_model_and_missing_file(tmp_path):
    with pytest.raises(LabError, match="Unknown model 'gpt'; the catalog has: s"):
        load(tmp_path, HEAD + EDGE)["gpt"]
    with pytest.raises(LabError, match="Cannot read the model catalog"):
        load_catalog(tmp_path / "none.toml")


def test_the_shipped_catalog_has_edge_models_by_size_and_a_cloud_model_all_to_be_fetched():
    assert [model.placement for model in LAB.values()] == ["edge", "edge", "cloud"]
    sizes = [model.bytes for model in LAB.values()]
    assert sizes == sorted(sizes)
    assert len({model.sha256 for model in LAB.values()}) == 3
    assert all(model.sources and model.licence for model in LAB.values())


def test_a_path_may_be_relative_absolute_or_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    files = ("m/s.gguf", "/srv/s.gguf", "~/s.gguf")
    loaded = [load(tmp_path, HEAD + EDGE.replace("s.gguf", file))["s"].file for file in files]
    assert loaded == [tmp_path / "m/s.gguf", Path("/srv/s.gguf"), tmp_path / "home/s.gguf"]


def test_a_catalog_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.toml").write_text(HEAD + EDGE)
    assert list(load_catalog("~/mine.toml").models) == ["s"]


def test_a_chat_template_is_a_files_text_or_a_built_in_name(tmp_path):
    (tmp_path / "t.jinja").write_text("{{ messages }}")
    assert (
        load(tmp_path, HEAD + EDGE + 'chat_template = "t.jinja"\n')["s"].chat_template
        == "{{ messages }}"
    )
    assert (
        load(tmp_path, HEAD + EDGE + 'chat_template = "llama-3"\n')["s"].chat_template == "llama-3"
    )
    assert load(tmp_path, HEAD + EDGE)["s"].chat_template is None
    served = HEAD + CLOUD.replace('base_url = "http://127.0.0.1:1/v1"', 'file = "s.gguf"')
    assert load(tmp_path, served + 'chat_template = "chatml"\n')["c"].chat_template == "chatml"
    with pytest.raises(LabError, match="a served GGUF takes a format built into"):
        load(tmp_path, served + 'chat_template = "t.jinja"\n')


def test_a_model_has_its_own_price_date_and_source_or_the_tables(tmp_path):
    own = (
        CLOUD.replace("models.c", "models.d")
        + "price_date = 2026-05-06\nprice_source = 'their page'\n"
    )
    catalog = load(tmp_path, HEAD + EDGE + CLOUD + own)
    assert [(m.price_date, m.price_source) for m in catalog.models.values()] == [
        ("2026-01-01", "test"),
        ("2026-01-01", "test"),
        ("2026-05-06", "their page"),
    ]


def test_the_labs_own_models_join_an_own_catalog_at_their_own_prices(tmp_path, monkeypatch):
    shipped = load_catalog("data/models.toml")
    monkeypatch.chdir(tmp_path)
    catalog = load(tmp_path, "lab_models = true\n" + HEAD + CLOUD)
    assert list(catalog.models) == [*shipped.models, "c"]
    assert catalog[SMALLEST] == shipped[SMALLEST]
    assert catalog.edge_price_usd_per_hour == 0.36
    assert load(tmp_path, "lab_models = true\n" + HEAD).models == shipped.models


@pytest.mark.parametrize(
    "line",
    [
        'api_key_env = "sk-SECRET-123456"',
        'api_key = "sk-SECRET-123456"',
        'base_url = "https://me:sk-SECRET-123456@host/v1"',
        'base_url = "https://host/v1?key=sk-SECRET-123456"',
        "base_url = ['sk-SECRET-123456']",
        "api_key_env = { SK = 'sk-SECRET-123456' }",
    ],
)
def test_a_key_in_the_catalog_is_refused_and_not_shown(tmp_path, line):
    name = line.split(" ")[0]
    text = "".join(row for row in CLOUD.splitlines(keepends=True) if not row.startswith(name))
    with pytest.raises(LabError, match=name) as caught:
        load(tmp_path, HEAD + text + line + "\n")
    assert "SECRET" not in str(caught.value)


def test_the_examples_in_the_shipped_catalog_load_once_filled_in_and_not_before(tmp_path):
    text = Path("data/models.toml").read_text()
    head, examples = text.split("# ---- Examples")
    tables = re.findall(r"^# (\[models\..*?)(?=^#$|\Z)", examples, re.DOTALL | re.MULTILINE)
    assert len(tables) == 3
    edge, hosted, unknown = (re.sub(r"^# ", "", table, flags=re.MULTILINE) for table in tables)
    edge = edge.replace('sha256 = "…"', f"sha256 = '{'0' * 64}'")
    catalog = load(tmp_path, head + edge + hosted)
    assert catalog["gpt-4o-mini"].price_date == "2024-07-18"
    assert catalog["qwen2_5-1_5b"].file == Path.home() / "models/qwen2.5-1.5b-instruct-q4_k_m.gguf"
    with pytest.raises(LabError, match=r"llama-3_3-70b\]"):
        load(tmp_path, head + unknown)
    with pytest.raises(LabError, match="price_in_usd_per_mtok must be a valid number"):
        load(
            tmp_path,
            head
            + re.sub(r'".*….*"', '"x"', unknown)
            .replace('base_url = "x"', 'base_url = "https://x/v1"')
            .replace('price_date = "x"', "price_date = 2026-01-01"),
        )
