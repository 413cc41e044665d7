"""Who fetched what: ranges of stamps, merged as they come in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from taxii_fed.ports import Read

_BEFORE = """
SELECT first, last, at, address FROM fetched
WHERE view = ? AND party = ? AND account = ? AND first <= ? ORDER BY first DESC"""


def merge_reads(db: sqlite3.Connection, reads: Iterable[Read]) -> None:
    """Join each range with those of the same view, party and account that it meets or overlaps; the latest address stays.

    What is kept never meets or overlaps, so going back from the end of a range the first one that lies apart is the last to look at.
    """
    for read in reads:
        reader = (read.view, read.party, read.account)
        touching = _touching(db.execute(_BEFORE, (*reader, read.last + 1)), read.first)
        db.executemany(
            "DELETE FROM fetched WHERE view = ? AND party = ? AND account = ? AND first = ?",
            [(*reader, first) for first, *_ in touching],
        )
        touching.append((read.first, read.last, read.at, read.address))
        _, _, at, address = max(touching, key=lambda row: (row[2], row[3]))
        db.execute(
            "INSERT INTO fetched VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*reader, min(row[0] for row in touching), max(row[1] for row in touching), at, address),
        )


def _touching(backwards: sqlite3.Cursor, first: int) -> list[tuple[int, int, int, str]]:
    found = []
    for row in backwards:
        if row[1] < first - 1:
            break
        found.append(row)
    backwards.close()
    return found
