"""The tables, their indexes, and how a database comes to have them.

``body`` holds what goes out once, whoever sees it; ``entry`` is the ledger, and its indexes are the views. Documents that carry bytes of
others hold one object each (8 MB at most), so none comes near the 16 MB that MongoDB allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure

from taxii_fed.core.errors import SchemaError, StoreError
from taxii_fed.ports import LEAD_MS
from taxii_fed.storage.mongo.connection import Row

META, SCHEMA, NODE, TURN, PROBE = "meta", "schema", "node", "turn", "probe"

_FOUND = {"standing": {"$exists": True}}
_NAMESPACE_EXISTS = 48


def _index(name: str, *columns: str, unique: bool = False, where: Row | None = None) -> IndexModel:
    options: dict[str, Any] = {"partialFilterExpression": where} if where else {}
    return IndexModel([(column, 1) for column in columns], name=name, unique=unique, **options)


INDEXES: dict[str, list[IndexModel]] = {
    META: [],
    "body": [],
    "version": [
        _index("by_object", "object", "collection", "version", "spec_version"),
        _index("by_collection", "collection", "_id"),
        _index("by_edge", "edges", "collection", "_id"),
    ],
    "offer": [_index("by_giver", "giver", "version"), _index("by_version", "version")],
    "home": [],
    "refused": [],
    "view": [_index("by_collection", "collection")],
    "place": [_index("by_collection", "collection"), _index("by_view", "view")],
    "reader": [_index("by_view", "view", "from"), _index("by_party", "party", "collection", "from")],
    "entry": [
        _index("ledger", "view", "date_added", unique=True),
        _index("listed", "view", "date_added", where={"listed": True}),
        _index("by_standing", "view", "standing", "date_added", where=_FOUND),
        _index("by_type", "view", "type", "standing", "date_added", where=_FOUND),
        _index("by_version", "view", "version", "date_added", where={"version": {"$gt": 0}}),
        _index("by_object", "id", "view"),
        _index("by_source", "source", "view"),
    ],
    "given": [_index("by_object", "object", "version")],
    "in_force": [_index("by_time", "at")],
    "wake": [_index("by_time", "at", "collection", "object"), _index("by_collection", "collection", "at"), _index("by_object", "object")],
    "approval": [_index("by_object", "object", "collection")],
    "status": [_index("by_time", "at")],
    "quarantine": [
        _index("by_identity", "identity"),
        _index("by_object", "object", "collection"),
        _index("by_collection", "collection", "_id"),
        _index("by_giver", "giver", "_id"),
    ],
    "door": [_index("by_object", "object", "giver", "_id"), _index("by_giver", "giver", "_id")],
    "fetched": [_index("by_reader", "view", "party", "account", "first"), _index("by_party", "party")],
    "doc": [_index("by_kind", "kind", "name")],
    "lease": [],
}  # fmt: skip
"""Every table. With one transaction at a time (see `turn`) few indexes need to be unique, and those would forbid other shard keys."""

SHARD_KEYS: dict[str, Row] = {
    "entry": {"view": 1, "date_added": 1},
    "body": {"_id": "hashed"},
    "version": {"object": 1, "collection": 1, "version": 1},
    "offer": {"giver": 1, "version": 1},
    "home": {"_id": "hashed"},
    "given": {"object": 1, "version": 1},
    "fetched": {"view": 1, "party": 1, "account": 1, "first": 1},
    "door": {"_id": "hashed"},
    "refused": {"_id": "hashed"},
}
"""How the tables that grow are spread over shards; the others stay small."""


def _create(db: Database[Row]) -> None:
    there = set(db.list_collection_names())
    for table, indexes in INDEXES.items():
        if table not in there:
            _create_table(db, table)
        if indexes:
            db[table].create_indexes(indexes)
    first = {"version": 0, "body": 0, "view": 0, "revision": 0, "quarantine": 0, "door": 0, "reader": 0}
    db[META].update_one(
        {"_id": NODE}, {"$setOnInsert": {"turns": 0, "lead": LEAD_MS, "past_lead": 0, "counters": first}}, upsert=True
    )
    db[META].update_one({"_id": TURN}, {"$setOnInsert": {"owner": None, "until": None}}, upsert=True)


def _create_table(db: Database[Row], table: str) -> None:
    """Tables are made before they are used: not all servers make them inside a transaction."""
    try:
        db.create_collection(table)
    except CollectionInvalid:
        return
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


MIGRATIONS: tuple[Callable[[Database[Row]], None], ...] = (_create,)
"""One function per schema version, from 1 on. Each may run again, and in several processes at once, with the same result."""


def migrate(db: Database[Row], name: str, *, create: bool, now: int) -> None:
    """Bring a database to the newest schema. Raises `SchemaError` where another program or a newer version of this one made it."""
    version = _version(db, name)
    if version is None:
        if not create:
            raise StoreError(f"{name} does not exist")
        version = 0
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        migration(db)
        db[META].update_one({"_id": SCHEMA}, {"$max": {"version": number}, "$set": {f"applied.{number}": now}}, upsert=True)


def _version(db: Database[Row], name: str) -> int | None:
    found = db[META].find_one({"_id": SCHEMA})
    if found is None:
        others = set(db.list_collection_names()) - INDEXES.keys()
        if any(not each.startswith("system.") for each in others):
            raise SchemaError(f"{name} is a database of another program; it was not touched")
        return None
    version = int(found["version"])
    if version > len(MIGRATIONS):
        raise SchemaError(
            f"{name} has schema version {version}; this program knows versions up to {len(MIGRATIONS)}. Install a newer taxii-fed."
        )
    return version
