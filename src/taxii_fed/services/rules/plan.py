"""What a changed configuration would do, for whom, before it does it; and the proof that nothing is amiss (I7)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import NOBODY, Audience, audience_of
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.core.stix import jsontext
from taxii_fed.core.views.results import Result
from taxii_fed.ports import Clock, Entry, Reader, Store
from taxii_fed.services.inforce import InForceCache, same_for_all
from taxii_fed.services.views.settle import grouped_at
from taxii_fed.services.views.whole import Difference, Whole, differences, live_entries, same_content

EXAMPLES = 5
GUARD_SHARE = 0.2
GUARD_AT_LEAST = 10
"""More than this share of what a party holds, of at least so many objects, is a mass withdrawal; likewise a mass release."""


@dataclass(frozen=True, slots=True)
class Example:
    """One object that would move: its own id, what it is called, and the rule and reason behind it."""

    object_id: str
    name: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What would happen to parties that get the same in one collection. ``rules`` counts by (kind, rule, reason)."""

    collection: str
    parties: tuple[str, ...]
    holds: int
    released: int
    withdrawn: int
    changed: int
    rules: dict[tuple[str, str, str], int]
    examples: dict[str, tuple[Example, ...]]

    @property
    def nothing(self) -> bool:
        """Whether nothing would happen."""
        return not (self.released or self.withdrawn or self.changed)

    @property
    def guarded(self) -> str:
        """What a guard says of it, "" where none speaks."""
        if self.withdrawn >= GUARD_AT_LEAST and self.withdrawn > GUARD_SHARE * self.holds:
            return f"withdraws {self.withdrawn} of {self.holds} objects"
        if self.released >= GUARD_AT_LEAST and self.released > GUARD_SHARE * self.holds:
            return f"releases {self.released} objects to those who hold {self.holds}"
        if self.changed >= GUARD_AT_LEAST and self.changed > GUARD_SHARE * self.holds:
            return f"replaces {self.changed} of {self.holds} objects"
        return ""


@dataclass(slots=True)
class _Tally:
    counts: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))

    def note(self, kind: str, example: Example) -> None:
        self.counts[kind] += 1
        self.rules[kind, example.rule, example.reason] += 1
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(example)


@dataclass(frozen=True, slots=True)
class _Group:
    """Parties that have the same view (0: none yet) of a collection and would be the same audience."""

    view: int
    audience: Audience
    parties: list[str]


class Planner:
    """Plans and verifies. Reads only."""

    def __init__(self, store: Store, keys: Keys, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._cache = cache
        self._clock = clock

    def plan(self, coming: InForce) -> list[Effect]:
        """Return what putting ``coming`` in force would do, for each collection and group of parties that it does anything to.

        Only those are judged whose rules would be others than those that their view was made by.
        """
        now = self._clock.now()
        effects: list[Effect] = []
        with self._store.read() as reader:
            present = self._cache.current(reader)
            collections = {each.id: each for each in (present.collections.values() if present else ())}
            after = {each.id: each for each in coming.collections.values()}
            for collection_id in {**collections, **after}:
                terms, before = after.get(collection_id), collections.get(collection_id)
                groups = self._moving(reader, present, coming, terms, before, now)
                if groups:
                    effects += self._effects(reader, coming, terms or collections[collection_id], groups, now)
        return [effect for effect in effects if not effect.nothing]

    def _moving(
        self,
        reader: Reader,
        present: InForce | None,
        coming: InForce,
        after: CollectionTerms | None,
        before: CollectionTerms | None,
        now: int,
    ) -> list[_Group]:
        """Return the parties for which something may change in a collection, those together that have and would get the same."""
        collection = after or before
        assert collection is not None
        readers = reader.readers(collection.id)
        grouped = grouped_at(reader, collection.id, now)
        same = present is not None and same_for_all(present, coming)
        groups: dict[tuple[int, str], _Group] = {}
        for name in sorted({*readers, *coming.parties}):
            party = coming.parties.get(name) if after is not None else None
            audience = audience_of(coming, party, collection.name, now) if party is not None else NOBODY
            if not audience.reads and name not in readers:
                continue
            if same and present is not None and before is not None and name in readers and name in present.parties:
                held = audience_of(present, present.parties[name], before.name, grouped)
                if held.signature == audience.signature:
                    continue
            group = groups.setdefault((readers.get(name, 0), audience.signature), _Group(readers.get(name, 0), audience, []))
            group.parties.append(name)
        return list(groups.values())

    def _effects(
        self, reader: Reader, coming: InForce, collection: CollectionTerms, groups: Sequence[_Group], now: int
    ) -> Iterator[Effect]:
        whole = Whole(reader, self._keys, coming, collection, now)
        for group in groups:
            yield self._effect(reader, collection, group.view, group.parties, whole.judge(group.audience))

    def _effect(
        self,
        reader: Reader,
        collection: CollectionTerms,
        view: int,
        parties: list[str],
        results: Mapping[str, Sequence[Result]],
    ) -> Effect:
        rows = {row.key: row for each in results.values() for row in each}
        left = {row.key for row in rows.values() if row.visible}
        tally = _Tally()
        holds = 0
        for entry in live_entries(reader, view) if view else ():
            if not entry.source:
                continue
            holds += 1
            row = rows.get(entry.source_key)
            left.discard(entry.source_key)
            if row is None or not row.visible:
                tally.note("withdrawn", self._example(reader, entry, row))
            elif (
                row.given_id != entry.id
                or entry.derived is (row.content is None)
                or (row.content is not None and not same_content(reader, row, entry))
            ):
                tally.note("changed", self._example(reader, entry, row))
        for key in sorted(left):
            row = rows[key]
            tally.note("released", Example(row.facts.id, _called(reader, key), row.rule, ", ".join(row.reasons)))
        return Effect(
            collection=collection.name,
            parties=tuple(parties),
            holds=holds,
            released=tally.counts["released"],
            withdrawn=tally.counts["withdrawn"],
            changed=tally.counts["changed"],
            rules=dict(tally.rules),
            examples={kind: tuple(found) for kind, found in tally.examples.items()},
        )

    def _example(self, reader: Reader, entry: Entry, row: Result | None) -> Example:
        name = _called(reader, entry.source_key)
        if row is None:
            return Example(entry.source, name, "", "no-rule")
        return Example(entry.source, name, row.rule, row.reason or ", ".join(row.reasons))

    def verify(self) -> list[Difference]:
        """Return in what any view differs from what a rebuild from the versions would give (I7); nothing is written."""
        found: list[Difference] = []
        with self._store.read() as reader:
            in_force = self._cache.current(reader)
            for collection in in_force.collections.values() if in_force else ():
                assert in_force is not None
                now = self._clock.now()
                at = grouped_at(reader, collection.id, now)
                whole = Whole(reader, self._keys, in_force, collection, now)
                seen: set[int] = set()
                for name, view in sorted(reader.readers(collection.id).items()):
                    if view in seen or name not in in_force.parties:
                        continue
                    seen.add(view)
                    results = whole.judge(audience_of(in_force, in_force.parties[name], collection.name, at))
                    found += differences(reader, collection.name, view, results)
        return found


def _called(reader: Reader, key: int) -> str:
    version = reader.version_by_key(key)
    return str(jsontext.loads(version.body).get("name", "")) if version is not None else ""
