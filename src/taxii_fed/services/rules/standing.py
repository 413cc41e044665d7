"""How a configuration relates to what is in force: the same, other without moving an entry, or one that waits for apply."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from taxii_fed.core.rules.audience import NOBODY, audience_of
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix.facts import LOCAL
from taxii_fed.ports import Reader
from taxii_fed.services import vouching
from taxii_fed.services.inforce import collection_by_id, same_meanings
from taxii_fed.services.views.settle import grouped_at


@dataclass(frozen=True, slots=True)
class Standing:
    """How a configuration relates to what is in force. ``same``: equal. ``moves``: taking it over moves entries, so it waits for apply."""

    same: bool
    moves: bool
    running: bool = False
    """Whether a change is under way."""


def moves(reader: Reader, present: InForce, coming: InForce, now: int) -> bool:
    """Return whether somebody would get something else than under the rules in force, now (µs) or at a date that is still to come."""
    if not same_meanings(present, coming) or _redefines(reader, present, coming):
        return True
    ahead = sorted({at for at in (*present.dates(), *coming.dates()) if at > now})
    for collection in present.collections.values():
        readers = reader.readers(collection.id)
        after = collection_by_id(coming, collection.id)
        if not reader.walk(collection.id, "", 1).ids:
            continue
        if any(after is None or name not in coming.parties for name in readers):
            return True
        if after is None:
            continue
        instants = {grouped_at(reader, collection.id, now), now, *ahead}
        if any(_moves_at(reader, readers, (present, collection), (coming, after), at) for at in instants):
            return True
    return any(
        audience_of(coming, party, each.name, at).reads and reader.walk(each.id, "", 1).ids
        for each in coming.collections.values()
        if collection_by_id(present, each.id) is None
        for party in coming.parties.values()
        for at in (now, *ahead)
    )


def _redefines(reader: Reader, present: InForce, coming: InForce) -> bool:
    """Return whether somebody who has published something becomes own staff, or ceases to be: what it defined counts for others."""
    changed = vouching.staff(present) ^ vouching.staff(coming)
    return any(reader.offered_by(f"{LOCAL}:{name}", 0, 1) for name in changed)


def _moves_at(
    reader: Reader,
    readers: Collection[str],
    present: tuple[InForce, CollectionTerms],
    coming: tuple[InForce, CollectionTerms],
    at: int,
) -> bool:
    """Return whether somebody would get something else at ``at`` than under the rules in force.

    A new party that joins the view of its class moves nothing.
    """
    (before, collection), (after, renamed) = present, coming
    held = {name: audience_of(before, party, collection.name, at).signature for name, party in before.parties.items()}
    known = {held[name] for name in readers if name in held}
    for name, party in after.parties.items():
        audience = audience_of(after, party, renamed.name, at)
        if audience.signature == held.get(name, NOBODY.signature):
            continue
        new = name not in before.parties and name not in readers and not reader.past_views(collection.id, name)
        joins = new and audience.signature in known
        if not joins:
            return True
    return False
