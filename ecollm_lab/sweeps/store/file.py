"""The store's file: its tables, its one owner, and the migration of older versions.

Damaged, foreign or newer files are refused and left as they are.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sqlite3
import stat
import time
from contextlib import closing, suppress
from pathlib import Path as FilePath
from typing import IO

from ecollm_lab.files import resolved
from ecollm_lab.records import LabError
from ecollm_lab.traces.path_ids import full_id

VERSION = 3
PRIVATE = 0o600  # a store holds answers, so that nobody else may read its files
SCHEMA = """
CREATE TABLE calls (
    key TEXT PRIMARY KEY, model TEXT, text TEXT, tokens_in INTEGER, tokens_out INTEGER,
    latency_s REAL, finish_reason TEXT, queue_s REAL, retry_s REAL, attempts INTEGER,
    paid_usd REAL, logprob REAL
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
    tokens_in INTEGER, tokens_out INTEGER, answer TEXT, stage_latency_s TEXT,
    queue_s REAL DEFAULT 0.0, retry_s REAL DEFAULT 0.0, repeats INTEGER DEFAULT 1,
    latency_spread_s REAL DEFAULT 0.0, truncated INTEGER DEFAULT 0, call_key TEXT, logprob REAL,
    PRIMARY KEY (fingerprint, query_id, path_id)
) WITHOUT ROWID;
CREATE TABLE failures (
    fingerprint TEXT, query_id TEXT, path_id TEXT, state TEXT, attempts INTEGER, error TEXT,
    PRIMARY KEY (fingerprint, query_id, path_id)
) WITHOUT ROWID;
"""
_TABLES = ("calls", "attempts", "spending", "outcomes", "failures")


def locate(file: FilePath | str) -> FilePath:
    """Return the one real place of a store, whatever link leads there; its folder is created.

    Raises
    ------
    LabError
        If no store can be there.

    """
    if str(file) == ":memory:":
        raise LabError(
            "A store must be a file, so that a sweep can go on after a crash; got ':memory:'. Name"
            " a file with --store."
        )
    try:
        path = resolved(file).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        why = error.strerror if isinstance(error, OSError) else error
        raise LabError(
            f"Cannot create the folder of the store {file}: {why}. Name another with --store."
        ) from error
    if path.is_dir():
        raise LabError(f"Cannot open the store {file}: it is a folder. Name a file with --store.")
    if path.exists() and path.stat().st_nlink > 1:
        raise LabError(
            f"The store {file} has a second name, a hard link; two processes could pay for the same"
            " calls. Make a copy of it and delete one of the two names."
        )
    return path


class Owner:
    """The one process that may write a store.

    It locks a pid file beside the store; the kernel frees the lock however the process ends.

    Raises
    ------
    LabError
        If another process still holds the store after `wait_s` seconds; names it.
    OSError
        If the pid file cannot be opened, or is no plain file.

    """

    def __init__(self, file: FilePath, wait_s: float = 0.0) -> None:
        self._stream = _open_pid_file(file.with_name(f"{file.name}.pid"))
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
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


def _open_pid_file(file: FilePath) -> IO[str]:
    """Open a pid file for reading and writing. A link in its place is refused: it is emptied."""
    try:
        number = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, PRIVATE)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, f"{file.name} is a link; delete it") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, f"{file.name} is no plain file; delete it")
    return os.fdopen(number, "r+")


def open_file(file: FilePath) -> sqlite3.Connection:
    """Open or create a store, migrating a copy of an older one; the caller owns it.

    Raises
    ------
    LabError
        If the file is no store or of a newer version.
    sqlite3.DatabaseError
        If it is damaged. Its bytes are untouched in either case.

    """
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, PRIVATE))
    db = connect(file)
    try:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        n_tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        fault = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        if version == 0 and n_tables == 0:
            db.execute("PRAGMA journal_mode = WAL")
            _create(db)
        elif not 0 < version <= VERSION:
            raise LabError(
                f"The store {file} has version {version}, this lab writes version {VERSION}. It was"
                " left as it is: name another with --store."
            )
        elif not _holds_outcomes(db):
            raise LabError(
                f"{file} is no store: another program wrote it. It was left as it is: name another"
                " with --store."
            )
        elif version < VERSION:
            db.close()
            db = _migrate(file, version)
        db.execute("PRAGMA synchronous = FULL")
        _make_private(file)
    except BaseException:
        db.close()
        raise
    return db


def _make_private(file: FilePath) -> None:
    """Close the files of a store to everybody else; where they are another user's, leave them."""
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):
            file.with_name(file.name + ending).chmod(PRIVATE)


def connect(file: FilePath) -> sqlite3.Connection:
    """Connect to a store's file as it is; whoever writes must be its owner."""
    return sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)


def _holds_outcomes(db: sqlite3.Connection) -> bool:
    """Tell whether a database has the one table that stores of all versions have."""
    columns = {row[1] for row in db.execute("PRAGMA table_info(outcomes)")}
    return {"fingerprint", "query_id", "path_id"} <= columns


def _create(db: sqlite3.Connection) -> None:
    db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def _add_stage(db: sqlite3.Connection) -> None:
    """Name the paths of outcomes and failures as today, with the prompt as a stage of no time."""

    def with_prompt(seconds: str) -> str:
        stages = json.loads(seconds)
        return json.dumps([*stages[:3], 0.0, *stages[3:]] if len(stages) == 4 else stages)

    db.create_function("full_id", 1, full_id)
    db.create_function("with_prompt", 1, with_prompt)
    db.execute(
        "UPDATE outcomes SET path_id = full_id(path_id), stage_latency_s ="
        " with_prompt(stage_latency_s)"
    )
    db.execute("UPDATE failures SET path_id = full_id(path_id)")


def _migrate(file: FilePath, version: int) -> sqlite3.Connection:
    """Replace an older store by a copy with today's tables; the old file becomes `<name>.v1` etc.

    Columns that the older version lacks get the default of today's table.
    """
    part, backup = file.with_name(f"{file.name}.part"), file.with_name(f"{file.name}.v{version}")
    part.unlink(missing_ok=True)
    with closing(connect(file)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # Folds the write-ahead log into the one file that stays as the backup.
        old.execute("PRAGMA journal_mode = DELETE")
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))
    with closing(connect(part)) as new:
        _create(new)
        new.execute("ATTACH ? AS old", (str(file),))
        for table in _TABLES:
            held = [row[1] for row in new.execute(f"PRAGMA old.table_info({table})")]
            names = [row[1] for row in new.execute(f"PRAGMA main.table_info({table})")]
            if columns := ", ".join(name for name in names if name in held):
                new.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old.{table}")
        new.execute("DETACH old")
        _add_stage(new)
    if not backup.exists():
        copy = backup.with_name(f"{backup.name}.part")  # a kill leaves no backup that is cut short
        shutil.copyfile(file, copy)
        copy.chmod(PRIVATE)
        copy.replace(backup)
    part.replace(file)
    db = connect(file)
    db.execute("PRAGMA journal_mode = WAL")
    return db
