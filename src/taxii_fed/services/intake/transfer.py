"""Objects of files in, and collections or views out, whatever their size (I3, I4)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.rules.door import Ruling
from taxii_fed.core.rules.model import CollectionTerms, Party
from taxii_fed.core.stix.envelopes import Received, read_envelope, why_no_json
from taxii_fed.core.stix.splitting import split_objects
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery
from taxii_fed.ports import Store
from taxii_fed.services.intake.ingest import Ingest

_BATCH = 1000
_PAGE_BYTES = 8_000_000
_PIECE = 1 << 20
_GZIP, _GZIP_WINDOW = b"\x1f\x8b", 31


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object of a file; ``index`` counts from 0, ``problem`` says what is wrong where it is `Ruling.INVALID`."""

    index: int
    object_id: str
    version_text: str
    ruling: Ruling
    problem: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is in the collection now."""
        return self.ruling in (Ruling.NEW, Ruling.KNOWN)


class Transfer:
    """Moves objects between files and the store."""

    def __init__(self, store: Store, ingest: Ingest) -> None:
        self._store = store
        self._ingest = ingest

    def bring(self, party: Party, collection: CollectionTerms, chunks: Iterable[bytes]) -> Iterator[list[Outcome]]:
        """Take in a file as published by ``party``, a batch at a time; what was yielded is durable.

        Raises `BadRequestError` at the first byte that fits no form of file (`core.stix.splitting`), once what came before was yielded.
        """
        index = 0
        for batch in _batches(split_objects(chunks)):
            received = _read(batch, index)
            index += len(received)
            rulings = self._ingest.bring(party, collection, received)
            yield [
                Outcome(each.index, each.id, each.version_text, ruling, problem)
                for each, (ruling, problem) in zip(received, rulings, strict=True)
            ]

    def originals(self, collection: CollectionTerms) -> Iterator[bytes]:
        """Yield the bytes of all accepted versions of a collection, as they came in."""
        last = ""
        while True:
            with self._store.read() as reader:
                tail = reader.walk(collection.id, last, _BATCH)
                found = reader.versions(collection.id, tail.ids)
            for object_id in tail.ids:
                yield from (version.body for version in found.get(object_id, ()))
            last = tail.last
            if not last:
                return

    def seen_by(self, view: int) -> Iterator[bytes]:
        """Yield the bytes of all that a view shows, every version and edition, in order of ``date_added``."""
        after = 0
        while True:
            query = ObjectQuery(
                after=after, limit=_BATCH, max_bytes=_PAGE_BYTES, versions=ALL_VERSIONS, spec_versions=("2.0", "2.1")
            )
            with self._store.read() as reader:
                page = reader.page(view, query)
            yield from (row.body for row in page.rows)
            if not page.more:
                return
            after = page.rows[-1].date_added


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks as they are, or unpacked where they begin as gzip does, in pieces of bounded size.

    Raises `BadRequestError` for gzip that is damaged or cut off.
    """
    rest = iter(chunks)
    first = next(rest, b"")
    if not first.startswith(_GZIP):
        yield first
        yield from rest
        return
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    for chunk in chain([first], rest):
        left = chunk
        while left:
            if unpacker.eof:  # another file packed behind the first
                unpacker = zlib.decompressobj(_GZIP_WINDOW)
            try:
                yield unpacker.decompress(left, _PIECE)
            except zlib.error as error:
                raise BadRequestError(f"the gzip file is damaged: {error}") from None
            left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not unpacker.eof:
        raise BadRequestError("the gzip file ends too early")


def bundle(bundle_id: str, objects: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a STIX bundle around the very bytes of the objects, an object a line."""
    yield b'{"type":"bundle","id":"' + bundle_id.encode() + b'"'
    separator = b',"objects":[\n'
    for body in objects:
        yield separator + body
        separator = b",\n"
    yield b"\n]}\n" if separator == b",\n" else b"}\n"


def _batches(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield pieces in batches. Raises `BadRequestError` where that of ``pieces`` comes, but yields what came before it first."""
    batch: list[bytes] = []
    try:
        for piece in pieces:
            batch.append(piece)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except BadRequestError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _read(pieces: Sequence[bytes], index: int) -> list[Received]:
    """Return the objects that the pieces are, numbered from ``index``; what is no JSON is one that can't be taken."""
    try:
        received = read_envelope(b'{"objects":[' + b",".join(pieces) + b"]}")
    except BadRequestError as error:
        if len(pieces) == 1:
            problem = f"no JSON text: {why_no_json(pieces[0]) or error}"
            return [Received(index, pieces[0], None, problem, "", "")]
        middle = len(pieces) // 2
        return _read(pieces[:middle], index) + _read(pieces[middle:], index + middle)
    return [replace(each, index=index + number) for number, each in enumerate(received)]
