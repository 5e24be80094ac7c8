"""Catalog files as the world writes them, and everything that is wrong with one, told at once."""

import codecs

import pytest

from ecollm_lab.models import load_catalog
from ecollm_lab.records import LabError
from tests.models.test_catalog import CLOUD, EDGE, HEAD

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
        (WHOLE.encode("utf-16"), r"is not UTF-8 \(.*at byte 0\)\. Save it as UTF-8"),
        (WHOLE.replace("test", "Müller").encode("latin-1"), "is not UTF-8"),
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
        "pocket_model = true\nhyde_model = 'c'\n"
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
        "[models.a/b]: give either 'file'",
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
