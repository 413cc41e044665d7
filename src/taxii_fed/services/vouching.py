"""For whose objects a definition of a marking counts (convention 3 of the scenarios; I1).

A definition says what a marking restricts, so whoever may define the markings of others may lift them. One that a peer brings counts for
what that peer brings, one that is published here for what is published here, and one of the node's own staff for everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from taxii_fed.core.rules.model import InForce
from taxii_fed.core.stix.facts import LOCAL, Use
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


def newly(reader: Reader, in_force: InForce, collection_id: str, giver: str, definitions: Mapping[int, str]) -> set[str]:
    """Return the objects for which definitions, key to id, begin to count once ``giver`` brings them too; others do already."""
    if not definitions:
        return set()
    origin, before = voucher(giver, in_force), reader.offers(definitions)
    fresh = {each for key, each in definitions.items() if origin not in vouchers(before.get(key, ()), in_force)}
    return affected(reader, collection_id, fresh, origin)


def no_longer(
    reader: Reader, in_force: InForce, collection_id: str, giver: str, left: Mapping[int, Sequence[Offer]]
) -> set[str]:
    """Return the objects for which definitions cease to count that ``giver`` has ceased to bring.

    ``left``: who still brings a version, by key; versions of other types are passed over.
    """
    origin = voucher(giver, in_force)
    lost = [key for key, rows in left.items() if origin not in vouchers(rows, in_force)]
    versions = [version for key in lost if (version := reader.version_by_key(key)) is not None]
    definitions = {version.object_id for version in versions if version.type == "marking-definition"}
    return affected(reader, collection_id, definitions, origin)
