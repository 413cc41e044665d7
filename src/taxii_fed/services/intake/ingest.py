"""What comes in: published here, or offered by a peer. The transaction boundary of everything that arrives or goes.

An envelope or a pulled page is judged at the door, stored as received (I3) and settled into views in one transaction, or in several
bounded ones in its order when it is large (docs/architecture.md). What the giver may not see never shows in what it is told (I1).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.errors import ForbiddenError, NotFoundError
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.door import PeerTerms, Ruling
from taxii_fed.core.rules.model import CollectionTerms, Party
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.envelopes import Received, read_envelope
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES, Facts, Use, facts_of, uses_of
from taxii_fed.core.taxii.query import VersionMatch
from taxii_fed.core.taxii.resources import status_key
from taxii_fed.core.timestamps import EPOCH_VERSION, format_taxii
from taxii_fed.ports import Clock, DoorEvent, Reader, Store, Version, Writer
from taxii_fed.services import vouching
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.intake.arrivals import Arrival, Door, Offered, Source, check
from taxii_fed.services.rerun import rerun
from taxii_fed.services.views.loaded import candidate_of
from taxii_fed.services.views.settle import Settler

Json = dict[str, Any]

DELETED = "deleted-at-origin"
HELD_BACK = "mass-removal-guard"
OWN_HOME = "local:"
"""The home of what the node's own staff publishes."""
CHUNK_ENTRIES = 5_000
"""How many objects times views go into one transaction at the most."""
CHUNK_BYTES = 1_000_000
"""How large the objects of one transaction are together, where they are more than one: long patterns take long to be read."""


@dataclass(frozen=True, slots=True)
class Giver:
    """Who offers: a peer's remote collection."""

    peer: str
    remote: str
    party: Party
    terms: PeerTerms

    @property
    def name(self) -> str:
        """The giver as offers name it."""
        return f"peer:{self.peer}:{self.remote}"


