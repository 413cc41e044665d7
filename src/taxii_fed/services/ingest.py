"""What comes in: published here, or offered by a peer. The transaction boundary of everything that arrives or goes.

An envelope or a pulled page is judged at the door, stored as received (I3) and settled into views in one transaction, or in several
bounded ones in its order when it is large (design, section 3). What the giver may not see never shows in what it is told (I1).
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taxii_fed.core import jsontext
from taxii_fed.core.canonical import digest
from taxii_fed.core.checks import check_strict
from taxii_fed.core.closure import Candidate
from taxii_fed.core.derive import observable_id
from taxii_fed.core.door import KnownHere, PeerTerms, Ruling, home_of, marked_level, overlay, rule
from taxii_fed.core.errors import ForbiddenError, NotFoundError
from taxii_fed.core.facts import LOCAL, OBSERVABLE_TYPES, Facts, Provenance, Use, facts_of, uses_of
from taxii_fed.core.keys import Keys, erased_id
from taxii_fed.core.levels import Level
from taxii_fed.core.query import VersionMatch
from taxii_fed.core.rules import CollectionTerms, InForce, Party
from taxii_fed.core.stix import Received, read_envelope
from taxii_fed.core.timestamps import EPOCH_VERSION, format_taxii
from taxii_fed.ports import Clock, DoorEvent, Known, NewVersion, Offer, Quarantined, Reader, Store, Version, Writer
from taxii_fed.services import approvals, vouching
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.region import candidate_of
from taxii_fed.services.rerun import rerun
from taxii_fed.services.settle import Settler

Json = dict[str, Any]

DELETED = "deleted-at-origin"
OWN_HOME = "local:"
"""The home of what the node's own staff publishes."""
CHUNK_ENTRIES = 5_000
"""How many objects times views go into one transaction at the most."""


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


@dataclass(frozen=True, slots=True)
class Offered:
    """One object of a pulled page, with what a taxii-fed peer says of it (design, section 6)."""

    received: Received
    jurisdiction: str = ""
    level: Level | None = None
    path: tuple[str, ...] = ()
    notice: bool = False


