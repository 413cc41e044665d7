"""What the tests of the suite are made with: a clock that stands still, and values with all that does not matter filled in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from taxii_fed.core.stix.facts import Provenance, Use
from taxii_fed.core.taxii.query import Rank
from taxii_fed.ports import Change, Clock, NewVersion, Opening, Quarantined, Store, Writer

START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds: the time of a clock that nobody moved."""

COLLECTION = "c0a1a1a1-0000-4000-8000-000000000001"
ELSEWHERE = "c0a1a1a1-0000-4000-8000-000000000002"


@dataclass(slots=True)
class ManualClock:
    """A clock that is moved by hand. With ``step`` it moves on by itself at each look (µs)."""

    instant: int = START
    step: int = 0

    def now(self) -> int:
        """Return the present instant in microseconds."""
        self.instant += self.step
        return self.instant


class StoreFactory(Protocol):
    """Opens stores for one test."""

    @property
    def url(self) -> str:
        """Return what `storage.open_store` takes to open the store of this test, in any process."""
        ...

    def __call__(self, clock: Clock | None = None) -> Store:
        """Open the store of this test, empty at first; each call is like another process that opens it."""
        ...

    def another(self) -> StoreFactory:
        """Return a factory for a new, empty store."""
        ...


def object_id(number: int, kind: str = "indicator") -> str:
    """Return a STIX id."""
    return f"{kind}--00000000-0000-4000-8000-{number:012d}"


def new_version(
    given: str | int = 1,
    version: int = 1,
    *,
    collection: str = COLLECTION,
    edges: Iterable[tuple[str, Use]] = (),
    spec_version: str = "2.1",
    provenance: Provenance | None = None,
    body: bytes | None = None,
) -> NewVersion:
    """Return a version to be stored."""
    each = object_id(given) if isinstance(given, int) else given
    content = b'{"id":"%s","modified":"%d","spec_version":"%s"}' % (each.encode(), version, spec_version.encode())
    content = content if body is None else body
    return NewVersion(
        collection=collection,
        object_id=each,
        type=each.partition("--")[0],
        spec_version=spec_version,
        version=version,
        version_text=f"t{version}",
        body=content,
        digest=hashlib.sha256(content).digest(),
        received_at=START,
        provenance=provenance or Provenance(party="bank"),
        edges=tuple(edges),
    )


def opening(
    source: NewVersion, key: int, rank: Rank | None = None, *, rule: str = "share", reasons: Sequence[str] = ()
) -> Opening:
    """Return an opening of an original."""
    return Opening(
        id=source.object_id,
        type=source.type,
        spec_version=source.spec_version,
        version=source.version,
        version_text=source.version_text,
        source=source.object_id,
        source_key=key,
        rank=rank or Rank(),
        rule=rule,
        reasons=tuple(reasons),
    )


def derived(
    source: NewVersion | None, key: int, given: str, content: bytes, *, version: int = 1, rank: Rank | None = None
) -> Opening:
    """Return an opening of a derived copy, or without a source of a notice."""
    return Opening(
        id=given,
        type=given.partition("--")[0],
        spec_version="2.1",
        version=version,
        version_text=f"t{version}",
        source="" if source is None else source.object_id,
        source_key=key,
        rank=rank or Rank(),
        rule="share",
        reasons=("generalised",),
        content=content,
    )


def add(writer: Writer, view: int, *versions: NewVersion, rank: Rank | None = None) -> list[int]:
    """Store versions and open them in a view; return their keys."""
    keys = writer.add_versions(versions)
    openings = tuple(opening(version, key, rank) for version, key in zip(versions, keys, strict=True))
    writer.change(view, Change(opened=openings))
    return keys


def filled(store: Store, *versions: NewVersion, collection: str = COLLECTION) -> int:
    """Return a new view that holds these versions."""
    with store.write() as writer:
        view = writer.create_view(collection)
        add(writer, view, *versions)
    return view


def quarantined(
    given: int = 1, *, body: bytes = b"{}", giver: str = "peer:eu:x", reason: str = "not-creator", collection: str = COLLECTION
) -> Quarantined:
    """Return something to be kept apart."""
    return Quarantined(
        id=0,
        collection=collection,
        object_id=object_id(given),
        version=1,
        version_text="t1",
        giver=giver,
        reason=reason,
        at=START,
        body=body,
        path=("a", "b"),
        jurisdiction="EU",
    )
