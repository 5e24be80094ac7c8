"""Joins stores: what several machines or processes have measured becomes one store."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from ecollm_lab.files import resolved
from ecollm_lab.records import LabError
from ecollm_lab.sweeps.store import ledger
from ecollm_lab.sweeps.store.file import Owner, connect, locate, open_file


@dataclass(frozen=True, slots=True)
class Joined:
    """What a store took in from others, in rows, and which pairs it had already.

    `conflicts` are pairs with an outcome in both that is not the same: the first one stays. In
    `other_answers` of them the answers differ, in the rest only what was measured beside them.
    """

    outcomes: int = 0
    calls: int = 0
    failures: int = 0
    attempts: int = 0
    conflicts: int = 0
    other_answers: int = 0

    def __add__(self, other: Joined) -> Joined:
        return Joined(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def join(out: FilePath, files: Iterable[FilePath | str]) -> Joined:
    """Copy what the stores in `files` hold into the store `out`, whose owner the caller is.

    All of them are checked before anything is written. They are only read, from copies beside
    `out`, and a row that is there already is not taken twice.

    Raises
    ------
    LabError
        If one of the files is `out`, is not there, is in use, is no store, or is damaged, or there
        is no room for the copies.

    """
    joined = Joined()
    try:
        with TemporaryDirectory(prefix=".join-", dir=out.parent) as folder:
            copies = [_copied(file, out, FilePath(folder, str(i))) for i, file in enumerate(files)]
            with closing(connect(out)) as db:
                for copy in copies:
                    joined += _take_in(db, copy)
    except (OSError, sqlite3.OperationalError) as error:
        raise LabError(
            f"Cannot join stores into {out}: {error}. Joining needs room beside it for copies of"
            " all of them. What was joined before is kept; give the same command again."
        ) from error
    return joined


def _copied(file: FilePath | str, out: FilePath, folder: FilePath) -> FilePath:
    """Return a copy of a store at today's version, with no attempt left open."""
    if not resolved(file).is_file():
        raise LabError(f"There is no store {file}. Name the stores to join, then --store.")
    source = locate(file)
    if source == out:
        raise LabError(f"{file} is one of the stores to join; name another file with --store.")
    folder.mkdir()
    copy = folder / source.name
    owner = _owner(source)
    try:
        for ending in ("", "-wal"):  # what a killed process wrote last is still in the log
            if (part := source.with_name(source.name + ending)).exists():
                shutil.copyfile(part, copy.with_name(copy.name + ending))
    finally:
        if owner:
            owner.release()
    try:
        with closing(open_file(copy)) as db:
            ledger.close_open_attempts(db)
    except LabError as error:
        raise LabError(str(error).replace(str(copy), str(file))) from error
    except sqlite3.DatabaseError as error:
        raise LabError(f"The store {file} is damaged or no store ({error}).") from error
    return copy


def _owner(source: FilePath) -> Owner | None:
    """Own a store while it is copied; None where its folder is read-only and nobody has it open.

    A process that has it open keeps a log beside it, and nothing can be locked there.
    """
    try:
        return Owner(source)
    except OSError as error:
        log = source.with_name(f"{source.name}-wal")
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
        if log.exists():
            raise LabError(
                f"The store {source} lies in a folder that cannot be written, and {log.name} says"
                " that it is in use or was not closed. End what uses it, then copy both to a folder"
                " of your own."
            ) from error
        return None


def _take_in(db: sqlite3.Connection, copy: FilePath) -> Joined:
    """Add the rows of one store in one transaction."""
    db.execute("ATTACH ? AS other", (str(copy),))
    db.execute("BEGIN IMMEDIATE")
    try:
        conflicts, other_answers = _conflicts(db)
        taken = {table: _insert(db, table) for table in ("calls", "outcomes", "failures")}
        db.execute(
            "DELETE FROM failures WHERE EXISTS (SELECT 1 FROM outcomes WHERE outcomes.fingerprint ="
            " failures.fingerprint AND outcomes.query_id = failures.query_id AND outcomes.path_id ="
            " failures.path_id)"
        )
        attempts = ledger.take_in(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has undone it where the disk is full
            db.execute("ROLLBACK")
        raise
    db.execute("DETACH other")
    return Joined(attempts=attempts, conflicts=conflicts, other_answers=other_answers, **taken)


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]


def _insert(db: sqlite3.Connection, table: str) -> int:
    names = ", ".join(_columns(db, table))
    return db.execute(
        f"INSERT OR IGNORE INTO {table} ({names}) SELECT {names} FROM other.{table}"
    ).rowcount


def _conflicts(db: sqlite3.Connection) -> tuple[int, int]:
    """Count the pairs with an outcome in both stores that differs, and those with other answers."""
    differs = " OR ".join(f"mine.{c} IS NOT theirs.{c}" for c in _columns(db, "outcomes"))
    n, answers = db.execute(
        "SELECT count(*), sum(mine.answer IS NOT theirs.answer) FROM other.outcomes AS theirs JOIN"
        f" main.outcomes AS mine USING (fingerprint, query_id, path_id) WHERE {differs}"
    ).fetchone()
    return n, answers or 0
