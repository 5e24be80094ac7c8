"""The one thread that writes to the store: writes that wait together share a commit."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path as FilePath
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ecollm_lab.records import LabError

GROUP = 256  # at most so many writes share one commit
Write = Callable[[sqlite3.Connection], Any]
_Item = tuple[Write, "Future[Any]"]


class Unstorable(LabError):
    """A single write holds a value that SQLite cannot store; other writes are not concerned."""


class Writer:
    """Commits writes in a thread of its own; a write's future is done once it is on disk.

    After the first commit that fails, every further write fails with the same error. A write that
    holds a value which cannot be stored fails alone, with `Unstorable`.
    """

    def __init__(self, db: sqlite3.Connection, file: FilePath) -> None:
        self._db, self._file = db, file
        self._failed: LabError | None = None
        self._writes: SimpleQueue[_Item | None] = SimpleQueue()
        self._later: deque[_Item] = deque()
        self._thread = Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> Future[Any]:
        """Queue a write; its future gives what it returned once that is committed.

        The future raises `LabError` if it could not be committed.
        """
        item = _item(write)
        self._writes.put(item)
        return item[1]

    def submit_later(self, write: Write) -> Future[Any]:
        """Queue a write that may wait for the next one of `submit`, or for `close`."""
        item = _item(write)
        self._later.append(item)
        return item[1]

    def close(self) -> None:
        """Commit what is queued and end the thread."""
        self._writes.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._writes.get()) is not None:
            group = [item]
            while len(group) < GROUP:
                try:
                    more = self._writes.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._writes.put(None)
                    break
                group.append(more)
            self._commit(self._waiting() + group)
        self._commit(self._waiting())

    def _waiting(self) -> list[_Item]:
        """Take the writes that could wait; they go first: an outcome is never without its call."""
        return [self._later.popleft() for _ in range(len(self._later))]

    def _commit(self, group: list[_Item]) -> None:
        try:
            if self._failed:
                raise self._failed
            self._db.execute("BEGIN IMMEDIATE")
            results = [write(self._db) for write, _ in group]
            self._db.execute("COMMIT")
        except (OverflowError, UnicodeError, ValueError) as error:
            self._db.execute("ROLLBACK")
            if len(group) > 1:
                for item in group:
                    self._commit([item])
            else:
                group[0][1].set_exception(Unstorable(f"It cannot be stored: {error}."))
            return
        except Exception as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._failed = self._failed or LabError(
                f"Cannot write to the store {self._file}: {error}. What it holds is safe; make room"
                " or name another with --store, then run the same command again."
            )
            for _, future in group:
                future.set_exception(self._failed)
            return
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)


def _item(write: Write) -> _Item:
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()  # a write that is queued happens
    return write, future
