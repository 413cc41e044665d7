"""Openings wait here until the last moment of a transaction, which gives them their stamps (I2).

Why last: a stamp must not be behind the clock when it becomes visible, or a poller whose cursor is its own clock would step over
it. So it lies ahead of the clock by the lead, and as little as possible happens between reading the clock and the commit.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import NamedTuple

from taxii_fed.ports import LEAD_MS, Clock

MAX_LEAD_MS = 60_000

_INSERT = """
INSERT INTO entry (view, date_added, object, source, source_key, type, standing, traits, rule, reasons, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class OpeningRow(NamedTuple):
    """The columns of an entry to come, all but view and stamp."""

    object: int
    source: int | None
    source_key: int
    type: int
    standing: int | None
    traits: int
    rule: int
    reasons: str | None
    body: int

    def under(self, rule: int) -> OpeningRow:
        """Return the row with another rule behind it."""
        return OpeningRow(*self[:6], rule, *self[7:])


@dataclass(frozen=True, slots=True)
class Stamped:
    """What the last moment of a transaction gave: the earliest stamp (ms), and the lead that it was taken with."""

    earliest: int
    lead: int

    def outlasted(self, now: int) -> bool:
        """Return whether at ``now`` (µs), after the commit, the clock was already past a stamp."""
        return now > self.earliest * 1000


@dataclass(slots=True)
class Openings:
    """The staged openings of one transaction, by view, in the order in which they were staged."""

    by_view: dict[int, list[OpeningRow]] = field(default_factory=dict)

    def bodies(self) -> set[int]:
        """Return the keys of bodies that will be needed."""
        return {row.body for rows in self.by_view.values() for row in rows}

    def stage(self, view: int, rows: list[OpeningRow]) -> None:
        """Put rows behind those that the view has."""
        if rows:
            self.by_view.setdefault(view, []).extend(rows)

    def stamp(self, db: sqlite3.Connection, clock: Clock) -> Stamped | None:
        """Insert all openings; the commit must follow at once. Returns None where there were none."""
        if not self.by_view:
            return None
        lead = read_lead(db)
        heads = {view: _head(db, view) for view in sorted(self.by_view)}
        soonest = clock.now() // 1000 + lead
        earliest = 0
        for view, head in heads.items():
            rows = self.by_view[view]
            first = max(head + 1, soonest)
            db.executemany(_INSERT, [(view, stamp, *row) for stamp, row in enumerate(rows, first)])
            db.execute("UPDATE view SET head = ? WHERE id = ?", (first + len(rows) - 1, view))
            earliest = min(earliest or first, first)
        return Stamped(earliest, lead)


def read_lead(db: sqlite3.Connection) -> int:
    """Return the lead (ms) in use by all processes."""
    row = db.execute("SELECT value FROM state WHERE name = 'lead_ms'").fetchone()
    return int(row[0]) if row else LEAD_MS


def note_outlasted(db: sqlite3.Connection, lead: int) -> None:
    """Count a commit that outlasted ``lead`` and double it for everybody, unless another process has done so meanwhile."""
    doubled = min(max(read_lead(db), lead * 2), MAX_LEAD_MS)
    db.executemany(
        "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = iif(name = 'lead_ms', 0, value) + excluded.value",
        [("lead_ms", doubled), ("commits_past_lead", 1)],
    )


def _head(db: sqlite3.Connection, view: int) -> int:
    (head,) = db.execute("SELECT head FROM view WHERE id = ?", (view,)).fetchone()
    return int(head)
