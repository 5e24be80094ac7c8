"""Stores of several machines become one: each outcome, call and payment once."""

import errno
import os
import shutil
import sqlite3
from dataclasses import replace

import pytest

from ecollm_lab.models import Reply
from ecollm_lab.models.replies import CallState
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Store
from ecollm_lab.sweeps.store import file as store_file
from ecollm_lab.sweeps.store import joining
from ecollm_lab.sweeps.store.store import Failure
from tests.support.commands import call

PATH = "none/none/none/plain/s"
OUTCOME = Outcome("q1", PATH, 0.5, 1e-6, 0.1, 10, 5, "nine", (0.0, 0.0, 0.0, 0.0, 0.1))
OTHER = replace(OUTCOME, query_id="q2")
REPLY = Reply("nine", 10, 5, 0.1)
FAILURE = Failure("q2", PATH, CallState.FAILED, 3, "no answer")


def filled(file, *outcomes, paid=(), failures=(), mark="f"):
    """Write a store; `paid` are (key, US dollars) of answered attempts."""
    with Store(file) as store:
        for outcome in outcomes:
            store.put(mark, outcome, "key")
        for key, usd in paid:
            attempt = store.reserve("home", key, "m", 2 * usd, 100.0).result()
            store.settle(attempt, usd, "", REPLY)
        for failure in failures:
            store.fail(mark, failure)
    return file


def test_two_halves_become_a_whole_and_the_inputs_stay_as_they_are(tmp_path):
    files = [
        filled(tmp_path / "a.sqlite", OUTCOME, paid=[("k1", 1.0)]),
        filled(tmp_path / "b.sqlite", OTHER, paid=[("k2", 2.0)], failures=[FAILURE]),
    ]
    held = [file.read_bytes() for file in files]
    with Store(tmp_path / "all.sqlite") as store:
        joined = store.join(files)
        assert (joined.outcomes, joined.calls, joined.attempts) == (2, 2, 2)
        assert (joined.conflicts, joined.other_answers) == (0, 0)
        assert list(store.outcomes("f")) == [OUTCOME, OTHER]
        assert store.reply("k1").text == store.reply("k2").text == "nine"
        assert store.spending("home").charged_usd == pytest.approx(3.0)
    assert [file.read_bytes() for file in files] == held


def test_joining_again_or_a_copy_adds_nothing(tmp_path):
    file = filled(tmp_path / "a.sqlite", OUTCOME, paid=[("k1", 1.0)], failures=[FAILURE])
    shutil.copyfile(file, tmp_path / "copy.sqlite")
    with Store(tmp_path / "all.sqlite") as store:
        store.join([file, tmp_path / "copy.sqlite"])
        again = store.join([file])
        assert {getattr(again, name) for name in again.__slots__} == {0}
        assert store.spending("home").charged_usd == pytest.approx(1.0)
        assert store.spending("home").attempts == 1
        assert store.failures("f") == [FAILURE]


def test_attempts_that_are_alike_in_one_store_are_two_payments(tmp_path):
    file = filled(tmp_path / "a.sqlite", paid=[("k1", 1.0), ("k1", 1.0)])
    with sqlite3.connect(file) as db:
        db.execute("UPDATE attempts SET sent_at = '2026-01-01T00:00:00.000'")
    db.close()
    with Store(tmp_path / "all.sqlite") as store:
        assert store.join([file, file]).attempts == 2
        assert store.spending("home").charged_usd == pytest.approx(2.0)


def test_of_two_outcomes_of_a_pair_the_first_stays_and_the_conflict_is_counted(tmp_path):
    slower, wrong = replace(OUTCOME, latency_s=0.4), replace(OTHER, answer="ten", quality=0.0)
    files = [
        filled(tmp_path / "a.sqlite", OUTCOME, OTHER),
        filled(tmp_path / "b.sqlite", slower, wrong),
    ]
    said = call("join", *files, "--store", tmp_path / "all.sqlite", code=0)
    assert "took in 2 outcomes" in said
    assert "2 pairs were measured more than once" in said
    assert "In 1 of them the answers differ" in said
    with Store(tmp_path / "all.sqlite") as store:
        assert list(store.outcomes("f")) == [OUTCOME, OTHER]


