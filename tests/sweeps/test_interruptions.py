"""Faults 1 to 3 of docs/faults.md: a sweep is killed, stopped, or interrupted."""

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

from ecollm_lab.sweeps import Ended
from tests.conftest import LARGE, SMALL
from tests.support.ledger import RESERVED, billed_usd, ledger
from tests.support.rig import HOSTED_CATALOG, Child, cloud, rig


def graded(store, mark):
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
                db.execute("SELECT count(*) FROM outcomes").fetchone()[0] >= child.acknowledged
            )  # acknowledged, so there
    with rig(tmp_path / "s.sqlite", [model], n) as (go, store):
        assert go().done > 0
        disturbed, spent = graded(store, go.marks["ok:3"]), store.spending("scripted")
        requests = judge.requests("ok:3")
        assert go().done == 0
        assert judge.requests("ok:3") == requests  # a further run sends nothing
    record_property("repeats of at most 320", requests - n)
    assert requests - n <= kills * 16
    assert spent.attempts >= requests
    assert spent.charged_usd >= billed_usd(judge, model)
    with rig(tmp_path / "calm.sqlite", [model], n) as (go, store):
        go()
        assert graded(store, go.marks["ok:3"]) == disturbed
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
        assert first.ended is Ended.REQUEST
        assert 40 <= first.done < 800
        assert judge.requests("ok:20") == first.done == len(store.pairs(go.marks["ok:20"]))
        assert go().done == 800 - first.done
    assert set(judge.counters()["per_key"]["ok:20"].values()) == {1}


def start(judge, place, remote, least=8):
    (place / "models.toml").write_text(
        HOSTED_CATALOG.format(base_url=judge.base_url, remote=remote)
    )
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
        "none/none/none/plain/hosted",
    ]
    child = subprocess.Popen(
        [sys.executable, "-c", f"{heed}; from ecollm_lab.cli import app; app()", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while judge.requests(remote) < least and time.monotonic() < deadline:
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
    child = start(judge, tmp_path, "hang", least=1)  # the first paid call goes alone
    child.send_signal(signal.SIGINT)
    while "Stopping: what is in flight" not in (line := child.stderr.readline()):
        assert line, "it ended without a word"
    asked = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert "Stopped at once" in child.communicate(timeout=60)[1]
    assert time.monotonic() - asked < 5.0  # an answer would take 30 s, giving up on it 60 s
    assert child.returncode == 130


def test_the_real_server_and_llama_cpp_survive_kill_9(tmp_path):
    """Fault 1 on real models: no outcome is lost, and no loopback server outlives its sweep."""
    command = [
        sys.executable,
        "-c",
        "from ecollm_lab.cli import app; app()",
        "sweep",
        "--domain",
        "data/smart_home",
        "--catalog",
        "tests/data/models.toml",
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
    """Process ids of loopback servers, those of one parent or all, from /proc."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            line, stat = (
                Path(f"/proc/{entry}/{name}").read_bytes() for name in ("cmdline", "stat")
            )
        except OSError:
            continue
        if b"cloud.server_process" in line and parent in (
            None,
            int(stat.rpartition(b")")[2].split()[1]),
        ):
            yield int(entry)
