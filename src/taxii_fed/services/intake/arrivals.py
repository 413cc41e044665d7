"""What an arrival is, and the door that it comes through: judged, stored as received (I3), and settled into views.

One call is one transaction's worth. What the door finds is for the node alone; what its giver is told is the care of `ingest` (I1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taxii_fed.core.derive import observable_id
from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.keys import Keys, erased_id
from taxii_fed.core.rules.door import KnownHere, PeerTerms, Ruling, home_of, marked_level, overlay, rule
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.checks import check_strict
from taxii_fed.core.stix.envelopes import Received
from taxii_fed.core.stix.facts import LOCAL, OBSERVABLE_TYPES, Facts, Provenance, facts_of, uses_of
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.timestamps import EPOCH_VERSION
from taxii_fed.core.views.results import Candidate
from taxii_fed.ports import Clock, DoorEvent, Known, NewVersion, Offer, Quarantined, Reader, Writer
from taxii_fed.services import vouching
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.views import approvals
from taxii_fed.services.views.settle import Settler

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offered:
    """One object of a pulled page, with what a taxii-fed peer says of it (docs/federation.md)."""

    received: Received
    jurisdiction: str = ""
    level: Level | None = None
    path: tuple[str, ...] = ()
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A giver, published here or peer, as the door sees it."""

    giver: str
    home: str
    party: Party
    terms: PeerTerms | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """An object by itself: ``problem`` says why it is refused as it stands, else ``content`` is the digest of what it says."""

    offered: Offered
    problem: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object at the door. ``facts`` is None where it is refused as it stands."""

    checked: Checked
    facts: Facts | None

    @property
    def offered(self) -> Offered:
        """The object as its source offers it."""
        return self.checked.offered

    @property
    def received(self) -> Received:
        """The object as it was read."""
        return self.checked.offered.received


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


def check(collection: CollectionTerms, objects: Sequence[Offered]) -> list[Checked]:
    """Look at objects by themselves, each alone: what takes time and no transaction, so that others can write meanwhile."""
    return [_checked(collection, each) for each in objects]


def _checked(collection: CollectionTerms, offered: Offered) -> Checked:
    received = offered.received
    obj = received.value
    problem = received.problem or (check_strict(obj) if collection.strict and obj is not None else "")
    if problem or obj is None:
        return Checked(offered, problem or "not a JSON object")
    return Checked(offered, content=digest(obj))


class Door:
    """Lets in. ``claims``: identity to home (``peer:NAME``), from the peers' ``home_of``."""

    def __init__(self, settler: Settler, cache: InForceCache, keys: Keys, clock: Clock, claims: Mapping[str, str]) -> None:
        self._settler = settler
        self._cache = cache
        self._keys = keys
        self._clock = clock
        self.claims = claims

    def take_in(
        self, writer: Writer, source: Source, collection: CollectionTerms, objects: Sequence[Checked]
    ) -> list[tuple[Arrival, Ruling]]:
        """Judge what a source brings, store what is let in, settle it, and return the ruling on each object, in their order.

        Raises `NotFoundError` where nothing is in force.
        """
        in_force = self._cache.current(writer)
        if in_force is None:
            raise NotFoundError("This node has no configuration in force.")
        now = self._clock.now()
        arrivals = [self._arrival(in_force, source, each) for each in objects]
        context = self._context(writer, collection, [each.facts for each in arrivals if each.facts is not None])
        batch = _Batch()
        ruled = [(each, self._admit(in_force, source, collection, each, context, batch, now)) for each in arrivals]
        self._store_batch(writer, in_force, source, collection, batch, context, now)
        return ruled

    def _arrival(self, in_force: InForce, source: Source, checked: Checked) -> Arrival:
        obj = checked.offered.received.value
        if checked.problem or obj is None:
            return Arrival(checked, None)
        return Arrival(checked, facts_of(obj, self._provenance(in_force, source, obj, checked.offered)))

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
        source: Source,
        collection: CollectionTerms,
        arrival: Arrival,
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
        home = context.homes.get(facts.id) or home_of(facts, source.home, self.claims)
        known = KnownHere(
            digests=tuple((where, what) for where, what, _, _ in rows),
            home=home,
            deleted=bool(context.refused) and self._keys.mark(facts.id, facts.version) in context.refused,
            made_here=_made_here(facts, arrival, source, context),
            erased=bool(context.refused) and self._keys.erased_mark(facts.id) in context.refused,
        )
        ruling = rule(
            facts,
            arrival.checked.content,
            collection.id,
            known,
            giver_home=source.home,
            node_identity=in_force.identity,
            speaks_for_node=source.terms is None and source.party.role == "own",
            terms=source.terms,
            level=marked_level(facts, in_force.markings),
            notice=arrival.offered.notice,
        )
        self._note(ruling, source, collection, arrival.offered, facts, arrival.checked.content, home, context, batch, now)
        return ruling

    def _provenance(self, in_force: InForce, source: Source, obj: Json, offered: Offered) -> Provenance:
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
        source: Source,
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
        batch.new.append(new_version(collection.id, received.raw, facts, content, provenance, now))
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
        self,
        writer: Writer,
        in_force: InForce,
        source: Source,
        collection: CollectionTerms,
        batch: _Batch,
        context: _Context,
        now: int,
    ) -> None:
        keys = writer.add_versions(batch.new)
        writer.set_homes(batch.homes)
        batch.touched |= vouching.newly(writer, in_force, collection.id, source.giver, batch.seconded)
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
            # What was here before, or is kept back, is known to those who were told that it went, or that must not name it.
            if not any(each.reason == Ruling.ABOVE for each in context.apart.get(object_id, ()))
            and not (context.refused and self._keys.gone_mark(collection.id, object_id) in context.refused)
        }
        self._settler.settle(writer, collection.id, batch.touched, now, arrived=fresh)

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


def new_version(collection_id: str, body: bytes, facts: Facts, digest: bytes, provenance: Provenance, now: int) -> NewVersion:
    """Return a version to be stored, received at ``now`` (µs), with an edge for each way in which it names something."""
    return NewVersion(
        collection=collection_id,
        object_id=facts.id,
        type=facts.type,
        spec_version=facts.spec_version,
        version=facts.version,
        version_text=facts.version_text or EPOCH_VERSION,
        body=body,
        digest=digest,
        received_at=now,
        provenance=provenance,
        edges=tuple((target, use) for target, uses in uses_of(facts).items() for use in uses),
    )


def _made_here(facts: Facts, arrival: Arrival, source: Source, context: _Context) -> bool:
    """Return whether an arrival is a copy that this node made.

    An id that follows from the values of an observable is nobody's own: such a one is a copy when a peer sends back what was given out.
    """
    given = context.given.get(facts.id)
    if given is None:
        return False
    if facts.type in OBSERVABLE_TYPES and observable_id(arrival.received.value or {}) == facts.id:
        return source.terms is not None and any(what == arrival.checked.content for _, what in given)
    return True


def _event(
    now: int, collection: CollectionTerms, object_id: str, version_text: str, source: Source, ruling: Ruling
) -> DoorEvent:
    return DoorEvent(
        at=now, collection=collection.id, object_id=object_id, version_text=version_text, giver=source.giver, reason=ruling
    )
