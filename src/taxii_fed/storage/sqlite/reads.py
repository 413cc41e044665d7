"""Who fetched what: ranges of stamps, merged as they come in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from taxii_fed.ports import Read

_TOUCHING = """
SELECT first, last, at, address FROM fetched
WHERE view = ? AND party = ? AND account = ? AND first <= ? AND last >= ?"""


def merge_reads(db: sqlite3.Connection, reads: Iterable[Read]) -> None:
    """Join each range with those of the same view, party and account that it meets or overlaps; the latest address stays."""
    for read in reads:
        reader = (read.view, read.party, read.account)
        touching = db.execute(_TOUCHING, (*reader, read.last + 1, read.first - 1)).fetchall()
        db.executemany(
            "DELETE FROM fetched WHERE view = ? AND party = ? AND account = ? AND first = ?",
            [(*reader, first) for first, *_ in touching],
        )
        touching.append((read.first, read.last, read.at, read.address))
        _, _, at, address = max(touching, key=lambda row: int(row[2]))
        db.execute(
            "INSERT INTO fetched VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*reader, min(row[0] for row in touching), max(row[1] for row in touching), at, address),
        )
