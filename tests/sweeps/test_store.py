import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from ecollm_lab.models import Reply
from ecollm_lab.models.replies import BudgetSpent
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Store
from ecollm_lab.sweeps.store.store import Failure, Spending

SECONDS = (0.0, 0.0, 0.0, 0.0, 0.1)
OUTCOME = Outcome("q1", "none/none/none/plain/s", 0.5, 1e-6, 0.1, 10, 5, "answer", SECONDS)
OTHER = dataclasses.replace(OUTCOME, path_id="none/none/none/plain/xl")


def test_an_outcome_comes_back_as_it_went_in(tmp_path):
    with Store(tmp_path / "new/folder/s.sqlite") as store:
        store.add("f", OUTCOME)
        store.add("f", OUTCOME)
    with Store(tmp_path / "new/folder/s.sqlite") as store:
        assert list(store.outcomes("f")) == [OUTCOME]
        assert store.pairs("f") == {("q1", "none/none/none/plain/s")}
        assert store.pairs("other") == set()


def test_only_what_a_path_has_under_its_own_fingerprint_of_today_is_its_own(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        for one in (OUTCOME, OTHER):
            store.add("f", one)
            failure = Failure("q2", one.path_id, "failed", 1, "gone")
            store.fail("f", failure).result()
        marks = {OUTCOME.path_id: "g", OTHER.path_id: "f"}
        assert store.outcomes_of(marks) == [OTHER]
        assert store.failures_of(marks) == [failure]
        both = dict.fromkeys(marks, "f")
        assert (len(store.outcomes_of(both)), len(store.failures_of(both))) == (2, 2)


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path):
    script = textwrap.dedent(f"""
        from ecollm_lab.records import Outcome
        from ecollm_lab.sweeps import Store
        store = Store({str(tmp_path / "s.sqlite")!r})
        for i in range(10_000):
            store.add("f", Outcome(f"q{{i}}", "p/p/p/s", 1.0, 0.0, 0.1, 1, 1))
            print(i, flush=True)
    """)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    acknowledged = [int(child.stdout.readline()) for _ in range(50)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout.read().split()]
    child.wait()
    child.stdout.close()
    with Store(tmp_path / "s.sqlite") as store:
        assert {f"q{i}" for i in acknowledged} <= {q for q, _ in store.pairs("f")}


def _filled(file):
    with Store(file) as store:
        for i in range(500):
            store.add("f", Outcome(f"q{i}", "p/p/p/s", 1.0, 0.0, 0.1, 1, 1, "x" * 200))
    return file


FOREIGN = {"newer": 99, "foreign": 0, "foreign 1": 1, "foreign 2": 2, "foreign 3": 3}  # versions


