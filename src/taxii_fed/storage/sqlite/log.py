"""The write-ahead log: kept from growing for ever, and emptied after an erasure.

SQLite moves the log into the file by itself when it is long enough, but starts it anew only at a moment when no reader looks into it,
which under steady polling may not come.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_LOG_BYTES = 128_000_000
_MARK = "erased_in_log"


def tidy_log(db: sqlite3.Connection, log: Path, *, patience: float) -> None:
    """Empty a log that holds erased bytes, waiting ``patience`` seconds for readers to end; restart one that has become too long.

    Where readers stay on, the mark stays too, and the next commit of any process tries again.
    """
    if db.execute("SELECT EXISTS (SELECT 1 FROM state WHERE name = ?)", (_MARK,)).fetchone()[0]:
        if _checkpoint(db, "TRUNCATE", patience):
            db.execute("DELETE FROM state WHERE name = ?", (_MARK,))
    elif log.stat().st_size > MAX_LOG_BYTES:
        _checkpoint(db, "RESTART", 0.02)


def mark_log(db: sqlite3.Connection) -> None:
    """Note, within the transaction that erases, that the log is to be emptied."""
    db.execute("INSERT OR REPLACE INTO state VALUES (?, 1)", (_MARK,))


def _checkpoint(db: sqlite3.Connection, mode: str, patience: float) -> bool:
    with _waiting(db, patience):
        (busy, _, _) = db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return not busy


@contextmanager
def _waiting(db: sqlite3.Connection, seconds: float) -> Iterator[None]:
    (before,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout = {before}")
