import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from ecollm_lab.records import LabError, Outcome
from ecollm_lab.store import Store

OUTCOME = Outcome("q1", "none/none/none/s", 0.5, 1e-6, 0.1, 10, 5, "answer", (0.0, 0.0, 0.0, 0.1))


def test_an_outcome_comes_back_as_it_went_in(tmp_path):
    with Store(tmp_path / "new/folder/s.sqlite") as store:
        store.add("f", OUTCOME)
        store.add("f", OUTCOME)
    with Store(tmp_path / "new/folder/s.sqlite") as store:
        assert list(store.outcomes("f")) == [OUTCOME]
        assert store.pairs("f") == {("q1", "none/none/none/s")}
        assert store.pairs("other") == set()


def test_a_killed_process_loses_nothing_it_was_told_is_stored(tmp_path):
    script = textwrap.dedent(f"""
        from ecollm_lab.records import Outcome
        from ecollm_lab.store import Store
        store = Store({str(tmp_path / "s.sqlite")!r})
        for i in range(10_000):
            store.add("f", Outcome(f"q{{i}}", "p/p/p/s", 1.0, 0.0, 0.1, 1, 1))
            print(i, flush=True)
    """)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    told = [int(child.stdout.readline()) for _ in range(50)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split()]
    child.wait()
    child.stdout.close()
    with Store(tmp_path / "s.sqlite") as store:
        assert {f"q{i}" for i in told} <= {q for q, _ in store.pairs("f")}


def _filled(file):
    with Store(file) as store:
        for i in range(500):
            store.add("f", Outcome(f"q{i}", "p/p/p/s", 1.0, 0.0, 0.1, 1, 1, "x" * 200))
    return file


@pytest.mark.parametrize("damage", ["garbage", "truncated", "foreign", "newer"])
def test_a_bad_store_is_refused_and_left_as_it_is(tmp_path, damage):
    file = tmp_path / "s.sqlite"
    if damage == "garbage":
        file.write_bytes(b"not a database at all" * 100)
    elif damage == "truncated":
        data = _filled(file).read_bytes()
        file.write_bytes(data[: len(data) // 2])
    else:
        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE t (x)" if damage == "foreign" else "PRAGMA user_version = 99")
        db.close()
    before = file.read_bytes()
    with pytest.raises(LabError, match="--store"):
        Store(file)
    assert file.read_bytes() == before


def test_a_folder_in_place_of_the_store_is_an_error(tmp_path):
    with pytest.raises(LabError, match="Cannot open the store"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="Cannot create the folder"):
        Store(tmp_path / "file/s.sqlite")
