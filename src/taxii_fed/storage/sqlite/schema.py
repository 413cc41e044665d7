"""The tables, and how a file comes to have them.

Strings that repeat (types, editions, parties, rules, collection ids) are numbered in ``word``, STIX ids in ``object``: numbers
grow in the order of arrival, so that an index over them is written at its end, not all over the file. What goes out lies once in
``body``, whoever sees it; ``entry`` is the ledger, and its indexes are the views.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from taxii_fed.core.errors import SchemaError

APPLICATION_ID = 0x74786664
"""Marks the file as ours (``txfd``) in the header that SQLite keeps for this."""

_FIRST = """
CREATE TABLE word (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE object (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, home INTEGER REFERENCES word);

-- Small columns first: a manifest never reads the pages that a large content overflows into.
CREATE TABLE body (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, spec_version TEXT NOT NULL,
    version INTEGER NOT NULL, version_text TEXT NOT NULL, content BLOB NOT NULL);
CREATE INDEX body_by_version ON body (version) WHERE version <> 0;

CREATE TABLE version (
    key INTEGER PRIMARY KEY, collection INTEGER NOT NULL REFERENCES word, object INTEGER NOT NULL REFERENCES object,
    version INTEGER NOT NULL, spec_version TEXT NOT NULL, digest BLOB NOT NULL, body INTEGER NOT NULL, received_at INTEGER NOT NULL,
    origin INTEGER NOT NULL, jurisdiction INTEGER NOT NULL, overlay INTEGER, party INTEGER NOT NULL);
CREATE UNIQUE INDEX version_by_object ON version (object, collection, version, spec_version);
CREATE INDEX version_by_collection ON version (collection);

CREATE TABLE edge (
    target INTEGER NOT NULL REFERENCES object, use TEXT NOT NULL, collection INTEGER NOT NULL,
    version INTEGER NOT NULL REFERENCES version, PRIMARY KEY (target, use, collection, version)) WITHOUT ROWID;
CREATE INDEX edge_by_version ON edge (version);

CREATE TABLE offer (
    giver INTEGER NOT NULL REFERENCES word, version INTEGER NOT NULL REFERENCES version, path TEXT,
    PRIMARY KEY (giver, version)) WITHOUT ROWID;
CREATE INDEX offer_by_version ON offer (version);

CREATE TABLE refused (mark TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE view (
    id INTEGER PRIMARY KEY, collection TEXT NOT NULL, head INTEGER NOT NULL DEFAULT 0, wake_at INTEGER,
    mirror INTEGER NOT NULL DEFAULT 0, edits INTEGER NOT NULL DEFAULT 0);
CREATE INDEX view_by_collection ON view (collection);

CREATE TABLE reader (
    view INTEGER NOT NULL REFERENCES view, party TEXT NOT NULL, collection TEXT NOT NULL, from_at INTEGER NOT NULL, until_at INTEGER);
CREATE UNIQUE INDEX reader_now ON reader (party, collection) WHERE until_at IS NULL;
CREATE INDEX reader_by_view ON reader (view);
CREATE INDEX reader_by_party ON reader (party, collection);

-- standing: NULL when ended or hidden, else edition << 4 and the bits of `traits` for newest, oldest, top and unversioned.
CREATE TABLE entry (
    view INTEGER NOT NULL REFERENCES view, date_added INTEGER NOT NULL, object INTEGER NOT NULL REFERENCES object,
    source INTEGER, source_key INTEGER NOT NULL, type INTEGER NOT NULL, standing INTEGER, traits INTEGER NOT NULL,
    rule INTEGER NOT NULL, reasons TEXT, body INTEGER NOT NULL, ended_at INTEGER, ended_why TEXT,
    PRIMARY KEY (view, date_added)) WITHOUT ROWID;
CREATE INDEX entry_listed ON entry (view, date_added, standing, body) WHERE standing & 5 = 5;
CREATE INDEX entry_older ON entry (view, date_added, standing, body) WHERE standing & 5 = 4;
CREATE INDEX entry_by_standing ON entry (view, standing, date_added) WHERE standing IS NOT NULL;
CREATE INDEX entry_by_type ON entry (view, type, standing, date_added) WHERE standing IS NOT NULL;
CREATE INDEX entry_by_object ON entry (object, view, standing, date_added);
CREATE INDEX entry_by_source ON entry (source, view) WHERE source <> object;

CREATE TABLE given (
    object INTEGER NOT NULL, version INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (object, version, digest)) WITHOUT ROWID;

CREATE TABLE in_force (revision INTEGER PRIMARY KEY, at INTEGER NOT NULL, fingerprint TEXT NOT NULL, doc BLOB NOT NULL);

CREATE TABLE wake (
    at INTEGER NOT NULL, collection TEXT NOT NULL, object_id TEXT NOT NULL, PRIMARY KEY (at, collection, object_id)) WITHOUT ROWID;
CREATE INDEX wake_by_collection ON wake (collection, at);
CREATE INDEX wake_by_object ON wake (object_id);

CREATE TABLE approval (
    object_id TEXT NOT NULL, collection TEXT NOT NULL, version INTEGER NOT NULL, rule TEXT NOT NULL, party TEXT NOT NULL,
    approved_by TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (object_id, collection, version, rule, party)) WITHOUT ROWID;

CREATE TABLE status (id TEXT PRIMARY KEY, party TEXT NOT NULL, at INTEGER NOT NULL, doc BLOB NOT NULL);
CREATE INDEX status_by_time ON status (at);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, object_id TEXT NOT NULL, collection TEXT NOT NULL, giver TEXT NOT NULL, reason TEXT NOT NULL,
    version INTEGER NOT NULL, version_text TEXT NOT NULL, at INTEGER NOT NULL, path TEXT NOT NULL, jurisdiction TEXT NOT NULL,
    overlay INTEGER, digest BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (object_id, collection, giver, version, reason, digest));
CREATE INDEX quarantine_by_collection ON quarantine (collection);
CREATE INDEX quarantine_by_giver ON quarantine (giver);

CREATE TABLE door (
    id INTEGER PRIMARY KEY, object_id TEXT NOT NULL, giver TEXT NOT NULL, at INTEGER NOT NULL, collection TEXT NOT NULL,
    version_text TEXT NOT NULL, reason TEXT NOT NULL);
CREATE INDEX door_by_object ON door (object_id, giver);
CREATE INDEX door_by_giver ON door (giver);

CREATE TABLE fetched (
    view INTEGER NOT NULL, party TEXT NOT NULL, account TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    at INTEGER NOT NULL, address TEXT NOT NULL, PRIMARY KEY (view, party, account, first)) WITHOUT ROWID;
CREATE INDEX fetched_by_party ON fetched (party);

CREATE TABLE doc (kind TEXT NOT NULL, name TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (kind, name));

CREATE TABLE lease (name TEXT PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, until_at INTEGER NOT NULL) WITHOUT ROWID;
"""


def _create(db: sqlite3.Connection) -> None:
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            db.execute(statement)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create,)
"""One function per schema version, from 1 on; each runs once, inside the transaction that also notes it."""


def require_ours(db: sqlite3.Connection, name: str) -> int:
    """Return the schema version of a file, 0 for an empty one. Raises `SchemaError` for a file that is not ours, or is newer."""
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark != APPLICATION_ID:
        if tables or mark:
            raise SchemaError(f"{name} is a database of another program; it was not touched")
        return 0
    (version,) = db.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    if version > len(MIGRATIONS):
        raise SchemaError(
            f"{name} has schema version {version}; this program knows versions up to {len(MIGRATIONS)}. Install a newer taxii-fed."
        )
    return int(version)


def migrate(db: sqlite3.Connection, name: str, now: int) -> None:
    """Bring a file to the newest schema in one transaction; many processes may try at once."""
    if require_ours(db, name) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = require_ours(db, name)
        if not version:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)")
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            migration(db)
            db.execute("INSERT INTO schema_version VALUES (?, ?)", (number, now))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
