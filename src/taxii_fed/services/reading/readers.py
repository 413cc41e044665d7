"""Who reads, how far each has come, and when it was last seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from taxii_fed.ports import Read, Reader, Store
from taxii_fed.services.inforce import InForceCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """One account in one collection. ``position`` (ms) and ``seen_at`` (µs) are None where it never read; ``left``: entries after it."""

    party: str
    account: str
    collection: str
    position: int | None
    left: int
    seen_at: int | None
    address: str = ""


def attendance(store: Store, cache: InForceCache, accounts: Mapping[str, Collection[str]]) -> Iterator[Attendance]:
    """Yield a line for each account and collection that its party reads. ``accounts``: those of each party, by the configuration."""
    left: dict[tuple[int, int], int] = {}
    with store.read() as reader:
        in_force = cache.current(reader)
        for collection in in_force.collections.values() if in_force else ():
            for party, view in sorted(reader.readers(collection.id).items()):
                by_account = _by_account(reader, collection.id, party)
                for account in sorted({*by_account, *accounts.get(party, ())}):
                    reads = by_account.get(account, [])
                    newest = max(reads, key=lambda read: read.at, default=None)
                    position = max((read.last for read in reads), default=None)
                    place = (view, position or 0)
                    if place not in left:  # many stand at the same place, or have not begun
                        left[place] = reader.count_live(*place)
                    yield Attendance(
                        party=party, account=account, collection=collection.name, position=position,
                        left=left[place], seen_at=newest.at if newest else None,
                        address=newest.address if newest else "",
                    )  # fmt: skip


def _by_account(reader: Reader, collection: str, party: str) -> dict[str, list[Read]]:
    """Return what a party's accounts read in a collection; a view that took the place of another goes on with its dates."""
    found: dict[str, list[Read]] = defaultdict(list)
    views = set(reader.past_views(collection, party))
    for read in reader.reads(party=party):
        if read.view in views:
            found[read.account].append(read)
    return found
