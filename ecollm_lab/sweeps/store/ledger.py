"""The ledger: what each attempt at a paid call may cost, before it is sent, and what it did cost.

Every function works on a connection to the store, within the transaction of its caller.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

from ecollm_lab.models import Reply
from ecollm_lab.models.replies import BudgetSpent, storable

_REPLY = [column.name for column in fields(Reply) if column.name not in ("repeats", "spread_s")]


@dataclass(frozen=True, slots=True)
class Spending:
    """What the attempts of one sweep cost in US dollars: charged, and reserved by open ones."""

    charged_usd: float
    open_usd: float
    attempts: int


def reserve(
    db: sqlite3.Connection, sweep: str, key: str, model: str, usd: float, cap_usd: float
) -> int | BudgetSpent:
    """Journal an attempt with the most it can cost, if the cap leaves room for it.

    What is charged and what open attempts have reserved count. Returns the attempt's number; 0 =
    no room now, but there may be once open attempts are settled;
    `BudgetSpent` = never.
    """
    charged, still_open = _totals(db, sweep)
    if charged + still_open + usd > cap_usd:
        if charged + usd <= cap_usd:
            return 0
        return BudgetSpent(
            f"budget spent: {charged:.6f} of {cap_usd:g} USD are charged, and the next call to"
            f" {model!r} may cost {usd:.6f} USD"
        )
    db.execute(
        "INSERT INTO spending VALUES (?, 0.0, ?) ON CONFLICT DO UPDATE SET open_usd = open_usd + ?",
        (sweep, usd, usd),
    )
    row = (sweep, key, model, datetime.now(UTC).isoformat(timespec="milliseconds"), usd)
    columns = "sweep, key, model, sent_at, reserved_usd, state"
    return int(
        db.execute(
            f"INSERT INTO attempts ({columns}) VALUES (?, ?, ?, ?, ?, 'open')", row
        ).lastrowid
        or 0
    )


def settle(
    db: sqlite3.Connection, attempt: int, usd: float | None, error: str, reply: Reply | None
) -> None:
    """Charge an attempt with what it cost, not what was reserved; store the reply it brought.

    Without usage nobody knows what it cost, `usd` is None, and what was reserved is charged.
    """
    asked = "SELECT sweep, key, model, reserved_usd FROM attempts WHERE id = ?"
    sweep, key, model, reserved = db.execute(asked, (attempt,)).fetchone()
    usd = reserved if usd is None else usd
    state = "answered" if reply else "failed"
    db.execute(
        "UPDATE attempts SET settled_usd = ?, state = ?, error = ? WHERE id = ?",
        (usd, state, storable(error), attempt),
    )
    # What is left of the last open reservation is a rounding error, which would keep a cap waiting.
    db.execute(
        "UPDATE spending SET charged_usd = charged_usd + :usd, open_usd = CASE WHEN open_usd -"
        " :reserved < 1e-9 * :reserved THEN 0.0 ELSE open_usd - :reserved END WHERE sweep = :sweep",
        {"usd": usd, "reserved": reserved, "sweep": sweep},
    )
    if reply:
        insert_call(db, key, model, reply, usd)


def close_open_attempts(db: sqlite3.Connection) -> None:
    """Charge what a crash left open at its reserved price: it may have been answered and billed."""
    if not db.execute("SELECT 1 FROM attempts WHERE state = 'open' LIMIT 1").fetchone():
        return
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "UPDATE attempts SET state = 'unknown', settled_usd = reserved_usd, error = 'the process"
        " ended' WHERE state = 'open'"
    )
    _add_up(db)
    db.execute("COMMIT")


def take_in(db: sqlite3.Connection) -> int:
    """Add the attempts of the store attached as `other`, each once; return how many were new.

    Attempts have no name of their own: those that are alike in everything are told by their count.
    """
    columns = "sweep, key, model, sent_at, reserved_usd, settled_usd, state, error"
    numbered = f"{columns}, row_number() OVER (PARTITION BY {columns})"
    n = db.execute(
        f"INSERT INTO attempts ({columns}) SELECT {columns} FROM (SELECT {numbered} FROM"
        f" other.attempts EXCEPT SELECT {numbered} FROM main.attempts) ORDER BY sent_at"
    ).rowcount
    _add_up(db)
    return n


def _add_up(db: sqlite3.Connection) -> None:
    """Compute anew what each sweep was charged; no attempt may be open."""
    db.execute("DELETE FROM spending")
    db.execute(
        "INSERT INTO spending SELECT sweep, sum(settled_usd), 0.0 FROM attempts GROUP BY sweep"
    )


def spending(db: sqlite3.Connection, sweep: str) -> Spending:
    """Return what a sweep has been charged so far, over all its runs."""
    n = db.execute("SELECT count(*) FROM attempts WHERE sweep = ?", (sweep,)).fetchone()[0]
    return Spending(*_totals(db, sweep), n)


def retried(db: sqlite3.Connection, sweep: str) -> int:
    """Return how many attempts of a sweep were further ones at the same call."""
    return int(
        db.execute(
            "SELECT count(*) - count(DISTINCT key) FROM attempts WHERE sweep = ?", (sweep,)
        ).fetchone()[0]
    )


def tokens_paid(db: sqlite3.Connection, model: str) -> list[tuple[int, int]]:
    """Return the tokens read and written of every answered attempt at a model."""
    asked = (
        "SELECT tokens_in, tokens_out FROM attempts JOIN calls USING (key) WHERE attempts.model = ?"
        " AND state = 'answered'"
    )
    return db.execute(asked, (model,)).fetchall()


def timings(db: sqlite3.Connection, model: str) -> list[tuple[int, int, float]]:
    """Return tokens read, tokens written and seconds of up to 500 calls to a model."""
    asked = "SELECT tokens_in, tokens_out, latency_s FROM calls WHERE model = ? LIMIT 500"
    return db.execute(asked, (model,)).fetchall()


def excess_usd(db: sqlite3.Connection, model: str) -> float:
    """Return the most that an attempt at a model cost which cost more than was reserved, or 0."""
    asked = "SELECT max(settled_usd) FROM attempts WHERE model = ? AND settled_usd > reserved_usd"
    return db.execute(asked, (model,)).fetchone()[0] or 0.0


def reply(db: sqlite3.Connection, key: str) -> Reply | None:
    """Return the reply of a call made before, None if there was none."""
    row = db.execute(f"SELECT {', '.join(_REPLY)} FROM calls WHERE key = ?", (key,)).fetchone()
    return Reply(**dict(zip(_REPLY, row, strict=True))) if row else None


def insert_call(db: sqlite3.Connection, key: str, model: str, reply: Reply, usd: float) -> None:
    """Store the reply of a call and what it cost; one already there stays."""
    reply = replace(reply, text=storable(reply.text))
    row = (key, model, *(getattr(reply, name) for name in _REPLY), usd)
    columns = ", ".join(("key", "model", *_REPLY, "paid_usd"))
    db.execute(f"INSERT OR IGNORE INTO calls ({columns}) VALUES ({', '.join('?' * len(row))})", row)


def _totals(db: sqlite3.Connection, sweep: str) -> tuple[float, float]:
    return db.execute(
        "SELECT charged_usd, open_usd FROM spending WHERE sweep = ?", (sweep,)
    ).fetchone() or (0.0, 0.0)