@dataclass(frozen=True, slots=True)
class _Source:
    """A giver, published here or peer, as the door sees it."""

    giver: str
    home: str
    party: Party
    terms: PeerTerms | None = None


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An object at the door. ``facts`` is None where it is refused as it stands, ``problem`` says why."""

    offered: Offered
    problem: str
    facts: Facts | None = None
    content: bytes = b""

    @property
    def received(self) -> Received:
        """The object as it was read."""
        return self.offered.received


@dataclass(slots=True)
class _Batch:
    """One transaction's worth of arrivals and what becomes of them."""

    new: list[NewVersion] = field(default_factory=list)
    arrived: dict[str, list[Candidate]] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    paths: list[tuple[str, ...]] = field(default_factory=list)
    apart: list[Quarantined] = field(default_factory=list)
    events: list[DoorEvent] = field(default_factory=list)
    back: list[bytes] = field(default_factory=list)
    seconded: dict[int, str] = field(default_factory=dict)
    """Marking definitions, key to id, that were known before and that the giver brings as well."""
    lifted: list[tuple[int, Quarantined]] = field(default_factory=list)
    """Items of the quarantine that one of ``new``, by its position, lets in."""
    dropped: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Context:
    """What the node knows of the ids of a batch; grows as the batch is judged."""

    digests: dict[tuple[str, int, str], list[tuple[str, bytes, Provenance, int]]]
    homes: dict[str, str]
    refused: set[bytes]
    given: dict[str, list[tuple[int, bytes]]]
    """(version, digest) of the copies that this node gave out under ids that it has no versions of."""
    before: set[str]
    """Ids that have a version in the collection."""
    apart: dict[str, list[Quarantined]]


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
        self._claims = claims or {}
        self._path_token = path_token

    @property
    def path_token(self) -> str:
        """What stands for this node in the paths that travel between taxii-fed nodes."""
        return self._path_token

    def set_claims(self, claims: dict[str, str]) -> None:
        """Take over what the peers' ``home_of`` says after a reload: identity to home (``peer:NAME``)."""
        self._claims = claims

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
        source = _Source(f"local:{party.name}", home_of_party(party), party)
        asked_at = self._clock.now()
        status_id = str(uuid.uuid4())
        outcomes: list[str] = []
        for chunk in self._chunks(received, collection):
            with self._store.write() as writer:
                ruled = self._take_in(writer, source, collection, [Offered(each) for each in chunk])
                outcomes += [self._told(writer, arrival, ruling, party, collection) for arrival, ruling in ruled]
                if len(outcomes) == len(received):
                    status = _status(status_id, asked_at, received, outcomes)
                    writer.put_status(status_id, party.name, status, asked_at)
        return status

    @rerun
    def bring(self, party: Party, collection: CollectionTerms, received: Sequence[Received]) -> list[tuple[Ruling, str]]:
        """Take in objects of a file for an admin, who may know what becomes of each.

        Returns a ruling for each in their order, with what is wrong where it is `Ruling.INVALID`. All of it is durable on return.
        """
        source = _Source(f"local:{party.name}", home_of_party(party), party)
        outcomes: list[tuple[Ruling, str]] = []
        for chunk in self._chunks(received, collection):
            with self._store.write() as writer:
                ruled = self._take_in(writer, source, collection, [Offered(each) for each in chunk])
                outcomes += [(ruling, arrival.problem) for arrival, ruling in ruled]
        return outcomes

    def _told(self, reader: Reader, arrival: _Arrival, ruling: Ruling, party: Party, collection: CollectionTerms) -> str:
        """Return the failure message for the poster, "" for success.

        Whatever depends on something that the poster may not see is answered as success (I1).
        """
        if ruling is Ruling.INVALID:
            return arrival.problem
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
        source = _Source(giver.name, f"peer:{giver.peer}", giver.party, giver.terms)
        counts: Counter[str] = Counter()
        for chunk in self._chunks(objects, collection):
            with self._store.write() as writer:
                ruled = self._take_in(writer, source, collection, chunk)
            counts.update(ruling for _, ruling in ruled)
            notices = [arrival.facts for arrival, ruling in ruled if ruling is Ruling.NOTICE and arrival.facts is not None]
            for notice in notices:
                if not notice.revoked:  # what it named is back
                    self._consume(source, collection, notice)
        return counts

    def _consume(self, source: _Source, collection: CollectionTerms, notice: Facts) -> None:
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
        # An observable is its value: whoever sees it anew may say so.
        lasting = [each for each in versions if each.type not in OBSERVABLE_TYPES]
        writer.refuse([self._keys.mark(each.object_id, each.version) for each in lasting], self._clock.now())
        self._note_versions(writer, giver, collection, versions, DELETED)
        self.remove(
            writer, collection, versions, event=DELETED, undefined=self._no_longer_defined(writer, giver, collection, kept)
        )
        return len(versions)

    def _no_longer_defined(
        self, reader: Reader, giver: str, collection: CollectionTerms, left: Mapping[int, Sequence[Offer]]
    ) -> set[str]:
        """Return the objects for which definitions cease to count that others still bring; ``left``: by whom, of every version."""
        in_force = self._cache.current(reader)
        if in_force is None:
            return set()
        origin = vouching.voucher(giver, in_force)
        lost = [key for key, rows in left.items() if origin not in vouching.vouchers(rows, in_force)]
        versions = [version for key in lost if (version := reader.version_by_key(key)) is not None]
        definitions = {version.object_id for version in versions if version.type == "marking-definition"}
        return vouching.affected(reader, collection.id, definitions, origin)

    def held_back(self, giver: Giver, collection: CollectionTerms, keys: Sequence[int]) -> None:
        """Note in the inbound audit that the removal of these versions waits for a person."""
        with self._store.write() as writer:
            versions = [version for key in keys if (version := writer.version_by_key(key)) is not None]
            self._note_versions(writer, giver.name, collection, versions, "mass-removal-guard")

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

    # -- the door ----------------------------------------------------------------------------------------------------------

    def _chunks(self, objects: Sequence[Any], collection: CollectionTerms) -> Iterable[Sequence[Any]]:
        with self._store.read() as reader:
            views = max(1, len(reader.views(collection.id)))
        size = max(100, CHUNK_ENTRIES // views)
        return [objects[start : start + size] for start in range(0, len(objects), size)]

    def _take_in(
        self, writer: Writer, source: _Source, collection: CollectionTerms, objects: Sequence[Offered]
    ) -> list[tuple[_Arrival, Ruling]]:
        in_force = self._cache.current(writer)
        if in_force is None:
            raise NotFoundError("This node has no configuration in force.")
        now = self._clock.now()
        arrivals = [self._arrival(in_force, source, collection, each) for each in objects]
        context = self._context(writer, collection, [each.facts for each in arrivals if each.facts is not None])
        batch = _Batch()
        ruled = [(each, self._admit(in_force, source, collection, each, context, batch, now)) for each in arrivals]
        self._store_batch(writer, source, collection, batch, context, now)
        return ruled

    def _arrival(self, in_force: InForce, source: _Source, collection: CollectionTerms, offered: Offered) -> _Arrival:
        received = offered.received
        obj = received.value
        problem = received.problem or (check_strict(obj) if collection.strict and obj is not None else "")
        if problem or obj is None:
            return _Arrival(offered, problem or "not a JSON object")
        return _Arrival(offered, "", facts_of(obj, self._provenance(in_force, source, obj, offered)), digest(obj))

    def _context(self, reader: Reader, collection: CollectionTerms, arriving: Sequence[Facts]) -> _Context:
        ids = {facts.id for facts in arriving}
        known: dict[str, list[Known]] = reader.known(ids)
        digests: dict[tuple[str, int, str], list[tuple[str, bytes, Provenance, int]]] = defaultdict(list)
        before: set[str] = set()
        for object_id, rows in known.items():
            for row in rows:
                digests[object_id, row.version, row.spec_version].append((row.collection, row.digest, row.provenance, row.key))
                if row.collection == collection.id:
                    before.add(object_id)
        unseen = ids - before
        apart = {
            each: reader.quarantine(collection=collection.id, object_id=each)
            for each in reader.quarantined_ids(collection.id, ids)
        }
        marks = {self._keys.gone_mark(collection.id, each) for each in unseen}
        marks |= {self._keys.mark(facts.id, facts.version) for facts in arriving}
        marks |= {self._keys.erased_mark(each) for each in unseen}
        return _Context(digests, reader.homes(ids), reader.refused(marks), reader.given(unseen - known.keys()), before, apart)

    def _admit(
        self,
        in_force: InForce,
        source: _Source,
        collection: CollectionTerms,
        arrival: _Arrival,
        context: _Context,
        batch: _Batch,
        now: int,
    ) -> Ruling:
        facts, received = arrival.facts, arrival.received
        if facts is None:
            if source.terms is not None:
                batch.events.append(_event(now, collection, received.id, received.version_text, source, Ruling.INVALID))
            return Ruling.INVALID
        rows = context.digests.get((facts.id, facts.version, facts.spec_version), [])
        home = context.homes.get(facts.id) or home_of(facts, source.home, self._claims)
        known = KnownHere(
            digests=tuple((where, what) for where, what, _, _ in rows),
            home=home,
            deleted=bool(context.refused) and self._keys.mark(facts.id, facts.version) in context.refused,
            made_here=_made_here(facts, arrival, source, context),
            erased=bool(context.refused) and self._keys.erased_mark(facts.id) in context.refused,
        )
        ruling = rule(
            facts,
            arrival.content,
            collection.id,
            known,
            giver_home=source.home,
            node_identity=in_force.identity,
            speaks_for_node=source.terms is None and source.party.role == "own",
            terms=source.terms,
            level=marked_level(facts, in_force.markings),
            notice=arrival.offered.notice,
        )
        self._note(ruling, source, collection, arrival.offered, facts, arrival.content, home, context, batch, now)
        return ruling

    def _provenance(self, in_force: InForce, source: _Source, obj: Json, offered: Offered) -> Provenance:
        if source.terms is None:
            return Provenance(origin=LOCAL, jurisdiction=in_force.jurisdiction, party=source.party.name)
        plain = Provenance(origin=source.party.name, party=source.party.name)
        level = marked_level(facts_of(obj, plain), in_force.markings)
        return Provenance(
            origin=source.party.name,
            jurisdiction=offered.jurisdiction or source.party.jurisdiction,
            overlay=overlay(level, source.terms, offered.level),
            party=source.party.name,
        )

    def _note(
        self,
        ruling: Ruling,
        source: _Source,
        collection: CollectionTerms,
        offered: Offered,
        facts: Facts,
        content: bytes,
        home: str,
        context: _Context,
        batch: _Batch,
        now: int,
    ) -> None:
        received = offered.received
        rows = context.digests.get((facts.id, facts.version, facts.spec_version), [])
        if ruling is Ruling.NEW:
            first = next((provenance for _, what, provenance, _ in rows if what == content), None)
            self._store_new(collection, received, facts, content, first or facts.provenance, context, batch, now)
            batch.homes.setdefault(facts.id, home)
            batch.paths.append(offered.path)
            batch.lifted.extend(
                (len(batch.new) - 1, each)
                for each in context.apart.get(facts.id, ())
                if each.version == facts.version and digest(jsontext.loads(each.body)) == content
            )
            return
        if ruling is Ruling.KNOWN:
            again = [key for where, what, _, key in rows if where == collection.id and what == content and key > 0]
            batch.offers.extend(Offer(key, source.giver, offered.path) for key in again)
            if facts.type == "marking-definition":
                batch.seconded.update(dict.fromkeys(again, facts.id))
        elif ruling is Ruling.ABOVE and source.terms is not None and source.terms.drop_above:
            batch.dropped.add(facts.id)
        elif ruling.kept_apart:
            batch.apart.append(
                Quarantined(
                    id=0, collection=collection.id, object_id=facts.id, version=facts.version, version_text=facts.version_text,
                    giver=source.giver, reason=ruling, at=now, body=received.raw, path=offered.path,
                    jurisdiction=facts.provenance.jurisdiction, overlay=facts.provenance.overlay,
                )
            )  # fmt: skip
            batch.touched.add(facts.id)
        own = source.terms is None and all(first.party == source.party.name for _, _, first, _ in rows)
        if not (own and ruling is Ruling.KNOWN):
            told = erased_id(facts.id) if ruling is Ruling.ERASED else facts.id
            batch.events.append(_event(now, collection, told, facts.version_text, source, ruling))

    def _store_new(
        self,
        collection: CollectionTerms,
        received: Received,
        facts: Facts,
        content: bytes,
        provenance: Provenance,
        context: _Context,
        batch: _Batch,
        now: int,
    ) -> None:
        batch.new.append(
            NewVersion(
                collection=collection.id,
                object_id=facts.id,
                type=facts.type,
                spec_version=facts.spec_version,
                version=facts.version,
                version_text=facts.version_text or EPOCH_VERSION,
                body=received.raw,
                digest=content,
                received_at=now,
                provenance=provenance,
                edges=tuple((target, use) for target, uses in uses_of(facts).items() for use in uses),
            )
        )
        context.digests[facts.id, facts.version, facts.spec_version].append(
            (collection.id, content, provenance, -len(batch.new))
        )
        context.homes.setdefault(facts.id, "")
        batch.touched.add(facts.id)
        if context.refused:
            batch.back += [self._keys.mark(facts.id, facts.version), self._keys.gone_mark(collection.id, facts.id)]
        if facts.id not in context.before:
            found = facts if provenance == facts.provenance else facts_of(received.value or {}, provenance)
            batch.arrived.setdefault(facts.id, []).append(Candidate(-len(batch.new), found, received.value or {}))

    def _store_batch(
        self, writer: Writer, source: _Source, collection: CollectionTerms, batch: _Batch, context: _Context, now: int
    ) -> None:
        keys = writer.add_versions(batch.new)
        writer.set_homes(batch.homes)
        batch.touched |= self._newly_defined(writer, source, collection, batch.seconded)
        writer.add_offers(
            [
                *batch.offers,
                *(Offer(key, source.giver, path) for key, path in zip(keys, batch.paths, strict=True)),
                *(Offer(keys[index], each.giver, each.path) for index, each in batch.lifted),
            ]
        )
        if context.refused:
            writer.accept_again([mark for mark in batch.back if mark in context.refused])
            approvals.end(writer, collection.id, self._come_again(collection, batch, context))
        self._forget_dropped(writer, collection, batch, context, now)
        for item in batch.apart:
            writer.quarantine_add(item)
        writer.quarantine_remove([each.id for _, each in batch.lifted])
        writer.note_door(batch.events)
        arrived = {
            object_id: sorted(
                (Candidate(keys[-each.key - 1], each.facts, each.obj) for each in rows), key=lambda each: each.facts.version
            )
            for object_id, rows in batch.arrived.items()
        }
        fresh = {
            object_id: rows
            for object_id, rows in arrived.items()
            # What was here before, or lay apart, is known to those who were told that it went, or that must not name it.
            if object_id not in context.apart
            and not (context.refused and self._keys.gone_mark(collection.id, object_id) in context.refused)
        }
        self._settler.settle(writer, collection.id, batch.touched, now, arrived=fresh)

    def _newly_defined(
        self, reader: Reader, source: _Source, collection: CollectionTerms, definitions: Mapping[int, str]
    ) -> set[str]:
        """Return the objects for which these definitions, known before, begin to count because the giver brings them too."""
        in_force = self._cache.current(reader)
        if not definitions or in_force is None:
            return set()
        before, origin = reader.offers(definitions), vouching.voucher(source.giver, in_force)
        fresh = {each for key, each in definitions.items() if origin not in vouching.vouchers(before.get(key, ()), in_force)}
        return vouching.affected(reader, collection.id, fresh, origin)

    def _come_again(self, collection: CollectionTerms, batch: _Batch, context: _Context) -> set[tuple[str, int]]:
        """Return the (id, version) of arrivals that were taken away here before."""
        if not context.refused:
            return set()
        return {
            (each.object_id, each.version)
            for each in batch.new
            if self._keys.mark(each.object_id, each.version) in context.refused
            or self._keys.gone_mark(collection.id, each.object_id) in context.refused
        }

    def _forget_dropped(self, writer: Writer, collection: CollectionTerms, batch: _Batch, context: _Context, now: int) -> None:
        """What was dropped at the door is not kept, but what names it must not name it (convention 8)."""
        marks = {
            object_id: self._keys.gone_mark(collection.id, object_id)
            for object_id in batch.dropped - context.before - {each.object_id for each in batch.new}
        }
        unmarked = {object_id: mark for object_id, mark in marks.items() if mark not in context.refused}
        writer.refuse(unmarked.values(), now)
        batch.touched.update(unmarked)


def _made_here(facts: Facts, arrival: _Arrival, source: _Source, context: _Context) -> bool:
    """Return whether an arrival is a copy that this node made.

    An id that follows from the values of an observable is nobody's own: such a one is a copy when a peer sends back what was given out.
    """
    given = context.given.get(facts.id)
    if given is None:
        return False
    if facts.type in OBSERVABLE_TYPES and observable_id(arrival.received.value or {}) == facts.id:
        return source.terms is not None and any(what == arrival.content for _, what in given)
    return True


def home_of_party(party: Party) -> str:
    """Return the home that what a party publishes gets; the node's own staff has one home together."""
    return OWN_HOME if party.role == "own" else f"local:{party.name}"


def _contradicts_itself(reader: Reader, arrival: _Arrival, party: Party) -> bool:
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
            return digest(kept) != arrival.content
    return False


def _event(
    now: int, collection: CollectionTerms, object_id: str, version_text: str, source: _Source, ruling: Ruling
) -> DoorEvent:
    return DoorEvent(
        at=now, collection=collection.id, object_id=object_id, version_text=version_text, giver=source.giver, reason=ruling
    )


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
