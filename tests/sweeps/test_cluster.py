"""The same sweep on a Dask cluster of two worker processes, one of which is killed."""

import os
import signal
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from ecollm_lab.records import LabError
from ecollm_lab.sweeps import DomainOptions, Ended, sweep_domain
from tests.conftest import SMALL, LetterEncoder
from tests.support.commands import call
from tests.support.rig import cloud
from tests.support.workers import EDGE_IDS, rows, sweeping

N = 225


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes; each is replaced if it ends."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0
    ) as local:
        yield local


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def test_a_worker_that_is_killed_costs_nothing_and_the_trace_is_that_of_a_serial_run(
    client, judge, tmp_path
):
    ids = [*EDGE_IDS, "none/none/none/plain/ok"]
    pids = list(client.run(os.getpid).values())
    seen = []

    def look(progress):
        seen.append((progress.latest.query_id, progress.latest.path_id))
        if len(seen) == 400:
            os.kill(pids[0], signal.SIGKILL)

    cap = 1.0
    with sweeping(tmp_path / "cluster.sqlite", judge, ids, N) as go:
        executor = client.get_executor()
        progress = go(look, executor=executor, queries_at_once=4, max_cost_usd=cap)
        assert (progress.done, progress.failed, progress.ended) == (9 * N, 0, None)
        assert len(seen) == len(set(seen)) == 9 * N >= 2000
        assert go.pipeline.executions["generate"] < go.pipeline.requests["generate"] == 9 * N
        assert 0 < go.store.spending("smart_home").charged_usd <= cap
        assert go.store.spending("smart_home").attempts == judge.requests("ok")
        away = rows(go)
    assert pids[0] not in client.run(os.getpid).values()
    with sweeping(tmp_path / "serial.sqlite", judge, ids, N) as go:
        go()
        assert rows(go) == away


def test_the_cap_holds_on_a_cluster(client, judge, tmp_path):
    ids = ["none/bm25-1/none/plain/ok", EDGE_IDS[0]]
    with sweeping(tmp_path / "s.sqlite", judge, ids, 40) as go:
        progress = go(executor=client.get_executor(), queries_at_once=4, max_cost_usd=0.003)
        assert progress.ended is Ended.BUDGET
        spent = go.store.spending("smart_home").charged_usd
        assert 0.001 < spent <= 0.003
    tokens = judge.counters()["billed"]["ok"]
    assert cloud("ok", "").cost_usd(0.0, *tokens) <= spent + 1e-12


def test_the_command_line_sweeps_on_a_cluster(cluster, client, tmp_path, monkeypatch):
    monkeypatch.setattr("ecollm_lab.sweeps.domains.default_encoder", LetterEncoder)
    files = ("--store", tmp_path / "s.sqlite", "--out", tmp_path / "t.parquet")
    asked = ("--domain", "smart_home", "--paths", f"none/none/none/plain/{SMALL}", "--limit", 5)
    files += ("--catalog", "tests/data/models.toml")
    said = call("sweep", *asked, *files, "--dask", cluster.scheduler_address, code=0)
    assert "5 outcomes measured" in said


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("ecollm_lab.sweeps.benches.CONNECT_S", 0.2)
    with pytest.raises(LabError, match="dask must be the address of a running Dask scheduler"):
        sweep_domain(
            "data/smart_home",
            catalog_file=Path("tests/data/models.toml"),
            store_file=tmp_path / "s.sqlite",
            out=tmp_path / "t.parquet",
            options=DomainOptions(dask="tcp://127.0.0.1:9"),
        )
