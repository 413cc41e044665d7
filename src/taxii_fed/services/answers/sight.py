"""All that a party sees in a collection, by which rules, and why it sees nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import Reach, audience_of
from taxii_fed.core.rules.model import CollectionTerms, InForce, Party, Share, To
from taxii_fed.ports import Clock, Entry, Reader, Store
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.views.settle import GROUPING
from taxii_fed.services.views.whole import Whole

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Miss:
    """A share rule of a collection that does not reach the party, and why: terms that it fails, or a date."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a party has of a collection.

    ``rules`` are the share rules that reach it, ``missed`` the others. ``view`` is 0 where it has none. ``left`` counts by (reason, rule)
    what is withheld; it is looked up only where nothing is visible, None otherwise.
    """

    collection: CollectionTerms
    view: int
    rules: tuple[Share, ...]
    missed: tuple[Miss, ...]
    entries: int
    left: Counter[tuple[str, str]] | None = None


class Sights:
    """Looks through the eyes of a party. Reads only."""

    def __init__(self, store: Store, keys: Keys, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._cache = cache
        self._clock = clock

    def of(self, party: Party, collection: CollectionTerms) -> Sight:
        """Return what a party, in force, has of a collection in force."""
        with self._store.read() as reader:
            in_force = self._cache.require(reader)
            grouped = reader.doc(GROUPING, collection.id)
            at = int(grouped["at"]) if grouped else self._clock.now()
            audience = audience_of(in_force, party, collection.name, at)
            view = reader.readers(collection.id).get(party.name, 0)
            entries = reader.count_live(view) if view else 0
            return Sight(
                collection=collection,
                view=view,
                rules=audience.share,
                missed=tuple(_missed(in_force, party, collection, at)),
                entries=entries,
                left=None if entries or not view else self._left(reader, in_force, party, collection, at),
            )

    def _left(
        self, reader: Reader, in_force: InForce, party: Party, collection: CollectionTerms, at: int
    ) -> Counter[tuple[str, str]]:
        whole = Whole(reader, self._keys, in_force, collection, self._clock.now())
        results = whole.judge(audience_of(in_force, party, collection.name, at))
        return Counter((row.reason, row.rule) for rows in results.values() for row in rows if not row.visible)

    def entries(self, view: int) -> Iterator[Entry]:
        """Yield the live entries of a view, ascending by date; no snapshot is held between pages."""
        after = 0
        while True:
            with self._store.read() as reader:
                found = reader.entries(view, after, _PAGE)
            if not found:
                return
            yield from found
            after = found[-1].date_added


def _missed(in_force: InForce, party: Party, collection: CollectionTerms, at: int) -> Iterator[Miss]:
    reach = Reach(in_force, party, at)
    for rule in in_force.share:
        if rule.collections and collection.name not in rule.collections:
            continue
        if rule.from_at is not None and rule.from_at > at:
            yield Miss(rule.name, "it has not begun")
        elif rule.until_at is not None and rule.until_at <= at:
            yield Miss(rule.name, "it has ended")
        elif not reach(rule.to):
            yield Miss(rule.name, ", ".join(_failed(reach, party, rule.to)))


def _failed(reach: Reach, party: Party, to: To) -> Iterator[str]:
    """Yield in words which terms of a matcher a party fails, each tried alone."""
    tries = (
        (To(party=to.party), "party", party.name),
        (To(role=to.role), "role", party.role),
        (To(jurisdiction=to.jurisdiction), "jurisdiction", party.jurisdiction),
        (To(sector=to.sector), "sector", party.sector),
        (To(community=to.community), "community", ", ".join(each.name for each in party.communities)),
        (To(organisation=to.organisation), "organisation", party.organisation),
    )
    for alone, term, value in tries:
        if not reach(alone):
            wanted = " or ".join(getattr(alone, term))
            yield f"for {term} {wanted}, and this party {f'has {value}' if value else 'has none'}"
    if any(reach(other) for other in to.but_not):
        yield "it takes this party out with 'not'"
