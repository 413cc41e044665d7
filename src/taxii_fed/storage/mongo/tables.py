"""The tables as one session sees them, and the small translations between values and documents."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
from pymongo.client_session import ClientSession
from pymongo.database import Database

from taxii_fed.core.errors import StoreError
from taxii_fed.ports import Json
from taxii_fed.storage.mongo.connection import Row

_MANY = 5_000
"""Values of one ``$in``: far below what a command may hold, and a transaction stays responsive."""

_PACK_FROM = 32_000
_MOST_PACKED = 15_000_000
_PLAIN, _PACKED = b"\0", b"\1"


class Tables:
    """Reads and writes within one session; ``before`` is called ahead of each command."""

    def __init__(self, db: Database[Row], session: ClientSession, before: Callable[[], None] = lambda: None) -> None:
        self.db = db
        self.session = session
        self._before = before

    def find(
        self,
        table: str,
        where: Row,
        *columns: str,
        sort: str | Sequence[tuple[str, int]] = "",
        limit: int = 0,
        hint: str | None = None,
        batch: int = 1000,
    ) -> Iterator[Row]:
        """Return documents, with all columns where none is named."""
        self._before()
        found = self.db[table].find(where, dict.fromkeys(columns, 1) or None, session=self.session, batch_size=max(batch, 2))
        if sort:
            found = found.sort([(sort, 1)] if isinstance(sort, str) else list(sort))
        if hint is not None:
            found = found.hint(hint)
        return found.limit(limit) if limit else found

    def among(self, table: str, column: str, values: Iterable[Any], where: Row | None = None, *columns: str) -> Iterator[Row]:
        """Return the documents with one of these values in a column, in no order."""
        for some in chunks(values):
            yield from self.find(table, {column: {"$in": some}, **(where or {})}, *columns)

    def one(self, table: str, where: Row, *columns: str, sort: Sequence[tuple[str, int]] = ()) -> Row | None:
        """Return the first document, None where there is none."""
        return next(iter(self.find(table, where, *columns, sort=sort, limit=1)), None)

    def count(self, table: str, where: Row) -> int:
        """Return how many documents match."""
        self._before()
        return self.db[table].count_documents(where, session=self.session)

    def pipeline(self, table: str, *stages: Row) -> list[Row]:
        """Return what an aggregation gives."""
        self._before()
        return list(self.db[table].aggregate(list(stages), session=self.session))

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert documents."""
        if rows:
            self._before()
            self.db[table].insert_many(rows, session=self.session)

    def write(self, table: str, operations: Sequence[Any]) -> None:
        """Carry out ``UpdateOne`` and the like, in order."""
        if operations:
            self._before()
            self.db[table].bulk_write(operations, session=self.session)

    def update(self, table: str, where: Row, how: Row | list[Row], *, upsert: bool = False) -> None:
        """Update all that match."""
        self._before()
        self.db[table].update_many(where, how, upsert=upsert, session=self.session)

    def delete(self, table: str, where: Row) -> None:
        """Delete all that match."""
        self._before()
        self.db[table].delete_many(where, session=self.session)

    def delete_among(self, table: str, column: str, values: Iterable[Any], where: Row | None = None) -> None:
        """Delete the documents with one of these values in a column."""
        for some in chunks(values):
            self.delete(table, {column: {"$in": some}, **(where or {})})


def chunks(values: Iterable[Any], size: int = _MANY) -> Iterator[list[Any]]:
    """Cut distinct values into lists that fit into one command."""
    rest = iter(dict.fromkeys(values))
    while some := list(islice(rest, size)):
        yield some


def key_of(*parts: Any) -> str:
    """Return the ``_id`` that is made of several values, unambiguous whatever is in them."""
    return orjson.dumps(parts).decode()


def quarantine_identity(object_id: str, collection: str, giver: str, version: int, reason: str, body: bytes) -> str:
    """Return what two items in quarantine have in common only where they are the same."""
    digest = hashlib.sha256(body).hexdigest()
    return hashlib.sha256(key_of(object_id, collection, giver, version, reason, digest).encode()).hexdigest()


def pack(doc: Json) -> bytes:
    """Return a JSON document as bytes: any keys, numbers of any size, and small enough for a document of MongoDB.

    Raises `StoreError` where it isn't.
    """
    text = orjson.dumps(doc)
    packed = _PLAIN + text if len(text) < _PACK_FROM else _PACKED + zlib.compress(text, 1)
    if len(packed) > _MOST_PACKED:
        raise StoreError(f"a document of {len(packed)} bytes is larger than MongoDB stores; send less at a time")
    return packed


def unpack(packed: bytes) -> Json:
    """Return what `pack` was given."""
    text = zlib.decompress(packed[1:]) if packed[:1] == _PACKED else packed[1:]
    doc: Json = orjson.loads(text)
    return doc


def one_of(values: Collection[Any]) -> Row:
    """Return the condition that a column has one of a few values."""
    return {"$in": list(values)}