class Ingest:
    """Takes in, and deletes.

    ``claims``: identity to home (``peer:NAME``), from the peers' ``home_of``. ``path_token``: this node in the paths of taxii-fed peers;
    an offer that came through this node itself keeps nothing alive.
    """

    def __init__(
        self,
        store: Store,
        settler: Settler,
        cache: InForceCache,
        keys: Keys,
        clock: Clock,
        *,
        claims: dict[str, str] | None = None,
        path_token: str = "",
    ) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._keys = keys
        self._clock = clock
        self._path_token = path_token
        self._door = Door(settler, cache, keys, clock, claims or {})

    @property
    def path_token(self) -> str:
        """What stands for this node in the paths that travel between taxii-fed nodes."""
        return self._path_token

    def set_claims(self, claims: dict[str, str]) -> None:
        """Let other identities be claimed from now on: identity to home (``peer:NAME``), as the peers' ``home_of`` says."""
        self._door.claims = claims

    # -- published here --------------------------------------------------------------------------------------------------

    def publish(self, party: Party, collection: CollectionTerms, body: bytes) -> Json:
        """Take in a posted envelope and return its TAXII status resource, stored (TAXII 2.1 sections 4.3 and 5.5).

        Raises `BadRequestError` or `UnprocessableError` for a body that is no envelope. A bad object fails alone.
        """
        received = read_envelope(body)
        return self.publish_objects(party, collection, received)

    @rerun
    def publish_objects(self, party: Party, collection: CollectionTerms, received: Sequence[Received]) -> Json:
        """Take in objects that were read from an envelope or a file, as `publish` does."""
        source = Source(f"local:{party.name}", home_of_party(party), party)
        asked_at = self._clock.now()
        status_id = str(uuid.uuid4())
        outcomes: list[str] = []
        for chunk in self._chunks([Offered(each) for each in received], collection):
            checked = check(collection, chunk)
            with self._store.write() as writer:
                ruled = self._door.take_in(writer, source, collection, checked)
                outcomes += [self._told(writer, arrival, ruling, party, collection) for arrival, ruling in ruled]
                if len(outcomes) == len(received):
                    status = _status(status_id, asked_at, received, outcomes)
                    writer.put_status(status_key(collection.api_root, status_id), party.name, status, asked_at)
        return status

    @rerun
    def bring(self, party: Party, collection: CollectionTerms, received: Sequence[Received]) -> list[tuple[Ruling, str]]:
        """Take in objects of a file for an admin, who may know what becomes of each.

        Returns a ruling for each in their order, with what is wrong where it is `Ruling.INVALID`. All of it is durable on return.
        """
        source = Source(f"local:{party.name}", home_of_party(party), party)
        outcomes: list[tuple[Ruling, str]] = []
        for chunk in self._chunks([Offered(each) for each in received], collection):
            checked = check(collection, chunk)
            with self._store.write() as writer:
                ruled = self._door.take_in(writer, source, collection, checked)
                outcomes += [(ruling, arrival.checked.problem) for arrival, ruling in ruled]
        return outcomes

    def _told(self, reader: Reader, arrival: Arrival, ruling: Ruling, party: Party, collection: CollectionTerms) -> str:
        """Return the failure message for the poster, "" for success.

        Whatever depends on something that the poster may not see is answered as success (I1).
        """
        if ruling is Ruling.INVALID:
            return arrival.checked.problem
        known = ruling is Ruling.CONFLICT and self._may_know(reader, arrival.received, party, collection)
        if known or (ruling.kept_apart and _contradicts_itself(reader, arrival, party)):
            return "Another content is stored under this id and version; an object changes by a new version only."
        if ruling is Ruling.CLAIMS_NODE:
            return "created_by_ref names this node's own identity."
        return ""

    def _may_know(self, reader: Reader, received: Received, party: Party, collection: CollectionTerms) -> bool:
        place = reader.place(party.name, collection.id)
        if place.view is not None and reader.shown(place.view.id, received.id):
            return True
        known = reader.known([received.id]).get(received.id, ())
        return any(each.provenance.party == party.name for each in known)

    # -- offered by peers ------------------------------------------------------------------------------------------------

    @rerun
    def offer(self, giver: Giver, collection: CollectionTerms, objects: Sequence[Offered]) -> Counter[str]:
        """Take in a page of a peer and return how many objects met which `Ruling`. All of it is durable on return."""
        source = Source(giver.name, f"peer:{giver.peer}", giver.party, giver.terms)
        counts: Counter[str] = Counter()
        for chunk in self._chunks(objects, collection):
            checked = check(collection, chunk)
            with self._store.write() as writer:
                ruled = self._door.take_in(writer, source, collection, checked)
            counts.update(ruling for _, ruling in ruled)
            notices = [arrival.facts for arrival, ruling in ruled if ruling is Ruling.NOTICE and arrival.facts is not None]
            for notice in notices:
                if not notice.revoked:  # what it named is back
                    self._consume(source, collection, notice)
        return counts

    def _consume(self, source: Source, collection: CollectionTerms, notice: Facts) -> None:
        """Take the peer away as an origin of what its notice names. A transaction of its own: what the page brought is settled by then."""
        with self._store.write() as writer:
            named = [reference.target for reference in notice.references]
            versions = [version.key for rows in writer.versions(collection.id, named).values() for version in rows]
            mine = [key for key, rows in writer.offers(versions).items() if any(each.giver == source.giver for each in rows)]
            self._gone(writer, source.giver, collection, mine)

    @rerun
    def gone(self, giver: Giver, collection: CollectionTerms, keys: Sequence[int]) -> int:
        """Note that a peer offers these versions no more; return how many were withdrawn because nobody else offers them."""
        with self._store.write() as writer:
            return self._gone(writer, giver.name, collection, keys)

    def _gone(self, writer: Writer, giver: str, collection: CollectionTerms, keys: Sequence[int]) -> int:
        writer.remove_offers(giver, keys)
        left = writer.offers(keys)
        orphans = [key for key in keys if all(self._path_token in offer.path for offer in left.get(key, ()))]
        versions = [version for key in orphans if (version := writer.version_by_key(key)) is not None]
        orphaned = set(orphans)
        kept = {key: rows for key, rows in left.items() if key not in orphaned}
        in_force = self._cache.current(writer)
        undefined = vouching.no_longer(writer, in_force, collection.id, giver, kept) if in_force is not None else ()
        # An observable is its value: whoever sees it anew may say so.
        lasting = [each for each in versions if each.type not in OBSERVABLE_TYPES]
        writer.refuse([self._keys.mark(each.object_id, each.version) for each in lasting], self._clock.now())
        self._note_versions(writer, giver, collection, versions, DELETED)
        self.remove(writer, collection, versions, event=DELETED, undefined=undefined)
        return len(versions)

    def held_back(self, giver: Giver, collection: CollectionTerms, keys: Sequence[int]) -> None:
        """Note in the inbound audit that the removal of these versions waits for a person."""
        with self._store.write() as writer:
            versions = [version for key in keys if (version := writer.version_by_key(key)) is not None]
            self._note_versions(writer, giver.name, collection, versions, HELD_BACK)

    def _note_versions(
        self, writer: Writer, giver: str, collection: CollectionTerms, versions: Sequence[Version], reason: str
    ) -> None:
        now = self._clock.now()
        writer.note_door(
            DoorEvent(
                at=now, collection=collection.id, object_id=each.object_id, version_text=each.version_text, giver=giver,
                reason=reason,
            )
            for each in versions
        )  # fmt: skip

    # -- taken away --------------------------------------------------------------------------------------------------------

    def delete(
        self,
        party: Party,
        collection: CollectionTerms,
        object_id: str,
        wanted: VersionMatch,
        spec_versions: tuple[str, ...] | None = None,
    ) -> None:
        """Delete versions of an object (TAXII 2.1 section 5.7): by its home, or by the node's own staff; of some STIX editions or all.

        Raises `NotFoundError` where the party sees no such version, `ForbiddenError` where it sees it but is not its home.
        """
        chosen: set[int] = set()

        @rerun
        def turn() -> None:
            # A turn that was lost may have gone through; "the newest" is another version by then.
            with self._store.write() as writer:
                if chosen:
                    there = writer.versions(collection.id, [object_id]).get(object_id, [])
                    gone = [version for version in there if version.key in chosen]
                else:
                    gone = self._deletable(writer, party, collection, object_id, wanted, spec_versions)
                    chosen.update(version.key for version in gone)
                if not gone:
                    return
                writer.refuse([self._keys.mark(each.object_id, each.version) for each in gone], self._clock.now())
                self._note_versions(writer, f"local:{party.name}", collection, gone, DELETED)
                self.remove(writer, collection, gone, event=DELETED)

        turn()

    def _deletable(
        self,
        reader: Reader,
        party: Party,
        collection: CollectionTerms,
        object_id: str,
        wanted: VersionMatch,
        spec_versions: tuple[str, ...] | None,
    ) -> list[Version]:
        """Return the versions that a DELETE names. Raises as `delete`."""
        place = reader.place(party.name, collection.id)
        mine = reader.homes([object_id]).get(object_id, "") == home_of_party(party)
        visible = place.view is not None and reader.shown(place.view.id, object_id)
        if not (mine or visible):
            raise NotFoundError("No such object in this collection.")
        if not (mine or party.role == "own"):
            raise ForbiddenError("Only the party that an object comes from may delete it.")
        versions = reader.versions(collection.id, [object_id]).get(object_id, [])
        if spec_versions is not None:
            versions = [version for version in versions if version.spec_version in spec_versions]
        chosen = _chosen(versions, wanted)
        if not chosen:
            raise NotFoundError("No such version of this object in this collection.")
        return chosen

    def remove(
        self,
        writer: Writer,
        collection: CollectionTerms,
        versions: Sequence[Version],
        *,
        event: str,
        undefined: Collection[str] = (),
    ) -> None:
        """Take versions out of a collection and of every view, and tell those who held them (I10).

        ``undefined``: objects whose markings mean something else from now on.
        """
        if not (versions or undefined):
            return
        now = self._clock.now()
        ids = {version.object_id for version in versions}
        named = {
            target
            for version in versions
            for target, uses in uses_of(candidate_of(version).facts).items()
            if uses != {Use.REFERENCE}  # what it only refers to does not lean on it
        }
        writer.remove_versions([version.key for version in versions])
        left = writer.versions(collection.id, ids)
        writer.refuse([self._keys.gone_mark(collection.id, each) for each in ids if not left.get(each)], now)
        self._settler.settle(writer, collection.id, ids | {*undefined}, now, unchanged=named, event=event)

    def _chunks(self, objects: Sequence[Offered], collection: CollectionTerms) -> Iterator[list[Offered]]:
        with self._store.read() as reader:
            views = max(1, len(reader.views(collection.id)))
        most = max(100, CHUNK_ENTRIES // views)
        chunk: list[Offered] = []
        size = 0
        for each in objects:
            weight = len(each.received.raw)
            if chunk and (len(chunk) == most or size + weight > CHUNK_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(each)
            size += weight
        if chunk:
            yield chunk


def home_of_party(party: Party) -> str:
    """Return the home that what a party publishes gets; the node's own staff has one home together."""
    return OWN_HOME if party.role == "own" else f"local:{party.name}"


def _contradicts_itself(reader: Reader, arrival: Arrival, party: Party) -> bool:
    """Return whether the party has sent this version before, with other content, which was kept apart.

    Had nobody else sent the object, its first content would stand and it would be told so; silence would tell it that somebody has (I1).
    """
    facts = arrival.facts
    if facts is None:
        return False
    for each in reader.quarantine(object_id=facts.id, giver=f"local:{party.name}"):
        kept = jsontext.loads(each.body)
        before = facts_of(kept, facts.provenance)
        if (before.version, before.spec_version) == (facts.version, facts.spec_version):
            return digest(kept) != arrival.checked.content
    return False


def _chosen(versions: Sequence[Version], wanted: VersionMatch) -> list[Version]:
    if wanted.all:
        return list(versions)
    chosen = [version for version in versions if version.version in wanted.instants]
    if wanted.first:
        chosen += versions[:1]
    if wanted.last:
        chosen += versions[-1:]
    return list({version.key: version for version in chosen}.values())


def _status(status_id: str, asked_at: int, received: Sequence[Received], outcomes: Sequence[str]) -> Json:
    """Return the status resource; lists are left out when empty and as long as their counts (sections 4.3.1 and 2)."""
    successes: list[Json] = []
    failures: list[Json] = []
    for each, problem in zip(received, outcomes, strict=True):
        detail: Json = {
            "id": each.id or f"unknown--{uuid.UUID(int=0, version=4)}",
            "version": each.version_text or EPOCH_VERSION,
        }
        if problem:
            failures.append({**detail, "message": f"objects[{each.index}]: {problem}"})
        else:
            successes.append(detail)
    status: Json = {
        "id": status_id,
        "status": "complete",
        "request_timestamp": format_taxii(asked_at),
        "total_count": len(received),
        "success_count": len(successes),
        "failure_count": len(failures),
        "pending_count": 0,
    }
    if successes:
        status["successes"] = successes
    if failures:
        status["failures"] = failures
    return status
