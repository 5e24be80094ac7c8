"""The doctor names what is wrong with a model and how to mend it, and spoils no other."""

import re
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.models import load_catalog
from tests.conftest import SMALL
from tests.support.endpoint import Endpoint

KEY = "sk-PLANTED-doctor-0123456789"
HEAD = '[prices]\ndate = "{today}"\nsource = "test"\nedge_usd_per_hour = 0.36\n'


def table(name, base_url, **more):
    lines = {
        "placement": "cloud",
        "base_url": base_url,
        "api_key_env": "DOCTOR_KEY",
        "price_in_usd_per_mtok": 1.0,
        "price_out_usd_per_mtok": 4.0,
        "network_delay_s": 0.0,
        "timeout_s": 30.0,
        **more,
    }
    return f"[models.{name}]\n" + "".join(
        f"{key} = {value if not isinstance(value, str) else repr(value)}\n"
        for key, value in lines.items()
    )


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("DOCTOR_KEY", KEY)
    with Endpoint({"fine": "Four weeks."}) as server:
        yield server


def run(tmp_path, text, *options, today=None):
    file = tmp_path / "models.toml"
    file.write_text(HEAD.format(today=today or date.today()) + text)
    done = CliRunner().invoke(app, ["doctor", "--catalog", str(file), *options])
    assert KEY not in done.output
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_a_model_that_answers_is_reported_with_what_it_would_cost(tmp_path, endpoint):
    code, text = run(
        tmp_path,
        table("fine", endpoint.base_url, price_date="2026-11-20", price_source="their price page"),
        today="2020-01-01",
    )
    assert code == 0
    assert "fine (cloud): answers" in text
    assert "question   'How long may I keep a book?'" in text
    assert "Whether an answer is right is not checked here" in text
    assert "'Four weeks.'; 40 tokens read, 5 written" in text
    assert (
        "0.060000 USD for 1,000 such queries; 1 in, 4 out USD per million tokens" in text
    )  # 1,000 x (40 x 1 + 5 x 4) / 1e6
    assert "declared 2026-11-20: their price page" in text
    assert "from DOCTOR_KEY, not shown" in text
    assert endpoint.requests["fine"] == 1


def test_the_shipped_models_answer_and_name_their_template():
    n = len(load_catalog("data/models.toml").models)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert f"{n} of {n} models answer" in done.output
    assert done.output.count(": answers") == n
    assert done.output.count("sha256 as declared") == n
    assert done.output.count("the GGUF's own") == n
    assert "0.0159 USD per hour of this device" in done.output
    assert done.output.count("is what it would search for") == 1


@pytest.mark.parametrize(
    ("name", "more", "problem", "mend"),
    [
        ("refuses", {}, "401", "refuses the key in DOCTOR_KEY"),
        ("unheard-of", {}, "404", "knows no model 'unheard-of'.*check remote_name"),
        (
            "is-html",
            {},
            "did not send a completion",
            "not as an OpenAI-compatible API: check base_url",
        ),
        ("hangs", {"timeout_s": 0.5}, "no whole reply within 0.5 s", "timeout_s = 0.5 s: raise it"),
        (
            "dead",
            {"base_url": "http://127.0.0.1:9/v1"},
            "Connection",
            "Nothing answers at http://127.0.0.1:9/v1",
        ),
        (
            "keyless",
            {"api_key_env": "NO_SUCH_KEY"},
            "NO_SUCH_KEY, which is not set",
            "export NO_SUCH_KEY=",
        ),
    ],
)
def test_each_fault_of_an_endpoint_is_named_with_its_mend_and_the_others_are_still_checked(
    tmp_path, endpoint, name, more, problem, mend
):
    code, text = run(
        tmp_path,
        table(name, **{"base_url": endpoint.base_url, **more}) + table("fine", endpoint.base_url),
    )
    assert code == 1
    failed, fine = text.split("fine (cloud): ")
    assert re.search(problem, failed)
    assert re.search(mend, failed)
    assert fine.startswith("answers")
    assert "1 of 2 models answer" in fine
    assert (
        run(
            tmp_path,
            table(name, **{"base_url": endpoint.base_url, **more})
            + table("fine", endpoint.base_url),
            "--models",
            "fine",
        )[0]
        == 0
    )


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("missing", "cannot read"),
        ("text", "not a GGUF"),
        ("cut", "cannot load"),
        ("sha256", "cut short or another"),
    ],
)
def test_each_fault_of_a_file_is_named(tmp_path, endpoint, damage, problem):
    file, digest = tmp_path / "m.gguf", ""
    if damage != "missing":
        data = load_catalog("tests/data/models.toml")[SMALL].file.read_bytes()
        file.write_bytes(b"<html>" if damage == "text" else data[: len(data) // 2])
    if damage == "sha256":
        digest = f'sha256 = "{"74623c2f" * 8}"\n'
    code, text = run(
        tmp_path,
        f'[models.m]\nplacement = "edge"\nfile = "m.gguf"\n{digest}'
        + table("fine", endpoint.base_url),
    )
    assert code == 1
    assert "m (edge): FAILS" in text
    assert problem in text
    assert "1 of 2 models answer" in text


@pytest.mark.parametrize(
    ("days", "warns"), [(180, ""), (181, "181 days old"), (-3, "in the future")]
)
def test_old_prices_are_warned_of_but_do_not_fail(tmp_path, endpoint, days, warns):
    code, text = run(
        tmp_path, table("fine", endpoint.base_url), today=date.today() - timedelta(days=days)
    )
    assert code == 0
    assert ("WARNING" in text) == bool(warns)
    assert warns in text


def test_the_catalog_may_be_named_by_a_variable(tmp_path, endpoint, monkeypatch):
    (tmp_path / "mine.toml").write_text(
        HEAD.format(today="2026-01-01") + table("fine", endpoint.base_url)
    )
    monkeypatch.setenv("ECOLLM_CATALOG", str(tmp_path / "mine.toml"))
    assert "1 of 1 models answer" in CliRunner().invoke(app, ["doctor"]).output


def test_an_unknown_model_is_an_error(tmp_path, endpoint):
    code, text = run(tmp_path, table("fine", endpoint.base_url), "--models", "fine,gpt")
    assert code == 1
    assert "Unknown model 'gpt'; the catalog has: fine" in text
