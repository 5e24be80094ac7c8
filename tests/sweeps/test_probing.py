"""The doctor finds out what an endpoint takes, how fast a model is, and whether it has cores."""

import tomllib
from datetime import date

import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.models import Catalog, ModelPool, Reply, load_catalog
from ecollm_lab.sweeps import doctor
from ecollm_lab.sweeps.doctor import diagnose
from ecollm_lab.sweeps.probing import tokens_per_second
from ecollm_lab.sweeps.speed import crowded
from tests.support.rig import HOSTED_CATALOG, cloud

TODAY = date(2026, 1, 1)


def diagnosed(model):
    catalog = Catalog({model.name: model}, 0.01, "2026-01-01", "test", "x")
    with ModelPool(catalog) as models:
        (found,) = diagnose(catalog, [model.name], models, TODAY)
    return found


def hosted(judge, remote):
    return cloud(remote, judge.base_url, price_date="2026-01-01", price_source="test")


@pytest.mark.parametrize(
    ("remote", "lines", "n_requests"),
    [
        ("picky:temperature", ['omit = ["temperature"]'], 2),
        ("picky:max_tokens", ["max_completion_tokens = 64"], 2),
        ("picky:seed:temperature", ['omit = ["seed", "temperature"]'], 3),
        (
            "picky:max_tokens:temperature:seed",
            ["max_completion_tokens = 64", 'omit = ["seed", "temperature"]'],
            4,
        ),
        ("curt:seed", ['omit = ["seed"]'], 3),
        (
            "curt:max_tokens:temperature",
            ["max_completion_tokens = 64", 'omit = ["temperature"]'],
            6,
        ),
    ],
)
def test_what_an_endpoint_refuses_is_found_out_with_the_lines_to_add(
    judge, tmp_path, remote, lines, n_requests
):
    found = diagnosed(hosted(judge, remote))
    assert not found.ok
    assert found.mend.splitlines()[2:] == [f"    {line}" for line in lines]
    assert "it said: Passages:" in found.facts["answer"]
    assert judge.requests(remote) == n_requests
    file = tmp_path / "models.toml"
    text = HOSTED_CATALOG.format(base_url=judge.base_url, remote=remote) + "\n".join(lines)
    file.write_text(text)
    tomllib.loads(text)
    done = CliRunner().invoke(app, ["doctor", "--catalog", str(file)])
    assert "hosted (cloud): answers" in done.output
    assert judge.requests(remote) == n_requests + 1  # with the lines, one call is enough


@pytest.mark.parametrize(
    ("remote", "n_requests", "mend"),
    [
        ("status:400", 8, ""),  # each of three changes, alone and together
        ("picky:messages", 1, "Retrieve less"),
        ("status:401", 1, "refuses the key"),
        ("status:404", 1, "check remote_name and base_url"),
        ("status:429:insufficient_quota", 1, "out of quota"),
        ("html", 1, "not as an OpenAI-compatible API"),
        ("filter", 1, ""),
    ],
)
def test_a_refusal_that_no_change_helps_is_reported_as_it_came(judge, remote, n_requests, mend):
    found = diagnosed(hosted(judge, remote))
    assert not found.ok
    assert "Nothing was recorded" not in found.problem
    assert mend in found.mend
    assert judge.requests(remote) == n_requests


def test_a_wrong_parameter_is_no_reason_to_check_the_address(judge):
    assert "base_url" not in diagnosed(hosted(judge, "curt:seed")).mend


@pytest.mark.parametrize(("reads", "writes"), [(200.0, 20.0), (55.0, 7.0)])
def test_the_speeds_of_prompt_and_answer_are_told_apart(reads, writes):
    calls = [
        Reply("", read, wrote, read / reads + wrote / writes)
        for read, wrote in ((120, 12), (15, 30), (118, 9))
    ]
    assert tokens_per_second(calls) == pytest.approx((reads, writes))
    instant = [Reply("", 100, 10, 0.0), Reply("", 20, 5, 0.0), Reply("", 90, 10, 0.0)]
    assert tokens_per_second(instant) == (float("inf"), float("inf"))


@pytest.mark.parametrize(
    ("threads", "n_cores", "load", "warns"),
    [
        (1, 2, 0.2, []),
        (1, 2, 1.4, []),  # the doctor's own model
        (1, 2, 4.0, ["the load of this machine is 4.0 on 2 cores"]),
        (2, 2, 0.0, ["threads = 2 takes every core", "set threads = 1"]),
        (4, 2, 0.0, ["threads = 4 on 2 cores", "set threads = 2 or fewer"]),
        (1, 1, 0.0, []),
    ],
)
def test_threads_that_will_wait_for_a_core_are_warned_of(
    monkeypatch, threads, n_cores, load, warns
):
    monkeypatch.setattr(doctor, "cores", lambda: n_cores)
    monkeypatch.setattr("ecollm_lab.sweeps.speed.cores", lambda: n_cores)
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    model = cloud("edge", None, placement="edge", threads=threads)
    warnings = " ".join(doctor._thread_warnings(model))
    assert bool(warnings) == bool(warns)
    assert all(words in warnings for words in warns)
    hosted_elsewhere = cloud("hosted", "http://127.0.0.1:9/v1", threads=threads)
    assert not list(doctor._thread_warnings(hosted_elsewhere))


def test_a_machine_that_does_not_say_its_load_is_no_reason_to_warn(monkeypatch):
    def unknown():
        raise OSError

    monkeypatch.setattr("os.getloadavg", unknown)
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    assert list(doctor._thread_warnings(cloud("edge", None, placement="edge"))) == []
    assert "the load of this machine is not known" in crowded(1)


def test_a_model_of_this_machine_is_reported_with_its_speed():
    catalog = load_catalog("tests/data/models.toml")
    name = next(iter(catalog.models))
    with ModelPool(catalog) as models:
        (found,) = diagnose(catalog, [name], models, TODAY)
    assert "tokens of a prompt and" in found.facts["speed"]
    assert f"with threads = {catalog[name].threads}" in found.facts["speed"]
