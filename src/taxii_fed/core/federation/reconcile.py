"""Comparing a peer's manifest with what we hold of that peer: listed entries in, decisions out. No I/O.

Pulling alone does not see everything: servers commit behind cursors that they have handed out, and TAXII does not tell of deletions. So
at intervals the whole manifest is read (sharing model, section 8). Then

- what is listed and not held is *missing*, and fetched by id;
- what is held and not listed is *gone*, if the manifest was read to its end, and a second reading says the same of it;
- when too much is gone at once, the *guard* leaves it to a person.

A `Listing` holds sixteen bytes an entry, so that a manifest of a million entries takes tens of megabytes and packs into documents of the
store, a page each.
"""

from __future__ import annotations

import base64
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

_LOWEST = 1 << 63
_LOW_BITS = (1 << 64) - 1
_ANY = -1
"""Stands for a version that can't be read; it matches every version."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of a peer's manifest. ``version`` in microseconds, None where ``version_text`` is no timestamp; ``date_added`` likewise."""

    id: str
    version: int | None
    version_text: str
    date_added: int | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """How much may go at once: not more than ``above`` (a share, 0 to 1) of at least ``of_at_least`` versions."""

    above: float
    of_at_least: int

    def stops(self, gone: int, of: int) -> bool:
        """Return whether so many removals wait for a person."""
        return of >= self.of_at_least and gone > self.above * of


class Listing:
    """What a manifest lists, by keyed hashes: ``key`` keeps a peer from finding ids that collide.

    ``every_version``: it is known to list every version that there is, as a taxii-fed node does.
    """

    def __init__(self, key: bytes, *, every_version: bool = False) -> None:
        self._key = key
        self._ids = array("Q")
        self._versions = array("q")
        self._sealed = False
        self._several = every_version

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, entries: Iterable[Listed]) -> None:
        """Take in a page."""
        for entry in entries:
            self._ids.append(self._hash(entry.id))
            self._versions.append(_ANY if entry.version is None else entry.version)
        self._sealed = False

    def pack(self) -> str:
        """Return the listing as text for a document."""
        return base64.b64encode(self._ids.tobytes() + self._versions.tobytes()).decode()

    def unpack(self, text: str) -> None:
        """Take in what `pack` wrote."""
        data = base64.b64decode(text)
        self._ids.frombytes(data[: len(data) // 2])
        self._versions.frombytes(data[len(data) // 2 :])
        self._sealed = False

    def lists(self, object_id: str, version: int) -> bool:
        """Return whether the peer still offers a version.

        An observable without a date (version 0) is listed when its id is: servers give it versions of their own making. And where no id
        is listed twice, the manifest may be one of newest versions, and says nothing of an older one while its object is there.
        """
        self._seal()
        wanted = self._hash(object_id)
        start = bisect_left(self._ids, wanted)
        newest = None
        for index in range(start, len(self._ids)):
            if self._ids[index] != wanted:
                break
            newest = self._versions[index]
            if newest in (version, _ANY):
                return True
        return newest is not None and (version == 0 or (not self._several and version < newest))

    def _seal(self) -> None:
        if self._sealed:
            return
        # One number an entry takes a third of the room of a pair, and sorts as the pair would.
        merged = sorted(name << 64 | version + _LOWEST for name, version in zip(self._ids, self._versions, strict=True))
        self._ids = array("Q", (each >> 64 for each in merged))
        self._versions = array("q", ((each & _LOW_BITS) - _LOWEST for each in merged))
        self._several = self._several or any(
            before >> 64 == after >> 64 and before != after for before, after in pairwise(merged)
        )
        self._sealed = True

    def _hash(self, object_id: str) -> int:
        return int.from_bytes(hashlib.blake2b(object_id.encode(), digest_size=8, key=self._key).digest(), "little")


def missing(entries: Iterable[Listed], held: Mapping[str, Collection[int]]) -> list[Listed]:
    """Return the entries whose version is not held.

    ``held``: per id the versions that are on record as offered by this peer, whatever became of them at the door.
    """
    found = []
    for entry in entries:
        versions = held.get(entry.id)
        if not versions or not (entry.version is None or entry.version in versions or 0 in versions):
            found.append(entry)
    return found
