"""What is in force, decoded once per revision and process (docs/architecture.md, "What is in force")."""

from __future__ import annotations

from collections.abc import Iterator

from taxii_fed.core.errors import RefusedError
from taxii_fed.core.rules.model import CollectionTerms, InForce, from_doc
from taxii_fed.ports import Reader, Writer
from taxii_fed.services import vouching

ACCOUNTS, REMOVED = "accounts", "removed"

AccountName = tuple[str, str]
"""Names of the party and of the account."""


class InForceCache:
    """The newest revision of the rules, parties and collections. Safe to share between threads."""

    def __init__(self) -> None:
        self._held: tuple[int, InForce] | None = None

    def current(self, reader: Reader) -> InForce | None:
        """Return what is in force in the snapshot, None in an empty store."""
        return self.at(reader, reader.revision())

    def require(self, reader: Reader) -> InForce:
        """Return what is in force in the snapshot. Raises `RefusedError` in an empty store."""
        in_force = self.current(reader)
        if in_force is None:
            raise RefusedError("Nothing is in force yet: start the server, or run `taxii-fed apply`.")
        return in_force

    def at(self, reader: Reader, revision: int) -> InForce | None:
        """Return what is in force, given its revision number (0: nothing) as read in the same snapshot."""
        if revision == 0:
            return None
        held = self._held
        if held is not None and held[0] == revision:
            return held[1]
        applied = reader.in_force()
        if applied is None:
            return None
        in_force = from_doc(InForce, applied.doc)
        self._held = (applied.revision, in_force)
        return in_force


def removed_accounts(reader: Reader) -> frozenset[AccountName]:
    """Return the accounts that were there once and are not any more: processes that have not read that yet still know them."""
    doc = reader.doc(ACCOUNTS, REMOVED)
    return frozenset((party, account) for party, account in doc["accounts"]) if doc is not None else frozenset()


def note_removed_accounts(writer: Writer, present: InForce, coming: InForce) -> None:
    """Write down which accounts ``coming`` has no more; one that is back is known again."""
    there = set(_accounts(coming))
    gone = sorted({*removed_accounts(writer), *_accounts(present)} - there)
    writer.put_doc(ACCOUNTS, REMOVED, {"accounts": gone} if gone else None)


def _accounts(in_force: InForce) -> Iterator[AccountName]:
    for party in in_force.parties.values():
        yield from ((party.name, account) for account in party.accounts)


def same_for_all(present: InForce, coming: InForce) -> bool:
    """Return whether what every view depends on, whoever reads it, is the same in both."""
    return same_meanings(present, coming) and vouching.staff(present) == vouching.staff(coming)


def same_meanings(present: InForce, coming: InForce) -> bool:
    """Return whether markings, jurisdictions and the node's identity are the same in both."""
    return all(getattr(present, name) == getattr(coming, name) for name in ("markings", "jurisdictions", "identity"))


def collection_by_id(in_force: InForce, collection_id: str) -> CollectionTerms | None:
    """Return the collection with that TAXII id."""
    return next((each for each in in_force.collections.values() if each.id == collection_id), None)
