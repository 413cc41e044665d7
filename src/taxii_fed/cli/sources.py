"""The file that `taxii-fed import` reads: opened, unpacked, and looked at before anything is done with it."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from taxii_fed.cli.node import watched, watching
from taxii_fed.core.errors import BadRequestError, RefusedError
from taxii_fed.core.stix.splitting import split_objects
from taxii_fed.services.intake.transfer import unpacked
from taxii_fed.takeover.theirs import TheirCollection, Theirs

Source = tuple[Iterable[bytes], Callable[[int], None]]
"""The bytes of a file in chunks, and what shows on a terminal how many objects of it were read."""

_CHUNK = 1 << 20
_LONGEST = 16
_UNPACK = "unpack it first; gzip alone is taken as it is"
_OTHERS = {
    b"\xff\xfe\x00\x00": "UTF-32 text; STIX is UTF-8",
    b"\x00\x00\xfe\xff": "UTF-32 text; STIX is UTF-8",
    b"\xff\xfe": "UTF-16 text; STIX is UTF-8",
    b"\xfe\xff": "UTF-16 text; STIX is UTF-8",
    b"\x1f\x8b": "packed with gzip twice; unpack it once",
    b"PK\x03\x04": f"a zip archive; {_UNPACK}",
    b"\xfd7zXZ\x00": f"packed with xz; {_UNPACK}",
    b"BZh": f"packed with bzip2; {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"packed with zstd; {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"a 7z archive; {_UNPACK}",
    b"%PDF-": "a PDF document, not STIX",
    b"SQLite format 3\x00": "a SQLite database; if it is that of OpenTAXII: --from opentaxii",
    b"<": "XML or HTML; STIX 2 is JSON",
}
"""What files of other kinds begin with, and what they are then; the longer beginning comes first."""
_MEDALLION = re.compile(rb'\s*\{.*?"/discovery"\s*:', re.DOTALL)


@contextmanager
def read_from(file: Path) -> Iterator[Source]:
    """Open a file, or standard input for ``-``, and give its bytes, unpacked.

    Raises `RefusedError` where it is of another kind, empty, or broken before the end of its first object, and ``OSError``.
    """
    with contextlib.ExitStack() as stack:
        if str(file) == "-":
            raw, size = cast("BinaryIO", sys.stdin.buffer), 0
        else:
            raw, size = stack.enter_context(file.open("rb")), file.stat().st_size
        try:
            chunks = _looked_at(unpacked(iter(lambda: raw.read(_CHUNK), b"")))
        except BadRequestError as error:
            raise RefusedError(f"{named(file)}: {error}; nothing was taken in") from None
        yield chunks, _meter(stack, size, raw)


@contextmanager
def kept_by(theirs: Theirs, collection: TheirCollection) -> Iterator[Source]:
    """Give the objects of another server's collection as `read_from` gives those of a file."""
    with watching("reading") as tell:
        yield theirs.objects(collection.id), lambda count: tell(f"{count:,} objects of {collection.count:,}")


def named(file: Path) -> str:
    """Return what a person calls the file."""
    return "standard input" if str(file) == "-" else str(file)


def _looked_at(chunks: Iterator[bytes]) -> Iterable[bytes]:
    """Return the chunks, once the first object in them was found. Raises `BadRequestError`."""
    seen: list[bytes] = []

    def noted() -> Iterator[bytes]:
        for chunk in chunks:
            seen.append(chunk)
            yield chunk

    beginning = noted()
    for _ in beginning:
        if sum(map(len, seen)) >= _LONGEST:
            break
    head = b"".join(seen)
    for magic, kind in _OTHERS.items():
        if head.startswith(magic):
            raise BadRequestError(f"it is {kind}")
    if _MEDALLION.match(head):
        raise BadRequestError("it is a data file of medallion: --from medallion")
    if next(split_objects(chain(list(seen), beginning)), None) is None and not b"".join(seen).strip(b"\xef\xbb\xbf \t\r\n"):
        raise BadRequestError("there is no STIX object in it")
    return chain(seen, chunks)


def _meter(stack: contextlib.ExitStack, size: int, raw: BinaryIO) -> Callable[[int], None]:
    tell = stack.enter_context(watching("reading"))

    def show(count: int) -> None:
        if watched():
            tell(f"{count:,} objects" + (f", {min(100, 100 * raw.tell() // size)} % of the file" if size else ""))

    return show
