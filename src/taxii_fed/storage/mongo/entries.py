"""Reads of the ledger: entries as values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Contents, Entry, Page
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.pages import read_contents, read_page
from taxii_fed.storage.mongo.standing import rank_of
from taxii_fed.storage.mongo.tables import Tables, one_of

_USERS_AT_ONCE = 200


class EntryReader:
    """The part of `taxii_fed.ports.Reader` that reads views and the ledger."""

    _tables: Tables

    def page(self, view: int, query: ObjectQuery, *, bodies: bool = True) -> Page:
        """Return the page that `core.taxii.query.select` describes, cut further by ``max_bytes`` when ``bodies``."""
        return read_page(self._tables, view, query, bodies=bodies)

    def contents(self, view: int, query: ObjectQuery) -> Contents:
        """Return the same page as `page` does with bodies, as one text."""
        return read_contents(self._tables, view, query)

    def shown(self, view: int, given_id: str) -> bool:
        """Return whether the view holds any live, shown entry of that id."""
        return self._tables.one("entry", {"id": given_id, "view": view, "standing": {"$exists": True}}, "_id") is not None

    def live(self, views: Collection[int], sources: Collection[str]) -> dict[int, dict[str, list[Entry]]]:
        """Return live entries by view and source id, ascending by date. Every view asked for has a key."""
        found: dict[int, dict[str, list[Entry]]] = {view: {} for view in views}
        if found:
            for entry in self._by_date(
                self._tables.among("entry", "source", sources, {"view": one_of(found), "ended_at": None})
            ):
                found[entry.view].setdefault(entry.source, []).append(entry)
        return found

    def live_by_id(self, view: int, given_ids: Collection[str]) -> dict[str, list[Entry]]:
        """Return live entries of a view by the id that they go out under, ascending by date."""
        found: dict[str, list[Entry]] = {}
        for entry in self._by_date(self._tables.among("entry", "id", given_ids, {"view": view, "ended_at": None})):
            found.setdefault(entry.id, []).append(entry)
        return found

    def ledger(self, object_id: str) -> list[Entry]:
        """Return all entries ever, live and ended, whose source or given id is ``object_id``, ascending by date."""
        rows = [
            *self._tables.find("entry", {"id": object_id}),
            *self._tables.find("entry", {"source": object_id, "id": {"$ne": object_id}}),
        ]
        return list(self._by_date(rows))

    def entries(self, view: int, after: int, limit: int, *, ended: bool = False) -> list[Entry]:
        """Return live entries (all with ``ended``) of a view after a stamp, ascending."""
        where: Row = {"view": view, "date_added": {"$gt": after}}
        if not ended:
            where["ended_at"] = None
        return list(map(entry_of, self._tables.find("entry", where, sort="date_added", limit=limit, hint="ledger")))

    def count_live(self, view: int, after: int = 0) -> int:
        """Return how many live entries a view has after a stamp."""
        return self._tables.count("entry", {"view": view, "date_added": {"$gt": after}, "ended_at": None})

    def body(self, key: int) -> bytes:
        """Return the bytes that `Entry.body` points to. Raises ``KeyError`` where there are none."""
        row = self._tables.one("body", {"_id": key})
        if row is None:
            raise KeyError(key)
        return bytes(row["content"])

    def used_visibly(self, view: int, targets: Mapping[str, Collection[Use]], without: Collection[str] = ()) -> set[str]:
        """Return those targets that the source of a live entry of the view names in one of the given ways.

        For `Use.CREATOR` only entries that are no copies count: a derived copy names the node. Sources in ``without`` don't count.
        """
        row = self._tables.one("view", {"_id": view}, "collection")
        if row is None:
            return set()
        left_out = set(without)
        return {
            target
            for target, uses in targets.items()
            if any(self._is_used(view, row["collection"], target, use, left_out) for use in uses)
        }

    def _is_used(self, view: int, collection: str, target: str, use: Use, without: set[str]) -> bool:
        """Look at a few users at a time: mostly one of the first is visible."""
        last = 0
        while True:
            users = list(
                self._tables.find(
                    "version",
                    {"collection": collection, "edges": edge_of(target, use), "_id": {"$gt": last}},
                    "object",
                    sort="_id",
                    limit=_USERS_AT_ONCE,
                    hint="by_edge",
                )
            )
            keys = [user["_id"] for user in users if user["object"] not in without]
            sources = list({user["object"] for user in users} - without)
            where: Row = {"source": one_of(sources), "view": view, "source_key": one_of(keys), "ended_at": None}
            if use is Use.CREATOR:
                where["derived"] = False
            if keys and self._tables.one("entry", where, "_id") is not None:
                return True
            if len(users) < _USERS_AT_ONCE:
                return False
            last = users[-1]["_id"]

    def given(self, given_ids: Collection[str]) -> dict[str, list[tuple[int, bytes]]]:
        """Return, for each derived id ever given out by this node, the (version, digest) pairs noted for it, ascending."""
        found: dict[str, list[tuple[int, bytes]]] = {}
        for row in self._tables.among("given", "object", given_ids):
            found.setdefault(row["object"], []).append((int(row["version"]), bytes(row["digest"])))
        return {each: sorted(pairs) for each, pairs in found.items()}

    def last_given(self, view: int, given_ids: Collection[str]) -> dict[str, int]:
        """Return the greatest version (µs) that the view ever held under each id, ended entries included."""
        found: dict[str, int] = {}
        for row in self._tables.among("entry", "id", given_ids, {"view": view}, "id", "version"):
            found[row["id"]] = max(int(row["version"]), found.get(row["id"], 0))
        return found

    def _by_date(self, rows: Iterable[Row]) -> Iterator[Entry]:
        return map(entry_of, sorted(rows, key=lambda row: (row["date_added"], row["view"])))


def edge_of(target: str, use: Use) -> str:
    """Return what stands in the edges of a version that names ``target`` so."""
    return f"{use} {target}"


def entry_of(row: Row) -> Entry:
    """Return a document as a value."""
    ended_at = row.get("ended_at")
    return Entry(
        view=int(row["view"]),
        date_added=int(row["date_added"]),
        id=row["id"],
        type=row["type"],
        spec_version=row["spec_version"],
        version=int(row["version"]),
        version_text=row["version_text"],
        source=row["source"],
        source_key=int(row["source_key"]),
        derived=row["derived"],
        rank=rank_of(row["rank"]),
        rule=row["rule"],
        reasons=tuple(row.get("reasons", ())),
        body=int(row["body"]),
        ended_at=None if ended_at is None else int(ended_at),
        ended_why=row.get("ended_why", ""),
    )
