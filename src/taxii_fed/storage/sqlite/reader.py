"""One snapshot of a SQLite store (`taxii_fed.ports.Reader`): views, what is in force, and the small tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import orjson

from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import Applied, Consent, DoorEvent, Json, Lease, Place, Quarantined, Read, View
from taxii_fed.storage.sqlite.entries import EntryReader
from taxii_fed.storage.sqlite.names import Names, as_json
from taxii_fed.storage.sqlite.versions import VersionReader

_PLACE = """
SELECT (SELECT max(revision) FROM in_force), v.id, v.collection, v.head, v.wake_at, v.mirror, v.edits
FROM (SELECT 1)
LEFT JOIN reader AS r INDEXED BY reader_now ON r.party = ? AND r.collection = ? AND r.until_at IS NULL
LEFT JOIN view AS v ON v.id = r.view"""

_VIEW = "SELECT id, collection, head, wake_at, mirror, edits FROM view"

# A view that nobody was ever mapped to is being built; so is one that another is copied into.
_IN_USE = f"""
{_VIEW} AS v WHERE collection = ? AND (
    NOT EXISTS (SELECT 1 FROM reader WHERE view = v.id)
    OR EXISTS (SELECT 1 FROM reader WHERE view = v.id AND until_at IS NULL)
    OR EXISTS (SELECT 1 FROM view AS w WHERE w.collection = v.collection AND w.mirror = v.id))
