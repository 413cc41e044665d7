"""What the store knows of a peer's offers: the side of a comparison that is here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from taxii_fed.core.federation.reconcile import Listed, missing
from taxii_fed.core.federation.remote import ManifestPage, version_instant
from taxii_fed.core.rules.door import Ruling
from taxii_fed.core.rules.model import CollectionTerms
from taxii_fed.ports import Offer, Reader, Store, Version
from taxii_fed.services.intake.ingest import Giver

_SETTLED = frozenset({Ruling.CONFLICT, Ruling.NOT_CREATOR, Ruling.CLAIMS_NODE, Ruling.NOTICE})
"""Outcomes at the door that the same bytes would meet again."""


def against_record(
    reader: Reader, giver: Giver, collection: CollectionTerms, page: ManifestPage, token: str
) -> tuple[list[Listed], list[Offer]]:
    """Return the entries of a manifest page that are to be fetched, and the offers on record whose path is another one now.

    To be fetched is what is not on record as offered by this peer, unless something settled it: not what this node made itself, what came
    by way of it (``token``) and is not here any more, what lies in quarantine, or what would be refused at the door for the same reason
    again.
    """
    ids = {entry.id for entry in page.entries}
    known = reader.known(ids)
    here = {row.key: (name, row.version) for name, rows in known.items() for row in rows if row.collection == collection.id}
    held: dict[str, set[int]] = defaultdict(set)
    moved: list[Offer] = []
    for key, offers in reader.offers(here).items():
        for offer in offers:
            if offer.giver == giver.name:
                held[here[key][0]].add(here[key][1])
                carried = page.carried.get(here[key])
                if carried is not None and carried.path != offer.path:
                    moved.append(Offer(key, giver.name, carried.path))
    for made_here in reader.given(ids - known.keys()):
        held[made_here].add(0)
    there = set(here.values())
    echoes = {key for key, carried in page.carried.items() if token and token in carried.path and key not in there}
    wanted = [each for each in missing(page.entries, held) if each.version is None or (each.id, each.version) not in echoes]
    apart = reader.quarantined_ids(collection.id, {entry.id for entry in wanted})
    accepted = {name for name, _ in here.values()}
    return [entry for entry in wanted if not _is_settled(reader, giver, collection, entry, apart, accepted)], moved


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


def on_offer(store: Store, giver: Giver, collection: CollectionTerms) -> Iterator[tuple[Version, tuple[str, ...]]]:
    """Yield the versions, with their paths, that a peer is on record as offering in a collection, by key.

    No snapshot is held between pages.
    """
    after = 0
    while True:
        with store.read() as reader:
            found = reader.offered_by(giver.name, after, 1000)
        if not found:
            return
        for version, path in found:
            after = version.key
            if version.collection == collection.id:
                yield version, path


def kept_alive_by_us(store: Store, keys: Sequence[int], token: str) -> list[int]:
    """Return those versions that are offered only by way of this very node, which keeps nothing alive (docs/federation.md)."""
    with store.read() as reader:
        offers = reader.offers(keys)
    return [key for key in keys if all(token in offer.path for offer in offers.get(key, ()))]
