"""Nineteen faults that a paid, long, resumable sweep survives; the scripted server's counters are the judge. See docs/faults.md."""

import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import llama_cpp
import pytest

from ecollm_lab.models import ModelPool, load_catalog
from ecollm_lab.models.cloud.client import CloudModel, Patience
from ecollm_lab.models.edge.isolated import IsolatedModel
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Store, fingerprints, sweep
from ecollm_lab.sweeps.calls import call_key
from ecollm_lab.sweeps.provenance import queries_frame
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, SMALL, LetterEncoder
from tests.support.rig import Child, cloud, domain, rig
from tests.support.scripted_server import Judge

RESERVED = pytest.approx(
    0.00043, rel=0.02
)  # of one call of the rig: 173 bytes and template tokens at 1 USD, 64 at 4 USD per Mtok


@pytest.fixture(scope="module")
def judge():
    server = Judge()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _fresh(judge):
    judge.reset()


def ledger(file):
    with closing(sqlite3.connect(file)) as db:
        return db.execute(
            "SELECT key, reserved_usd, settled_usd, state FROM attempts ORDER BY id"
        ).fetchall()


def billed_usd(judge, model):
    read, wrote = judge.counters()["billed"].get(model.remote_name, (0, 0))
    return model.cost_usd(0.0, read, wrote)


def told(store, mark):
    return [
        (o.query_id, o.path_id, o.answer, o.quality, o.tokens_in, o.tokens_out)
        for o in store.outcomes(mark)
    ]


def test_01_kill_9_at_random_moments_loses_nothing(judge, tmp_path, record_property):
    model, n, kills, rng = (
        cloud("ok:3", judge.base_url, max_in_flight=16),
        2000,
        20,
        random.Random(1),
    )
    for _ in range(kills):
        child = Child(tmp_path / "s.sqlite", [model], n)
        child.pipe.poll(30)
        time.sleep(rng.uniform(0.0, 0.15))
        assert child.kill() is None
        with closing(sqlite3.connect(tmp_path / "s.sqlite")) as db:
            assert (
                db.execute("SELECT count(*) FROM outcomes").fetchone()[0] >= child.told
            )  # acknowledged, so there
    with rig(tmp_path / "s.sqlite", [model], n) as (go, store):
        assert go().done > 0
        disturbed, spent = told(store, go.marks["ok:3"]), store.spending("scripted")
        requests = judge.requests("ok:3")
        assert go().done == 0
        assert judge.requests("ok:3") == requests  # a further run sends nothing
    record_property("repeats of at most 320", requests - n)
    assert requests - n <= kills * 16
    assert spent.attempts >= requests
    assert spent.charged_usd >= billed_usd(judge, model)
    with rig(tmp_path / "calm.sqlite", [model], n) as (go, store):
        go()
        assert told(store, go.marks["ok:3"]) == disturbed
    assert len(disturbed) == n


def test_02_a_kill_between_reply_and_commit_pays_that_reply_twice_at_most(
    judge, tmp_path, record_property
):
    model, kills = cloud("ok", judge.base_url, max_in_flight=1), 5
    for i in range(kills):
        assert Child(tmp_path / "s.sqlite", [model], 20, crash=("settle", i + 1)).wait() is None
    assert Child(tmp_path / "s.sqlite", [model], 20).wait()[0] == "ended"
    seen = judge.counters()["per_key"]["ok"]
    record_property("repeats per kill", (sum(seen.values()) - 20) / kills)
    assert sum(seen.values()) == 20 + kills
    rows = ledger(tmp_path / "s.sqlite")
    assert len(rows) == 20 + kills
    unknown = [row for row in rows if row[3] == "unknown"]
    assert len(unknown) == kills
    assert all(settled == reserved == RESERVED for _, reserved, settled, _ in unknown)


