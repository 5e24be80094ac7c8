"""Keys stay in the environment."""

import dataclasses
import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import traceback
from base64 import b64encode
from functools import partial
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from nbclient import NotebookClient
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.figures.fronts import compute_front, plot_front
from ecollm_lab.models import ModelPool, load_catalog
from ecollm_lab.models.cloud import client as cloud
from ecollm_lab.models.cloud.secrets import read_key, redact
from ecollm_lab.models.replies import Account
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from tests.conftest import LARGE
from tests.support.endpoint import Endpoint

KEY = "sk-PLANTED/7+key=with&odd~chars-0123456789"


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    return dataclasses.replace(
        load_catalog("tests/data/models.toml")[LARGE], api_key_env="PLANTED_KEY"
    )


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
        *(
            b64encode(f"{before}{KEY}{after}".encode()).decode()
            for before in ("", ":", "u:", "me:")
            for after in ("", "!", "!!")
        ),
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


NAMES = ("fine", "echoes", "refuses", "hangs", "is-html", "unheard-of")


def needles():
    """Everything that would give the key away: itself, URL-encoded, hex, and its base64."""
    coded = [b64encode(b"xyz"[:shift] + KEY.encode())[4:-4] for shift in range(3)]
    return [
        KEY.encode(),
        KEY[4:30].encode(),
        quote(KEY, safe="").encode(),
        KEY.encode().hex().encode(),
        *coded,
        coded[0].replace(b"+", b"-"),
    ]


def assert_clean(where, data):
    data = data.encode() if isinstance(data, str) else data
    found = [needle for needle in needles() if needle in data]
    assert not found, (
        f"{where} holds {found[0]!r}: …{data[max(0, data.index(found[0]) - 80) :][:200]!r}"
    )


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A domain of one query, and a catalog of models that answer, echo the key or misbehave."""
    monkeypatch.setenv("PLANTED_KEY", KEY)
    monkeypatch.setattr(
        cloud,
        "Patience",
        partial(cloud.Patience, wait_initial_s=0.01, wait_max_s=0.01, wait_jitter_s=0.0),
    )
    monkeypatch.chdir(tmp_path)
    shutil.copytree(Path(__file__).parents[2] / "data/smart_home", "home")
    queries = Path("home/queries.jsonl").read_text().splitlines(keepends=True)
    Path("home/queries.jsonl").write_text(queries[0])
    with Endpoint({"fine": "15 decibels"}) as server:
        text = '[prices]\ndate = "2026-01-01"\nsource = "test"\nedge_usd_per_hour = 0.1\n'
        for name in NAMES:
            text += (
                f'[models.{name}]\nplacement = "cloud"\nbase_url = "{server.base_url}"\napi_key_env'
                ' = "PLANTED_KEY"\n'
                f"timeout_s = {0.3 if name == 'hangs' else 30.0}\n"
                "price_in_usd_per_mtok = 1.0\nprice_out_usd_per_mtok = 1.0\nnetwork_delay_s = 0.0\n"
            )
        Path("models.toml").write_text(text)
        yield server


def test_the_scan_would_find_a_key(place):
    with pytest.raises(AssertionError, match="a file holds"):
        assert_clean("a file", b64encode(f"user:{KEY}".encode()))
    for needle in needles():
        with pytest.raises(AssertionError):
            assert_clean("a file", b"before " + needle + b" after")


def test_a_planted_key_is_in_no_artefact_of_sweeps_doctor_and_figures(place, caplog):
    caplog.set_level(logging.DEBUG)
    outputs = {}
    paths = ",".join(f"none/bm25-1/none/plain/{name}" for name in NAMES)
    done = CliRunner().invoke(
        app, ["sweep", "--domain", "home", "--catalog", "models.toml", "--paths", paths]
    )
    outputs["the sweep"] = done.output + "".join(
        traceback.format_exception(done.exception) if done.exception else []
    )
    outputs["doctor"] = CliRunner().invoke(app, ["doctor", "--catalog", "models.toml"]).output
    assert "2 outcomes measured" in outputs["the sweep"]
    assert "2 of 6 models answer" in outputs["doctor"]
    trace = Trace.load("build/traces/home.parquet")
    assert len(trace.outcomes) == 2
    plot_front(compute_front(trace), trace.source_line).write_html(
        "front.html", include_plotlyjs=False
    )
    trace.outcomes.to_csv("outcomes.csv")
    Path("provenance.json").write_text(json.dumps(trace.provenance))
    with sqlite3.connect(
        "build/outcomes.sqlite"
    ) as db:  # what it holds, whatever its pages look like
        outputs["the store's text"] = "\n".join(db.iterdump())
    db.close()
    assert "[PLANTED_KEY]" in outputs["the store's text"]  # the echo was there, and was blotted out
    outputs["the log"] = caplog.text
    for where, text in outputs.items():
        assert_clean(where, text)
    files = [file for file in Path().rglob("*") if file.is_file()]
    assert {"outcomes.sqlite", "home.parquet", "front.html", "outcomes.csv"} <= {
        file.name for file in files
    }
    for file in files:
        assert_clean(file, file.read_bytes())


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_planted_key_is_in_no_reply_repr_or_traceback(place, name):
    catalog = load_catalog("models.toml")
    nobody = Account(lambda usd: _done(1), lambda *_: _done(None))
    with ModelPool(catalog) as pool:
        assert_clean("repr of the catalog", repr(catalog))
        model = pool[name]
        assert_clean("repr of the model", repr(model) + repr(vars(model)))
        for ask in (
            lambda: model.reply("hello"),
            lambda: model.submit("hello", nobody).result(timeout=60),
        ):
            if name == "echoes":
                reply = ask()
                assert "You sent" in reply.text
                assert_clean("the reply", repr(reply))
                continue
            with pytest.raises(LabError) as caught:
                ask()
            error, chain = caught.value, []
            while error is not None:
                chain.append(error)
                error = error.__cause__ or error.__context__
            assert_clean("the traceback", "".join(traceback.format_exception(caught.value)))
            assert_clean("the chain", "".join(f"{e!r} {e.__dict__!r}" for e in chain))
            frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            assert_clean("the traceback with its locals", "".join(frames.format()))


def test_the_log_of_the_first_model_a_process_opens_is_clean_too(place):
    script = (
        "import logging; logging.basicConfig(level=logging.DEBUG)\n"
        "from ecollm_lab.models import load_catalog\nfrom ecollm_lab.models import ModelPool\n"
        "with ModelPool(load_catalog('models.toml')) as pool: pool['echoes'].reply('hello')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "X-Echo" in done.stderr  # the header that holds the key was logged
    assert_clean("the log", done.stderr)


def _done(value):
    from concurrent.futures import Future

    future = Future()
    future.set_result(value)
    return future


def test_a_planted_key_is_in_no_notebook_even_with_verbose_tracebacks(place):
    cells = [
        "%xmode Verbose",
        (
            "from ecollm_lab.models import load_catalog\nfrom ecollm_lab.models import ModelPool\n"
            "catalog = load_catalog('models.toml')\npool = ModelPool(catalog)\ncatalog"
        ),
        "pool['echoes'].reply('hello')",
        *(f"pool[{name!r}].reply('hello')" for name in NAMES[2:]),
        "vars(pool['refuses'])",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells]
    )
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=300).execute()
    text = nbformat.writes(notebook)
    assert text.count('"output_type": "error"') == len(NAMES) - 2
    assert "[PLANTED_KEY]" in text
    assert_clean("the notebook", text)
