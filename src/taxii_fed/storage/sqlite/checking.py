"""Whether a file is whole, as far as its structure tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_READ_WHOLE = 256_000_000
"""Bytes of a file of which all is read at a start, which takes about a second."""
_GROWING = frozenset("object body version edge offer refused entry given wake status quarantine door fetched".split())
"""Tables that grow with what comes in; the others stay small."""


def first_fault(file: Path) -> str:
    """Return the first fault in the structure of a copy that nobody else has open, "" where it is whole. Reads all of it."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as db:
            return _fault_in(db)
    except sqlite3.DatabaseError as error:
        return str(error)


def fault_at_start(db: sqlite3.Connection, size: int) -> str:
    """Return a fault in the structure of a store of ``size`` bytes, "" where none was found.

    Of a large one only the tables that stay small are read: what is in force, views, readers, documents. Raises ``sqlite3.Error``.
    """
    if size <= _READ_WHOLE:
        return _fault_in(db)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return next((fault for each in tables if each not in _GROWING and (fault := _fault_in(db, each))), "")


def _fault_in(db: sqlite3.Connection, table: str = "1") -> str:
    (found,) = db.execute(f"PRAGMA quick_check({table})").fetchone()
    return "" if found == "ok" else " ".join(str(found).split())
