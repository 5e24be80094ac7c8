"""What of an echoed key is found: all of it, or 12 characters in a row, however written."""

import base64
import dataclasses
import html
import json
import textwrap
import time
from urllib.parse import quote

import pytest

from ecollm_lab.models.cloud.attempts import words
from ecollm_lab.models.cloud.secrets import FRAGMENT, redact
from tests.support.rig import cloud

KEY = "sk-proj-PLANTED/7+key=with&odd<chars>'0123456789'_AbCdEfGh"
B64 = base64.b64encode(f"user:{KEY}".encode()).decode()
HEX = KEY.encode().hex()


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    return cloud("m", "http://127.0.0.1:9/v1", api_key_env="PLANTED_KEY")


FORMS = {
    "plain": KEY,
    "split by a newline": f"{KEY[:20]}\n{KEY[20:]}",
    "split by Windows line ends": f"{KEY[:9]}\r\n{KEY[9:31]}\r\n{KEY[31:]}",
    "spaced out": " ".join(KEY),
    "wrapped at 16": textwrap.fill(KEY, 16),
    "an escaped newline in JSON": json.dumps(f"{KEY[:20]}\n{KEY[20:]}"),
    "cut at the end": KEY[:18] + "…",
    "cut at the beginning": "…" + KEY[-14:],
    "upper case": KEY.upper(),
    "lower case": KEY.lower(),
    "HTML entities": html.escape(KEY),
    "decimal entities": "".join(f"&#{ord(c)};" for c in KEY),
    "hexadecimal entities": "".join(f"&#x{ord(c):X};" for c in KEY),
    "URL-encoded": quote(KEY, safe=""),
    "all of it URL-encoded": "".join(f"%{ord(c):02x}" for c in KEY),
    "JSON": json.dumps({"key": KEY}),
    "JSON of JSON": json.dumps(json.dumps(KEY)),
    "JSON escapes": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "Python's repr": repr(KEY),
    "bytes": "".join(f"\\x{ord(c):02X}" for c in KEY),
    "slashes escaped": KEY.replace("/", "\\/"),
    "hexadecimal": HEX,
    "upper hexadecimal": HEX.upper(),
    "hexadecimal in pairs": " ".join(HEX[i : i + 2] for i in range(0, len(HEX), 2)),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "base64 within a longer text": B64,
    "wrapped base64": textwrap.fill(B64, 20),
    "cut base64": B64[8:40],
    "base64, URL-encoded": quote(B64, safe=""),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_echoed_key_is_blotted_out_however_it_is_written(model, form):
    clean = redact(model, f"Incorrect API key: <{FORMS[form]}>. Find yours at example.org.")
    assert clean.startswith("Incorrect API key: <")
    assert clean.endswith(". Find yours at example.org.")
    assert "[PLANTED_KEY]" in clean
    folded = "".join(clean.split()).lower()
    rest = folded.removeprefix("incorrectapikey:<").partition(".findyours")[0]
    rest = rest.replace("[planted_key]", "")
    assert len(rest) < 2 * FRAGMENT + 8, rest  # quotes, brackets and the ends of a base64
    assert KEY[5:20].lower() not in folded
    assert KEY[-15:].lower() not in folded


@pytest.mark.parametrize("cut", [KEY[:11], KEY[30:40], "".join(reversed(KEY))])
def test_less_than_twelve_characters_and_other_ciphers_are_not_claimed_to_be_found(model, cut):
    assert redact(model, f"before {cut} after") == f"before {cut} after"


@pytest.mark.parametrize(
    "text",
    [
        "the answer is 90 grams",
        "100%25 &amp; more &nosuch; \\u00e9 \\n C:\\new\\temp %zz",
        "sk-proj- is how such keys begin",
        "",
        "ü" * 1000,
    ],
)
def test_other_texts_are_left_as_they_are(model, text):
    assert redact(model, text) == text


def test_several_echoes_and_several_keys_are_each_named(model, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "other-secret-0123456789")
    both = dataclasses.replace(model, headers_env={"X-Gate": "OTHER_KEY"})
    text = f"{KEY} and {KEY.upper()} with other-secret-0123456789"
    assert redact(both, text) == "[PLANTED_KEY] and [PLANTED_KEY] with [OTHER_KEY]"


def test_a_short_key_is_found_whole_and_placeholders_are_words(model, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", "abcd-1234")
    assert redact(model, "key ABCD-1234, key abcd-123") == "key [PLANTED_KEY], key abcd-123"
    monkeypatch.setenv("PLANTED_KEY", "EMPTY")
    assert redact(model, "the box is EMPTY") == "the box is EMPTY"


def test_a_long_text_takes_no_long_time(model):
    text = "The weight of the lamp is 90 grams. " * 5_000
    began = time.perf_counter()
    assert redact(model, text) == text
    assert time.perf_counter() - began < 3.0


def test_of_a_long_error_the_beginning_alone_is_looked_through_and_quoted(model):
    body = {"message": f"Incorrect API key: {KEY}. " + f"{KEY} and " * 40_000}
    began = time.perf_counter()
    said = words(model, body)
    assert time.perf_counter() - began < 3.0
    assert said.startswith("Incorrect API key: [PLANTED_KEY]. [PLANTED_KEY] and ")
    assert len(said) == 300
