"""What waits for a person, and for a time: holds, and their approval (sharing model, section 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from taxii_fed.core.errors import NotFoundError, RefusedError
from taxii_fed.core.rules.audience import Audience, audience_of
from taxii_fed.core.rules.judge import Judge, Outcome, Verdict
from taxii_fed.core.rules.model import CollectionTerms, Hold, InForce, What
from taxii_fed.core.stix.facts import GOING_ALONG, Facts
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.core.views.results import Candidate
from taxii_fed.ports import Clock, Reader, Store, Version
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.views import approvals
from taxii_fed.services.views.loaded import Loaded, candidate_of
from taxii_fed.services.views.settle import Settler

_WALK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One version that a hold rule keeps from some parties. ``until`` (µs) None: a person must let it go."""

    collection: str
    object_id: str
    version_text: str
    name: str
    rule: str
    reason: str
    parties: tuple[str, ...]
    until: int | None


@dataclass(frozen=True, slots=True)
class Approved:
    """One release that a person made."""

    collection: str
    object_id: str
    version_text: str
    rule: str
    party: str


class Holds:
    """What hold rules keep back, and the approvals that let it go."""

    def __init__(self, store: Store, settler: Settler, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._clock = clock

    # -- what waits -------------------------------------------------------------------------------------------------------

    def held(self) -> Iterator[list[Held]]:
        """Yield what hold rules keep from those whom they reach, a list for each 500 objects, collection by collection.

        The versions that a hold may be about are looked at one by one: that takes a while where there are many.
        """
        with self._store.read() as reader:
            collections = list(self._cache.require(reader).collections.values())
        for collection in collections:
            last = ""
            while True:
                with self._store.read() as reader:
                    tail = reader.walk(collection.id, last, _WALK)
                    found = self._held_of(reader, collection, tail.ids)
                yield found
                last = tail.last
                if not last:
                    break

    def _held_of(self, reader: Reader, collection: CollectionTerms, object_ids: Sequence[str]) -> list[Held]:
        in_force = self._cache.require(reader)
        now = self._clock.now()
        parties: dict[int, list[str]] = defaultdict(list)
        for party, view in sorted(reader.readers(collection.id).items()):
            parties[view].append(party)
        holding = [
            (tuple(parties[view.id]), audiences[0])
            for view, audiences in self._settler.audiences(reader, in_force, collection, now)
            if audiences and audiences[0].hold
        ]
        whats = [rule.what for _, audience in holding for rule in audience.hold]
        candidates = [
            (version, candidate_of(version))
            for versions in (reader.versions(collection.id, object_ids).values() if whats else ())
            for version in versions
            if any(_may_be_about(what, version) for what in whats)
        ]
        if not candidates:
            return []
        meanings = Loaded(reader, collection, in_force, now).meanings(candidate for _, candidate in candidates)
        approved = approvals.standing(reader, collection.id, {version.object_id for version, _ in candidates})
        found: dict[tuple[int, str], Held] = {}
        for names, audience in holding:
            judge = Judge(audience, in_force, meanings, now, lambda object_id: approved.get(object_id, []))
            for version, candidate in candidates:
                verdict = _held(judge, candidate.facts)
                if verdict.outcome is Outcome.HOLD:
                    asked = any(rule.name == verdict.rule and rule.approval for rule in audience.hold)
                    first = found.get((version.key, verdict.rule))
                    found[version.key, verdict.rule] = Held(
                        collection=collection.name, object_id=version.object_id, version_text=version.version_text,
                        name=str(candidate.obj.get("name", "")), rule=verdict.rule, reason=verdict.reason,
                        parties=tuple(sorted({*(first.parties if first else ()), *names})), until=None if asked else verdict.wake_at,
                    )  # fmt: skip
        return list(found.values())

    # -- letting go -------------------------------------------------------------------------------------------------------

    def approve(self, object_id: str, version_text: str, party: str, *, by: str, rule: str = "") -> list[Approved]:
        """Release one version of an object to one party from its approval holds (``rule`` from that one only).

        Without ``version_text`` the newest version is meant. Returns what was released, at least one. Raises `NotFoundError` where no
        such version, party or hold is.
        """
        now = self._clock.now()
        with self._store.write() as writer:
            in_force = self._cache.require(writer)
            if party not in in_force.parties:
                raise NotFoundError(f"No party {party!r} is in force.")
            versions = list(self._versions(writer, in_force, object_id, version_text))
            if not versions:
                raise NotFoundError(f"No collection holds {_named(object_id, version_text)}.")
            found: list[Approved] = []
            for collection, version in versions:
                for hold in self._holding(writer, in_force, party, collection, version):
                    if rule in ("", hold.name):
                        approvals.approve(writer, collection.id, object_id, version.version, hold.name, party, by=by, at=now)
                        found.append(Approved(collection.name, object_id, version.version_text, hold.name, party))
            for collection_id in {collection.id for collection, _ in versions}:
                self._settler.settle(writer, collection_id, {object_id}, now)
            if not found:
                raise RefusedError(
                    f"No hold for approval{f' {rule!r}' if rule else ''} keeps {_named(object_id, version_text)} from {party}; "
                    f"`taxii-fed explain {object_id} --to {party}` says how it stands."
                )
        return found

    def _holding(
        self, reader: Reader, in_force: InForce, party: str, collection: CollectionTerms, version: Version
    ) -> list[Hold]:
        """Return the holds for approval that are about the version, whatever else keeps it back, and wait for this party's turn."""
        now = self._clock.now()
        audience = audience_of(in_force, in_force.parties[party], collection.name, now)
        candidate = candidate_of(version)
        return [
            hold
            for hold in audience.hold
            if hold.approval and self._keeps(reader, in_force, collection, audience, hold, candidate)
        ]

    def _keeps(
        self,
        reader: Reader,
        in_force: InForce,
        collection: CollectionTerms,
        audience: Audience,
        hold: Hold,
        candidate: Candidate,
    ) -> bool:
        alone = replace(audience, never=(), lapsed=(), hold=(hold,))
        now = self._clock.now()
        meanings = Loaded(reader, collection, in_force, now).meanings([candidate])
        approved = approvals.standing(reader, collection.id, {candidate.facts.id})
        judge = Judge(alone, in_force, meanings, now, lambda object_id: approved.get(object_id, []))
        return _held(judge, candidate.facts).outcome is Outcome.HOLD

    def _versions(
        self, reader: Reader, in_force: InForce, object_id: str, version_text: str
    ) -> Iterator[tuple[CollectionTerms, Version]]:
        instant = parse_rfc3339(version_text) if version_text else None
        for collection in in_force.collections.values():
            versions = reader.versions(collection.id, [object_id]).get(object_id, [])
            chosen = versions[-1:] if instant is None else [each for each in versions if each.version == instant]
            for version in chosen:
                yield collection, version


def _held(judge: Judge, facts: Facts) -> Verdict:
    """Return the verdict on a version, by itself or as what others name: a hold keeps an author, too, from going along (convention 12)."""
    verdict = judge(facts)
    if verdict.outcome is Outcome.WITHHOLD and facts.type in GOING_ALONG:
        return judge(facts, used=True)
    return verdict


def _may_be_about(what: What, version: Version) -> bool:
    """Return whether a rule may match a version, going by what the store knows without opening it."""
    return (
        (not what.type or version.type in what.type)
        and what.names(version.object_id, version.version_text)
        and (not what.origin or version.provenance.origin in what.origin)
    )


def _named(object_id: str, version_text: str) -> str:
    return f"{object_id} {version_text}".rstrip()
