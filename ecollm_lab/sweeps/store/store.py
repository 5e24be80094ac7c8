"""The sweep's memory in SQLite: calls, the ledger of paid attempts, outcomes and failures.

What is acknowledged survives a crash.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import astuple, dataclass, fields, replace
from math import nan
from pathlib import Path as FilePath
from typing import Any

from ecollm_lab.models import CallFailed, Reply
from ecollm_lab.models.replies import BudgetSpent, CallState, storable
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps.store import joining, ledger
from ecollm_lab.sweeps.store.file import Owner, locate, open_file
from ecollm_lab.sweeps.store.ledger import Spending
from ecollm_lab.sweeps.store.writer import Write, Writer

_OUTCOME = [column.name for column in fields(Outcome)]


@dataclass(frozen=True, slots=True)
class Failure:
    """A pair that was given up.

    `state` says why, and whether the next sweep tries again; see `CallState`.
    """

    query_id: str
    path_id: str
    state: CallState
    attempts: int
    error: str


class Store:
    """Everything a sweep must not lose, in one file that one process at a time owns.

    Writes are queued to one thread, which commits all that wait together; a write's future is done
    once it is on disk.

    Parameters
    ----------
    file
        The SQLite file; created if missing, for its owner alone to read. A store of an earlier
        version is migrated; the old file stays beside it.
    wait_s
        Seconds to wait for another process that has it open.

    Raises
    ------
    LabError
        If the file cannot be opened or written, is in use, is no store, is damaged, or is of a
        newer version. It is never changed then.

    """

    def __init__(self, file: FilePath | str, *, wait_s: float = 0.0) -> None:
        self.file = locate(file)
        try:
            self._owner = Owner(self.file, wait_s)
        except OSError as error:
            raise LabError(
                f"Cannot open the store {self.file}: {error.strerror}. Name a writable one with"
                " --store."
            ) from error
        try:
            self._db = open_file(self.file)
            self._reader = sqlite3.connect(self.file, timeout=30, check_same_thread=False)
            ledger.close_open_attempts(self._db)
        except (OSError, sqlite3.OperationalError) as error:
            self._owner.release()
            raise LabError(
                f"Cannot open the store {self.file}: {error}. Name a writable one with --store."
            ) from error
        except sqlite3.DatabaseError as error:
            self._owner.release()
            raise LabError(
                f"The store {self.file} is damaged or no store ({error}). It was left as it is:"
                " move it aside to keep it, or name another with --store."
            ) from error
        except BaseException:
            self._owner.release()
            raise
        self._writer = Writer(self._db, self.file)
        # By key: calls that were refused or answered in vain are not paid again while it is open.
        self.in_vain: dict[str, CallFailed] = {}

    def submit(self, write: Write) -> Future[Any]:
        """Queue a write; see `Writer.submit`."""
        return self._writer.submit(write)

    # -- outcomes and failures

    def put(self, fingerprint: str, outcome: Outcome, call_key: str | None = None) -> Future[None]:
        """Queue an outcome. One already there stays; a failure of the same pair is deleted."""
        outcome = replace(outcome, answer=storable(outcome.answer))
        row = list(astuple(outcome))
        row[_OUTCOME.index("stage_latency_s")] = json.dumps(outcome.stage_latency_s)
        pair = (fingerprint, outcome.query_id, outcome.path_id)

        def write(db: sqlite3.Connection) -> None:
            columns = ", ".join(("fingerprint", *_OUTCOME, "call_key"))
            db.execute(
                f"INSERT OR IGNORE INTO outcomes ({columns}) VALUES"
                f" ({', '.join('?' * (len(row) + 2))})",
                (fingerprint, *row, call_key),
            )
            db.execute(
                "DELETE FROM failures WHERE fingerprint = ? AND query_id = ? AND path_id = ?", pair
            )

        return self.submit(write)

    def add(self, fingerprint: str, outcome: Outcome, call_key: str | None = None) -> None:
        """Commit one outcome; on return it survives a crash."""
        self.put(fingerprint, outcome, call_key).result()

    def fail(self, fingerprint: str, failure: Failure) -> Future[None]:
        """Queue a failure; attempts of earlier sweeps on the pair are added up."""
        row = (fingerprint, *astuple(replace(failure, error=storable(failure.error))))
        same = (
            "ON CONFLICT DO UPDATE SET state = excluded.state, error = excluded.error, attempts ="
            " attempts + excluded.attempts"
        )
        return self.submit(
            lambda db: _none(
                db.execute(f"INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?) {same}", row)
            )
        )

    def pairs(self, fingerprint: str) -> set[tuple[str, str]]:
        """Return the (query_id, path_id) pairs already there under a fingerprint."""
        return set(
            self._reader.execute(
                "SELECT query_id, path_id FROM outcomes WHERE fingerprint = ?", (fingerprint,)
            )
        )

    def outcomes(self, fingerprint: str) -> Iterator[Outcome]:
        """Yield the outcomes under a fingerprint, ordered by query and path."""
        rows = self._reader.execute(
            f"SELECT {', '.join(_OUTCOME)} FROM outcomes WHERE fingerprint = ? ORDER BY query_id,"
            " path_id",
            (fingerprint,),
        )
        for row in rows.fetchall():
            values = dict(zip(_OUTCOME, row, strict=True))
            values["stage_latency_s"] = tuple(json.loads(values["stage_latency_s"]))
            values["truncated"] = bool(values["truncated"])
            values["logprob"] = nan if values["logprob"] is None else values["logprob"]
            yield Outcome(**values)

    def failures(self, fingerprint: str) -> list[Failure]:
        """Return the pairs that were given up under a fingerprint."""
        columns = "query_id, path_id, state, attempts, error"
        rows = self._reader.execute(
            f"SELECT {columns} FROM failures WHERE fingerprint = ? ORDER BY 1, 2", (fingerprint,)
        )
        return [
            Failure(query_id, path_id, CallState(state), attempts, error)
            for query_id, path_id, state, attempts, error in rows.fetchall()
        ]

    def outcomes_of(self, marks: Mapping[str, str]) -> list[Outcome]:
        """Return the outcomes of paths, each under the fingerprint that `marks` gives its id.

        Another path may have had the same fingerprint once: a model's name is no part of it.
        """
        distinct = dict.fromkeys(marks.values())
        found = ((mark, one) for mark in distinct for one in self.outcomes(mark))
        return [one for mark, one in found if marks.get(one.path_id) == mark]

    def failures_of(self, marks: Mapping[str, str]) -> list[Failure]:
        """Return the pairs of paths that were given up; see `outcomes_of`."""
        distinct = dict.fromkeys(marks.values())
        found = ((mark, one) for mark in distinct for one in self.failures(mark))
        return [one for mark, one in found if marks.get(one.path_id) == mark]

    # -- calls and the ledger

    def reply(self, key: str) -> Reply | None:
        """Return the reply of a call made before, None if there was none."""
        return ledger.reply(self._reader, key)

    def record(self, key: str, model: str, reply: Reply) -> Future[None]:
        """Queue the reply of a call that nobody bills.

        It is committed with the next write, which is mostly its outcome, or on closing.
        """
        return self._writer.submit_later(lambda db: ledger.insert_call(db, key, model, reply, 0.0))

    def reserve(self, sweep: str, key: str, model: str, usd: float, cap_usd: float) -> Future[int]:
        """Queue an attempt with the most it can cost; see `ledger.reserve`.

        Its future raises the `BudgetSpent` found there.
        """
        return _unwrapped(
            self.submit(lambda db: ledger.reserve(db, sweep, key, model, usd, cap_usd))
        )

    def settle(
        self, attempt: int, usd: float | None, error: str = "", reply: Reply | None = None
    ) -> Future[None]:
        """Queue what an attempt cost in the end, None = what was reserved, with its reply."""
        return self.submit(lambda db: ledger.settle(db, attempt, usd, error, reply))

    def spending(self, sweep: str) -> Spending:
        """Return what a sweep has been charged so far, over all its runs."""
        return ledger.spending(self._reader, sweep)

    def retried(self, sweep: str) -> int:
        """Return how many attempts of a sweep were further ones at the same call."""
        return ledger.retried(self._reader, sweep)

    def timings(self, model: str) -> list[tuple[int, int, float]]:
        """Return tokens read, tokens written and seconds of up to 500 calls to a model."""
        return ledger.timings(self._reader, model)

    def excess_usd(self, model: str) -> float:
        """Return the most that an attempt cost which cost more than was reserved, or 0."""
        return ledger.excess_usd(self._reader, model)

    def tokens_paid(self, model: str) -> list[tuple[int, int]]:
        """Return the tokens read and written of every answered attempt at a model."""
        return ledger.tokens_paid(self._reader, model)

    def join(self, files: Iterable[FilePath | str]) -> joining.Joined:
        """Take in what other stores hold, each row once; they stay as they are. See `joining`."""
        return joining.join(self.file, files)

    def close(self) -> None:
        """Commit what is queued, close the file and let the next process have it."""
        self._writer.close()
        self._reader.close()
        self._db.close()
        self._owner.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _none(_: object) -> None:
    return None


def _unwrapped(inner: Future[Any]) -> Future[int]:
    """Turn a returned `BudgetSpent` into a raised one.

    Raising it inside a write would undo the commit that the write shares with others.
    """
    outer: Future[int] = Future()
    outer.set_running_or_notify_cancel()

    def pass_on(done: Future[Any]) -> None:
        error = done.exception() or (
            done.result() if isinstance(done.result(), BudgetSpent) else None
        )
        outer.set_exception(error) if error else outer.set_result(done.result())

    inner.add_done_callback(pass_on)
    return outer
