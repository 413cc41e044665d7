"""What was kept apart at the door, until a person takes it in or drops it (sharing model, section 4 "Inbound")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from taxii_fed.core.errors import NotFoundError, RefusedError
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.door import home_of
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.envelopes import read_envelope
from taxii_fed.core.stix.facts import LOCAL, OBSERVABLE_TYPES, Facts, Provenance, facts_of
from taxii_fed.core.timestamps import EPOCH_VERSION
from taxii_fed.core.views.results import Candidate
from taxii_fed.ports import Clock, DoorEvent, Known, Offer, Quarantined, Reader, Store, Writer
from taxii_fed.services.inforce import InForceCache, collection_by_id
from taxii_fed.services.intake.arrivals import new_version
from taxii_fed.services.intake.ingest import home_of_party
from taxii_fed.services.views import approvals
from taxii_fed.services.views.apart import kept_back
from taxii_fed.services.views.loaded import candidate_of
from taxii_fed.services.views.settle import Settler

RELEASED, DROPPED = "released-by-a-person", "dropped-by-a-person"
"""What the inbound audit says of it."""

_PAGE = 200


class Quarantine:
    """Lists, releases and drops. ``claims``: identity to home (``peer:NAME``), from the peers' ``home_of``."""

    def __init__(
        self, store: Store, settler: Settler, cache: InForceCache, keys: Keys, clock: Clock, claims: Mapping[str, str]
    ) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._keys = keys
        self._clock = clock
        self._claims = claims

    def items(self, *, collection: str = "", object_id: str = "", peer: str = "") -> Iterator[Quarantined]:
        """Yield what lies there, oldest first; ``collection`` is a TAXII id, ``peer`` a peer's name."""
        after = 0
        while True:
            with self._store.read() as reader:
                found = reader.quarantine(collection=collection, object_id=object_id, after=after, limit=_PAGE)
            if not found:
                return
            after = found[-1].id
            yield from (item for item in found if not peer or item.giver.startswith(f"peer:{peer}:"))

    def item(self, number: int) -> Quarantined:
        """Return one item. Raises `NotFoundError` where there is none of that number."""
        with self._store.read() as reader:
            return _item(reader, number)

    def rivals(self, item: Quarantined) -> list[Known]:
        """Return the accepted versions with the item's id and version that have other content."""
        with self._store.read() as reader:
            return _rivals(reader, item, *_read(item))

    def release(self, number: int) -> Quarantined:
        """Take an item in as if its giver were allowed to bring it: stored as a version with its own provenance, views settled.

        Raises `NotFoundError`, and `RefusedError` where another content stands under its id and version: an (id, version) never has
        two.
        """
        with self._store.write() as writer:
            item = _item(writer, number)
            in_force = self._cache.require(writer)
            collection = collection_by_id(in_force, item.collection)
            if collection is None:
                raise RefusedError(f"Item {number} belongs to a collection that is no longer in force; it can only be dropped.")
            facts, content = _read(item)
            self._require_room(writer, item, facts, content, in_force)
            new = self._is_new(writer, collection, facts.id)
            key = self._take_in(writer, in_force, collection, item, facts, content)
            version = writer.version_by_key(key) if new else None
            self._leave(writer, item, RELEASED, {facts.id: [candidate_of(version)]} if version is not None else {})
        return item

    def drop(self, number: int) -> Quarantined:
        """Remove an item for good and return it. Raises `NotFoundError`."""
        with self._store.write() as writer:
            item = _item(writer, number)
            self._leave(writer, item, DROPPED, {})
        return item

    def _is_new(self, reader: Reader, collection: CollectionTerms, object_id: str) -> bool:
        """Return whether an object was never seen in a collection, so that what refers to it may have named it until now."""
        return not (
            reader.versions(collection.id, [object_id]).get(object_id)
            or kept_back(reader, collection.id, [object_id])
            or reader.refused([self._keys.gone_mark(collection.id, object_id)])
        )

    def _leave(self, writer: Writer, item: Quarantined, reason: str, arrived: Mapping[str, list[Candidate]]) -> None:
        """Take an item out; what refers to it is looked at again, since what lies apart counts as withheld."""
        now = self._clock.now()
        writer.quarantine_remove([item.id])
        event = DoorEvent(
            at=now,
            collection=item.collection,
            object_id=item.object_id,
            version_text=item.version_text,
            giver=item.giver,
            reason=reason,
        )
        writer.note_door([event])
        self._settler.settle(writer, item.collection, {item.object_id}, now, arrived=arrived)

    def _require_room(self, reader: Reader, item: Quarantined, facts: Facts, content: bytes, in_force: InForce) -> None:
        rivals = _rivals(reader, item, facts, content)
        if not rivals:
            return
        names = {each.id: each.name for each in in_force.collections.values()}
        where = ", ".join(sorted({names.get(each.collection, each.collection) for each in rivals}))
        raise RefusedError(
            f"Item {item.id} can't be released: {item.object_id} {item.version_text or EPOCH_VERSION} stands with other content in "
            f"{where}, and one (id, version) never has two. Drop the item, or ask its giver for a new version."
        )

    def _take_in(
        self,
        writer: Writer,
        in_force: InForce,
        collection: CollectionTerms,
        item: Quarantined,
        facts: Facts,
        content: bytes,
    ) -> int:
        """Store a version, or give one that is there a further origin; return its key."""
        same = [each for each in _twins(writer, facts) if each.digest == content]
        key = next((each.key for each in same if each.collection == collection.id), None)
        if key is None:
            first = next((each.provenance for each in same), facts.provenance)
            approvals.end(writer, collection.id, {(facts.id, facts.version)})
            (key,) = writer.add_versions([new_version(item.collection, item.body, facts, content, first, self._clock.now())])
        home = home_of(facts, _home_of_giver(in_force, item.giver), self._claims)
        writer.set_homes({facts.id: home})
        writer.add_offers([Offer(key, item.giver, item.path)])
        writer.accept_again([self._keys.mark(facts.id, facts.version), self._keys.gone_mark(collection.id, facts.id)])
        return key


