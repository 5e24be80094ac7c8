import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, MEDIUM, SMALL, thinned

FOUR = f"none/none/none/{SMALL},none/bm25-1/none/{SMALL},none/bm25-3/none/{SMALL},none/bm25-1/none/{LARGE}"


def call(*args, code):
    done = CliRunner().invoke(app, [str(a) for a in args])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def place(tmp_path):
    """A copy of the catalog, which names the lab's own models, and a four-query domain, both writable."""
    catalog = Path("data/models.toml").read_text()
    (tmp_path / "models.toml").write_text(
        catalog.replace('"models/', f'"{Path("data/models").resolve()}/')
    )
    (tmp_path / "home").mkdir()
    shutil.copy("data/smart_home/passages.jsonl", tmp_path / "home")
    lines = Path("data/smart_home/queries.jsonl").read_text().splitlines(keepends=True)
    train = [line for line in lines if json.loads(line)["split"] == "train"]
    (tmp_path / "home/queries.jsonl").write_text("".join(train[:2] + train[-2:]))
    return tmp_path


def options(place, **changes):
    named = {
        "domain": place / "home",
        "catalog": place / "models.toml",
        "store": place / "s.sqlite",
        "out": place / "t.parquet",
        **changes,
    }
    return [
        "sweep",
        *(
            str(word)
            for key, value in named.items()
            for word in (f"--{key.replace('_', '-')}", value)
        ),
    ]


def test_check_domain_passes_the_shipped_and_fails_a_broken_one(tmp_path):
    n_passages = len(Path("data/smart_home/passages.jsonl").read_text().splitlines())
    assert f"is sound: {n_passages} passages" in call("check-domain", "data/smart_home", code=0)
    assert "cannot be read" in call("check-domain", tmp_path, code=1)
    assert "There is no domain or folder 'smart_hom'" in call("check-domain", "smart_hom", code=1)


def test_a_sweep_measures_resumes_and_exports(place):
    assert "5 outcomes measured, 0 reused" in call(
        *options(place, paths=FOUR.replace(",", ", "), limit=5), code=0
    )
    with (place / "t.log.jsonl").open("a") as log:
        log.write('{"outcomes": 7, "domain_dig')  # as a full disk leaves it
    second = call(*options(place, paths=FOUR), code=0)
    assert "11 outcomes measured, 5 reused" in second
    assert re.search(r"\d+ stage executions instead of 44, which is 0\.\d\d", second)
    first_line, cut, second_line = (place / "t.log.jsonl").read_text().splitlines()
    runs = [json.loads(first_line), json.loads(second_line)]
    last = call(*options(place, paths=FOUR), code=0)
    assert "0 outcomes measured, 16 reused" in last
    assert "stage executions" not in last
    assert (place / "t.log.jsonl").read_text().splitlines() == [
        first_line,
        cut,
        second_line,
    ]  # one for each run that measured anything
    assert [run["outcomes"] for run in runs] == [5, 11]
    asked = [sum(run["stage_executions_without_sharing"].values()) for run in runs]
    assert asked == [5 * 4, 11 * 4]
    assert all(
        0 < sum(run["stage_executions"].values()) < n and run["seconds"] >= 0
        for run, n in zip(runs, asked, strict=True)
    )
    trace = Trace.load(place / "t.parquet")
    assert trace.provenance["runs"] == runs
    assert len(trace.outcomes) == 16
    assert trace.provenance["source"] == "measured"
    cloud = trace.path_ids.index(f"none/bm25-1/none/{LARGE}")
    assert (trace.array("latency_s")[:, cloud] > 0.08).all()  # the declared network delay


def test_hyde_runs_isolated_and_another_model_that_rewrites_measures_its_paths_anew(place):
    paths, catalog = f"hyde/dense-1/none/{SMALL},none/dense-1/none/{SMALL}", place / "models.toml"
    assert "8 outcomes measured, 0 reused" in call(
        *options(place, paths=paths), "--isolate", code=0
    )
    trace = Trace.load(place / "t.parquet")
    rewriting = trace.outcomes.groupby("path_id")["rewrite_s"]
    least, copying = (
        rewriting.min()[f"hyde/dense-1/none/{SMALL}"],
        rewriting.median()[f"none/dense-1/none/{SMALL}"],
    )
    assert least > 10 * copying  # a call
    catalog.write_text(
        re.sub(r'hyde_model = ".*"', f'hyde_model = "{MEDIUM}"', catalog.read_text())
    )
    assert "4 outcomes measured, 4 reused" in call(*options(place, paths=paths), code=0)
    catalog.write_text(catalog.read_text().replace(f'hyde_model = "{MEDIUM}"', ""))
    assert 'hyde_model = "NAME"' in call(*options(place, paths=paths), code=1)