def test_another_edition_of_the_domain_comes_along_and_is_no_conflict(tmp_path):
    files = [
        filled(tmp_path / "a.sqlite", OUTCOME),
        filled(tmp_path / "b.sqlite", replace(OUTCOME, quality=1.0), mark="g"),
    ]
    with Store(tmp_path / "all.sqlite") as store:
        assert store.join(files).conflicts == 0
        assert [next(store.outcomes(mark)).quality for mark in "fg"] == [0.5, 1.0]


@pytest.mark.parametrize("first", ["outcome", "failure"])
def test_a_pair_that_failed_in_one_store_and_not_in_the_other_has_its_outcome(tmp_path, first):
    files = [
        filled(tmp_path / "a.sqlite", OTHER),
        filled(tmp_path / "b.sqlite", failures=[FAILURE]),
    ]
    with Store(tmp_path / "all.sqlite") as store:
        store.join(files if first == "outcome" else files[::-1])
        assert (list(store.outcomes("f")), store.failures("f")) == ([OTHER], [])


def test_what_a_killed_process_left_open_is_charged_and_its_last_writes_come_along(tmp_path):
    store = Store(tmp_path / "live.sqlite")
    store.add("f", OUTCOME)
    store.reserve("home", "k", "m", 0.25, 100.0).result()
    for ending in ("", "-wal"):  # as the disk looks if the process ends here
        shutil.copyfile(tmp_path / f"live.sqlite{ending}", tmp_path / f"dead.sqlite{ending}")
    store.close()
    with Store(tmp_path / "all.sqlite") as store:
        store.join([tmp_path / "dead.sqlite"])
        assert list(store.outcomes("f")) == [OUTCOME]
        assert store.spending("home").charged_usd == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "There is no store"),
        ("foreign", "bad.sqlite is damaged or no store"),
        ("newer", "bad.sqlite has version 99"),
        ("in use", "in use by this process"),
        ("itself", "is one of the stores to join"),
    ],
)
def test_a_store_that_cannot_be_joined_is_named_and_nothing_is_joined(tmp_path, kind, says):
    good, bad = filled(tmp_path / "a.sqlite", OUTCOME), tmp_path / "bad.sqlite"
    if kind == "foreign":
        bad.write_bytes(b"no store at all" * 1000)
    elif kind != "missing":
        filled(bad, OTHER)
    if kind == "newer":
        with sqlite3.connect(bad) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    user = Store(bad) if kind == "in use" else None
    with Store(tmp_path / "all.sqlite") as store:
        with pytest.raises(LabError, match=says):
            store.join([good, tmp_path / "all.sqlite" if kind == "itself" else bad])
        assert list(store.outcomes("f")) == []
    if user:
        user.close()
    assert list(tmp_path.glob(".join-*")) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_store_in_a_folder_that_cannot_be_written_is_read_if_it_was_closed(
    tmp_path, monkeypatch, number
):
    def refused(file):
        if file.parent.name == "old":
            raise OSError(number, os.strerror(number))
        return opened(file)

    opened = store_file._open_pid_file
    (tmp_path / "old").mkdir()
    file = filled(tmp_path / "old/a.sqlite", OUTCOME)
    monkeypatch.setattr(store_file, "_open_pid_file", refused)
    with Store(tmp_path / "all.sqlite") as store:
        assert store.join([file]).outcomes == 1
        (tmp_path / "old/a.sqlite-wal").write_bytes(b"")
        with pytest.raises(LabError, match=r"cannot be written, and a\.sqlite-wal says"):
            store.join([file])


def test_a_full_disk_is_named_though_sqlite_has_undone_the_join_by_itself(tmp_path, monkeypatch):
    def full(db):
        db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    file = filled(tmp_path / "a.sqlite", OUTCOME)
    monkeypatch.setattr(joining, "_conflicts", full)
    with (
        Store(tmp_path / "all.sqlite") as store,
        pytest.raises(LabError, match="database or disk is full"),
    ):
        store.join([file])
