"""Reads of what came in: versions, who uses what, who offers it, whose it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from functools import lru_cache

import orjson

from taxii_fed.core.stix.facts import Provenance, Use
from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import Known, Offer, Tail, Version
from taxii_fed.storage.sqlite.names import Names, as_json

_VERSION = """
    v.key, v.collection, b.id, b.type, v.spec_version, v.version, b.version_text, b.content, v.received_at,
    v.origin, v.jurisdiction, v.overlay, v.party"""


class VersionReader:
    """The part of `taxii_fed.ports.Reader` that reads accepted versions."""

    _db: sqlite3.Connection
    _names: Names

    def known(self, object_ids: Collection[str]) -> dict[str, list[Known]]:
        """Return, for each id known anywhere in the node, its accepted versions."""
        found: dict[str, list[Known]] = {}
        numbers = self._names.objects(object_ids)
        rows = self._db.execute(
            "SELECT v.object, v.key, v.collection, v.version, v.spec_version, v.digest, v.origin, v.jurisdiction, v.overlay, v.party"
            " FROM json_each(?) AS j CROSS JOIN version AS v ON v.object = j.value ORDER BY v.object, v.key",
            (as_json(numbers.values()),),
        ).fetchall()
        ids = {number: each for each, number in numbers.items()} if rows else {}
        for number, key, collection, version, spec_version, digest, *provenance in rows:
            known = Known(key, self._names.text(collection), version, spec_version, digest, self._provenance(*provenance))
            found.setdefault(ids[number], []).append(known)
        return found

    def versions(self, collection: str, object_ids: Collection[str]) -> dict[str, list[Version]]:
        """Return the accepted versions of each object of one collection, ascending by version."""
        found: dict[str, list[Version]] = {}
        rows = self._db.execute(
            f"SELECT {_VERSION} FROM json_each(?) AS j"
            " CROSS JOIN version AS v ON v.object = j.value AND v.collection = ? CROSS JOIN body AS b ON b.key = v.body"
            " ORDER BY v.version, v.key",
            (as_json(self._names.objects(object_ids).values()), self._names.number(collection)),
        )
        for row in rows:
            version = self._version(*row)
            found.setdefault(version.object_id, []).append(version)
        return found

    def version_by_key(self, key: int) -> Version | None:
        """Return one accepted version."""
        row = self._db.execute(
            f"SELECT {_VERSION} FROM version AS v CROSS JOIN body AS b ON b.key = v.body WHERE v.key = ?", (key,)
        ).fetchone()
        return None if row is None else self._version(*row)

    def walk(self, collection: str, last: str, limit: int) -> Tail:
        """Return the next ``limit`` object ids of a collection after ``last``, in the order in which their oldest versions came."""
        rows = self._db.execute(
            "SELECT v.key, o.id FROM version AS v INDEXED BY version_by_collection CROSS JOIN object AS o ON o.number = v.object"
            " WHERE v.collection = ? AND v.key > ? AND NOT EXISTS ("
            "  SELECT 1 FROM version AS w INDEXED BY version_by_object"
            "  WHERE w.object = v.object AND w.collection = v.collection AND w.key < v.key)"
            " ORDER BY v.key LIMIT ?",
            (self._names.number(collection), int(last or 0), limit),
        ).fetchall()
        return Tail(tuple(each for _, each in rows), str(rows[-1][0]) if rows else "")

    def users(self, collection: str, targets: Collection[str], uses: Collection[Use]) -> dict[str, list[str]]:
        """Return, for each target, the ids of the objects of the collection with an accepted version that names it so."""
        found: dict[str, list[str]] = {}
        numbers = self._names.objects(targets)
        rows = self._db.execute(
            "SELECT DISTINCT e.target, o.id FROM json_each(?) AS j CROSS JOIN edge AS e ON e.target = j.value"
            " AND e.use IN (SELECT value FROM json_each(?)) AND e.collection = ?"
            " CROSS JOIN version AS v ON v.key = e.version CROSS JOIN object AS o ON o.number = v.object",
            (as_json(numbers.values()), as_json(uses), self._names.number(collection)),
        ).fetchall()
        ids = {number: each for each, number in numbers.items()} if rows else {}
        for target, user in rows:
            found.setdefault(ids[target], []).append(user)
        return found

    def homes(self, object_ids: Collection[str]) -> dict[str, str]:
        """Return the home (giver's party, ``local:PARTY`` or ``peer:NAME``) of each object that has one."""
        rows = self._db.execute(
            "SELECT o.id, o.home FROM json_each(?) AS j CROSS JOIN object AS o ON o.id = j.value WHERE o.home IS NOT NULL",
            (as_json(object_ids),),
        )
        return {each: self._names.text(home) for each, home in rows}

    def offers(self, keys: Collection[int]) -> dict[int, list[Offer]]:
        """Return who offers each version."""
        found: dict[int, list[Offer]] = {}
        rows = self._db.execute(
            "SELECT o.version, o.giver, o.path FROM json_each(?) AS j"
            " CROSS JOIN offer AS o INDEXED BY offer_by_version ON o.version = j.value",
            (as_json(keys),),
        )
        for key, giver, path in rows:
            found.setdefault(key, []).append(Offer(key, self._names.text(giver), _path(path)))
        return found

    def offered_by(self, giver: str, after: int, limit: int) -> list[tuple[Version, tuple[str, ...]]]:
        """Return versions (with the offer's path) that ``giver`` offers, with keys above ``after``, ascending."""
        rows = self._db.execute(
            f"SELECT o.path, {_VERSION} FROM offer AS o CROSS JOIN version AS v ON v.key = o.version"
            " CROSS JOIN body AS b ON b.key = v.body WHERE o.giver = ? AND o.version > ? ORDER BY o.version LIMIT ?",
            (self._names.number(giver), after, limit),
        )
        return [(self._version(*row), _path(path)) for path, *row in rows]

    def refused(self, marks: Collection[bytes]) -> set[bytes]:
        """Return those keyed hashes of deleted or erased (id, version) that the store holds."""
        rows = self._db.execute(
            "SELECT r.mark FROM json_each(?) AS j CROSS JOIN refused AS r ON r.mark = j.value",
            (as_json(mark.hex() for mark in marks),),
        )
        return {bytes.fromhex(mark) for (mark,) in rows}

    def _version(
        self,
        key: int,
        collection: int,
        object_id: str,
        type_: str,
        spec_version: str,
        version: int,
        version_text: str,
        content: bytes,
        received_at: int,
        origin: int,
        jurisdiction: int,
        overlay: int | None,
        party: int,
    ) -> Version:
        return Version(
            key=key,
            collection=self._names.text(collection),
            object_id=object_id,
            type=type_,
            spec_version=spec_version,
            version=version,
            version_text=version_text,
            body=content,
            received_at=received_at,
            provenance=self._provenance(origin, jurisdiction, overlay, party),
        )

    def _provenance(self, origin: int, jurisdiction: int, overlay: int | None, party: int) -> Provenance:
        text = self._names.text
        return _provenance(text(origin), text(jurisdiction), overlay, text(party))


@lru_cache(maxsize=1024)
def _provenance(origin: str, jurisdiction: str, overlay: int | None, party: str) -> Provenance:
    level = None if overlay is None else Level(overlay)
    return Provenance(origin=origin, jurisdiction=jurisdiction, overlay=level, party=party)


def _path(text: str | None) -> tuple[str, ...]:
    return tuple(orjson.loads(text)) if text else ()
