"""All of a SQLite store as plain records (`taxii_fed.ports.Moving`)."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from taxii_fed.core.stix.facts import Use
from taxii_fed.ports import LEAD_MS, MOVED, MOVING, PLACE, Entry, Json
from taxii_fed.storage.sqlite.entries import ENTRY_COLUMNS, EntryReader
from taxii_fed.storage.sqlite.names import Counters, Names, NewNames, WordCache
from taxii_fed.storage.sqlite.traits import standing_of, traits_of

_HERE = (MOVING, PLACE)
_AWAY = -1
"""A limit that is none: OFFSET needs one before it."""

_TAKE = {
    "body": "SELECT key, content FROM body ORDER BY key",
    "home": "SELECT o.id, w.text FROM object AS o JOIN word AS w ON w.number = o.home ORDER BY o.number",
    "offer": "SELECT w.text, o.version, o.path FROM offer AS o JOIN word AS w ON w.number = o.giver ORDER BY o.giver, o.version",
    "refused": "SELECT mark, at FROM refused ORDER BY mark",
    "view": "SELECT id, collection, head, wake_at, mirror, edits FROM view ORDER BY id",
    "reader": "SELECT rowid, view, party, collection, from_at, until_at FROM reader ORDER BY rowid",
    "given": "SELECT o.id, g.version, g.digest FROM given AS g JOIN object AS o ON o.number = g.object"
    " ORDER BY g.object, g.version, g.digest",
    "in_force": "SELECT revision, at, fingerprint, doc FROM in_force ORDER BY revision",
    "wake": "SELECT at, collection, object_id FROM wake ORDER BY at, collection, object_id",
    "approval": "SELECT object_id, collection, version, rule, party, approved_by, at FROM approval"
    " ORDER BY object_id, collection, version, rule, party",
    "status": "SELECT id, party, at, doc FROM status ORDER BY id",
    "quarantine": "SELECT id, object_id, collection, giver, reason, version, version_text, at, path, jurisdiction, overlay, body"
    " FROM quarantine ORDER BY id",
    "door": "SELECT id, object_id, giver, at, collection, version_text, reason FROM door ORDER BY id",
    "fetched": "SELECT view, party, account, first, last, at, address FROM fetched ORDER BY view, party, account, first",
    "doc": "SELECT kind, name, doc FROM doc ORDER BY kind, name",
    "lease": "SELECT name, owner, fence, until_at FROM lease ORDER BY name",
}

_VERSIONS = """
SELECT v.key, v.collection, b.id, b.type, v.spec_version, v.version, b.version_text, v.digest, v.body, v.received_at,
    v.origin, v.jurisdiction, v.overlay, v.party,
    (SELECT json_group_array(e.use || ' ' || t.id) FROM edge AS e JOIN object AS t ON t.number = e.target WHERE e.version = v.key)