def test_03_a_stop_drains_commits_and_repeats_nothing(judge, tmp_path):
    stop = threading.Event()
    with rig(tmp_path / "s.sqlite", [cloud("ok:20", judge.base_url)], 800) as (go, store):
        first = go(stop=stop, on_progress=lambda p: p.done == 40 and stop.set())
        assert first.stopped == "stopped on request"
        assert 40 <= first.done < 800
        assert judge.requests("ok:20") == first.done == len(store.pairs(go.marks["ok:20"]))
        assert go().done == 800 - first.done
    assert set(judge.counters()["per_key"]["ok:20"].values()) == {1}


CATALOG = """
[prices]
date = "2026-01-01"
source = "test"
edge_usd_per_hour = 0.01
[models.hosted]
placement = "cloud"
base_url = "{base_url}"
remote_name = "{remote}"
price_in_usd_per_mtok = 1.0
price_out_usd_per_mtok = 4.0
network_delay_s = 0.0
"""


def start(judge, place, remote):
    (place / "models.toml").write_text(CATALOG.format(base_url=judge.base_url, remote=remote))
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    words = [
        "sweep",
        "--domain",
        "data/smart_home",
        "--catalog",
        place / "models.toml",
        "--store",
        place / "s.sqlite",
        "--out",
        place / "t.parquet",
        "--paths",
        "none/none/none/hosted",
    ]
    child = subprocess.Popen(
        [sys.executable, "-c", f"{heed}; from ecollm_lab.cli import app; app()", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while judge.requests(remote) < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    return child


def test_03_ctrl_c_exits_130_with_the_way_on_and_a_second_one_at_once(judge, tmp_path):
    child = start(judge, tmp_path, "ok:100")
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "the same command goes on from there:\n  ecollm-lab" in said
    assert "Traceback" not in said
    seen = judge.counters()["per_key"]["ok:100"]
    assert set(seen.values()) == {1}
    assert len(ledger(tmp_path / "s.sqlite")) == len(seen)
    judge.reset()
    child = start(judge, tmp_path, "hang")
    child.send_signal(signal.SIGINT)
    while "Stopping: what is in flight" not in (line := child.stderr.readline()):
        assert line, "it ended without a word"
    asked = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert "Stopped at once" in child.communicate(timeout=60)[1]
    assert time.monotonic() - asked < 5.0  # an answer would take 30 s, giving up on it 60 s
    assert child.returncode == 130


def test_04_no_answer_one_attempt_is_one_request_charged_as_reserved(judge, tmp_path):
    model = cloud("hang", judge.base_url, timeout_s=0.2)
    with rig(tmp_path / "s.sqlite", [model], 3, probe_s=0.1) as (go, store):
        progress = go()
        assert (progress.done, progress.failed) == (0, 3)
        assert store.spending("scripted").charged_usd >= billed_usd(judge, model) > 0
    rows = ledger(tmp_path / "s.sqlite")
    assert judge.requests("hang") == len(rows)
    assert all(settled == reserved == RESERVED for _, reserved, settled, _ in rows)


def test_05_the_total_deadline_holds_against_a_slow_drip(judge, record_property):
    seconds = []
    with CloudModel(cloud("drip:20", judge.base_url, timeout_s=0.5)) as model:
        while (
            len(seconds) < 10 and min(seconds, default=9) > 0.6
        ):  # the machine may be busy with something else; the drip takes 6 s
            began = time.monotonic()
            with pytest.raises(LabError, match=r"no whole reply within 0\.5 s"):
                model.reply("number 1")
            seconds.append(time.monotonic() - began)
    record_property("seconds at a deadline of 0.5", min(seconds))
    assert min(seconds) <= 0.6


def test_06_retry_after_parks_the_endpoint_and_a_long_one_ends_the_sweep(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("limit:40:2", judge.base_url)], 120) as (go, _):
        assert go().done == 120
        gate = go.pipeline.models["limit:40:2"]._gate
    assert judge.counters()["inside"].get("limit:40:2", 0) == 0
    assert gate._episode == 1  # one cut for the whole burst
    with rig(tmp_path / "p.sqlite", [cloud("park:3600", judge.base_url)], 120) as (go, _):
        began = time.monotonic()
        progress = go()
        assert time.monotonic() - began < 30
        assert "pause of 3600 s" in progress.stopped
        assert judge.requests("park:3600") <= 20


@pytest.mark.parametrize(
    "remote",
    [
        "status:401",
        "status:403",
        "status:404",
        "status:402",
        "status:429:insufficient_quota",
        "status:400",
    ],
)
def test_07_what_cannot_succeed_is_never_retried_and_ends_the_sweep(
    judge, tmp_path, remote, record_property
):
    with rig(tmp_path / "s.sqlite", [cloud(remote, judge.base_url)], 200) as (go, _):
        progress = go()
        assert progress.done == 0
        assert progress.stopped
    record_property("requests", judge.requests(remote))
    assert judge.requests(remote) <= 20
    assert set(judge.counters()["per_key"][remote].values()) == {1}


def test_08_a_fifth_of_5xx_is_ridden_out(judge, tmp_path, record_property):
    with rig(tmp_path / "s.sqlite", [cloud("flaky:20", judge.base_url)], 400, probe_s=1.0) as (
        go,
        _,
    ):
        progress = go()
        assert (progress.done, progress.failed) == (400, 0)
    requests = judge.requests("flaky:20")
    assert progress.retried == requests - 400
    record_property("retry share", progress.retried / requests)
    assert 0.1 < progress.retried / requests <= 0.25


def test_09_a_dead_endpoint_slows_no_other(judge, tmp_path, record_property):
    live = cloud("ok:100", judge.base_url, max_in_flight=8)

    def pace(name, *models):
        judge.reset()
        with rig(tmp_path / name, models, 200, probe_s=0.3) as (go, store):
            progress = go()
            assert len(store.pairs(go.marks["ok:100"])) == 200
        times = judge.counters()["times"]["ok:100"]
        return 200 / (times[-1] - times[0]), progress

    for attempt in range(6):  # the machine may be busy with something else
        alone, _ = pace(f"alone{attempt}.sqlite", live)
        beside, progress = pace(
            f"beside{attempt}.sqlite", live, cloud("status:503", judge.base_url)
        )
        if beside >= 0.9 * alone:
            break
    record_property("throughput beside / alone", beside / alone)
    assert beside >= 0.9 * alone
    assert "failed" in progress.stopped
    assert "probes" in progress.stopped
    assert (
        judge.requests("status:503") <= 20 + 4
    )  # what was in flight when the circuit opened, and the probes


def test_10_a_cut_body_or_a_reset_is_never_stored(judge, tmp_path):
    with rig(
        tmp_path / "s.sqlite",
        [cloud("cut:each", judge.base_url), cloud("dropfirst", judge.base_url)],
        40,
        probe_s=0.2,
    ) as (
        go,
        store,
    ):
        progress = go()
        assert (progress.done, progress.failed, progress.retried) == (80, 0, 80)
        for name in go.marks:
            for outcome in store.outcomes(go.marks[name]):
                assert (
                    outcome.answer == "it said: Question: how heavy is the Halo bulb number"
                    f" {int(outcome.query_id[1:])}?"
                )
        charged = store.spending("scripted").charged_usd
    assert charged >= sum(billed_usd(judge, cloud(name, "")) for name in go.marks)


NAMED = {
    "html": "did not send a completion; got str",
    "json": "JSONDecodeError",
    "list": "did not send a completion; got list",
    "null": "content None",
    "empty": "content ''",
    "blank": "is empty",
    "nousage": "with its usage",
    "error": "finish_reason 'error'",
    "nochoices": "no choices",
    "filter": "content filter",
    "nofinish": "finish_reason None",
    "negative": "with its usage",
    "textchoice": "choice is malformed",
    "mapchoices": "choice is malformed",
}


def test_11_a_malformed_reply_is_named_and_never_an_outcome(judge, tmp_path):
    models = [cloud(kind, judge.base_url) for kind in NAMED]
    with rig(tmp_path / "s.sqlite", models, 2, probe_s=0.05) as (go, store):
        progress = go()
        assert progress.done == 0
        for kind, says in NAMED.items():
            failures = store.failures(go.marks[kind])
            assert len(failures) == 2, kind
            assert all(says in failure.error for failure in failures), (kind, failures[0].error)
        assert store.prices_paid("nousage") == []
    assert all(
        settled > 0 for _, _, settled, _ in ledger(tmp_path / "s.sqlite")
    )  # missing usage is never 0 USD


def test_12_an_answer_cut_at_the_token_limit_says_so(judge, tmp_path):
    with rig(
        tmp_path / "s.sqlite", [cloud("length", judge.base_url), cloud("ok", judge.base_url)], 10
    ) as (go, store):
        go()
        assert all(o.truncated for o in store.outcomes(go.marks["length"]))
        assert not any(o.truncated for o in store.outcomes(go.marks["ok"]))
        outcomes = list(store.outcomes(go.marks["length"]))
    assert (
        Trace.from_outcomes(outcomes, queries_frame(domain(10).queries), {"source": "measured"})
        .outcomes["truncated"]
        .all()
    )


def test_13_a_budget_holds_under_concurrency_and_across_a_restart(judge, tmp_path):
    model = cloud("ok:10", judge.base_url)
    cap = 0.004
    with rig(tmp_path / "s.sqlite", [model], 200) as (go, store):
        first = go(max_cost_usd=cap)
        assert first.stopped.startswith("budget spent")
        assert 0 < first.done < 200
    assert billed_usd(judge, model) <= cap
    assert billed_usd(judge, model) > cap - 0.00045  # less than one reservation is left over
    with rig(tmp_path / "s.sqlite", [model], 200) as (go, store):
        assert store.spending("scripted").charged_usd <= cap
        with pytest.raises(LabError, match="cannot buy one more call"):
            go(max_cost_usd=cap)
        assert go(max_cost_usd=2 * cap).done > 0
    assert billed_usd(judge, model) <= 2 * cap


def test_14_two_processes_on_one_store(judge, tmp_path):
    model, file = (
        cloud("ok:30", judge.base_url, max_in_flight=4, timeout_s=120.0),
        tmp_path / "s.sqlite",
    )
    owner = Child(file, [model], 60)
    assert owner.pipe.poll(60)
    os.kill(
        owner.process.pid, signal.SIGSTOP
    )  # so that it is still at it, however long the second one takes to start
    refused = Child(file, [model], 60).wait()
    assert refused[:2] == ("error", "LabError")
    assert f"in use by process {owner.process.pid}" in refused[2]
    waiting = Child(file, [model], 60, wait_s=60.0)
    os.kill(owner.process.pid, signal.SIGCONT)
    assert owner.wait()[:2] == ("ended", 60)
    assert waiting.wait()[:3] == ("ended", 0, 60)  # all reused
    assert set(judge.counters()["per_key"]["ok:30"].values()) == {1}
    dead = Child(file, [cloud("ok:31", judge.base_url)], 60)
    assert dead.pipe.poll(60)
    dead.kill()
    Store(file).close()  # its lock is stale


def test_15_a_full_disk_stops_before_more_is_paid(judge, tmp_path, record_property):
    model, file = cloud("ok:2", judge.base_url, max_in_flight=8), tmp_path / "s.sqlite"
    kind, _, says = Child(file, [model], 2000, file_limit=400_000).wait()
    assert kind == "error"
    assert f"Cannot write to the store {file}" in says
    assert "make room" in says
    requests = judge.requests("ok:2")
    with closing(sqlite3.connect(file)) as db:
        kept = db.execute("SELECT count(*) FROM calls").fetchone()[0]
    assert 0 < kept < 2000
    record_property("paid after the first failure", requests - kept)
    assert requests - kept <= 8
    assert Child(file, [model], 2000).wait()[0] == "ended"
    assert judge.requests("ok:2") - 2000 <= 8


def test_15_a_store_that_turns_read_only_stops_before_more_is_paid(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("ok:5", judge.base_url, max_in_flight=8)], 2000) as (
        go,
        store,
    ):

        def lock(progress):
            if progress.done == 20:
                store.submit(lambda db: db.execute("PRAGMA query_only = ON").fetchall())

        with pytest.raises(LabError, match="readonly"):
            go(on_progress=lock)
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as db:
        kept = db.execute("SELECT count(*) FROM calls").fetchone()[0]
    assert 20 <= kept < 2000
    assert judge.requests("ok:5") - kept <= 8


