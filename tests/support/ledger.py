"""What a store's ledger says, beside what the scripted server would bill."""

import sqlite3
from contextlib import closing

import pytest

# What one call of the rig reserves: 173 bytes and template tokens at 1 USD, 64 at 4 USD per Mtok.
RESERVED = pytest.approx(0.00043, rel=0.02)


def ledger(file):
    """Return (key, reserved_usd, settled_usd, state) of every attempt."""
    with closing(sqlite3.connect(file)) as db:
        return db.execute(
            "SELECT key, reserved_usd, settled_usd, state FROM attempts ORDER BY id"
        ).fetchall()


def billed_usd(judge, model):
    """Return what the server would bill for a model, in US dollars."""
    read, wrote = judge.counters()["billed"].get(model.remote_name, (0, 0))
    return model.cost_usd(0.0, read, wrote)
