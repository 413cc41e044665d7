"""The part of a collection that one settling looks at, read once for all views."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from taxii_fed.core.rules.judge import Memory
from taxii_fed.core.rules.markings import Meanings
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix import jsontext
from taxii_fed.core.stix.facts import Json, facts_of
from taxii_fed.core.stix.levels import TLP_LEVELS
from taxii_fed.core.views.results import Candidate
from taxii_fed.ports import Reader, Version
from taxii_fed.services import vouching


def candidate_of(version: Version) -> Candidate:
    """Return a stored version as closure judges it."""
    obj = jsontext.loads(version.body)
    return Candidate(version.key, facts_of(obj, version.provenance), obj)


@dataclass(slots=True)
class Loaded:
    """Objects of one collection, with all their versions, as far as they were looked at."""

    reader: Reader
    collection: CollectionTerms
    in_force: InForce
    now: int
    objects: dict[str, list[Candidate]] = field(default_factory=dict)
    verdicts: dict[str, Memory] = field(default_factory=dict)
    """What lasts of earlier verdicts under these rules, by signature of the audience."""
    bringers: dict[int, frozenset[str]] = field(default_factory=dict)
    """Of versions of marking definitions, by key: the origins that bring them."""

    def load(self, object_ids: Iterable[str]) -> None:
        """Read all versions of these objects, those without any as an empty list."""
        wanted = [object_id for object_id in object_ids if object_id not in self.objects]
        if wanted:
            found = self.reader.versions(self.collection.id, wanted)
            for object_id in wanted:
                self.objects[object_id] = [candidate_of(version) for version in found.get(object_id, ())]

    def glance(self, object_id: str) -> list[Candidate]:
        """Return the versions of an object, read from the store and not kept."""
        return [candidate_of(version) for version in self.reader.versions(self.collection.id, [object_id]).get(object_id, ())]

    def meanings(self, candidates: Iterable[Candidate]) -> Meanings:
        """Return what the markings that these use mean here; loads their definitions."""
        markings = {marking for each in candidates for marking in each.facts.markings if marking not in TLP_LEVELS}
        markings |= {marking for each in candidates for marking, _ in each.facts.granular if marking not in TLP_LEVELS}
        self.load(markings)
        return Meanings(self.in_force.markings, self.definition)

    def definition(self, marking: str, origin: str) -> Json | None:
        """Return the newest definition of a marking that counts for objects of an origin, None where there is none."""
        self.load([marking])
        versions = self.objects[marking]
        unread = [each.key for each in versions if each.key not in self.bringers]
        if unread:
            offers = self.reader.offers(unread)
            self.bringers.update({key: vouching.vouchers(offers.get(key, ()), self.in_force) for key in unread})
        return next((each.obj for each in reversed(versions) if vouching.counts(self.bringers[each.key], origin)), None)