def test_17_whatever_determines_an_answer_is_in_the_key_and_nothing_else(judge, tmp_path):
    base = cloud("ok", judge.base_url)
    prompt = "a prompt"
    flips = [
        dataclasses.replace(base, **change)
        for change in (
            {"remote_name": "ok~2"},
            {"base_url": judge.root + "/other/v1"},
            {"context": 512},
            {"threads": 2},
            {"placement": "edge"},
        )
    ]
    keys = {call_key(model.identity(), prompt) for model in [base, *flips]} | {
        call_key(base.identity(), "another prompt")
    }
    assert len(keys) == len(flips) + 2
    same = [
        {"name": "x"},
        {"price_in_usd_per_mtok": 9.0},
        {"timeout_s": 1.0},
        {"max_in_flight": 1},
        {"api_key_env": "K"},
        {"network_delay_s": 1.0},
    ]
    assert {
        call_key(dataclasses.replace(base, **change).identity(), prompt) for change in same
    } == {call_key(base.identity(), prompt)}
    file = tmp_path / "s.sqlite"
    for n_calls, model in [
        (10, base),
        (10, dataclasses.replace(base, price_out_usd_per_mtok=9.0)),
        (20, flips[1]),
    ]:
        with rig(file, [model], 10) as (go, _):
            assert go().done == 10
        assert (
            judge.requests("ok") == n_calls
        )  # the dearer model's outcomes are new, their calls are not
    for n_calls in (2, 4):  # both runs fail and ask again: an error is no answer
        with rig(file, [cloud("filter", judge.base_url)], 2) as (go, _):
            assert go().failed == 2
        assert judge.requests("filter") == n_calls


