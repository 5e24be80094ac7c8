"""Catalog files as the world writes them, and everything that is wrong with one, told at once."""

import codecs
import dataclasses

import pytest

from ecollm_lab.models import ModelPool, load_catalog
from ecollm_lab.models.sources import HubSource, WheelSource
from ecollm_lab.records import LabError
from tests.models.test_catalog import CLOUD, EDGE, HEAD
from tests.support.rig import cloud

WHOLE = HEAD + EDGE + CLOUD


def write(tmp_path, data):
    file = tmp_path / "models.toml"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + WHOLE.encode(),
        WHOLE.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF8 + WHOLE.replace("\n", "\r\n").encode(),
    ],
    ids=["BOM", "CRLF", "both"],
)
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path, data):
    plain = load_catalog(write(tmp_path, WHOLE.encode())).models
    assert load_catalog(write(tmp_path, data)).models == plain


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (WHOLE.encode("utf-16"), r"the text is UTF-16\. Save it as UTF-8"),
        (WHOLE.replace("test", "Müller").encode("latin-1"), "Save it as UTF-8"),
        (b"x = " + b"[" * 3000, "is not valid TOML"),
        (b"x = " + b"9" * 5000, "is not valid TOML"),
        (b"", r"\[prices\] is missing"),
    ],
    ids=["UTF-16", "Latin-1", "deep", "a number of 5,000 digits", "empty"],
)
def test_a_file_that_cannot_be_read_as_toml_says_why(tmp_path, data, says):
    with pytest.raises(LabError, match=says):
        load_catalog(write(tmp_path, data))


@pytest.mark.parametrize("name", ["none.toml", ".", "nul\0.toml"])
def test_a_catalog_that_cannot_be_opened_is_named(tmp_path, name):
    with pytest.raises(LabError, match=r"Cannot read the model catalog .*--catalog"):
        load_catalog(f"{tmp_path}/{name}")


def test_all_faults_are_told_at_once_each_with_its_key(tmp_path):
    text = (
        "lab_model = true\nhyde_model = 'c'\n"
        + HEAD.replace("2026-01-01", "soon").replace("0.36", "nan")
        + EDGE.replace("s.gguf", "~nosuchuser/s.gguf")
        + "threads = 0\ncontext = 99999999999\n"
        + CLOUD.replace("1.0", "-1.0").replace("network_delay_s = 0.1\n", "threads = 2\n")
        + "[models.'a/b']\nplacement = 'edge'\n"
    )
    with pytest.raises(LabError) as caught:
        load_catalog(write(tmp_path, text.encode()))
    head, *faults = str(caught.value).splitlines()
    assert head.endswith("models.toml has 12 faults:")
    expected = (
        "[prices] date must be a date",
        "[prices] edge_usd_per_hour must be a finite number, got nan",
        "top-level key must be one of",
        "[models.s] context must be less than",
        "[models.s] threads must be greater than or equal to 1",
        "[models.s] file: '~nosuchuser/s.gguf' is no usable path",
        "[models.c] price_in_usd_per_mtok must be greater than or equal to 0, got -1.0",
        "[models.c]: missing 'network_delay_s'",
        "[models.c]: threads would do nothing with a base_url",
        "[models.a/b]: a model name must be printable",
        "[models.a/b]: give 'file' (a GGUF), 'sources' of one",
        "hyde_model must name an edge model",
    )
    for part in expected:
        assert [fault for fault in faults if fault.startswith(f"- {part}")], part


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("price_in_usd_per_mtok = " + "9" * 400, "price_in_usd_per_mtok must be a"),
        ("price_in_usd_per_mtok = true", "must be a valid number, got True"),
        ("price_in_usd_per_mtok = inf", "must be a finite number"),
        ("requests_per_minute = 99999999999999999999", "must be less than or equal to"),
        ("remote_name = ' '", "remote_name must be a text that is not blank"),
    ],
)
def test_a_number_or_text_that_cannot_be_meant_is_refused(tmp_path, line, says):
    key = line.split(" ")[0]
    rows = "".join(row for row in CLOUD.splitlines(keepends=True) if not row.startswith(key))
    with pytest.raises(LabError, match=says):
        load_catalog(write(tmp_path, f"{HEAD}{rows}{line}\n".encode()))


def test_a_sha256_in_capitals_is_the_same_sha256(tmp_path):
    digest = "0123456789abcdef" * 4
    text = f'{HEAD}{EDGE}sha256 = "{digest.upper()}"\n'
    assert load_catalog(write(tmp_path, text.encode()))["s"].sha256 == digest
    with pytest.raises(LabError, match="64 hexadecimal digits"):
        load_catalog(write(tmp_path, text.replace(digest.upper(), "abc").encode()))


FETCHED = (
    "[models.f]\nplacement = 'edge'\nbytes = 9\nlicence = 'MIT'\nsha256 = '"
    + "0" * 64
    + "'\nsources = [\n"
    + "  { hub = 'owner/repo', file = 'a/x.gguf' },\n"
    + "  { wheels = ['some-model==0.1.2', 'more==1.0'], member = '*/data/part*.bin' },\n]\n"
)


