"""For whose objects a definition of a marking counts (convention 3 of the scenarios; I1).

A definition says what a marking restricts, so whoever may define the markings of others may lift them. One that a peer brings counts for
what that peer brings, one that is published here for what is published here, and one of the node's own staff for everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from taxii_fed.core.facts import LOCAL, Use
from taxii_fed.core.rules import InForce
from taxii_fed.ports import Offer, Reader

STAFF = "*"
"""Stands for the node's own staff, whose definitions count for the objects of every origin."""


def vouchers(offers: Iterable[Offer], in_force: InForce) -> frozenset[str]:
    """Return the origins that bring a version: ``local``, names of peers, `STAFF`."""
    return frozenset(voucher(offer.giver, in_force) for offer in offers)


def voucher(giver: str, in_force: InForce) -> str:
    """Return the origin that a giver's word counts for: ``local``, a peer's name, or `STAFF`."""
    kind, _, rest = giver.partition(":")
    if kind != LOCAL:
        return rest.partition(":")[0]
    party = in_force.parties.get(rest)
    return STAFF if party is not None and party.role == "own" else LOCAL


def counts(origins: Collection[str], origin: str) -> bool:
    """Return whether what these bring counts for objects of an origin."""
    return STAFF in origins or origin in origins


def staff(in_force: InForce) -> frozenset[str]:
    """Return the names of the parties whose definitions count for everything."""
    return frozenset(name for name, party in in_force.parties.items() if party.role == "own")


def affected(reader: Reader, collection_id: str, definitions: Collection[str], origin: str) -> set[str]:
    """Return the objects whose markings mean something else once ``origin`` has begun, or ceased, to bring these definitions."""
    if not definitions:
        return set()
    users = reader.users(collection_id, definitions, [Use.MARKING, Use.GRANULAR])
    found = {user for each in users.values() for user in each}
    if origin == STAFF:
        return found
    return {
        object_id
        for object_id, known in reader.known(found).items()
        if any(each.collection == collection_id and each.provenance.origin == origin for each in known)
    }