def _item(reader: Reader, number: int) -> Quarantined:
    found = reader.quarantine(number=number)
    if not found:
        raise NotFoundError(f"No item {number} lies in quarantine; `taxii-fed quarantine list` shows what does.")
    return found[0]


def _read(item: Quarantined) -> tuple[Facts, bytes]:
    """Return the facts of an item, as its giver's, and the digest of its content."""
    (received,) = read_envelope(b'{"objects":[' + item.body + b"]}")
    assert received.value is not None, "only objects that can be read get as far as the quarantine"
    kind, _, rest = item.giver.partition(":")
    party = rest.partition(":")[0] if kind == "peer" else rest
    provenance = Provenance(
        origin=party if kind == "peer" else LOCAL, jurisdiction=item.jurisdiction, overlay=item.overlay, party=party
    )
    return facts_of(received.value, provenance), digest(received.value)


def _twins(reader: Reader, facts: Facts) -> list[Known]:
    known = reader.known([facts.id]).get(facts.id, [])
    return [each for each in known if (each.version, each.spec_version) == (facts.version, facts.spec_version)]


def _rivals(reader: Reader, item: Quarantined, facts: Facts, content: bytes) -> list[Known]:
    """Other content of an observable elsewhere is no rival: it has no version of its own."""
    return [
        each
        for each in _twins(reader, facts)
        if each.digest != content and (facts.type not in OBSERVABLE_TYPES or each.collection == item.collection)
    ]


def _home_of_giver(in_force: InForce, giver: str) -> str:
    kind, _, rest = giver.partition(":")
    if kind == "peer":
        return f"peer:{rest.partition(':')[0]}"
    party = in_force.parties.get(rest)
    return giver if party is None else home_of_party(party)
