"""All of a MongoDB store as plain records (`taxii_fed.ports.Moving`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import orjson
from pymongo import ReplaceOne
from pymongo.database import Database

from taxii_fed.ports import MOVING, PLACE, Entry, Json
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.entries import entry_of
from taxii_fed.storage.mongo.schema import INDEXES, META, NODE
from taxii_fed.storage.mongo.standing import rank_number, standing_columns
from taxii_fed.storage.mongo.tables import Tables, key_of, one_of, pack, quarantine_identity, unpack

_AT_ONCE = 5_000
"""Documents that one command removes: the answer to a command that takes long does not come."""
_HERE = key_of(MOVING, PLACE)
_COUNTERS = ("version", "body", "view", "revision", "quarantine", "door", "reader")

_COLUMNS: dict[str, tuple[str, ...]] = {
    "body": ("_id", "content"),
    "version": (
        "_id", "collection", "object", "type", "spec_version", "version", "version_text", "digest", "body", "received_at", "provenance",
        "edges",
    ),
    "home": ("_id", "home"),
    "offer": ("giver", "version", "path"),
    "refused": ("_id", "at"),
    "view": ("_id", "collection", "head", "wake_at", "mirror", "edits"),
    "reader": ("_id", "view", "party", "collection", "from", "until"),
    "given": ("object", "version", "digest"),
    "in_force": ("_id", "at", "fingerprint", "doc"),
    "wake": ("at", "collection", "object"),
    "approval": ("object", "collection", "version", "rule", "party", "by", "at"),
    "status": ("_id", "party", "at", "doc"),
    "quarantine": (
        "_id", "object", "collection", "giver", "reason", "version", "version_text", "at", "path", "jurisdiction", "overlay", "body",
    ),
    "door": ("_id", "object", "giver", "at", "collection", "version_text", "reason"),
    "fetched": ("view", "party", "account", "first", "last", "at", "address"),
    "doc": ("kind", "name", "doc"),
    "lease": ("_id", "owner", "fence", "until"),
}  # fmt: skip
"""The columns of a record, in order; those of `Entry` are its fields."""

_KEYS: dict[str, Callable[[Row], str]] = {
    "offer": lambda row: key_of(row["giver"], row["version"]),
    "given": lambda row: key_of(row["object"], row["version"], row["digest"].hex()),
    "wake": lambda row: key_of(row["at"], row["collection"], row["object"]),
    "approval": lambda row: key_of(row["object"], row["collection"], row["version"], row["rule"], row["party"]),
    "doc": lambda row: key_of(row["kind"], row["name"]),
}
"""The ``_id`` of tables whose records have none."""


class MongoMoving:
    """See `taxii_fed.ports.Moving`. ``keep`` keeps the turn; ``transaction`` opens one within it, and commits it."""

    def __init__(
        self, db: Database[Row], keep: Callable[[], None], transaction: Callable[[], AbstractContextManager[Tables]]
    ) -> None:
        self._db = db
        self._keep = keep
        self._transaction = transaction

    def mark(self) -> str:
        """Return the number of the last transaction."""
        return f"mongodb:{self._node()['turns']}"

    def _node(self) -> Row:
        node = self._db[META].find_one({"_id": NODE})
        assert node is not None
        return node

    def take(self, table: str, skip: int) -> Iterator[Any]:
        """Yield the records of a table, in the order of its keys."""
        if table == "counter":
            node = self._node()
            values = {
                **{name: node["counters"][name] for name in _COUNTERS},
                "lead": node["lead"],
                "past_lead": node["past_lead"],
            }
            yield from [(name, int(value)) for name, value in values.items()][skip:]
            return
        order = [("view", 1), ("date_added", 1)] if table == "entry" else [("_id", 1)]
        for row in self._db[table].find().sort(order).skip(skip).batch_size(500):
            self._keep()
            if table == "entry":
                yield entry_of(row)
            else:
                yield tuple(self._given(column, row[column]) for column in _COLUMNS[table])

    def _given(self, column: str, value: Any) -> Any:
        return orjson.dumps(unpack(value)) if column == "doc" else int(value) if type(value).__name__ == "Int64" else value

    def put(self, table: str, records: Sequence[Any], progress: Json | None) -> None:
        """Store records and the place of the move."""
        with self._transaction() as tables:
            if progress is not None and _place_in(tables.one("doc", {"_id": _HERE})) == progress:
                return  # an earlier attempt went through, and its answer got lost
            rows = self._counted(tables, records) if table == "counter" else self._rows(tables, table, records)
            if rows:
                tables.insert(table, rows)
            if table == "reader":
                tables.insert("place", [_place(row) for row in rows if row["until"] is None])
            if progress is None:
                tables.delete("doc", {"_id": _HERE})
            else:
                doc = {"kind": MOVING, "name": PLACE, "doc": pack(progress)}
                tables.write("doc", [ReplaceOne({"_id": _HERE}, doc, upsert=True)])

    def _counted(self, tables: Tables, records: Sequence[tuple[str, int]]) -> list[Row]:
        values = {name if name in {"lead", "past_lead"} else f"counters.{name}": value for name, value in records}
        tables.update(META, {"_id": NODE}, {"$set": values})
        return []

    def _rows(self, tables: Tables, table: str, records: Sequence[Any]) -> list[Row]:
        if table == "entry":
            return _entry_rows(records, self._sizes(tables, [entry.body for entry in records]))
        rows = [dict(zip(_COLUMNS[table], record, strict=True)) for record in records]
        for row in rows:
            if "doc" in row:
                row["doc"] = pack(orjson.loads(row["doc"]))
            if table in _KEYS:
                row["_id"] = _KEYS[table](row)
            if table == "quarantine":
                row |= {"size": len(row["body"]), "identity": _identity(row)}
            if table == "body":
                row["size"] = len(row["content"])
        if table == "version":
            sizes = self._sizes(tables, [row["body"] for row in rows])
            for row in rows:
                row["size"] = sizes[row["body"]]
        return rows

    def _sizes(self, tables: Tables, bodies: list[int]) -> dict[int, int]:
        return {row["_id"]: int(row["size"]) for row in tables.among("body", "_id", bodies, None, "size")}

    def progress(self) -> Json | None:
        """Return how far a move into this store has come."""
        return _place_in(self._db["doc"].find_one({"_id": _HERE}))

    def is_empty(self) -> bool:
        """Return whether nothing was ever put in force here."""
        return self._db["in_force"].find_one() is None and self._db["version"].find_one() is None

    def clear(self) -> None:
        """Remove everything."""
        for table in INDEXES:
            if table != META:
                while rows := list(self._db[table].find({}, {"_id": 1}).limit(_AT_ONCE)):
                    self._keep()
                    self._db[table].delete_many({"_id": one_of([row["_id"] for row in rows])})


def _place_in(row: Row | None) -> Json | None:
    return None if row is None else unpack(row["doc"])


def _place(reader: Row) -> Row:
    columns = {column: reader[column] for column in ("collection", "party", "view")}
    return {"_id": key_of(reader["collection"], reader["party"]), **columns, "reader": reader["_id"]}


def _entry_rows(entries: Sequence[Entry], sizes: dict[int, int]) -> list[Row]:
    rows = []
    for entry in entries:
        rank = rank_number(entry.rank)
        row: Row = {
            column: getattr(entry, column)
            for column in (
                "view", "date_added", "id", "type", "spec_version", "version", "version_text", "source", "source_key", "derived", "rule",
                "body",
            )
        } | {"rank": rank, "size": sizes[entry.body]}  # fmt: skip
        if entry.reasons:
            row["reasons"] = list(entry.reasons)
        if entry.ended_at is None:
            row |= standing_columns(rank, unversioned=entry.version == 0)
        else:
            row |= {"ended_at": entry.ended_at, "ended_why": entry.ended_why}
        rows.append(row)
    return rows


def _identity(row: Row) -> str:
    return quarantine_identity(row["object"], row["collection"], row["giver"], row["version"], row["reason"], row["body"])