ORDER BY id"""


class SqliteReader(EntryReader, VersionReader):
    """See `taxii_fed.ports.Reader`."""

    def __init__(self, db: sqlite3.Connection, names: Names) -> None:
        self._db = db
        self._names = names

    def place(self, party: str, collection: str) -> Place:
        """Return where ``party`` stands in ``collection`` (TAXII id); revision 0 in an empty store."""
        revision, *view = self._db.execute(_PLACE, (party, collection)).fetchone()
        return Place(revision or 0, None if view[0] is None else _view(*view))

    def revision(self) -> int:
        """Return the number of the newest revision, 0 in an empty store."""
        (revision,) = self._db.execute("SELECT coalesce(max(revision), 0) FROM in_force").fetchone()
        return int(revision)

    def in_force(self) -> Applied | None:
        """Return the newest revision, None in an empty store."""
        return self._applied("ORDER BY revision DESC LIMIT 1")

    def in_force_at(self, instant: int) -> Applied | None:
        """Return the revision that was in force at ``instant``."""
        return self._applied("WHERE at <= ? ORDER BY revision DESC LIMIT 1", instant)

    def _applied(self, which: str, *parameters: int) -> Applied | None:
        row = self._db.execute(f"SELECT revision, at, doc, fingerprint FROM in_force {which}", parameters).fetchone()
        return None if row is None else Applied(row[0], row[1], orjson.loads(row[2]), row[3])

    def views(self, collection: str) -> list[View]:
        """Return all views of a collection that a party is mapped to or that is being built."""
        return [_view(*row) for row in self._db.execute(_IN_USE, (collection,))]

    def view(self, view: int) -> View:
        """Return one view. Raises ``KeyError`` where there is none."""
        row = self._db.execute(f"{_VIEW} WHERE id = ?", (view,)).fetchone()
        if row is None:
            raise KeyError(view)
        return _view(*row)

    def all_views(self) -> list[View]:
        """Return every view of every collection, those that nobody reads any more included."""
        return [_view(*row) for row in self._db.execute(f"{_VIEW} ORDER BY id")]

    def counter(self, name: str) -> int:
        """Return a counter of the store itself, 0 where it never counted."""
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def lease_is_held(self, name: str, owner: str, now: int) -> bool:
        """Return whether somebody other than ``owner`` has a lease: most callers need no more than that, and no turn at writing."""
        row = self._db.execute("SELECT owner, until_at FROM lease WHERE name = ?", (name,)).fetchone()
        return row is not None and row[0] not in {owner, ""} and row[1] > now

    def lease_holder(self, name: str) -> Lease | None:
        """Return a lease as it stands, None where nobody took it or it was given back."""
        row = self._db.execute("SELECT owner, fence, until_at FROM lease WHERE name = ? AND owner <> ''", (name,)).fetchone()
        return None if row is None else Lease(name, *row)

    def readers(self, collection: str) -> dict[str, int]:
        """Return party to view id."""
        return dict(
            self._db.execute(
                "SELECT r.party, r.view FROM view AS v CROSS JOIN reader AS r INDEXED BY reader_by_view ON r.view = v.id"
                " WHERE v.collection = ? AND r.until_at IS NULL",
                (collection,),
            )
        )

    def past_readers(self, view: int) -> list[tuple[str, int, int | None]]:
        """Return (party, from, until) of every party ever mapped to the view; ``until`` None: still (µs)."""
        return self._db.execute(
            "SELECT party, from_at, until_at FROM reader WHERE view = ? ORDER BY from_at, rowid", (view,)
        ).fetchall()

    def past_views(self, collection: str, party: str) -> list[int]:
        """Return the views that the party was ever mapped to in the collection, oldest first, the present one last."""
        rows = self._db.execute(
            "SELECT view FROM reader WHERE party = ? AND collection = ? ORDER BY from_at, rowid", (party, collection)
        )
        return [view for (view,) in rows]

    def status(self, status_id: str) -> tuple[str, Json] | None:
        """Return (party, TAXII status resource)."""
        row = self._db.execute("SELECT party, doc FROM status WHERE id = ?", (status_id,)).fetchone()
        return None if row is None else (row[0], orjson.loads(row[1]))

    def wakes(self, until: int, limit: int) -> list[tuple[str, int, str]]:
        """Return (collection, instant, object id) due at ``until`` or before, ascending by instant."""
        return self._db.execute(
            "SELECT collection, at, object_id FROM wake WHERE at <= ? ORDER BY at, collection, object_id LIMIT ?",
            (until, limit),
        ).fetchall()

    def next_wake(self, collection: str) -> int | None:
        """Return the earliest instant that a wake of the collection waits for."""
        (at,) = self._db.execute("SELECT min(at) FROM wake WHERE collection = ?", (collection,)).fetchone()
        return None if at is None else int(at)

    def approvals(self, collection: str, object_ids: Collection[str]) -> set[tuple[str, int, str, str]]:
        """Return (object id, version, hold rule, party) that a person released."""
        return set(
            self._db.execute(
                "SELECT a.object_id, a.version, a.rule, a.party FROM json_each(?) AS j"
                " CROSS JOIN approval AS a ON a.object_id = j.value AND a.collection = ?",
                (as_json(object_ids), collection),
            )
        )

    def consents(self, object_id: str) -> list[Consent]:
        """Return who released what of an object, and when, oldest first."""
        rows = self._db.execute(
            "SELECT collection, version, rule, party, approved_by, at FROM approval WHERE object_id = ? ORDER BY at, rule, party",
            (object_id,),
        )
        return [Consent(*row) for row in rows]

    def quarantine(
        self, *, number: int = 0, collection: str = "", object_id: str = "", giver: str = "", after: int = 0, limit: int = 1000
    ) -> list[Quarantined]:
        """Return what lies in quarantine, oldest first; only items with numbers above ``after``."""
        where, parameters = _where(id=number, collection=collection, object_id=object_id, giver=giver)
        rows = self._db.execute(
            "SELECT id, collection, object_id, version, version_text, giver, reason, at, body, path, jurisdiction, overlay"
            f" FROM quarantine {where} {'AND' if where else 'WHERE'} id > ? ORDER BY id LIMIT ?",
            (*parameters, after, limit),
        )
        return [
            Quarantined(
                id=number,
                collection=collection,
                object_id=object_id,
                version=version,
                version_text=version_text,
                giver=giver,
                reason=reason,
                at=at,
                body=body,
                path=tuple(orjson.loads(path)),
                jurisdiction=jurisdiction,
                overlay=None if overlay is None else Level(overlay),
            )
            for number, collection, object_id, version, version_text, giver, reason, at, body, path, jurisdiction, overlay in rows
        ]

    def quarantine_counts(self) -> dict[str, int]:
        """Return how many items of each giver lie in quarantine."""
        return dict(self._db.execute("SELECT giver, count(*) FROM quarantine INDEXED BY quarantine_by_giver GROUP BY giver"))

    def quarantined_ids(self, collection: str, object_ids: Collection[str]) -> set[str]:
        """Return those ids of which a version lies in quarantine."""
        rows = self._db.execute(
            "SELECT j.value FROM json_each(?) AS j"
            " WHERE EXISTS (SELECT 1 FROM quarantine AS q WHERE q.object_id = j.value AND q.collection = ?)",
            (as_json(object_ids), collection),
        )
        return {each for (each,) in rows}

    def quarantine_load(self, peer: str) -> tuple[int, int]:
        """Return how many items of a peer, all its collections together, lie in quarantine, and the bytes of their bodies."""
        count, size = self._db.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM quarantine WHERE giver >= ? AND giver < ?",
            (f"peer:{peer}:", f"peer:{peer};"),
        ).fetchone()
        return int(count), int(size)

    def door_events(self, *, object_id: str = "", giver: str = "", since: int = 0, limit: int = 1000) -> list[DoorEvent]:
        """Return the inbound audit, newest first."""
        where, parameters = _where(object_id=object_id, giver=giver)
        rows = self._db.execute(
            "SELECT at, collection, object_id, version_text, giver, reason FROM door"
            f" {where} {'AND' if where else 'WHERE'} at >= ? ORDER BY id DESC LIMIT ?",
            (*parameters, since, limit),
        )
        return [
            DoorEvent(at=at, collection=collection, object_id=each, version_text=version_text, giver=giver, reason=reason)
            for at, collection, each, version_text, giver, reason in rows
        ]

    def reads(self, *, view: int = 0, party: str = "") -> list[Read]:
        """Return merged reads, by view, party, account and stamp."""
        where, parameters = _where(view=view, party=party)
        rows = self._db.execute(
            f"SELECT view, party, account, first, last, at, address FROM fetched {where} ORDER BY view, party, account, first",
            parameters,
        )
        return [Read(*row) for row in rows]

    def doc(self, kind: str, name: str) -> Json | None:
        """Return a small document of a service."""
        row = self._db.execute("SELECT doc FROM doc WHERE kind = ? AND name = ?", (kind, name)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def docs(self, kind: str) -> dict[str, Json]:
        """Return all documents of a kind by name."""
        rows = self._db.execute("SELECT name, doc FROM doc WHERE kind = ? ORDER BY name", (kind,))
        return {name: orjson.loads(doc) for name, doc in rows}


def _view(number: int, collection: str, head: int, wake_at: int | None, mirror: int, edits: int) -> View:
    return View(id=number, collection=collection, head=head, wake_at=wake_at, mirror=mirror, edits=edits)


def _where(**given: str | int) -> tuple[str, list[str | int]]:
    """Return a WHERE clause over the columns that a value was given for; column names are the callers' own."""
    terms = {column: value for column, value in given.items() if value}
    return ("WHERE " + " AND ".join(f"{column} = ?" for column in terms) if terms else "", list(terms.values()))