FROM version AS v JOIN body AS b ON b.key = v.body ORDER BY v.key LIMIT ? OFFSET ?"""

_ENTRIES = f"""
SELECT {ENTRY_COLUMNS}
FROM entry AS e CROSS JOIN body AS b ON b.key = e.body ORDER BY e.view, e.date_added LIMIT ? OFFSET ?"""

_COUNTERS = {
    "version": "version",
    "body": "body",
    "view": "view",
    "revision": "revision",
    "lead": "lead_ms",
    "past_lead": "commits_past_lead",
}
_PUT = {
    "refused": "INSERT INTO refused VALUES (?, ?)",
    "view": "INSERT INTO view (id, collection, head, wake_at, mirror, edits) VALUES (?, ?, ?, ?, ?, ?)",
    "reader": "INSERT INTO reader (rowid, view, party, collection, from_at, until_at) VALUES (?, ?, ?, ?, ?, ?)",
    "in_force": "INSERT INTO in_force (revision, at, fingerprint, doc) VALUES (?, ?, ?, ?)",
    "wake": "INSERT INTO wake VALUES (?, ?, ?)",
    "approval": "INSERT INTO approval VALUES (?, ?, ?, ?, ?, ?, ?)",
    "status": "INSERT INTO status VALUES (?, ?, ?, ?)",
    "door": "INSERT INTO door (id, object_id, giver, at, collection, version_text, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
    "fetched": "INSERT INTO fetched VALUES (?, ?, ?, ?, ?, ?, ?)",
    "doc": "INSERT INTO doc VALUES (?, ?, ?)",
    "lease": "INSERT INTO lease VALUES (?, ?, ?, ?)",
    "body": "INSERT INTO body VALUES (?, '', '', '', 0, '', ?)",
}
"""Tables whose records go in as they are. What a body is called comes with the versions and entries that have it."""

_CALLED = "UPDATE body SET id = ?, type = ?, spec_version = ?, version = ?, version_text = ? WHERE key = ? AND id = ''"
_EMPTIED = ("edge", "entry", "offer", "version", "reader", "view", "given", "object", "word", "state")


class SqliteMoving(EntryReader):
    """See `taxii_fed.ports.Moving`. ``db`` is in a transaction; ``settle`` commits it and begins another."""

    def __init__(self, db: sqlite3.Connection, settle: Callable[[], None]) -> None:
        self._db = db
        self._names = Names(db, WordCache())
        self._settle = settle

    def mark(self) -> str:
        """Return a hash of what every change moves on: counters, views, documents, and how many rows there are."""
        digest = hashlib.sha256()
        queries = [
            "SELECT * FROM state ORDER BY name",
            "SELECT * FROM view ORDER BY id",
            "SELECT * FROM doc ORDER BY kind, name",
            "SELECT * FROM reader ORDER BY rowid",
            "SELECT max(id) FROM door",
            "SELECT max(id) FROM quarantine",
        ]
        queries += [f"SELECT count(*) FROM {table}" for table in (*_EMPTIED, *_PUT, "quarantine")]
        for query in queries:
            digest.update(repr(self._db.execute(query).fetchall()).encode())
        return f"sqlite:{digest.hexdigest()}"

    # -- out --------------------------------------------------------------------------------------------------------------
    def take(self, table: str, skip: int) -> Iterator[Any]:
        """Yield the records of a table, in the order of its keys."""
        if table == "entry":
            yield from map(self._entry_of, self._db.execute(_ENTRIES, (_AWAY, skip)))
        elif table == "version":
            yield from map(self._version_record, self._db.execute(_VERSIONS, (_AWAY, skip)))
        elif table == "counter":
            yield from self._counters()[skip:]
        else:
            for row in self._db.execute(f"{_TAKE[table]} LIMIT ? OFFSET ?", (_AWAY, skip)):
                yield _record(table, row)

    def _entry_of(self, row: tuple[Any, ...]) -> Entry:
        return self._entry(*row)

    def _version_record(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        key, collection, *middle, origin, jurisdiction, overlay, party, edges = row
        text = self._names.text
        provenance = [text(origin), text(jurisdiction), overlay, text(party)]
        return key, text(collection), *middle, provenance, sorted(orjson.loads(edges))

    def _counters(self) -> list[tuple[str, int]]:
        state = {"lead_ms": LEAD_MS, **dict(self._db.execute("SELECT name, value FROM state"))}
        counters = [(name, state.get(column, 0)) for name, column in _COUNTERS.items()]
        for name, query in (
            ("quarantine", "SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'"),
            ("door", "SELECT max(id) FROM door"),
            ("reader", "SELECT max(rowid) FROM reader"),
        ):
            row = self._db.execute(query).fetchone()
            counters.append((name, (row[0] if row else 0) or 0))
        return counters

    # -- in ---------------------------------------------------------------------------------------------------------------
    def put(self, table: str, records: Sequence[Any], progress: Json | None) -> None:
        """Store records and the place of the move."""
        counters = Counters(self._db)
        names = NewNames(self._db, WordCache(), counters)
        if table in _PUT:
            self._db.executemany(_PUT[table], [_row(table, record) for record in records])
        else:
            _WRITERS[table](self._db, names, records)
        counters.save()
        self._db.execute("DELETE FROM doc WHERE kind = ? AND name = ?", _HERE)
        if progress is not None:
            self._db.execute("INSERT INTO doc VALUES (?, ?, ?)", (*_HERE, orjson.dumps(progress)))
        self._settle()

    def progress(self) -> Json | None:
        """Return how far a move into this store has come."""
        row = self._db.execute("SELECT doc FROM doc WHERE kind = ? AND name = ?", _HERE).fetchone()
        return None if row is None else orjson.loads(row[0])

    def is_empty(self) -> bool:
        """Return whether nothing was ever put in force here."""
        (full,) = self._db.execute("SELECT EXISTS (SELECT 1 FROM in_force) OR EXISTS (SELECT 1 FROM version)").fetchone()
        return not full

    def clear(self) -> None:
        """Remove everything."""
        for table in (*_EMPTIED, *(table for table in MOVED if table in _PUT and table not in _EMPTIED), "quarantine"):
            self._db.execute(f"DELETE FROM {table}")
        self._settle()


def _record(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    if table == "refused":
        return bytes.fromhex(row[0]), row[1]
    if table == "offer":
        return row[0], row[1], orjson.loads(row[2]) if row[2] else []
    if table == "quarantine":
        return *row[:8], orjson.loads(row[8]), *row[9:]
    return row


def _row(table: str, record: tuple[Any, ...]) -> tuple[Any, ...]:
    return (record[0].hex(), record[1]) if table == "refused" else record


def _put_versions(db: sqlite3.Connection, names: NewNames, records: Sequence[tuple[Any, ...]]) -> None:
    word = names.require_number
    for record in records:
        key, collection, object_id, type_, spec_version, version, version_text, digest, body, received_at, provenance, edges = (
            record
        )
        named = [edge.partition(" ") for edge in edges]
        numbers = names.require_objects([object_id, *(target for _, _, target in named)])
        origin, jurisdiction, overlay, party = provenance
        where_from = (word(origin), word(jurisdiction), overlay, word(party))
        row = (key, word(collection), numbers[object_id], version, spec_version, digest, body, received_at, *where_from)
        db.execute("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        db.execute(_CALLED, (object_id, type_, spec_version, version, version_text, body))
        db.executemany(
            "INSERT INTO edge VALUES (?, ?, ?, ?)", [(numbers[to], Use(use), word(collection), key) for use, _, to in named]
        )


def _put_entries(db: sqlite3.Connection, names: NewNames, entries: Sequence[Entry]) -> None:
    numbers = names.require_objects(each for entry in entries for each in (entry.id, entry.source) if each)
    word = names.require_number
    for entry in entries:
        traits = traits_of(entry.rank, version=entry.version, derived=entry.derived, edition=word(entry.spec_version))
        row = (
            entry.view,
            entry.date_added,
            numbers[entry.id],
            numbers[entry.source] if entry.source else None,
            entry.source_key,
            word(entry.type),
            standing_of(traits) if entry.ended_at is None else None,
            traits,
            word(entry.rule),
            orjson.dumps(entry.reasons).decode() if entry.reasons else None,
            entry.body,
            entry.ended_at,
            None if entry.ended_at is None else entry.ended_why,
        )
        db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        called = (entry.id, entry.type, entry.spec_version, entry.version, entry.version_text, entry.body)
        db.execute(_CALLED, called)


def _put_homes(db: sqlite3.Connection, names: NewNames, records: Sequence[tuple[str, str]]) -> None:
    numbers = names.require_objects(each for each, _ in records)
    rows = [(names.require_number(home), numbers[each]) for each, home in records]
    db.executemany("UPDATE object SET home = ? WHERE number = ?", rows)


def _put_offers(db: sqlite3.Connection, names: NewNames, records: Sequence[tuple[str, int, list[str]]]) -> None:
    rows = [(names.require_number(giver), key, orjson.dumps(path).decode() if path else None) for giver, key, path in records]
    db.executemany("INSERT INTO offer VALUES (?, ?, ?)", rows)


def _put_given(db: sqlite3.Connection, names: NewNames, records: Sequence[tuple[str, int, bytes]]) -> None:
    numbers = names.require_objects(each for each, _, _ in records)
    db.executemany(
        "INSERT INTO given VALUES (?, ?, ?)", [(numbers[each], version, digest) for each, version, digest in records]
    )


def _put_quarantine(db: sqlite3.Connection, _: NewNames, records: Sequence[tuple[Any, ...]]) -> None:
    rows = [
        (*record[:8], orjson.dumps(record[8]).decode(), *record[9:], hashlib.sha256(record[11]).digest()) for record in records
    ]
    db.executemany(
        "INSERT INTO quarantine (id, object_id, collection, giver, reason, version, version_text, at, path, jurisdiction, overlay, body,"
        " digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def _put_counters(db: sqlite3.Connection, _: NewNames, records: Sequence[tuple[str, int]]) -> None:
    given = dict(records)
    db.executemany(
        "INSERT OR REPLACE INTO state VALUES (?, ?)",
        [(_COUNTERS[name], value) for name, value in given.items() if name in _COUNTERS],
    )
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'quarantine'")
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('quarantine', ?)", (given.get("quarantine", 0),))


_WRITERS: dict[str, Callable[[sqlite3.Connection, NewNames, Sequence[Any]], None]] = {
    "version": _put_versions,
    "entry": _put_entries,
    "home": _put_homes,
    "offer": _put_offers,
    "given": _put_given,
    "quarantine": _put_quarantine,
    "counter": _put_counters,
}
