"""One writing transaction of a SQLite store (`taxii_fed.ports.Writer`)."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

import orjson

from taxii_fed.ports import Change, Clock, DoorEvent, Json, Opening, Quarantined
from taxii_fed.storage.sqlite.erase import erase_object
from taxii_fed.storage.sqlite.log import mark_log
from taxii_fed.storage.sqlite.names import Counters, NewNames, WordCache
from taxii_fed.storage.sqlite.openings import Openings, Stamped
from taxii_fed.storage.sqlite.reader import SqliteReader
from taxii_fed.storage.sqlite.traits import RERANK, rank_bits
from taxii_fed.storage.sqlite.writing_entries import EntryPreparer
from taxii_fed.storage.sqlite.writing_versions import VersionWriter

_END = """
UPDATE entry SET ended_at = :at, ended_why = :why, standing = NULL
WHERE view = :view AND date_added = :date_added AND ended_at IS NULL"""

_COPY = """
INSERT INTO entry
SELECT ?, date_added, object, source, source_key, type, standing, traits, rule, reasons, body, ended_at, ended_why
FROM entry WHERE view = ? AND date_added > ? AND date_added <= ?"""


class SqliteWriter(VersionWriter, SqliteReader):
    """See `taxii_fed.ports.Writer`."""

    _names: NewNames

    def __init__(self, db: sqlite3.Connection, cache: WordCache, clock: Clock) -> None:
        counters = Counters(db)
        super().__init__(db, NewNames(db, cache, counters))
        self._clock = clock
        self._counters = counters
        self._openings = Openings()
        self._new_bodies: dict[int, int] = {}
        self._preparer = EntryPreparer(db, self._names, counters, self._new_bodies)
        self.has_erased = False

    def finish(self) -> Stamped | None:
        """Give the openings their stamps. The commit must follow at once."""
        self._counters.save()
        return self._openings.stamp(self._db, self._clock)

    def committed(self) -> None:
        """Let the process know what the transaction has settled."""
        self._names.publish()

    # -- views ------------------------------------------------------------------------------------------------------------
    def create_view(self, collection: str, head: int = 0) -> int:
        """Make an empty view, whose stamps will all be greater than ``head``, and return its id."""
        self._names.require_number(collection)
        number = self._counters.take("view")
        self._db.execute("INSERT INTO view (id, collection, head) VALUES (?, ?, ?)", (number, collection, head))
        return number

    def assign(self, collection: str, party: str, view: int | None, at: int) -> None:
        """Map a party to a view, or to none; the past mapping stays readable in `past_readers`."""
        row = self._db.execute(
            "SELECT rowid, view FROM reader WHERE party = ? AND collection = ? AND until_at IS NULL", (party, collection)
        ).fetchone()
        if row is not None:
            if row[1] == view:
                return
            self._db.execute("UPDATE reader SET until_at = ? WHERE rowid = ?", (at, row[0]))
        if view is not None:
            self._db.execute("INSERT INTO reader VALUES (?, ?, ?, ?, NULL)", (view, party, collection, at))

    def set_mirror(self, view: int, mirror: int) -> None:
        """Let ends and ranks of entries of ``view`` be repeated in ``mirror`` by equal ``date_added`` (0: no more)."""
        self._db.execute("UPDATE view SET mirror = ? WHERE id = ?", (mirror, view))

    def copy_entries(self, source: int, target: int, after: int, limit: int) -> int:
        """Copy up to ``limit`` entries, live and ended, with stamps above ``after``; return the last stamp copied, 0: none."""
        (last,) = self._db.execute(
            "SELECT max(date_added) FROM ("
            "SELECT date_added FROM entry WHERE view = ? AND date_added > ? ORDER BY date_added LIMIT ?)",
            (source, after, limit),
        ).fetchone()
        if last is None:
            return 0
        self._db.execute(_COPY, (target, source, after, last))
        self._db.execute("UPDATE view SET head = max(head, ?), edits = edits + 1 WHERE id = ?", (last, target))
        return int(last)

    def change(self, view: int, change: Change) -> None:
        """Stage a change of a view. Stamps are taken, and openings inserted, last thing before the commit (I2).

        Raises ``KeyError`` for an unknown view, or an opening with the bytes of a version that is not there.
        """
        mirror = self.view(view).mirror
        for each in (view, mirror) if mirror else (view,):
            if change.ended or change.reranked:
                self._db.execute("UPDATE view SET edits = edits + 1 WHERE id = ?", (each,))
            self._end(each, change.ended)
            self._db.executemany(
                RERANK, [{"view": each, "date_added": stamp, "rank": rank_bits(rank)} for stamp, rank in change.reranked]
            )
        self._openings.stage(view, self._preparer.rows(change.opened))

    def open_in_all(self, views: Sequence[tuple[int, Mapping[str, str]]], opened: Sequence[Opening]) -> None:
        """Stage the same openings in several views, each of which may call the rules behind them by other names."""
        rows = self._preparer.rows(opened)
        number, named = self._names.require_number, {opening.rule for opening in opened}
        for view, names in views:
            rules = {number(ours): number(theirs) for ours, theirs in names.items() if ours in named}
            self._openings.stage(view, [row.under(rules.get(row.rule, row.rule)) for row in rows] if rules else rows)

    def _end(self, view: int, ended: tuple[tuple[int, str], ...]) -> None:
        if ended:
            now = self._clock.now()
            self._db.executemany(_END, [{"view": view, "date_added": stamp, "why": why, "at": now} for stamp, why in ended])

    def set_wake(self, view: int, wake_at: int | None) -> None:
        """Set when time alone changes something in the view."""
        self._db.execute("UPDATE view SET wake_at = ? WHERE id = ?", (wake_at, view))

    def note_given(self, given: Iterable[tuple[str, int, bytes]]) -> None:
        """Note (derived id, version, digest) as given out. Repeats are no error."""
        notes = list(given)
        numbers = self._names.require_objects(given_id for given_id, _, _ in notes)
        self._db.executemany(
            "INSERT OR IGNORE INTO given VALUES (?, ?, ?)",
            [(numbers[given_id], version, digest) for given_id, version, digest in notes],
        )

    def _bodies_in_hand(self) -> set[int]:
        return self._openings.bodies()

    # -- small tables -----------------------------------------------------------------------------------------------------
    def add_wakes(self, collection: str, wakes: Iterable[tuple[int, str]]) -> None:
        """Note (instant, object id) to be looked at again. Repeats are no error."""
        self._db.executemany("INSERT OR IGNORE INTO wake VALUES (?, ?, ?)", [(at, collection, each) for at, each in wakes])

    def remove_wakes(self, collection: str, wakes: Iterable[tuple[int, str]]) -> None:
        """Forget wakes that were carried out."""
        self._db.executemany(
            "DELETE FROM wake WHERE at = ? AND collection = ? AND object_id = ?", [(at, collection, each) for at, each in wakes]
        )

    def approve(self, collection: str, object_id: str, version: int, rule: str, party: str, by: str, at: int) -> None:
        """Note that a person released one version, held by one rule, to one party. The first approval stays."""
        self._db.execute(
            "INSERT OR IGNORE INTO approval VALUES (?, ?, ?, ?, ?, ?, ?)", (object_id, collection, version, rule, party, by, at)
        )

    def put_in_force(self, doc: Json, fingerprint: str, at: int) -> int:
        """Append a revision and return its number; earlier ones stay readable."""
        revision = self._counters.take("revision")
        self._db.execute("INSERT INTO in_force VALUES (?, ?, ?, ?)", (revision, at, fingerprint, orjson.dumps(doc)))
        return revision

    def put_status(self, status_id: str, party: str, status: Json, at: int) -> None:
        """Store a status resource."""
        self._db.execute("INSERT OR REPLACE INTO status VALUES (?, ?, ?, ?)", (status_id, party, at, orjson.dumps(status)))

    def quarantine_add(self, item: Quarantined) -> int:
        """Keep something apart (``id`` is ignored) and return its number; the same again has the number that it has."""
        identity = (
            item.object_id,
            item.collection,
            item.giver,
            item.version,
            item.reason,
            hashlib.sha256(item.body).digest(),
        )
        row = self._db.execute(
            "SELECT id FROM quarantine WHERE object_id = ? AND collection = ? AND giver = ? AND version = ? AND reason = ?"
            " AND digest = ?",
            identity,
        ).fetchone()
        if row is not None:
            return int(row[0])
        number = self._db.execute(
            "INSERT INTO quarantine (object_id, collection, giver, version, reason, digest, version_text, at, path, jurisdiction, overlay,"
            " body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *identity,
                item.version_text,
                item.at,
                orjson.dumps(item.path).decode(),
                item.jurisdiction,
                item.overlay,
                item.body,
            ),
        ).lastrowid
        assert number is not None
        return number

    def quarantine_remove(self, numbers: Collection[int]) -> None:
        """Take items out."""
        self._db.executemany("DELETE FROM quarantine WHERE id = ?", [(number,) for number in numbers])

    def note_door(self, events: Iterable[DoorEvent]) -> None:
        """Append to the inbound audit. An event equal but for its time to the newest of that version and giver is not repeated."""
        for event in events:
            thing = (event.object_id, event.giver, event.collection, event.version_text)
            newest = self._db.execute(
                "SELECT reason FROM door WHERE object_id = ? AND giver = ? AND collection = ? AND version_text = ? "
                "ORDER BY id DESC LIMIT 1",
                thing,
            ).fetchone()
            if newest != (event.reason,):
                self._db.execute(
                    "INSERT INTO door (object_id, giver, collection, version_text, at, reason) VALUES (?, ?, ?, ?, ?, ?)",
                    (*thing, event.at, event.reason),
                )

    def put_doc(self, kind: str, name: str, doc: Json | None) -> None:
        """Write a small document; None deletes it."""
        if doc is None:
            self._db.execute("DELETE FROM doc WHERE kind = ? AND name = ?", (kind, name))
        else:
            self._db.execute("INSERT OR REPLACE INTO doc VALUES (?, ?, ?)", (kind, name, orjson.dumps(doc)))

    def erase(self, object_id: str) -> None:
        """Remove an object from the file in all collections; its entries stay in the ledger, ended, under the hash of their ids."""
        erase_object(self._db, self._names, object_id, self._clock.now())
        self._names.forget_objects()
        mark_log(self._db)
        self.has_erased = True
