"""The store's file: its tables, its one owner, and the migration of older versions.

Damaged, foreign or newer files are refused and left as they are.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path as FilePath
from typing import IO

from ecollm_lab.records import LabError

VERSION = 2
SCHEMA = """
CREATE TABLE calls (
    key TEXT PRIMARY KEY, model TEXT, text TEXT, tokens_in INTEGER, tokens_out INTEGER,
    latency_s REAL, finish_reason TEXT, queue_s REAL, retry_s REAL, attempts INTEGER,
    paid_usd REAL
) WITHOUT ROWID;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, sweep TEXT, key TEXT, model TEXT, sent_at TEXT,
    reserved_usd REAL, settled_usd REAL, state TEXT, error TEXT
);
CREATE TABLE spending (
    sweep TEXT PRIMARY KEY, charged_usd REAL, open_usd REAL
) WITHOUT ROWID;
CREATE TABLE outcomes (
    fingerprint TEXT, query_id TEXT, path_id TEXT, quality REAL, cost_usd REAL, latency_s REAL,
    tokens_in INTEGER, tokens_out INTEGER, answer TEXT, stage_latency_s TEXT, queue_s REAL,
    retry_s REAL, repeats INTEGER, latency_spread_s REAL, truncated INTEGER, call_key TEXT,
    PRIMARY KEY (fingerprint, query_id, path_id)
) WITHOUT ROWID;
CREATE TABLE failures (
    fingerprint TEXT, query_id TEXT, path_id TEXT, state TEXT, attempts INTEGER, error TEXT,
    PRIMARY KEY (fingerprint, query_id, path_id)
) WITHOUT ROWID;
"""
_FROM_1 = """
INSERT INTO outcomes SELECT fingerprint, query_id, path_id, quality, cost_usd, latency_s,
    tokens_in, tokens_out, answer, stage_latency_s, 0.0, 0.0, 1, 0.0, 0, NULL FROM old.outcomes
"""


class Owner:
    """The one process that may write a store.

    It locks a pid file beside the store; the kernel frees the lock however the process ends.

    Raises
    ------
    LabError
        If another process still holds the store after `wait_s` seconds; names it.

    """

    def __init__(self, file: FilePath, wait_s: float = 0.0) -> None:
        self._stream: IO[str] = file.with_name(f"{file.name}.pid").open("a+")
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    self._stream.seek(0)
                    holder = self._stream.read().strip() or "unknown"
                    self._stream.close()
                    who = (
                        "this process, which has it open already"
                        if holder == str(os.getpid())
                        else f"process {holder}"
                    )
                    raise LabError(
                        f"The store {file} is in use by {who}. Wait until it ends, or name another"
                        " with --store."
                    ) from None
                time.sleep(0.05)
        self._stream.truncate(0)
        self._stream.write(f"{os.getpid()}\n")
        self._stream.flush()

    def release(self) -> None:
        """Let the next process have the store."""
        self._stream.close()


def open_file(file: FilePath) -> sqlite3.Connection:
    """Open or create a store, migrating a copy of an older one; the caller owns it.

    Raises
    ------
    LabError
        If the file is no store or of a newer version.
    sqlite3.DatabaseError
        If it is damaged. Its bytes are untouched in either case.

    """
    db = _connect(file)
    try:
        version, tables = (
            _version(db),
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0],
        )
        fault = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        if version == 1:
            db.close()
            db = _migrate(file)
        elif version == 0 and tables == 0:
            db.execute("PRAGMA journal_mode = WAL")
            _create(db)
        elif version != VERSION:
            raise LabError(
                f"The store {file} has version {version}, this lab writes version {VERSION}. It was"
                " left as it is: name another with --store."
            )
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def _connect(file: FilePath) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _create(db: sqlite3.Connection) -> None:
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def _migrate(file: FilePath) -> sqlite3.Connection:
    """Replace a version-1 store by a version-2 copy; the old file becomes `<name>.v1`."""
    part, backup = file.with_name(f"{file.name}.part"), file.with_name(f"{file.name}.v1")
    part.unlink(missing_ok=True)
    old = _connect(file)
    old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Folds the write-ahead log into the one file that stays as the backup.
    old.execute("PRAGMA journal_mode = DELETE")
    old.close()
    new = _connect(part)
    _create(new)
    new.execute("ATTACH ? AS old", (str(file),))
    new.execute(_FROM_1)
    new.execute("DETACH old")
    new.close()
    if not backup.exists():
        os.link(file, backup)
    part.replace(file)
    db = _connect(file)
    db.execute("PRAGMA journal_mode = WAL")
    return db
