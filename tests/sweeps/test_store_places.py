"""Where a store may be: links, names that no file can have, and who may read it."""

import dataclasses
import math
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from ecollm_lab.models import Reply
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Store
from ecollm_lab.sweeps.store.store import Failure
from tests.support.rig import Child, cloud

OUTCOME = Outcome(
    "q1", "none/none/none/plain/s", 0.5, 1e-6, 0.1, 10, 5, "answer", (0.0, 0.0, 0.0, 0.0, 0.1)
)
EARLIER = Path("tests/data/before_the_move/store.sqlite")  # of version 2


def link_to_the_file(place):
    (place / "other.sqlite").symlink_to(place / "real/s.sqlite")
    return place / "other.sqlite"


def link_to_its_folder(place):
    (place / "elsewhere").symlink_to(place / "real", target_is_directory=True)
    return place / "elsewhere/s.sqlite"


def way_around(place):
    (place / "beside").mkdir()
    return place / "beside/../real/s.sqlite"


@pytest.mark.parametrize("name_again", [link_to_the_file, link_to_its_folder, way_around])
def test_a_store_under_a_second_name_is_the_same_store(tmp_path, name_again):
    with Store(tmp_path / "real/s.sqlite") as store:
        store.add("f", OUTCOME)
        other = name_again(tmp_path)
        with pytest.raises(LabError, match=r"real/s\.sqlite is in use by this process"):
            Store(other)
    with Store(other) as store:
        assert list(store.outcomes("f")) == [OUTCOME]
    assert not list(tmp_path.glob("other.sqlite.*"))


def test_two_processes_that_name_one_store_differently_do_not_both_pay(judge, tmp_path):
    model = cloud("ok:30", judge.base_url, max_in_flight=2)
    owner = Child(tmp_path / "real/s.sqlite", [model], 60)
    assert owner.pipe.poll(60)
    refused = Child(link_to_the_file(tmp_path), [model], 60).wait()
    assert refused[:2] == ("error", "LabError")
    assert f"in use by process {owner.process.pid}" in refused[2]
    assert owner.wait()[0] == "ended"
    assert set(judge.counters()["per_key"]["ok:30"].values()) == {1}


def test_a_hard_link_to_a_store_is_refused(tmp_path):
    Store(tmp_path / "s.sqlite").close()
    os.link(tmp_path / "s.sqlite", tmp_path / "t.sqlite")
    for name in ("s.sqlite", "t.sqlite"):
        with pytest.raises(LabError, match="a second name, a hard link"):
            Store(tmp_path / name)


def test_a_link_in_the_place_of_the_pid_file_leaves_its_target_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("three years of work")
    (tmp_path / "s.sqlite.pid").symlink_to(tmp_path / "thesis.tex")
    with pytest.raises(LabError, match=r"s\.sqlite\.pid is a link; delete it"):
        Store(tmp_path / "s.sqlite")
    assert (tmp_path / "thesis.tex").read_text() == "three years of work"


def test_a_pipe_in_the_place_of_the_pid_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "s.sqlite.pid")
    with pytest.raises(LabError, match="is no plain file; delete it"):
        Store(tmp_path / "s.sqlite")


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes(place):
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()}


@pytest.mark.usefixtures("open_umask")
def test_a_new_store_is_for_its_owner_alone(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        store.add("f", OUTCOME)
        names = {"s.sqlite", "s.sqlite-wal", "s.sqlite-shm", "s.sqlite.pid"}
        assert modes(tmp_path) == dict.fromkeys(names, 0o600)


@pytest.mark.usefixtures("open_umask")
def test_a_store_that_others_could_read_is_closed_to_them_and_so_is_its_backup(tmp_path):
    shutil.copy(EARLIER, tmp_path / "s.sqlite")
    (tmp_path / "s.sqlite").chmod(0o666)
    Store(tmp_path / "s.sqlite").close()
    assert modes(tmp_path) == dict.fromkeys(("s.sqlite", "s.sqlite.pid", "s.sqlite.v2"), 0o600)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (":memory:", "must be a file"),
        (Path(":memory:"), "must be a file"),
        ("~nosuch/s.sqlite", "cannot be the name of a file"),
        ("a\0b.sqlite", "cannot be the name of a file"),
        ("/proc/nothing/s.sqlite", "Cannot create the folder"),
    ],
)
def test_a_name_that_no_store_can_have_is_refused(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match=says):
        Store(name)
    assert not list(tmp_path.iterdir())


