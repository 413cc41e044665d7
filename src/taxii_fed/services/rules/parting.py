"""Views parted before rules change: every view gets one outcome to come (step 1 of `govern`).

Who parts takes along what it holds, with the dates that it has.
"""

from __future__ import annotations

from collections import defaultdict

from taxii_fed.core.rules.audience import audience_of
from taxii_fed.core.rules.model import CollectionTerms, InForce
from taxii_fed.ports import Change, Clock, Store
from taxii_fed.services.inforce import collection_by_id, same_for_all
from taxii_fed.services.views.settle import copy_documents, grouped_at

TIGHTENED = "rule-tightened"

_COPY_CHUNK = 5_000


class Parting:
    """Parts the views of one collection after the other, each in transactions of its own; run again it goes on."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def part(self, collection: CollectionTerms, present: InForce, coming: InForce, at: int) -> list[int]:
        """Give every view of a collection one outcome to come, and return the views whose outcome changes."""
        after = collection_by_id(coming, collection.id)
        with self._store.read() as reader:
            readers = reader.readers(collection.id)
            before_at = grouped_at(reader, collection.id, at)
        groups: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        leaving: list[str] = []
        everything = not same_for_all(present, coming)
        moved: dict[str, bool] = {}
        for name, view in sorted(readers.items()):
            audience = audience_of(coming, coming.parties[name], after.name, at) if after and name in coming.parties else None
            if audience is None or not audience.reads:
                leaving.append(name)
                continue
            before = audience_of(present, present.parties[name], collection.name, before_at)
            moved[name] = everything or before.signature != audience.signature
            groups[view][audience.signature].append(name)
        if leaving:
            self._leave(collection, leaving)
        for view, parts in groups.items():
            largest = max(parts, key=lambda signature: (len(parts[signature]), signature))
            for signature, names in parts.items():
                if signature != largest:
                    self._copy_view(collection.id, view, names)
        with self._store.read() as reader:
            readers = reader.readers(collection.id)
        return sorted({view for name, view in readers.items() if moved.get(name)})

    def _leave(self, collection: CollectionTerms, names: list[str]) -> None:
        now = self._clock.now()
        with self._store.write() as writer:
            left = {writer.readers(collection.id)[name] for name in names}
            for name in names:
                writer.assign(collection.id, name, None, now)
            orphans = left - set(writer.readers(collection.id).values())
        for view in orphans:
            self._end_all(view)

    def _end_all(self, view: int) -> None:
        while True:
            with self._store.write() as writer:
                entries = writer.entries(view, 0, _COPY_CHUNK)
                if not entries:
                    return
                writer.change(view, Change(ended=tuple((entry.date_added, TIGHTENED) for entry in entries)))

    def _copy_view(self, collection_id: str, source: int, names: list[str]) -> None:
        """Give some parties of a view a copy of it, with all dates; ends and ranks that happen meanwhile are mirrored."""
        with self._store.write() as writer:
            target = writer.create_view(collection_id, writer.view(source).head)
            writer.set_mirror(source, target)
        place = 0
        while True:
            with self._store.write() as writer:
                last = writer.copy_entries(source, target, place, _COPY_CHUNK)
                if last:
                    place = last
                    continue
                now = self._clock.now()
                writer.set_mirror(source, 0)
                for name in names:
                    writer.assign(collection_id, name, target, now)
                writer.set_wake(target, writer.view(source).wake_at)
                copy_documents(writer, source, target)
                return
