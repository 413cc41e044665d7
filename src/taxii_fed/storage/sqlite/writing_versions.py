"""Writes of what comes in: versions with their edges, offers, homes, refusals."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

import orjson

from taxii_fed.core.stix.facts import Provenance
from taxii_fed.ports import NewVersion, Offer
from taxii_fed.storage.sqlite.names import Counters, NewNames, as_json


class VersionWriter:
    """The part of `taxii_fed.ports.Writer` that keeps accepted versions."""

    _db: sqlite3.Connection
    _names: NewNames
    _counters: Counters
    _new_bodies: dict[int, int]

    def _bodies_in_hand(self) -> set[int]:
        """Return the keys of bodies that staged openings wait for."""
        raise NotImplementedError

    def add_versions(self, versions: Sequence[NewVersion]) -> list[int]:
        """Store versions with their edges and return their keys.

        Raises ``ValueError`` where an (id, version) is already there, or comes twice; then nothing was stored.
        """
        self._require_new(versions)
        numbers = self._names.require_objects(
            [version.object_id for version in versions] + [target for version in versions for target, _ in version.edges]
        )
        word = self._names.require_number
        provenances: dict[Provenance, tuple[int, int, int | None, int]] = {}
        keys: list[int] = []
        bodies: list[tuple[object, ...]] = []
        rows: list[tuple[object, ...]] = []
        edges: list[tuple[object, ...]] = []
        for version in versions:
            key, body = self._counters.take("version"), self._counters.take("body")
            provenance = version.provenance
            where_from = provenances.get(provenance)
            if where_from is None:
                level = provenance.overlay
                where_from = provenances[provenance] = (
                    word(provenance.origin),
                    word(provenance.jurisdiction),
                    None if level is None else int(level),
                    word(provenance.party),
                )
            collection = word(version.collection)
            bodies.append(
                (
                    body,
                    version.object_id,
                    version.type,
                    version.spec_version,
                    version.version,
                    version.version_text,
                    version.body,
                )
            )
            rows.append(
                (
                    key,
                    collection,
                    numbers[version.object_id],
                    version.version,
                    version.spec_version,
                    version.digest,
                    body,
                    version.received_at,
                    *where_from,
                )
            )
            edges.extend((numbers[target], use, collection, key) for target, use in version.edges)
            self._new_bodies[key] = body
            keys.append(key)
        self._db.executemany("INSERT INTO body VALUES (?, ?, ?, ?, ?, ?, ?)", bodies)
        self._db.executemany("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.executemany("INSERT OR IGNORE INTO edge VALUES (?, ?, ?, ?)", edges)
        return keys

    def _require_new(self, versions: Sequence[NewVersion]) -> None:
        identities = {(each.collection, each.object_id, each.version, each.spec_version) for each in versions}
        if len(identities) < len(versions):
            raise ValueError("an (id, version) comes twice")
        numbers = self._names.objects(version.object_id for version in versions)
        ids = {number: each for each, number in numbers.items()}
        there = self._db.execute(
            "SELECT v.collection, v.object, v.version, v.spec_version FROM json_each(?) AS j"
            " CROSS JOIN version AS v ON v.object = j.value",
            (as_json(ids),),
        )
        for collection, number, version, spec_version in there:
            if (self._names.text(collection), ids[number], version, spec_version) in identities:
                raise ValueError(f"{ids[number]} has a version {version} already")

    def remove_versions(self, keys: Collection[int]) -> None:
        """Take versions out of the accepted ones, with their offers and edges. Bodies stay while an entry holds them."""
        gone = self._db.execute(
            "SELECT v.key, v.object, v.body FROM json_each(?) AS j CROSS JOIN version AS v ON v.key = j.value", (as_json(keys),)
        ).fetchall()
        singles = [(key,) for key, _, _ in gone]
        for table, column in (("edge", "version"), ("offer", "version"), ("version", "key")):
            self._db.executemany(f"DELETE FROM {table} WHERE {column} = ?", singles)
        in_hand = self._bodies_in_hand()
        self._db.executemany(
            "DELETE FROM body WHERE key = :body AND NOT EXISTS ("
            "SELECT 1 FROM entry INDEXED BY entry_by_object WHERE object = :object AND body = :body)",
            [{"object": number, "body": body} for _, number, body in gone if body not in in_hand],
        )
        for key, _, _ in gone:
            self._new_bodies.pop(key, None)

    def set_homes(self, homes: Mapping[str, str]) -> None:
        """Settle the home of objects that have none yet; a home that is there stays."""
        numbers = self._names.require_objects(homes)
        self._db.executemany(
            "UPDATE object SET home = ? WHERE number = ? AND home IS NULL",
            [(self._names.require_number(home), numbers[each]) for each, home in homes.items()],
        )

    def add_offers(self, offers: Iterable[Offer]) -> None:
        """Add or renew offers."""
        self._db.executemany(
            "INSERT INTO offer VALUES (?, ?, ?) ON CONFLICT (giver, version) DO UPDATE SET path = excluded.path",
            [
                (self._names.require_number(offer.giver), offer.key, orjson.dumps(offer.path).decode() if offer.path else None)
                for offer in offers
            ],
        )

    def remove_offers(self, giver: str, keys: Collection[int]) -> None:
        """Take offers away."""
        number = self._names.number(giver)
        self._db.executemany("DELETE FROM offer WHERE giver = ? AND version = ?", [(number, key) for key in keys])

    def refuse(self, marks: Iterable[bytes], at: int) -> None:
        """Remember keyed hashes of (id, version) that nobody but their home may bring back."""
        self._db.executemany("INSERT OR IGNORE INTO refused VALUES (?, ?)", [(mark.hex(), at) for mark in marks])

    def accept_again(self, marks: Iterable[bytes]) -> None:
        """Forget them."""
        self._db.executemany("DELETE FROM refused WHERE mark = ?", [(mark.hex(),) for mark in marks])
