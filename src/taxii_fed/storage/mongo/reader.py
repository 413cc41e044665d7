"""One snapshot of a MongoDB store (`taxii_fed.ports.Reader`): views, what is in force, and the small tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import Applied, Consent, DoorEvent, Json, Place, Quarantined, Read, View
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.entries import EntryReader
from taxii_fed.storage.mongo.tables import Tables, key_of, unpack
from taxii_fed.storage.mongo.versions import VersionReader


class MongoReader(EntryReader, VersionReader):
    """See `taxii_fed.ports.Reader`. ``node`` is the store's own document (its counters, its lead) as this snapshot shows it."""

    def __init__(self, tables: Tables, node: Row) -> None:
        self._tables = tables
        self.node = node

    def place(self, party: str, collection: str) -> Place:
        """Return where ``party`` stands in ``collection`` (TAXII id); revision 0 in an empty store."""
        revision = self.revision()
        place = self._tables.one("place", {"_id": key_of(collection, party)})
        return Place(revision, None if place is None else self.view(int(place["view"])))

    def revision(self) -> int:
        """Return the number of the newest revision, 0 in an empty store."""
        return int(self.node["counters"]["revision"])

    def in_force(self) -> Applied | None:
        """Return the newest revision, None in an empty store."""
        return self._applied({})

    def in_force_at(self, instant: int) -> Applied | None:
        """Return the revision that was in force at ``instant``."""
        return self._applied({"at": {"$lte": instant}})

    def _applied(self, where: Row) -> Applied | None:
        row = self._tables.one("in_force", where, sort=[("_id", -1)])
        return None if row is None else Applied(int(row["_id"]), int(row["at"]), unpack(row["doc"]), row["fingerprint"])

    def views(self, collection: str) -> list[View]:
        """Return all views of a collection that a party is mapped to or that is being built.

        A view that nobody was ever mapped to is being built; so is one that another is copied into.
        """
        views = [_view(row) for row in self._tables.find("view", {"collection": collection}, sort="_id")]
        here = {row["view"] for row in self._tables.find("place", {"collection": collection}, "view")}
        mirrors = {view.mirror for view in views}
        unsure = [view.id for view in views if view.id not in here | mirrors]
        once = {row["view"] for row in self._tables.among("reader", "view", unsure, None, "view")}
        return [view for view in views if view.id not in once]

    def view(self, view: int) -> View:
        """Return one view. Raises ``KeyError`` where there is none."""
        row = self._tables.one("view", {"_id": view})
        if row is None:
            raise KeyError(view)
        return _view(row)

    def all_views(self) -> list[View]:
        """Return every view of every collection, those that nobody reads any more included."""
        return [_view(row) for row in self._tables.find("view", {}, sort="_id")]

    def readers(self, collection: str) -> dict[str, int]:
        """Return party to view id."""
        return {row["party"]: int(row["view"]) for row in self._tables.find("place", {"collection": collection})}

    def past_readers(self, view: int) -> list[tuple[str, int, int | None]]:
        """Return (party, from, until) of every party ever mapped to the view; ``until`` None: still (µs)."""
        rows = self._tables.find("reader", {"view": view}, sort=[("from", 1), ("_id", 1)])
        return [(row["party"], int(row["from"]), None if row["until"] is None else int(row["until"])) for row in rows]

    def past_views(self, collection: str, party: str) -> list[int]:
        """Return the views that the party was ever mapped to in the collection, oldest first, the present one last."""
        rows = self._tables.find("reader", {"party": party, "collection": collection}, "view", sort=[("from", 1), ("_id", 1)])
        return [int(row["view"]) for row in rows]

    def status(self, status_id: str) -> tuple[str, Json] | None:
        """Return (party, TAXII status resource)."""
        row = self._tables.one("status", {"_id": status_id})
        return None if row is None else (row["party"], unpack(row["doc"]))

    def wakes(self, until: int, limit: int) -> list[tuple[str, int, str]]:
        """Return (collection, instant, object id) due at ``until`` or before, ascending by instant."""
        order = [("at", 1), ("collection", 1), ("object", 1)]
        rows = self._tables.find("wake", {"at": {"$lte": until}}, sort=order, limit=limit)
        return [(row["collection"], int(row["at"]), row["object"]) for row in rows]

    def next_wake(self, collection: str) -> int | None:
        """Return the earliest instant that a wake of the collection waits for."""
        row = self._tables.one("wake", {"collection": collection}, "at", sort=[("at", 1)])
        return None if row is None else int(row["at"])

    def approvals(self, collection: str, object_ids: Collection[str]) -> set[tuple[str, int, str, str]]:
        """Return (object id, version, hold rule, party) that a person released."""
        rows = self._tables.among("approval", "object", object_ids, {"collection": collection})
        return {(row["object"], int(row["version"]), row["rule"], row["party"]) for row in rows}

    def consents(self, object_id: str) -> list[Consent]:
        """Return who released what of an object, and when, oldest first."""
        rows = self._tables.among("approval", "object", [object_id], {})
        found = (
            Consent(row["collection"], int(row["version"]), row["rule"], row["party"], row["by"], int(row["at"]))
            for row in rows
        )
        return sorted(found, key=lambda each: (each.at, each.rule, each.party))

    def quarantine(
        self, *, number: int = 0, collection: str = "", object_id: str = "", giver: str = "", after: int = 0, limit: int = 1000
    ) -> list[Quarantined]:
        """Return what lies in quarantine, oldest first; only items with numbers above ``after``."""
        where = _given(collection=collection, object=object_id, giver=giver)
        where["_id"] = {"$gt": after, **({"$eq": number} if number else {})}
        return [_quarantined(row) for row in self._tables.find("quarantine", where, sort="_id", limit=limit)]

    def quarantine_counts(self) -> dict[str, int]:
        """Return how many items of each giver lie in quarantine."""
        rows = self._tables.pipeline("quarantine", {"$group": {"_id": "$giver", "count": {"$sum": 1}}})
        return {row["_id"]: int(row["count"]) for row in rows}

    def quarantined_ids(self, collection: str, object_ids: Collection[str]) -> set[str]:
        """Return those ids of which a version lies in quarantine."""
        rows = self._tables.among("quarantine", "object", object_ids, {"collection": collection}, "object")
        return {row["object"] for row in rows}

    def quarantine_load(self, peer: str) -> tuple[int, int]:
        """Return how many items of a peer, all its collections together, lie in quarantine, and the bytes of their bodies."""
        rows = self._tables.pipeline(
            "quarantine",
            {"$match": {"giver": {"$gte": f"peer:{peer}:", "$lt": f"peer:{peer};"}}},
            {"$group": {"_id": None, "count": {"$sum": 1}, "size": {"$sum": "$size"}}},
        )
        return (int(rows[0]["count"]), int(rows[0]["size"])) if rows else (0, 0)

    def door_events(self, *, object_id: str = "", giver: str = "", since: int = 0, limit: int = 1000) -> list[DoorEvent]:
        """Return the inbound audit, newest first."""
        where = {**_given(object=object_id, giver=giver), "at": {"$gte": since}}
        rows = self._tables.find("door", where, sort=[("_id", -1)], limit=limit)
        return [
            DoorEvent(
                at=int(row["at"]),
                collection=row["collection"],
                object_id=row["object"],
                version_text=row["version_text"],
                giver=row["giver"],
                reason=row["reason"],
            )
            for row in rows
        ]

    def reads(self, *, view: int = 0, party: str = "") -> list[Read]:
        """Return merged reads, by view, party, account and stamp."""
        order = [("view", 1), ("party", 1), ("account", 1), ("first", 1)]
        return [read_of(row) for row in self._tables.find("fetched", _given(view=view, party=party), sort=order)]

    def doc(self, kind: str, name: str) -> Json | None:
        """Return a small document of a service."""
        row = self._tables.one("doc", {"_id": key_of(kind, name)})
        return None if row is None else unpack(row["doc"])

    def docs(self, kind: str) -> dict[str, Json]:
        """Return all documents of a kind by name."""
        return {row["name"]: unpack(row["doc"]) for row in self._tables.find("doc", {"kind": kind}, sort="name")}


def read_of(row: Row) -> Read:
    """Return a range that was read."""
    view, first, last, at = (int(row[column]) for column in ("view", "first", "last", "at"))
    return Read(view, row["party"], row["account"], first, last, at, row["address"])


def _view(row: Row) -> View:
    wake_at = row["wake_at"]
    return View(
        id=int(row["_id"]),
        collection=row["collection"],
        head=int(row["head"]),
        wake_at=None if wake_at is None else int(wake_at),
        mirror=int(row["mirror"]),
        edits=int(row["edits"]),
    )


def _quarantined(row: Row) -> Quarantined:
    return Quarantined(
        id=int(row["_id"]),
        collection=row["collection"],
        object_id=row["object"],
        version=int(row["version"]),
        version_text=row["version_text"],
        giver=row["giver"],
        reason=row["reason"],
        at=int(row["at"]),
        body=row["body"],
        path=tuple(row["path"]),
        jurisdiction=row["jurisdiction"],
        overlay=None if row["overlay"] is None else Level(row["overlay"]),
    )


def _given(**columns: Any) -> Row:
    """Return conditions on the columns that a value was given for."""
    return {column: value for column, value in columns.items() if value}
