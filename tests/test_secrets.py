"""Keys stay in the environment."""

import dataclasses
import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from ecollm_lab.catalog import load_catalog
from ecollm_lab.models.secrets import read_key, redact
from ecollm_lab.records import LabError

KEY = "sk-PLANTED/7+key=with&odd~chars-0123456789"


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    return dataclasses.replace(load_catalog("data/models.toml")["pocket-xl"], api_key_env="PLANTED_KEY")


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        f"bad key {KEY}.",
        quote(KEY, safe=""),
        json.dumps({"key": KEY}),
        KEY.replace("/", "\\/"),
        repr(KEY.encode()),
        KEY.encode().hex(),
        *(b64encode(f"{before}{KEY}{after}".encode()).decode() for before in ("", ":", "u:", "me:") for after in ("", "!", "!!")),
    ],
)
def test_an_echoed_key_is_blotted_out_in_every_encoding(model, echo):
    clean = redact(model, f"before {echo} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "[PLANTED_KEY]" in clean
    assert KEY[5:-5] not in clean
    assert b64encode(KEY.encode()).decode()[6:-6] not in clean


def test_texts_without_the_key_and_placeholder_keys_are_left_alone(model, monkeypatch):
    assert redact(model, "the answer is 90 grams") == "the answer is 90 grams"
    monkeypatch.setenv("PLANTED_KEY", "EMPTY")
    assert redact(model, "the box is EMPTY") == "the box is EMPTY"
    assert redact(dataclasses.replace(model, api_key_env=None), "x") == "x"


def test_a_key_is_read_from_its_variable_alone(model, monkeypatch):
    assert read_key(model) == KEY
    assert KEY not in repr(model)
    monkeypatch.setenv("PLANTED_KEY", "  ")
    with pytest.raises(LabError, match="PLANTED_KEY, which is not set"):
        read_key(model)