def test_17_grading_in_another_way_asks_nobody_again(judge, tmp_path):
    for grading in ("facts", "embedding"):
        with rig(tmp_path / "s.sqlite", [cloud("ok", judge.base_url)], 10, grading=grading) as (
            go,
            store,
        ):
            assert (go().done, judge.requests("ok")) == (10, 10)
            graded = {outcome.quality for outcome in store.outcomes(go.marks["ok"])}
        if grading == "facts":
            first = graded
    assert graded != first


def test_17_another_component_version_is_another_call(monkeypatch):
    from ecollm_lab.sweeps import calls

    key = calls.call_key("m", "p")
    monkeypatch.setattr(calls, "CALLS_VERSION", calls.CALLS_VERSION + 1)
    assert calls.call_key("m", "p") != key


def test_18_failed_pairs_stay_visible(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("perm:10", judge.base_url)], 200) as (go, store):
        progress = go()
        failures = store.failures(go.marks["perm:10"])
        assert 5 < progress.failed == len(failures) < 40
        assert progress.done + progress.failed == progress.total == 200
        assert all("not allowed" in failure.error and failure.attempts == 1 for failure in failures)
        again = go()
        assert (again.total, again.failed, again.reused) == (
            len(failures),
            len(failures),
            progress.done,
        )
        assert {failure.attempts for failure in store.failures(go.marks["perm:10"])} == {2}


