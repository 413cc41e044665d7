"""What a peer gave, where it went, and what was refused (I9, I10; sharing model, section 11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from taxii_fed.core.rules.door import Ruling
from taxii_fed.ports import DoorEvent, Entry, Reader, Store, Version
from taxii_fed.services.federation.subscriptions import STATE
from taxii_fed.services.inforce import InForceCache

_PAGE = 500
_MOST_EVENTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One version that a peer offers. ``went_to``: parties that may see it; ``had``: parties that could, and can no more."""

    collection: str
    object_id: str
    version_text: str
    received_at: int
    theirs: str
    went_to: tuple[str, ...]
    had: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What happened at the door to something that was not taken as new: ``reason`` is a `Ruling` or what a person did."""

    at: int
    collection: str
    object_id: str
    version_text: str
    theirs: str
    reason: str


class Giving:
    """Looks at what peers gave. Reads only."""

    def __init__(self, store: Store, cache: InForceCache) -> None:
        self._store = store
        self._cache = cache

    def sources(self, peer: str) -> list[str]:
        """Return the ids of the peer's collections that this node ever pulled from."""
        with self._store.read() as reader:
            names = [name.split("/") for name in reader.docs(STATE)]
        return sorted({theirs for name, theirs, *_ in names if name == peer})

    def given(self, peer: str, theirs: str, since: int = 0) -> Iterator[Given]:
        """Yield what a peer's collection gave since an instant (µs) and still offers, in order of arrival."""
        after = 0
        while True:
            with self._store.read() as reader:
                versions = [version for version, _ in reader.offered_by(f"peer:{peer}:{theirs}", after, _PAGE)]
                if not versions:
                    return
                after = versions[-1].key
                found = self._lines(reader, [each for each in versions if each.received_at >= since], theirs)
            yield from found

    def _lines(self, reader: Reader, versions: list[Version], theirs: str) -> list[Given]:
        in_force = self._cache.require(reader)
        names = {each.id: each.name for each in in_force.collections.values()}
        past: dict[int, list[tuple[str, int, int | None]]] = {}
        return [
            Given(
                collection=names.get(version.collection, version.collection), object_id=version.object_id,
                version_text=version.version_text, received_at=version.received_at, theirs=theirs,
                went_to=went_to, had=had,
            )
            for version in versions
            for went_to, had in [_parties(reader, version, past)]
        ]  # fmt: skip

    def refused(self, peer: str, theirs: str, since: int = 0) -> list[Refused]:
        """Return what became of the rest that a peer's collection brought since an instant (µs), oldest first.

        Left out is what was known already, with the same content: nothing became of it.
        """
        with self._store.read() as reader:
            in_force = self._cache.require(reader)
            names = {each.id: each.name for each in in_force.collections.values()}
            events = reader.door_events(giver=f"peer:{peer}:{theirs}", since=since, limit=_MOST_EVENTS)
        return [_refused(event, names, theirs) for event in reversed(events) if event.reason != Ruling.KNOWN]


def _refused(event: DoorEvent, names: dict[str, str], theirs: str) -> Refused:
    return Refused(
        at=event.at,
        collection=names.get(event.collection, event.collection),
        object_id=event.object_id,
        version_text=event.version_text,
        theirs=theirs,
        reason=event.reason,
    )


def _parties(
    reader: Reader, version: Version, past: dict[int, list[tuple[str, int, int | None]]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who may see a version now, and who could before."""
    spans: dict[str, bool] = defaultdict(bool)
    for entry in reader.ledger(version.object_id):
        if entry.source_key != version.key:
            continue
        if entry.view not in past:
            past[entry.view] = reader.past_readers(entry.view)
        for party, since, until in past[entry.view]:
            if _overlaps(entry, since, until):
                spans[party] |= entry.ended_at is None and until is None
    return tuple(sorted(each for each, now in spans.items() if now)), tuple(
        sorted(each for each, now in spans.items() if not now)
    )


def _overlaps(entry: Entry, since: int, until: int | None) -> bool:
    begins = max(entry.date_added * 1000, since)
    ends = min((each for each in (entry.ended_at, until) if each is not None), default=None)
    return ends is None or begins < ends