def test_a_link_that_leads_to_itself_is_refused(tmp_path):
    (tmp_path / "s.sqlite").symlink_to(tmp_path / "s.sqlite")
    with pytest.raises(LabError, match="--store"):
        Store(tmp_path / "s.sqlite")


def test_a_store_of_version_2_is_migrated_whole_and_the_old_file_stays(tmp_path):
    shutil.copy(EARLIER, tmp_path / "s.sqlite")
    with closing(sqlite3.connect(EARLIER)) as db:
        attempts = db.execute("SELECT * FROM attempts").fetchall()
        (key,) = db.execute("SELECT key FROM calls").fetchone()
    with Store(tmp_path / "s.sqlite") as store:
        assert store._db.execute("SELECT * FROM attempts").fetchall() == attempts
        assert store.reply(key).text == "90 grams"
        assert store._db.execute("PRAGMA user_version").fetchone() == (3,)
    with closing(sqlite3.connect(tmp_path / "s.sqlite.v2")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("SELECT * FROM attempts").fetchall() == attempts


def test_a_migration_that_is_killed_leaves_no_backup_that_is_cut_short(tmp_path, monkeypatch):
    shutil.copy(EARLIER, tmp_path / "s.sqlite")
    copyfile = shutil.copyfile

    def killed(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:5000])
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path / "s.sqlite")
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    Store(tmp_path / "s.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "s.sqlite.v2")) as db:
        assert db.execute("SELECT count(*) FROM attempts").fetchone()[0] > 0
        assert db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)


@pytest.mark.parametrize("logprob", [-0.25, math.nan])
def test_the_log_probability_of_an_answer_comes_back_and_unknown_stays_unknown(tmp_path, logprob):
    with Store(tmp_path / "s.sqlite") as store:
        store.add("f", dataclasses.replace(OUTCOME, logprob=logprob))
        (outcome,) = store.outcomes("f")
    assert outcome.logprob == pytest.approx(logprob, nan_ok=True)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("a cut emoji \ud83d", "a cut emoji \ufffd"),
        ("\udc00 first, and \ud83d\ude00 whole", "\ufffd first, and \U0001f600 whole"),
    ],
)
def test_half_a_character_is_replaced_wherever_it_is_said(tmp_path, said, stored):
    with Store(tmp_path / "s.sqlite") as store:
        store.add("f", dataclasses.replace(OUTCOME, answer=said))
        store.fail("f", Failure("q2", "p", "failed", 1, said)).result()
        number = store.reserve("sweep", "k", "m", 0.1, 1.0).result()
        store.settle(number, 0.1, said, Reply(said, 1, 1, 0.1)).result()
        assert [o.answer for o in store.outcomes("f")] == [stored]
        assert [f.error for f in store.failures("f")] == [stored]
        assert store.reply("k").text == stored


@pytest.mark.parametrize("number", [2**63, 2**64 - 1])
def test_a_number_that_cannot_be_stored_costs_its_own_write_alone(tmp_path, number):
    with Store(tmp_path / "s.sqlite") as store:
        writes = [
            store.put("f", dataclasses.replace(OUTCOME, query_id="q1")),
            store.put("f", dataclasses.replace(OUTCOME, query_id="q2", tokens_in=number)),
            store.put("f", dataclasses.replace(OUTCOME, query_id="q3")),
        ]
        with pytest.raises(LabError, match="cannot be stored"):
            writes[1].result()
        assert [write.result() for write in (writes[0], writes[2])] == [None, None]
        assert {query for query, _ in store.pairs("f")} == {"q1", "q3"}