def _crash():
    llama_cpp.llama_n_ctx(None)  # a null pointer: SIGSEGV within llama.cpp


def test_19_a_pair_that_kills_two_workers_in_llama_cpp_is_quarantined(tmp_path):
    catalog = load_catalog("data/models.toml")
    home = domain(6)

    class Fragile(IsolatedModel):
        died = 0

        def _ask(self, prompt):
            if "number 3?" in prompt:
                self.died += 1
                self._pool.submit(_crash).result()
            return super()._ask(prompt)

    with Store(tmp_path / "s.sqlite") as store, Fragile(catalog[SMALL]) as model:
        pipeline = Pipeline(home, catalog, LetterEncoder(), {SMALL: model})
        paths = PathSpace.over([SMALL]).select([f"none/none/none/{SMALL}"]).paths
        marks = fingerprints(home, catalog, "letters", paths)
        progress = sweep(pipeline, home.queries, paths, store, marks)
        assert (progress.done, progress.failed, model.died) == (5, 1, 2)
        (failure,) = store.failures(marks[paths[0].id])
        assert (failure.query_id, failure.state) == ("q00003", "quarantined")
        again = sweep(pipeline, home.queries, paths, store, marks)
        assert (again.total, again.quarantined, model.died) == (0, 1, 2)