def test_a_model_with_sources_lies_in_the_folder_for_models(tmp_path, monkeypatch):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path / "kept"))
    model = load_catalog(write(tmp_path, (HEAD + FETCHED).encode()))["f"]
    assert model.sources == (
        HubSource("owner/repo", "a/x.gguf"),
        WheelSource(("some-model==0.1.2", "more==1.0"), "*/data/part*.bin"),
    )
    assert (model.file, model.bytes, model.licence) == (tmp_path / "kept/f.gguf", 9, "MIT")
    named = (HEAD + FETCHED + "file = 'g.gguf'\n").encode()
    assert load_catalog(write(tmp_path, named))["f"].file == tmp_path / "kept/g.gguf"


def test_a_model_that_is_not_here_names_the_command_that_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path / "kept"))
    catalog = load_catalog(write(tmp_path, (HEAD + FETCHED).encode()))
    with ModelPool(catalog) as pool:
        for use in (lambda: pool["f"], lambda: pool.check(["f"])):
            with pytest.raises(LabError, match=r"'f' is not on this .*: ecollm-lab models fetch f"):
                use()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("hub = 'owner/repo'", "hub = 'repo'", r"\[models\.f\] source 1 hub .*'repo'"),
        ("member = '*/data/part*.bin'", "x = 1", r"source 2: missing 'member'"),
        ("==0.1.2", ">=0.1", r"source 2 wheels .*'some-model>=0.1'"),
        ("file = 'a/x.gguf'", "fil = 1", r"source 1 key must be one of file, hub; got 'fil'"),
        ("licence = 'MIT'\n", "", r"a file with sources needs licence"),
        ("bytes = 9", "bytes = 9\nfile = '../x.gguf'", r"'\.\./x\.gguf' must be a plain name"),
    ],
)
def test_each_fault_of_a_source_is_named(tmp_path, old, new, says):
    with pytest.raises(LabError, match=says):
        load_catalog(write(tmp_path, (HEAD + FETCHED.replace(old, new)).encode()))


def test_what_a_request_holds_is_declared_per_model(tmp_path):
    text = (
        HEAD
        + CLOUD
        + "max_completion_tokens = 500\nthinking_tokens = 4000\nomit = ['temperature', 'seed']\n"
        + "system = 'Answer briefly.'\nextra_body = { reasoning = { effort = 'low' } }\n"
        + "headers = { 'X-Title' = 'lab' }\nheaders_env = { 'X-Api-Key' = 'OTHER_KEY' }\n"
    )
    model = load_catalog(write(tmp_path, text.encode()))["c"]
    assert (model.max_tokens, model.tokens_key, model.thinking_tokens) == (
        500,
        "max_completion_tokens",
        4000,
    )
    assert (model.omit, model.system) == (("temperature", "seed"), "Answer briefly.")
    assert model.extra_body == {"reasoning": {"effort": "low"}}
    assert (model.headers, model.headers_env) == ({"X-Title": "lab"}, {"X-Api-Key": "OTHER_KEY"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("omit = ['model']", "omit must be 'max_tokens', 'seed' or 'temperature'"),
        ("extra_body = { stream = true }", "extra_body must not hold stream"),
        ("extra_body = { day = 2026-01-01 }", "extra_body must hold what JSON can"),
        ("headers = { Authorization = 'sk-SECRET' }", "'Authorization', which may be a secret"),
        ("headers = { 'X-A' = \"a\\nb: sk-SECRET\" }", "headers must hold values on one line"),
        ("headers = { 'X A' = 'sk-SECRET' }", "names and values of HTTP headers"),
        ("headers_env = { 'X-Api-Key' = 'sk-SECRET' }", "must be the name of an environment"),
        ("max_tokens = 9\nmax_completion_tokens = 9", "are one limit"),
    ],
)
def test_what_a_request_cannot_hold_is_refused_and_never_shown(tmp_path, line, says):
    with pytest.raises(LabError, match=says) as caught:
        load_catalog(write(tmp_path, f"{HEAD}{CLOUD}{line}\n".encode()))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 65},
        {"tokens_key": "max_completion_tokens"},
        {"system": "Be brief."},
        {"omit": ("seed",)},
        {"extra_body": {"top_p": 1}},
        {"headers": {"X-Model": "b"}},
    ],
)
def test_what_changes_answers_changes_the_identity_and_nothing_else_does(change):
    model = cloud("m", "http://127.0.0.1:9/v1")
    assert dataclasses.replace(model, **change).identity() != model.identity()
    defaults = {"max_tokens": 64, "omit": (), "extra_body": {}, "headers": {}, "system": None}
    no_part = {"thinking_tokens": 9, "headers_env": {"X-Key": "K"}, "start_timeout_s": 9.0}
    same = dataclasses.replace(model, **defaults, **no_part, bytes=9, licence="MIT")
    assert same.identity() == model.identity()
