"""Reads of what came in: versions, who uses what, who offers it, whose it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from taxii_fed.core.stix.facts import Provenance, Use
from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import Known, Offer, Tail, Version
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.entries import edge_of
from taxii_fed.storage.mongo.tables import Tables, one_of

_KNOWN = ("object", "collection", "version", "spec_version", "digest", "provenance")


class VersionReader:
    """The part of `taxii_fed.ports.Reader` that reads accepted versions."""

    _tables: Tables

    def known(self, object_ids: Collection[str]) -> dict[str, list[Known]]:
        """Return, for each id known anywhere in the node, its accepted versions."""
        found: dict[str, list[Known]] = {}
        rows = self._tables.among("version", "object", object_ids, None, *_KNOWN)
        for row in sorted(rows, key=lambda row: int(row["_id"])):
            known = Known(
                int(row["_id"]),
                row["collection"],
                int(row["version"]),
                row["spec_version"],
                row["digest"],
                _provenance(row["provenance"]),
            )
            found.setdefault(row["object"], []).append(known)
        return found

    def versions(self, collection: str, object_ids: Collection[str]) -> dict[str, list[Version]]:
        """Return the accepted versions of each object of one collection, ascending by version."""
        found: dict[str, list[Version]] = {}
        rows = list(self._tables.among("version", "object", object_ids, {"collection": collection}))
        for version in sorted(self._with_bodies(rows), key=lambda each: (each.version, each.key)):
            found.setdefault(version.object_id, []).append(version)
        return found

    def version_by_key(self, key: int) -> Version | None:
        """Return one accepted version."""
        row = self._tables.one("version", {"_id": key})
        return None if row is None else self._with_bodies([row])[0]

    def _with_bodies(self, rows: Collection[Row]) -> list[Version]:
        bodies = {row["_id"]: row["content"] for row in self._tables.among("body", "_id", [row["body"] for row in rows])}
        return [_version(row, bodies[row["body"]]) for row in rows]

    def walk(self, collection: str, last: str, limit: int) -> Tail:
        """Return the next ``limit`` object ids of a collection after ``last``, in the order in which their oldest versions came."""
        after = int(last or 0)
        found: list[Row] = []
        while len(found) < limit:
            rows = list(
                self._tables.find(
                    "version",
                    {"collection": collection, "_id": {"$gt": after}},
                    "object",
                    sort="_id",
                    limit=limit,
                    hint="by_collection",
                )
            )
            if not rows:
                break
            found += self._oldest(collection, rows)
            after = rows[-1]["_id"]
        found = found[:limit]
        return Tail(tuple(row["object"] for row in found), str(found[-1]["_id"]) if found else "")

    def _oldest(self, collection: str, rows: list[Row]) -> list[Row]:
        """Leave out versions of whose object an older one is there: it was walked over with that."""
        first: dict[str, int] = {}
        for row in self._tables.among(
            "version", "object", [row["object"] for row in rows], {"collection": collection}, "object"
        ):
            first[row["object"]] = min(row["_id"], first.get(row["object"], row["_id"]))
        return [row for row in rows if first[row["object"]] == row["_id"]]

    def users(self, collection: str, targets: Collection[str], uses: Collection[Use]) -> dict[str, list[str]]:
        """Return, for each target, the ids of the objects of the collection with an accepted version that names it so."""
        edges = {edge_of(target, use): target for target in targets for use in uses}
        found: dict[str, dict[str, None]] = {}
        for row in self._tables.among("version", "edges", edges, {"collection": collection}, "object", "edges"):
            for edge in row["edges"]:
                if edge in edges:
                    found.setdefault(edges[edge], {})[row["object"]] = None
        return {target: list(users) for target, users in found.items()}

    def homes(self, object_ids: Collection[str]) -> dict[str, str]:
        """Return the home (giver's party, ``local:PARTY`` or ``peer:NAME``) of each object that has one."""
        return {row["_id"]: row["home"] for row in self._tables.among("home", "_id", object_ids)}

    def offers(self, keys: Collection[int]) -> dict[int, list[Offer]]:
        """Return who offers each version, by giver."""
        found: dict[int, list[Offer]] = {}
        rows = self._tables.among("offer", "version", keys)
        for row in sorted(rows, key=lambda row: str(row["giver"])):
            found.setdefault(int(row["version"]), []).append(Offer(int(row["version"]), row["giver"], tuple(row["path"])))
        return found

    def offered_by(self, giver: str, after: int, limit: int) -> list[tuple[Version, tuple[str, ...]]]:
        """Return versions (with the offer's path) that ``giver`` offers, with keys above ``after``, ascending."""
        where = {"giver": giver, "version": {"$gt": after}}
        paths = {
            row["version"]: tuple(row["path"])
            for row in self._tables.find("offer", where, sort="version", limit=limit, hint="by_giver")
        }
        rows = list(self._tables.find("version", {"_id": one_of(paths)}))
        return [(version, paths[version.key]) for version in sorted(self._with_bodies(rows), key=lambda each: each.key)]

    def refused(self, marks: Collection[bytes]) -> set[bytes]:
        """Return those keyed hashes of deleted or erased (id, version) that the store holds."""
        return {row["_id"] for row in self._tables.among("refused", "_id", marks, None, "_id")}


def provenance_row(provenance: Provenance) -> list[Any]:
    """Return where a version came from, as a document keeps it."""
    level = provenance.overlay
    return [provenance.origin, provenance.jurisdiction, None if level is None else int(level), provenance.party]


def _provenance(row: list[Any]) -> Provenance:
    origin, jurisdiction, overlay, party = row
    return Provenance(
        origin=origin,
        jurisdiction=jurisdiction,
        overlay=None if overlay is None else Level(overlay),
        party=party,
    )


def _version(row: Row, content: bytes) -> Version:
    return Version(
        key=int(row["_id"]),
        collection=row["collection"],
        object_id=row["object"],
        type=row["type"],
        spec_version=row["spec_version"],
        version=int(row["version"]),
        version_text=row["version_text"],
        body=content,
        received_at=int(row["received_at"]),
        provenance=_provenance(row["provenance"]),
    )
