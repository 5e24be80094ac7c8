"""Faults 14 and 15 of docs/faults.md: two processes on one store; a full or read-only disk."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Store
from tests.support.rig import Child, cloud, rig


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
        stored = db.execute("SELECT count(*) FROM calls").fetchone()[0]
    assert 0 < stored < 2000
    record_property("paid after the first failure", requests - stored)
    assert requests - stored <= 8
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
        stored = db.execute("SELECT count(*) FROM calls").fetchone()[0]
    assert 20 <= stored < 2000
    assert judge.requests("ok:5") - stored <= 8
