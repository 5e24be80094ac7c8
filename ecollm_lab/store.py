"""The sweep's memory: every outcome, committed to SQLite the moment it is known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path as FilePath
from types import TracebackType

from ecollm_lab.records import LabError, Outcome

VERSION = 1
_SCHEMA = """
CREATE TABLE outcomes (
    fingerprint TEXT, query_id TEXT, path_id TEXT, quality REAL, cost_usd REAL, latency_s REAL, tokens_in INTEGER, tokens_out INTEGER,
    answer TEXT, stage_latency_s TEXT, PRIMARY KEY (fingerprint, query_id, path_id)
) WITHOUT ROWID
"""


class Store:
    """Outcomes by (fingerprint, query, path); `sweep.fingerprint` digests all that determines an outcome beside query and path.

    Parameters
    ----------
    file
        The SQLite file; created if missing.

    Raises
    ------
    LabError
        If the file cannot be opened or written, is no store, is damaged, or is of another version. It is never changed then.

    """

    def __init__(self, file: FilePath | str) -> None:
        self.file = FilePath(file)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.file, timeout=30, isolation_level=None)
            self._open()
        except OSError as error:
            raise LabError(f"Cannot create the folder of the store {self.file}: {error.strerror}. Name another with --store.") from error
        except sqlite3.OperationalError as error:
            raise LabError(f"Cannot open the store {self.file}: {error}. Name a writable one with --store.") from error
        except sqlite3.DatabaseError as error:
            raise LabError(
                f"The store {self.file} is damaged or no store ({error}). It was left as it is: move it aside to keep it, "
                "or name another with --store."
            ) from error

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                self._db.execute(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise LabError(f"The store {self.file} has version {version}, this lab writes version {VERSION}. Name another with --store.")
        fault = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if fault != "ok":
            raise sqlite3.DatabaseError(fault)
        self._db.execute("PRAGMA synchronous = FULL")

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def add(self, fingerprint: str, outcome: Outcome) -> None:
        """Commit one outcome; on return it survives a crash. An outcome already there is kept."""
        row = (
            fingerprint, outcome.query_id, outcome.path_id, outcome.quality, outcome.cost_usd, outcome.latency_s, outcome.tokens_in,
            outcome.tokens_out, outcome.answer, json.dumps(outcome.stage_latency_s),
        )  # fmt: skip
        try:
            with self._transaction():
                self._db.execute(f"INSERT OR IGNORE INTO outcomes VALUES ({', '.join('?' * len(row))})", row)
        except sqlite3.Error as error:
            raise LabError(
                f"Cannot write to the store {self.file}: {error}. What it holds is kept; make room or name another with --store, "
                "then run the same command again."
            ) from error

    def pairs(self, fingerprint: str) -> set[tuple[str, str]]:
        """Return the (query_id, path_id) pairs already there under a fingerprint."""
        return set(self._db.execute("SELECT query_id, path_id FROM outcomes WHERE fingerprint = ?", (fingerprint,)))

    def outcomes(self, fingerprint: str) -> Iterator[Outcome]:
        """Yield the outcomes under a fingerprint, ordered by query and path."""
        rows = self._db.execute("SELECT * FROM outcomes WHERE fingerprint = ? ORDER BY query_id, path_id", (fingerprint,))
        for row in rows:
            *values, stages = row[1:]
            yield Outcome(*values, stage_latency_s=tuple(json.loads(stages)))  # type: ignore[misc]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when an error passes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
