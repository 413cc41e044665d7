"""What waits for a person: holds to be approved, quarantine to be released or dropped, orders to erase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from taxii_fed.core.errors import NotFoundError
from taxii_fed.core.rules import CollectionTerms, Hold, InForce
from taxii_fed.core.sharing import audience_of
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.ports import Clock, Reader, Store, Version
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.settle import Settler


@dataclass(frozen=True, slots=True)
class Approved:
    """One release that a person made."""

    collection: str
    object_id: str
    version_text: str
    rule: str
    party: str


class Persons:
    """Decisions of people."""

    def __init__(self, store: Store, settler: Settler, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._clock = clock

    def approve(self, object_id: str, version_text: str, party: str, *, by: str, rule: str = "") -> list[Approved]:
        """Release one version of an object to one party from its approval holds (``rule`` from that one only).

        Without ``version_text`` the newest version is meant. Returns what was released, at least one. Raises `NotFoundError` where no
        such version, party or hold is.
        """
        now = self._clock.now()
        with self._store.write() as writer:
            in_force = self._in_force(writer)
            if party not in in_force.parties:
                raise NotFoundError(f"No party {party!r} is in force.")
            found: list[Approved] = []
            for collection, version in self._versions(writer, in_force, object_id, version_text):
                for hold in self._holds(in_force, party, collection, now):
                    if rule and hold.name != rule:
                        continue
                    writer.approve(collection.id, object_id, version.version, hold.name, party, by, now)
                    found.append(Approved(collection.name, object_id, version.version_text, hold.name, party))
                self._settler.settle(writer, collection.id, {object_id}, now)
            if not found:
                raise NotFoundError(f"No hold for approval keeps {object_id} from {party}.")
        return found

    def _in_force(self, reader: Reader) -> InForce:
        in_force = self._cache.current(reader)
        if in_force is None:
            raise NotFoundError("No rules are in force.")
        return in_force

    def _holds(self, in_force: InForce, party: str, collection: CollectionTerms, now: int) -> list[Hold]:
        audience = audience_of(in_force, in_force.parties[party], collection.name, now)
        return [hold for hold in audience.hold if hold.approval]

    def _versions(
        self, reader: Reader, in_force: InForce, object_id: str, version_text: str
    ) -> Iterator[tuple[CollectionTerms, Version]]:
        instant = parse_rfc3339(version_text) if version_text else None
        for collection in in_force.collections.values():
            versions = reader.versions(collection.id, [object_id]).get(object_id, [])
            chosen = versions[-1:] if instant is None else [each for each in versions if each.version == instant]
            for version in chosen:
                yield collection, version
