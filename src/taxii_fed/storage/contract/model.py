"""A store in a few dicts: what the state machine expects of the real one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from taxii_fed.core.taxii.query import Listed, Rank
from taxii_fed.ports import LEAD_MS, Json, Lease, NewVersion, Offer, Opening, Quarantined


def hashed(each: str) -> str:
    """Return what stands in the ledger for an erased id."""
    return f"sha256:{hashlib.sha256(each.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """An entry with its bytes in place of their key."""

    id: str
    type: str
    spec_version: str
    version: int
    source: str
    source_key: int
    derived: bool
    rank: Rank
    rule: str
    reasons: tuple[str, ...]
    content: bytes
    ended_at: int | None = None
    ended_why: str = ""


@dataclass(slots=True)
class ModelView:
    """A view: its entries by stamp."""

    collection: str
    head: int = 0
    mirror: int = 0
    entries: dict[int, ModelEntry] = field(default_factory=dict)

    def listed(self) -> list[Listed]:
        """Return what the reference `core.taxii.query.select` looks at."""
        return [
            Listed(date, each.id, each.type, each.version, each.spec_version, each.rank)
            for date, each in self.entries.items()
            if each.ended_at is None
        ]


@dataclass(slots=True)
class Model:
    """All that was committed."""

    versions: dict[int, NewVersion] = field(default_factory=dict)
    views: dict[int, ModelView] = field(default_factory=dict)
    readers: dict[tuple[str, str], int] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    offers: dict[tuple[int, str], Offer] = field(default_factory=dict)
    wakes: set[tuple[str, int, str]] = field(default_factory=set)
    docs: dict[str, Json] = field(default_factory=dict)
    quarantine: dict[int, Quarantined] = field(default_factory=dict)
    marks: set[bytes] = field(default_factory=set)
    leases: dict[str, Lease] = field(default_factory=dict)

    def remove(self, keys: set[int]) -> None:
        """Take versions out, with their offers."""
        for key in keys:
            self.versions.pop(key, None)
        self.offers = {place: offer for place, offer in self.offers.items() if offer.key not in keys}

    def open(self, view: int, openings: list[Opening], now: int) -> None:
        """Add entries as a commit at ``now`` does."""
        shown = self.views[view]
        first = max(shown.head + 1, now // 1000 + LEAD_MS)
        for stamp, each in enumerate(openings, first):
            content = self.versions[each.source_key].body if each.content is None else each.content
            shown.head = stamp
            shown.entries[stamp] = ModelEntry(
                each.id,
                each.type,
                each.spec_version,
                each.version,
                each.source,
                each.source_key,
                each.derived,
                each.rank,
                each.rule,
                each.reasons,
                content,
            )

    def end(self, view: int, dates: list[int], why: str, now: int) -> None:
        """End live entries of a view and of its mirror."""
        for date in dates:
            for each in self._with_mirror(view):
                entry = each.entries.get(date)
                if entry is not None and entry.ended_at is None:
                    each.entries[date] = replace(entry, ended_at=now, ended_why=why)

    def rerank(self, view: int, dates: list[int], rank: Rank) -> None:
        """Give live entries of a view and of its mirror another rank."""
        for date in dates:
            for each in self._with_mirror(view):
                entry = each.entries.get(date)
                if entry is not None and entry.ended_at is None:
                    each.entries[date] = replace(entry, rank=rank)

    def copy(self, source: int, target: int, after: int, limit: int) -> int:
        """Copy entries; return the last stamp."""
        dates = sorted(date for date in self.views[source].entries if date > after)[:limit]
        for date in dates:
            self.views[target].entries[date] = self.views[source].entries[date]
        self.views[target].head = max(self.views[target].head, *dates, 0)
        return dates[-1] if dates else 0

    def erase(self, each: str, now: int) -> None:
        """Remove an object."""
        self.remove({key for key, version in self.versions.items() if version.object_id == each})
        self.homes.pop(each, None)
        self.wakes = {wake for wake in self.wakes if wake[2] != each}
        self.quarantine = {number: item for number, item in self.quarantine.items() if item.object_id != each}
        for view in self.views.values():
            for date, entry in view.entries.items():
                if entry.source == each:
                    view.entries[date] = replace(
                        entry,
                        id=hashed(entry.id),
                        source=hashed(each),
                        content=b"",
                        ended_at=now if entry.ended_at is None else entry.ended_at,
                        ended_why="erased" if entry.ended_at is None else entry.ended_why,
                    )

    def take(self, name: str, owner: str, seconds: int, now: int) -> Lease | None:
        """Take a lease."""
        held = self.leases.get(name)
        if held is not None and held.owner not in {owner, ""} and held.until > now:
            return None
        fence = 1 if held is None else held.fence + (held.owner != owner)
        self.leases[name] = Lease(name, owner, fence, now + seconds * 1_000_000)
        return self.leases[name]

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        held = self.leases.get(lease.name)
        if held is not None and (held.owner, held.fence) == (lease.owner, lease.fence):
            self.leases[lease.name] = Lease(lease.name, "", lease.fence, 0)

    def _with_mirror(self, view: int) -> list[ModelView]:
        mirror = self.views[view].mirror
        return [self.views[view], *([self.views[mirror]] if mirror else [])]
