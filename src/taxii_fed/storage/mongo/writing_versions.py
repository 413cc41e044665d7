"""Writes of what comes in: versions with their edges, offers, homes, refusals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from bson import Binary
from pymongo import ReplaceOne, UpdateOne

from taxii_fed.ports import NewVersion, Offer
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.counters import Counters
from taxii_fed.storage.mongo.entries import edge_of
from taxii_fed.storage.mongo.tables import Tables, key_of
from taxii_fed.storage.mongo.versions import provenance_row


class VersionWriter:
    """The part of `taxii_fed.ports.Writer` that keeps accepted versions."""

    _tables: Tables
    _counters: Counters
    _new_bodies: dict[int, tuple[int, int]]

    def _bodies_in_hand(self) -> set[int]:
        """Return the keys of bodies that staged openings wait for."""
        raise NotImplementedError

    def add_versions(self, versions: Sequence[NewVersion]) -> list[int]:
        """Store versions with their edges and return their keys.

        Raises ``ValueError`` where an (id, version) is already there, or comes twice; then nothing was stored.
        """
        self._require_new(versions)
        keys: list[int] = []
        rows: list[Row] = []
        bodies: list[Row] = []
        for each in versions:
            key, body = self._counters.take("version"), self._counters.take("body")
            bodies.append({"_id": body, "content": each.body})
            rows.append(
                {
                    "_id": key,
                    "collection": each.collection,
                    "object": each.object_id,
                    "type": each.type,
                    "spec_version": each.spec_version,
                    "version": each.version,
                    "version_text": each.version_text,
                    "digest": each.digest,
                    "body": body,
                    "size": len(each.body),
                    "received_at": each.received_at,
                    "provenance": provenance_row(each.provenance),
                    "edges": sorted({edge_of(target, use) for target, use in each.edges}),
                }
            )
            self._new_bodies[key] = (body, len(each.body))
            keys.append(key)
        self._tables.insert("body", bodies)
        self._tables.insert("version", rows)
        return keys

    def _require_new(self, versions: Sequence[NewVersion]) -> None:
        identities = {(each.collection, each.object_id, each.version, each.spec_version) for each in versions}
        if len(identities) < len(versions):
            raise ValueError("an (id, version) comes twice")
        columns = ("collection", "object", "version", "spec_version")
        for row in self._tables.among("version", "object", [version.object_id for version in versions], None, *columns):
            if tuple(row[column] for column in columns) in identities:
                raise ValueError(f"{row['object']} has a version {row['version']} already")

    def remove_versions(self, keys: Collection[int]) -> None:
        """Take versions out of the accepted ones, with their offers and edges. Bodies stay while an entry holds them."""
        gone = list(self._tables.among("version", "_id", keys, None, "object", "body"))
        numbers = [row["_id"] for row in gone]
        self._tables.delete_among("offer", "version", numbers)
        self._tables.delete_among("version", "_id", numbers)
        held = {row["body"] for row in self._tables.among("entry", "id", [row["object"] for row in gone], None, "body")}
        held |= self._bodies_in_hand()
        self._tables.delete_among("body", "_id", {row["body"] for row in gone} - held)
        for number in numbers:
            self._new_bodies.pop(number, None)

    def set_homes(self, homes: Mapping[str, str]) -> None:
        """Settle the home of objects that have none yet; a home that is there stays."""
        self._tables.write(
            "home", [UpdateOne({"_id": each}, {"$setOnInsert": {"home": home}}, upsert=True) for each, home in homes.items()]
        )

    def add_offers(self, offers: Iterable[Offer]) -> None:
        """Add or renew offers."""
        self._tables.write(
            "offer",
            [
                ReplaceOne(
                    {"_id": key_of(offer.giver, offer.key), "giver": offer.giver, "version": offer.key},
                    {"giver": offer.giver, "version": offer.key, "path": list(offer.path)},
                    upsert=True,
                )
                for offer in offers
            ],
        )

    def remove_offers(self, giver: str, keys: Collection[int]) -> None:
        """Take offers away."""
        self._tables.delete_among("offer", "version", keys, {"giver": giver})

    def refuse(self, marks: Iterable[bytes], at: int) -> None:
        """Remember keyed hashes of (id, version) that nobody but their home may bring back."""
        self._tables.write(
            "refused", [UpdateOne({"_id": Binary(mark)}, {"$setOnInsert": {"at": at}}, upsert=True) for mark in marks]
        )

    def accept_again(self, marks: Iterable[bytes]) -> None:
        """Forget them."""
        self._tables.delete_among("refused", "_id", marks)