@pytest.mark.parametrize(
    ("spoil", "changes", "says"),
    [
        (lambda p: (p / "home/passages.jsonl").unlink(), {}, "passages.jsonl: cannot be read"),
        (
            lambda p: (p / "home/queries.jsonl").open("a").write("{oops\n"),
            {},
            "queries.jsonl:5: not JSON",
        ),
        (None, {"paths": f"none/bm42-1/none/{SMALL}"}, "Unknown retrieve component 'bm42-1'"),
        (None, {"paths": "none/bm25-1/none/gpt-9"}, "Unknown generate component 'gpt-9'"),
        (lambda p: _edit(p, "network_delay_s", "# "), {}, "missing 'network_delay_s'"),
        (lambda p: _edit(p, "price_in_usd_per_mtok", "# "), {}, "missing 'price_in_usd_per_mtok'"),
        (lambda p: _elsewhere(p, SMALL).write_bytes(b"GGUF"), {}, "cut short or another version"),
        (lambda p: _elsewhere(p, MEDIUM), {}, "cannot read"),
        (lambda p: (p / "s.sqlite").write_bytes(b"junk" * 99), {}, "damaged or no store"),
        (lambda p: (p / "t.parquet").mkdir(), {}, "Cannot write"),
        (
            None,
            {"domain": "nowhere"},
            (
                "There is no domain or folder 'nowhere'. The lab's own domains: automotive,"
                " smart_home."
            ),
        ),
        (None, {"out": "t.csv"}, "ends in .parquet, got t.csv"),
        (None, {"paths": " , "}, "--paths names nothing"),
        (None, {"limit": 0}, "limit must be at least 1"),
    ],
)
def test_bad_input_is_one_clear_message_and_loses_nothing(place, spoil, changes, says):
    call(*options(place, paths=FOUR, limit=3, out=place / "early.parquet"), code=0)
    kept = (place / "s.sqlite").read_bytes()
    if spoil:
        spoil(place)
    text = call(*options(place, **changes), code=1)
    assert says in text
    assert text.startswith("Error: ")
    assert "Traceback" not in text
    assert len(text.splitlines()) < 25
    if "damaged" not in says:
        assert (place / "s.sqlite").read_bytes() == kept


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
    assert _stored(place) == 6
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
    assert len(trace.outcomes) == _stored(place)
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
        0.02,
        "--replay",
        "data/traces/smart_home.parquet",
        "--store",
        tmp_path / "s.sqlite",
        "--out",
        tmp_path / "e.parquet",
        code=0,
    )
    whole = Trace.load("data/traces/smart_home.parquet")
    n_pairs = len(whole.split("train").query_ids) * len(whole.path_ids)
    budget = round(0.02 * n_pairs)
    assert f"{budget} of {n_pairs} outcomes (2.0%" in text
    assert not (tmp_path / "s.sqlite").exists()
    trace = Trace.load(tmp_path / "e.parquet")
    assert len(trace.outcomes) == budget
    assert "smart_home" in trace.provenance["replayed_from"]
    was = whole.provenance
    assert {
        key: trace.provenance[key] for key in was
    } == was  # its outcomes are of that day and machine


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "Give either a budget share (--budget-share) or a budget"),
        ({"budget_share": 0.5, "max_outcomes": 9}, "and not both"),
        ({"budget_share": 1.5}, "budget_share must be within (0, 1], got 1.5"),
        ({"max_cost_usd": 0}, "Budget cost_usd must be positive"),
        (
            {"max_outcomes": 3},
            "leaves 3 for 4 paths that were never measured; each needs one. Give at least 4",
        ),
        ({"max_outcomes": 8, "replay": "nowhere.parquet"}, "Cannot read the trace nowhere.parquet"),
        ({"max_outcomes": 8, "out": "README.md/x.parquet"}, "Cannot create README.md"),
        ({"max_outcomes": 8, "out": "x.csv"}, "ends in .parquet, got x.csv"),
        ({}, "--max-outcomes, --max-cost-usd, --seconds"),
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
            lambda t: t.outcomes.__setitem__("path_id", t.outcomes["path_id"].astype(str) + "x"),
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