def test_19_an_isolated_model_answers_as_one_in_this_process_and_ends_quietly(capfd):
    catalog = load_catalog("data/models.toml")
    with ModelPool(catalog) as here, ModelPool(catalog, isolate=True) as apart:
        one, other = (
            pool[SMALL].reply("Question: how heavy is the Halo bulb?") for pool in (here, apart)
        )
    assert (one.text, one.tokens_in, one.tokens_out) == (
        other.text,
        other.tokens_in,
        other.tokens_out,
    )
    assert "Traceback" not in capfd.readouterr().err


def test_a_key_echoed_by_the_endpoint_appears_nowhere(judge, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    with rig(
        tmp_path / "s.sqlite", [cloud("echo401", judge.base_url, api_key_env="PLANTED_KEY")], 5
    ) as (go, store):
        progress = go()
        said = repr(progress) + repr(store.failures(go.marks["echo401"])) + progress.stopped
    assert any("sk-planted" in seen for seen in judge.counters()["authorization"])  # it was sent
    assert "refused the key" in said
    assert "sk-planted" not in said
    for file in tmp_path.iterdir():
        assert b"sk-planted" not in file.read_bytes(), file


def test_an_error_carries_no_request_and_no_header(judge, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    with CloudModel(
        cloud("status:500", judge.base_url, api_key_env="PLANTED_KEY"),
        patience=Patience(attempts=1),
    ) as model:
        with pytest.raises(LabError) as caught:
            model.reply("number 1")
        assert "sk-planted" not in repr(model)
    seen, error = [], caught.value
    while error is not None:
        seen.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    assert not [
        name for name in seen if name.endswith("StatusError") or name == "InternalServerError"
    ], seen


def test_the_real_server_and_llama_cpp_survive_kill_9(tmp_path):
    """Scenario 1 on the pocket models: nothing acknowledged is lost, and the loopback server does not outlive its sweep."""
    command = [
        sys.executable,
        "-c",
        "from ecollm_lab.cli import app; app()",
        "sweep",
        "--domain",
        "data/smart_home",
        "--store",
        str(tmp_path / "s.sqlite"),
        "--out",
        str(tmp_path / "t.parquet"),
        "--limit",
        "60",
        "--paths",
        ",".join(
            f"none/{found}/none/{model}" for model in (SMALL, LARGE) for found in ("none", "bm25-1")
        ),
    ]
    counted = []
    for _ in range(2):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while (
            _outcomes(tmp_path) < (counted[-1] if counted else 0) + 5
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        acknowledged = _outcomes(tmp_path)
        own = set(_servers(child.pid))
        assert own
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        counted.append(_outcomes(tmp_path))
        assert counted[-1] >= acknowledged >= 5
        deadline = time.monotonic() + 30
        while own & set(_servers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not own & set(_servers())
    with closing(sqlite3.connect(tmp_path / "s.sqlite")) as db:
        twice = db.execute(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM attempts GROUP BY key)"
        ).fetchone()[0]
    assert twice <= 2


def _outcomes(place):
    try:
        with closing(sqlite3.connect(place / "s.sqlite", timeout=30)) as db:
            return db.execute("SELECT count(*) FROM outcomes").fetchone()[0]
    except sqlite3.Error:
        return 0


def _servers(parent=None):
    """Process ids of llama_cpp servers, those of one parent or all, from /proc."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line, stat = (
                Path(f"/proc/{entry}/{name}").read_bytes() for name in ("cmdline", "stat")
            )
        except OSError:
            continue
        if b"llama_cpp.server" in line and parent in (
            None,
            int(stat.rpartition(b")")[2].split()[1]),
        ):
            yield int(entry)
