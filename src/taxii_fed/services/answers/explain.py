"""Answers: what a party gets of an object and why, or why not; and who has an object (I9; sharing model, sections 10 and 11).

What is visible is read from the views. Why something is not is computed again, under the rules in force or under those of an earlier
time: no decision against a release is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import audience_of
from taxii_fed.core.rules.judge import Reason
from taxii_fed.core.rules.markings import unknown
from taxii_fed.core.rules.model import CollectionTerms, InForce, from_doc
from taxii_fed.core.views.results import Result
from taxii_fed.ports import Clock, Consent, DoorEvent, Entry, Quarantined, Reader, Store
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.views.apart import kept_back
from taxii_fed.services.views.loaded import Loaded
from taxii_fed.services.views.region import Region
from taxii_fed.services.views.settle import GROUPING

_DEEPEST_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Because:
    """A link of a reference chain: the object that decided, and its own reason."""

    object_id: str
    reason: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAnswer:
    """One version for one party. ``outcome``: ``visible``, ``withheld`` or ``held``; ``since`` (ms) and ``given_id`` where visible.

    ``reason`` is why not; ``reasons`` what was done to a copy, or noted of a release; ``chain`` the references that decided, or led to one
    that was cut; ``changes`` the change rules that edited it, or that asked for what can't be done surely; ``unknown`` the markings that
    nothing explains. ``unused``: reason and rule why it does not go along with what names it as its creator or extension either.
    """

    version_text: str
    outcome: str
    rule: str
    reason: str = ""
    reasons: tuple[str, ...] = ()
    given_id: str = ""
    since: int | None = None
    derived: bool = False
    chain: tuple[Because, ...] = ()
    changes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unused: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a party gets of an object in one collection.

    ``reads``: whether a share rule reaches the party there. ``ended``: what it had and has no more. ``notices``: the node's own notice
    of that id, which has no versions. ``consents``: what a person let go to the party. ``door`` and ``quarantine``: what happened when
    it came in.
    """

    object_id: str
    party: str
    collection: str
    reads: bool
    versions: tuple[VersionAnswer, ...] = ()
    ended: tuple[Entry, ...] = ()
    notices: tuple[Entry, ...] = ()
    consents: tuple[Consent, ...] = ()
    door: tuple[DoorEvent, ...] = ()
    quarantine: tuple[Quarantined, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A line of "who has this": a party, what it may see under which id, since and until when (ms, µs), by which rule."""

    party: str
    collection: str
    given_id: str
    version_text: str
    derived: bool
    since: int
    until: int | None
    why_ended: str
    rule: str
    reasons: tuple[str, ...]
    fetched: tuple[tuple[str, int], ...] = field(default=())
    """(account, last read in µs) of those who fetched it."""


class Explainer:
    """Gives the answers. Reads only."""

    def __init__(self, store: Store, keys: Keys, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._cache = cache
        self._clock = clock

    def explain(self, object_id: str, party: str, *, at: int | None = None) -> list[Answer]:
        """Return an answer for each collection that knows the object, as source or under an id given to the party.

        ``at`` (µs): under the rules of that time. Raises `NotFoundError` for an unknown party, and for an object that no collection
        ever held.
        """
        with self._store.read() as reader:
            in_force = self._rules(reader, at)
            if party not in in_force.parties:
                raise NotFoundError(f"No party {party!r} is in force.")
            source = self._source(reader, object_id)
            answers = [self._answer(reader, in_force, each, source, party, at) for each in in_force.collections.values()]
            erased = bool(reader.refused([self._keys.erased_mark(object_id)]))
        found = [answer for answer in answers if answer is not None]
        if erased:
            raise NotFoundError(f"{object_id} was erased; `taxii-fed ledger {object_id}` says who had it.")
        if not found:
            raise NotFoundError(f"No collection ever held {object_id}.")
        return found

    def _rules(self, reader: Reader, at: int | None) -> InForce:
        if at is None:
            in_force = self._cache.current(reader)
        else:
            applied = reader.in_force_at(at)
            in_force = from_doc(InForce, applied.doc) if applied is not None else None
        if in_force is None:
            raise NotFoundError("No rules were in force then." if at is not None else "No rules are in force.")
        return in_force

    def _source(self, reader: Reader, object_id: str) -> str:
        """Return the id of the stored object behind an id that went out."""
        return next((entry.source for entry in reader.ledger(object_id) if entry.id == object_id and entry.source), object_id)

    def _answer(
        self, reader: Reader, in_force: InForce, collection: CollectionTerms, object_id: str, party: str, at: int | None
    ) -> Answer | None:
        view_id = reader.readers(collection.id).get(party)
        views = {view_id} if view_id is not None else set(reader.past_views(collection.id, party)[-1:])
        ledger = [entry for entry in reader.ledger(object_id) if entry.view in views]
        versions = reader.versions(collection.id, [object_id]).get(object_id, [])
        apart = [each for each in reader.quarantine(object_id=object_id) if each.collection == collection.id]
        door = [each for each in reader.door_events(object_id=object_id) if each.collection == collection.id]
        if not (ledger or versions or apart or door):
            return None
        results = self._results(reader, in_force, collection, object_id, party, at) if versions else []
        live = {entry.source_key: entry for entry in ledger if entry.ended_at is None and view_id is not None}
        return Answer(
            object_id=object_id,
            party=party,
            collection=collection.name,
            reads=view_id is not None
            if at is None
            else audience_of(in_force, in_force.parties[party], collection.name, at).reads,
            versions=tuple(self._version(reader, in_force, collection, party, result, live, at) for result in results),
            ended=tuple(entry for entry in ledger if entry.ended_at is not None),
            notices=tuple(entry for entry in ledger if entry.ended_at is None and not entry.source and view_id is not None),
            consents=tuple(
                each for each in reader.consents(object_id) if (each.collection, each.party) == (collection.id, party)
            ),
            door=tuple(door),
            quarantine=tuple(apart),
        )

    def _results(
        self, reader: Reader, in_force: InForce, collection: CollectionTerms, object_id: str, party: str, at: int | None
    ) -> Sequence[Result]:
        grouped = reader.doc(GROUPING, collection.id)
        moment = at if at is not None else self._clock.now()
        since = at if at is not None else int(grouped["at"]) if grouped else moment
        audience = audience_of(in_force, in_force.parties[party], collection.name, since)
        loaded = Loaded(reader, collection, in_force, moment)
        view_id = reader.readers(collection.id).get(party)
        view = reader.view(view_id) if view_id is not None else None
        region = Region(self._keys, loaded, [(view, (audience,))] if view is not None else [], {object_id}, frozenset())
        return [row for row in region.explain(object_id, view, audience) if not row.source]

    def _version(
        self,
        reader: Reader,
        in_force: InForce,
        collection: CollectionTerms,
        party: str,
        result: Result,
        live: dict[int, Entry],
        at: int | None,
    ) -> VersionAnswer:
        entry = live.get(result.key) if at is None else None
        if entry is not None:
            return VersionAnswer(
                version_text=result.facts.version_text, outcome="visible", rule=entry.rule, reasons=entry.reasons,
                given_id=entry.id, since=entry.date_added, derived=entry.derived, changes=result.changes,
                chain=self._chain(reader, in_force, collection, party, result, at),
            )  # fmt: skip
        outcome = "visible" if result.visible and at is not None else "held" if result.held else "withheld"
        meanings = Loaded(reader, collection, in_force, 0).meanings(())
        return VersionAnswer(
            version_text=result.facts.version_text, outcome=outcome, rule=result.rule, reason=result.reason,
            reasons=result.reasons, given_id=result.given_id if at is not None else "",
            chain=self._chain(reader, in_force, collection, party, result, at), changes=result.changes,
            unknown=unknown(result.facts, meanings) if result.reason == Reason.UNKNOWN_MARKING else (), unused=result.unused,
        )  # fmt: skip

    def _chain(
        self, reader: Reader, in_force: InForce, collection: CollectionTerms, party: str, result: Result, at: int | None
    ) -> tuple[Because, ...]:
        chain: list[Because] = []
        target, seen = result.because, {result.facts.id}
        creator = result.facts.created_by
        while target and target not in seen and len(chain) < _DEEPEST_CHAIN:
            seen.add(target)
            results = self._results(reader, in_force, collection, target, party, at)
            hidden = next((each for each in reversed(results) if not each.visible), None)
            if hidden is None:
                chain.append(Because(target, self._missing(reader, collection, target), ""))
                break
            reason, rule = hidden.unused if hidden.unused and target == creator else (hidden.reason, hidden.rule)
            chain.append(Because(target, reason, rule))
            target, creator = hidden.because, ""
        return tuple(chain)

    def _missing(self, reader: Reader, collection: CollectionTerms, object_id: str) -> str:
        if kept_back(reader, collection.id, [object_id]):
            return "quarantined-inbound"
        if reader.refused([self._keys.gone_mark(collection.id, object_id)]):
            events = reader.door_events(object_id=object_id)
            return next((event.reason for event in events if event.collection == collection.id), "deleted-at-origin")
        return Reason.REFERENCE_WITHHELD

    # -- who has it -----------------------------------------------------------------------------------------------------------

    def holders(self, object_id: str) -> list[Holding]:
        """Return who may see an object (by its own id, or one given to a copy) and who could, oldest first (I10)."""
        erased = f"sha256:{hashlib.sha256(object_id.encode()).hexdigest()}"
        with self._store.read() as reader:
            in_force = self._rules(reader, None)
            names = {each.id: each.name for each in in_force.collections.values()}
            entries = reader.ledger(object_id) or reader.ledger(erased)
            sources = {entry.source for entry in entries if entry.id == object_id and entry.source}
            for source in sources - {object_id}:
                entries = sorted({*entries, *reader.ledger(source)}, key=lambda entry: entry.date_added)
            return _joined(holding for entry in entries for holding in self._holding(reader, names, entry))

    def _holding(self, reader: Reader, names: dict[str, str], entry: Entry) -> list[Holding]:
        view = reader.view(entry.view)
        reads = reader.reads(view=entry.view)
        result = []
        for party, since, until in reader.past_readers(entry.view):
            ended = entry.ended_at
            if until is not None and until // 1000 <= entry.date_added - 60_000:
                continue
            if ended is not None and ended <= since:
                continue
            fetched = {
                (read.account, read.at) for read in reads if read.party == party and read.first <= entry.date_added <= read.last
            }
            result.append(
                Holding(
                    party=party, collection=names.get(view.collection, view.collection), given_id=entry.id,
                    version_text=entry.version_text, derived=entry.derived, since=max(entry.date_added, since // 1000),
                    until=min((each for each in (ended, until) if each is not None), default=None),
                    why_ended=entry.ended_why or ("party-left" if until is not None else ""), rule=entry.rule,
                    reasons=entry.reasons, fetched=tuple(sorted(fetched)),
                )
            )  # fmt: skip
        return result


def _joined(holdings: Iterable[Holding]) -> list[Holding]:
    """Join what a party held without a break: where its view was split from another, the entry went over with its date."""
    joined: dict[tuple[str, str, str, str], list[Holding]] = {}
    for each in sorted(holdings, key=lambda each: each.since):
        spans = joined.setdefault((each.party, each.collection, each.given_id, each.version_text), [])
        before = spans[-1] if spans else None
        if before is not None and before.until is not None and each.since * 1000 <= before.until < each.since * 1000 + 1000:
            fetched = tuple(sorted({*before.fetched, *each.fetched}))
            spans[-1] = replace(each, since=before.since, fetched=fetched)
        else:
            spans.append(each)
    return sorted((each for spans in joined.values() for each in spans), key=lambda each: (each.since, each.party))
