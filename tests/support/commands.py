"""Run commands of the lab in this process, and look at the store they leave."""

import sqlite3
from contextlib import closing

from typer.testing import CliRunner

from ecollm_lab.cli import app
from tests.conftest import LARGE, SMALL

FOUR = ",".join(
    [
        *(f"none/{found}/none/{SMALL}" for found in ("none", "bm25-1", "bm25-3")),
        f"none/bm25-1/none/plain/{LARGE}",
    ]
)


def call(*args, code):
    """Run a command; return what it printed."""
    done = CliRunner().invoke(app, [str(a) for a in args])
    assert done.exit_code == code, done.output
    return done.output


def stored(place):
    if not (place / "s.sqlite").exists():
        return 0
    try:
        with closing(sqlite3.connect(place / "s.sqlite", timeout=30)) as db:
            return db.execute("SELECT count(*) FROM outcomes").fetchone()[0]
    except sqlite3.Error:  # the child is just creating it
        return 0