def _elsewhere(place, model):
    """Let the catalog name another file for a model, one that is not there yet, and return it."""
    file, listed = place / f"{model}.gguf", place / "models.toml"
    listed.write_text(
        listed.read_text().replace(f'"{Path(f"data/models/{model}.gguf").resolve()}"', f'"{file}"')
    )
    return file


def _edit(place, line, prefix):
    file = place / "models.toml"
    file.write_text(file.read_text().replace(f"\n{line}", f"\n{prefix}{line}"))


def test_ctrl_c_keeps_everything_and_prints_how_to_go_on(place):
    # a background test run ignores it
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [
        sys.executable,
        "-c",
        f"{heed}; from ecollm_lab.cli import app; app()",
        *options(place),
    ]
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    deadline = time.monotonic() + 120
    while not _stored(place) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "goes on from there" in said
    before = _stored(place)
    assert before > 0
    assert f"{before} reused" in call(*options(place, limit=1), code=0)


def _stored(place):
    if not (place / "s.sqlite").exists():
        return 0
    try:
        with closing(sqlite3.connect(place / "s.sqlite", timeout=30)) as db:
            return db.execute("SELECT count(*) FROM outcomes").fetchone()[0]
    except sqlite3.Error:  # the child is just creating it
        return 0


def test_the_study_writes_the_promised_summary(tmp_path):
    for name in ("smart_home", "automotive"):  # as `make reproduce` runs it, on a part
        thinned(Trace.load(f"data/traces/{name}.parquet"), 160, 80).save(
            tmp_path / f"t/{name}.parquet"
        )
    text = call(
        "study",
        "--traces",
        tmp_path / "t",
        "--figures",
        tmp_path / "f",
        "--live-outcomes",
        20,
        code=0,
    )
    summary = json.loads((tmp_path / "f/summary.json").read_text())["domains"]
    for name in ("smart_home", "automotive"):
        one = summary[name]
        assert one["source"] == "measured"
        assert one["n_passages"] >= 120
        assert one["n_queries"] >= 160
        assert one["n_paths"] >= 80
        assert one["n_clusters"] >= 1
        assert one["live_check"]["n_outcomes"] == 20
        assert one["live_check"]["quality_agreement_rate"] >= 0.95
        assert 0 < one["live_check"]["latency_rank_correlation"] <= 1
        assert {"oracle", "best_single", "cloud_only", "ours"} <= set(one["seen"])
        for prefer in ("prefer_cost", "prefer_latency", "prefer_quality"):
            row = one["heldout"][prefer]["ours"]
            assert {
                "quality",
                "cost_usd",
                "latency_s",
                "latency_p95_s",
                "slo_violation_rate",
                "regret",
            } <= set(row)
            assert one["heldout"][prefer]["oracle"]["regret"] == 0
        assert name in text
    drawn = {f.name for f in (tmp_path / "f").iterdir()}
    named = re.findall(r"^\| `(\w+)` \|", Path("docs/figures.md").read_text(), re.MULTILINE)
    assert {
        f"{domain}_{name}.html" for domain in ("smart_home", "automotive") for name in named
    } <= drawn
    assert {"emulator_slo_loss.html", "index.html", "summary.json"} <= drawn
    assert len(drawn) == 2 * len(named) + 6
    assert '"showSendToCloud": false' in (tmp_path / "f/smart_home_front.html").read_text()


def test_the_study_refuses_an_unwritable_place_and_missing_traces(tmp_path):
    (tmp_path / "taken").write_text("")
    assert "Cannot create" in call("study", "--figures", tmp_path / "taken", code=1)
    assert "Cannot read the trace" in call(
        "study", "--traces", tmp_path, "--figures", tmp_path / "f", code=1
    )
