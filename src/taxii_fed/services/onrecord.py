"""What the store knows of a peer's offers: the side of a comparison that is here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from taxii_fed.core.door import Ruling
from taxii_fed.core.reconcile import Listed, missing
from taxii_fed.core.remote import version_instant
from taxii_fed.core.rules import CollectionTerms
from taxii_fed.ports import Reader, Store, Version
from taxii_fed.services.ingest import Giver

_SETTLED = frozenset({Ruling.CONFLICT, Ruling.NOT_CREATOR, Ruling.CLAIMS_NODE, Ruling.NOTICE})
"""Outcomes at the door that the same bytes would meet again."""


def to_fetch(reader: Reader, giver: Giver, collection: CollectionTerms, entries: Sequence[Listed]) -> list[Listed]:
    """Return the entries of a manifest page that are to be fetched.

    Those are not on record as offered by this peer, and nothing settled them at the door: not what this node made itself, what lies in
    quarantine, or what would be refused for the same reason again.
    """
    ids = {entry.id for entry in entries}
    known = reader.known(ids)
    here = {row.key: (name, row.version) for name, rows in known.items() for row in rows if row.collection == collection.id}
    held: dict[str, set[int]] = defaultdict(set)
    for key, offers in reader.offers(here).items():
        if any(offer.giver == giver.name for offer in offers):
            held[here[key][0]].add(here[key][1])
    for made_here in reader.given(ids - known.keys()):
        held[made_here].add(0)
    wanted = missing(entries, held)
    apart = reader.quarantined_ids(collection.id, {entry.id for entry in wanted})
    accepted = {name for name, _ in here.values()}
    return [entry for entry in wanted if not _is_settled(reader, giver, collection, entry, apart, accepted)]


def _is_settled(
    reader: Reader, giver: Giver, collection: CollectionTerms, entry: Listed, apart: Collection[str], accepted: Collection[str]
) -> bool:
    if entry.id in apart:
        items = reader.quarantine(collection=collection.id, object_id=entry.id, giver=giver.name)
        if any(entry.version in (None, item.version) for item in items):
            return True
    for event in reader.door_events(object_id=entry.id, giver=giver.name, limit=20):
        if event.collection == collection.id and entry.version in (None, version_instant(event.version_text)):
            return event.reason in _SETTLED
        if event.reason == Ruling.VARIANT:
            # An observable has no version of its own; the servers that list it make one up.
            return entry.id in accepted
    return False


def on_offer(store: Store, giver: Giver, collection: CollectionTerms) -> Iterator[Version]:
    """Yield the versions that a peer is on record as offering in a collection, by key. No snapshot is held between pages."""
    after = 0
    while True:
        with store.read() as reader:
            found = reader.offered_by(giver.name, after, 1000)
        if not found:
            return
        for version, _ in found:
            after = version.key
            if version.collection == collection.id:
                yield version