@pytest.mark.parametrize("damage", ["garbage", "truncated", *FOREIGN])
def test_a_bad_store_is_refused_and_left_as_it_is(tmp_path, damage):
    file = tmp_path / "s.sqlite"
    if damage == "garbage":
        file.write_bytes(b"not a database at all" * 100)
    elif damage == "truncated":
        data = _filled(file).read_bytes()
        file.write_bytes(data[: len(data) // 2])
    else:
        with sqlite3.connect(file) as db:
            if damage != "newer":
                db.execute("CREATE TABLE t (x)")
            db.execute(f"PRAGMA user_version = {FOREIGN[damage]}")
        db.close()
    before = file.read_bytes()
    with pytest.raises(LabError, match="--store"):
        Store(file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.v*"))


def test_a_folder_in_place_of_the_store_is_an_error(tmp_path):
    with pytest.raises(LabError, match="Cannot open the store"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="Cannot create the folder"):
        Store(tmp_path / "file/s.sqlite")


VERSION_1 = """
CREATE TABLE outcomes (
    fingerprint TEXT, query_id TEXT, path_id TEXT, quality REAL, cost_usd REAL, latency_s REAL,
    tokens_in INTEGER, tokens_out INTEGER, answer TEXT, stage_latency_s TEXT,
    PRIMARY KEY (fingerprint, query_id, path_id)
) WITHOUT ROWID;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


def test_a_store_of_version_1_is_migrated_and_the_old_file_kept(tmp_path):
    file = tmp_path / "s.sqlite"
    db = sqlite3.connect(file)
    db.executescript(VERSION_1)
    row = ("f", "q1", "none/none/none/s", 0.5, 1e-6, 0.1, 10, 5, "answer", "[0.0, 0.0, 0.0, 0.1]")
    with db:
        db.execute(f"INSERT INTO outcomes VALUES ({', '.join('?' * 10)})", row)
    db.close()
    with Store(file) as store:
        assert list(store.outcomes("f")) == [OUTCOME]
        store.add("f", dataclasses.replace(OUTCOME, query_id="q2"))
    with Store(file) as store:
        assert store.pairs("f") == {("q1", OUTCOME.path_id), ("q2", OUTCOME.path_id)}
    old = sqlite3.connect(tmp_path / "s.sqlite.v1")
    assert old.execute("SELECT * FROM outcomes").fetchall() == [row]
    assert old.execute("PRAGMA user_version").fetchone() == (1,)
    old.close()


def test_everything_an_outcome_says_comes_back(tmp_path):
    full = dataclasses.replace(
        OUTCOME, queue_s=1.5, retry_s=2.5, repeats=5, latency_spread_s=0.01, truncated=True
    )
    with Store(tmp_path / "s.sqlite") as store:
        store.add("f", full, "key")
        assert list(store.outcomes("f")) == [full]


def test_a_reservation_is_checked_in_the_transaction_that_journals_it(tmp_path):
    reply = Reply("text", 10, 5, 0.1)
    with Store(tmp_path / "s.sqlite") as store:
        numbers = [store.reserve("sweep", f"k{i}", "m", 0.4, 1.0) for i in range(3)]
        assert [number.result() for number in numbers] == [
            1,
            2,
            0,
        ]  # 0: no room while the two are open
        store.settle(1, 0.3, "", reply).result()
        assert store.reserve("sweep", "k3", "m", 0.4, 1.0).result() == 0
        store.settle(2, 0.0, "refused").result()
        assert store.reserve("sweep", "k4", "m", 0.4, 1.0).result() == 3
        assert store.reserve("another", "k5", "m", 0.9, 1.0).result() == 4  # its own cap
        with pytest.raises(BudgetSpent, match=r"0\.300000 of 1 USD are charged"):
            store.reserve("sweep", "k6", "m", 0.8, 1.0).result()
        assert store.reply("k0") == reply
        assert store.reply("k1") is None
        assert store.tokens_paid("m") == [(10, 5)]
    with Store(
        tmp_path / "s.sqlite"
    ) as store:  # what was open is charged: nobody knows whether it was answered
        assert store.spending("sweep") == Spending(pytest.approx(0.7), 0.0, 3)
        assert store.spending("another") == Spending(pytest.approx(0.9), 0.0, 1)
        assert store.retried("sweep") == 0


def test_nothing_is_open_once_every_attempt_is_settled(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        for i, usd in enumerate((0.1, 0.2, 0.3)):
            store.reserve("sweep", f"k{i}", "m", usd, 1.0).result()
        for attempt in (1, 2, 3):
            store.settle(attempt, 0.0, "refused").result()
        assert store.spending("sweep") == Spending(0.0, 0.0, 3)  # 0.1 + 0.2 + 0.3 is not 0.6


def test_an_unbilled_reply_shares_the_commit_of_the_next_write_and_is_kept_on_closing(tmp_path):
    first, second = (Reply(text, 10, 5, 0.1) for text in ("first", "second"))
    with Store(tmp_path / "s.sqlite") as store:
        recorded = store.record("k1", "m", first)
        store.add("f", OUTCOME, "k1")
        assert recorded.done()
        assert store.reply("k1") == first
        store.record("k2", "m", second)
    with Store(tmp_path / "s.sqlite") as store:
        assert store.reply("k2") == second


def test_a_store_that_is_open_is_refused_by_name_and_freed_on_close(tmp_path):
    with (
        Store(tmp_path / "s.sqlite"),
        pytest.raises(LabError, match=r"s\.sqlite is in use by this process"),
    ):
        Store(tmp_path / "s.sqlite")
    Store(tmp_path / "s.sqlite").close()
