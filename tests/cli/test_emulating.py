"""The command that explores a domain with a budget."""

import os
import signal
from types import SimpleNamespace

import pandas as pd
import pytest

from ecollm_lab.emulator import Emulator
from ecollm_lab.models import load_catalog
from ecollm_lab.sweeps.run import Run
from ecollm_lab.traces import Trace
from tests.support.commands import FOUR, call, stored

NINE = [
    f"none/{found}/none/plain/{model}"
    for found in ("dense-1", "hybrid-1", "hybrid-3")
    for model in load_catalog("data/models.toml").models
]


def explore_options(place, **changes):
    named = {
        "domain": place / "home",
        "catalog": place / "models.toml",
        "store": place / "s.sqlite",
        "out": place / "e.parquet",
        **changes,
    }
    return [
        "emulate",
        *(
            str(word)
            for key, value in named.items()
            for word in (f"--{key.replace('_', '-')}", value)
        ),
    ]


def test_emulate_explores_live_resumes_and_writes_what_it_found(place):
    first = call(*explore_options(place, paths=FOUR, max_outcomes=6), code=0)
    assert "home: 6 of " in first
    assert "0 of them were there before" in first
    assert "90 % credible intervals" in first
    assert stored(place) == 6
    assert "USD per 1,000" in first
    held = call(*explore_options(place, paths=FOUR, max_outcomes=6), code=0)
    assert (
        "budget spent; the store already held 6 of them, which count towards it; give a larger"
        " budget or another --store" in held
    )
    again = call(*explore_options(place, paths=FOUR, budget_share=1.0), code=0)
    assert "6 of them were there before" in again
    assert "Ended because: everything measured" in again
    trace = Trace.load(place / "e.parquet")
    assert len(trace.outcomes) == stored(place)
    assert set(trace.queries["split"]) == {"train"}
    assert trace.provenance["emulator"]["stopped"] == "everything measured"
    fronts = pd.read_csv(place / "e.fronts.csv")
    assert fronts["path_id"].nunique() == 4
    assert {"quality_low", "front_probability", "status", "because"} <= set(fronts)


def test_emulate_replays_an_exhaustive_trace_and_leaves_the_store_alone(tmp_path):
    text = call(
        "emulate",
        "--domain",
        "smart_home",
        "--budget-share",
        0.05,
        "--replay",
        "data/traces/smart_home.parquet",
        "--paths",
        ",".join(NINE),
        "--store",
        tmp_path / "s.sqlite",
        "--out",
        tmp_path / "e.parquet",
        code=0,
    )
    whole = Trace.load("data/traces/smart_home.parquet")
    n_pairs = len(whole.split("train").query_ids) * len(NINE)
    budget = round(0.05 * n_pairs)
    assert f"{budget} of {n_pairs} outcomes (5.0%" in text
    assert not (tmp_path / "s.sqlite").exists()
    trace = Trace.load(tmp_path / "e.parquet")
    assert len(trace.outcomes) == budget
    assert "smart_home" in trace.provenance["replayed_from"]
    was = whole.provenance
    assert {
        key: trace.provenance[key] for key in was
    } == was  # its outcomes are of that day and machine


def test_an_exploration_that_is_interrupted_prints_its_report(tmp_path, monkeypatch):
    tell = Emulator.tell

    def interrupted(self, outcomes):
        tell(self, outcomes)
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(Emulator, "tell", tell)

    monkeypatch.setattr(Emulator, "tell", interrupted)
    replay, out = "data/traces/smart_home.parquet", tmp_path / "e.parquet"
    options = ["--budget-share", 0.5, "--replay", replay, "--paths", ",".join(NINE)]
    text = call("emulate", "--domain", "smart_home", *options, "--out", out, code=130)
    assert "Ended because: run stopped early" in text
    assert "90 % credible intervals" in text
    assert out.exists()


def test_a_budget_in_seconds_ends_amid_a_batch(place, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    run_pair = Run._run_pair

    def slow(self, *args):
        run_pair(self, *args)
        clock.now += 1.0

    monkeypatch.setattr(Run, "_run_pair", slow)
    fake = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr("ecollm_lab.emulator.domains.time", fake)
    monkeypatch.setattr("ecollm_lab.emulator.budget.time", fake)
    text = call(*explore_options(place, paths=FOUR, seconds=2), code=0)
    assert 2 <= stored(place) < 4  # the first batch asks each of the four paths once
    assert "Ended because: budget spent" in text
    assert "90 % credible intervals" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "A budget needs outcomes, cost_usd, seconds or share"),
        ({"budget_share": 0.5, "max_outcomes": 9}, "and not both"),
        ({"budget_share": 1.5}, "Budget share must be within (0, 1], got 1.5"),
        ({"max_cost_usd": 0}, "Budget cost_usd must be positive"),
        (
            {"max_outcomes": 3},
            "leaves 3 for 4 paths that were never measured; each needs one. Give at least 4",
        ),
        ({"max_outcomes": 8, "replay": "nowhere.parquet"}, "Cannot read the trace nowhere.parquet"),
        ({"max_outcomes": 8, "out": "README.md/x.parquet"}, "Cannot create README.md"),
        ({"max_outcomes": 8, "out": "x.csv"}, "ends in .parquet, got x.csv"),
    ],
)
def test_emulate_says_what_is_wrong(place, changes, says):
    text = call(*explore_options(place, paths=FOUR, **changes), code=1)
    assert says in text
    assert text.startswith("Error: ")
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda t: t.provenance.update(domain="automotive"),
            "measured on the domain 'automotive', not on 'smart_home'",
        ),
        (
            lambda t: t.provenance.update(domain_digest="0"),
            "measured on another edition of 'smart_home'",
        ),
        (
            lambda t: t.outcomes.__setitem__(
                "quality", t.outcomes["quality"].where(t.outcomes.index >= 5)
            ),
            "no outcome of 5 pairs",
        ),
        (
            lambda t: t.outcomes.drop(t.outcomes.index[:3], inplace=True),  # noqa: PD002
            "may be asked, first query ",
        ),
    ],
)
def test_a_trace_of_something_else_is_not_replayed(tmp_path, spoil, says):
    trace = Trace.load("data/traces/smart_home.parquet").split("train")
    spoil(trace)
    trace.save(tmp_path / "t.parquet")
    text = call(
        "emulate",
        "--domain",
        "smart_home",
        "--budget-share",
        0.02,
        "--replay",
        tmp_path / "t.parquet",
        "--out",
        tmp_path / "e.parquet",
        code=1,
    )
    assert says in text
    assert not (tmp_path / "e.parquet").exists()
