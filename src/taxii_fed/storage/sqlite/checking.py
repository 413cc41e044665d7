"""Whether a file is whole, as far as its structure tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def first_fault(file: Path) -> str:
    """Return the first fault in the structure of a copy that nobody else has open, "" where it is whole. Reads all of it."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else " ".join(str(found).split())
