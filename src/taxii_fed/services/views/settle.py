"""Bring the views of a collection in line with its versions: judge what was touched and what hangs on it, write the difference.

Everything that changes what somebody sees (an arrival, a deletion, an approval, a rule, the passing of time) ends here, so that one
decision holds on every endpoint (docs/architecture.md). Running it twice changes nothing: the difference to what is right is empty (I7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from taxii_fed.core.keys import Keys
from taxii_fed.core.rules.audience import NOBODY, Audience, audience_of
from taxii_fed.core.rules.judge import Memory
from taxii_fed.core.rules.model import CollectionTerms, InForce, from_doc
from taxii_fed.core.stix.facts import OBSERVABLE_TYPES
from taxii_fed.core.views.results import Candidate, Result
from taxii_fed.ports import Change, Entry, Reader, View, Writer
from taxii_fed.services.inforce import InForceCache, collection_by_id
from taxii_fed.services.views.alike import Alike
from taxii_fed.services.views.difference import difference, is_new_to_all
from taxii_fed.services.views.growing import UNNAMEABLE
from taxii_fed.services.views.hidden_creators import HIDDEN
from taxii_fed.services.views.loaded import Loaded
from taxii_fed.services.views.notices import Notices, copy_notices
from taxii_fed.services.views.region import Region

GROUPING = "grouping"
TRANSITION = "transition"


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows from rules alone: audiences by party, as far as they were asked for, and verdicts that last (`core.rules.judge`)."""

    in_force: InForce
    at: int
    audiences: dict[str, Audience] = field(default_factory=dict)
    verdicts: dict[str, Memory] = field(default_factory=dict)


class Settler:
    """Keeps views in line. One for each process; every call works inside the caller's transaction."""

    def __init__(self, keys: Keys, cache: InForceCache) -> None:
        self.keys = keys
        self._cache = cache
        self.notices = Notices(keys)
        self._known: dict[str, _Known] = {}
        """By collection id."""

    def settle(
        self,
        writer: Writer,
        collection_id: str,
        touched: Collection[str],
        now: int,
        *,
        unchanged: Collection[str] = (),
        arrived: Mapping[str, list[Candidate]] | None = None,
        event: str = "",
        only: Collection[int] | None = None,
        notify: bool = True,
    ) -> None:
        """Bring all views of the collection (``only`` these, where given) in line for ``touched`` objects and what hangs on them.

        Once in a transaction for a collection: what it opens can be read, and so taken away, only after the commit.

        ``unchanged``: objects to be looked at again that are themselves as they were, so that what they mean to others stays.
        ``arrived``: objects with no version before this transaction, all their versions at hand. ``event``: why entries end, where
        the decision's own reason is not what happened (``rule-tightened``, ``deleted-at-origin``). ``notify``: tell readers of what ended.
        """
        in_force = self._cache.current(writer)
        collection = collection_by_id(in_force, collection_id) if in_force is not None else None
        if in_force is None or collection is None or not (touched or unchanged):
            return
        known = self._known_of(in_force, collection, grouped_at(writer, collection.id, now))
        loaded = Loaded(writer, collection, in_force, now, verdicts=known.verdicts)
        if arrived:
            loaded.objects.update(arrived)
        loaded.load({*touched, *unchanged})
        views = [view for view in self.audiences(writer, in_force, collection, now) if only is None or view[0].id in only]
        region = Region(self.keys, loaded, views, set(touched), frozenset(arrived or ()), frozenset(unchanged))
        objects = region.grow(writer)
        live = writer.live([view.id for view, _ in views], objects - region.fresh)
        for group in region.alike():
            results = region.close(group.views[0], group.audiences)
            if objects <= region.fresh and _open_in_all(writer, group, results, region.fresh):
                continue
            for view, names in zip(group.views, group.names, strict=True):
                rows = live.get(view.id, {})
                change, given = difference(writer, view, results, rows, event=event, fresh=region.fresh, names=names)
                if notify:
                    change = self._told(writer, loaded, view, change, rows, region.fresh)
                writer.change(view.id, change)
                writer.note_given(given)
        for name, hidden in region.moved_hidden():
            writer.put_doc(HIDDEN, name, hidden)
        if region.wakes:
            writer.add_wakes(collection.id, sorted(region.wakes))
        refresh_wakes(writer, collection.id)

    def audiences(
        self, writer: Reader, in_force: InForce, collection: CollectionTerms, now: int
    ) -> list[tuple[View, tuple[Audience, ...]]]:
        """Return each view that somebody reads, with the audiences that its entries must pass.

        Dates of rules and memberships count as of the last grouping: until their passing has been carried out, the view is due
        and nobody reads it (I6).
        """
        readers: dict[int, list[str]] = defaultdict(list)
        for party, view_id in writer.readers(collection.id).items():
            readers[view_id].append(party)
        at = grouped_at(writer, collection.id, now)
        transition = writer.doc(TRANSITION, collection.id)
        coming = from_doc(InForce, transition["doc"]) if transition is not None else None
        result: list[tuple[View, tuple[Audience, ...]]] = []
        for view in writer.views(collection.id):
            parties = sorted(name for name in readers.get(view.id, ()) if name in in_force.parties)
            if not parties:
                continue
            found = [self._audience(in_force, parties[0], collection, at)]
            if transition is not None and coming is not None:
                found.extend(_coming_audiences(coming, transition["at"], parties, collection.id))
            result.append((view, tuple({audience.signature: audience for audience in found}.values())))
        return result

    def _audience(self, in_force: InForce, party: str, collection: CollectionTerms, at: int) -> Audience:
        audiences = self._known_of(in_force, collection, at).audiences
        if party not in audiences:
            audiences[party] = audience_of(in_force, in_force.parties[party], collection.name, at)
        return audiences[party]

    def _known_of(self, in_force: InForce, collection: CollectionTerms, at: int) -> _Known:
        known = self._known.get(collection.id)
        if known is None or known.in_force is not in_force or known.at != at:
            known = self._known[collection.id] = _Known(in_force, at)
        return known

    def _told(
        self,
        writer: Writer,
        loaded: Loaded,
        view: View,
        change: Change,
        live: Mapping[str, list[Entry]],
        fresh: Collection[str],
    ) -> Change:
        opened = {opening.id for opening in change.opened}
        ended = {date for date, _ in change.ended}
        gone = [entry for rows in live.values() for entry in rows if entry.date_added in ended and entry.id not in opened]
        returned = {opening.id for opening in change.opened if opening.source not in fresh}
        # The id of an observable is its value: the copy of another one may have had it.
        values = {opening.id for opening in change.opened if opening.source in fresh and opening.type in OBSERVABLE_TYPES}
        returned |= values and writer.given(values).keys()
        return self.notices.told(writer, view, change, gone, returned, loaded.in_force.identity, loaded.now)


def _open_in_all(writer: Writer, group: Alike, results: Mapping[str, Sequence[Result]], fresh: Collection[str]) -> bool:
    """Write the results of new objects for all views of a group at once; return False where each must be looked at by itself."""
    if len(group.views) == 1 or not is_new_to_all(writer, results):
        return False
    change, given = difference(writer, group.views[0], results, {}, event="", fresh=fresh)
    writer.open_in_all([(view.id, names) for view, names in zip(group.views, group.names, strict=True)], change.opened)
    writer.note_given(given)
    return True


def copy_documents(writer: Writer, source: int, target: int) -> None:
    """Give a copied view what is kept beside the entries of its source: whom nobody may name, and what was told of."""
    unnameable = writer.doc(UNNAMEABLE, str(source))
    if unnameable is not None:
        writer.put_doc(UNNAMEABLE, str(target), unnameable)
    for name, doc in writer.docs(HIDDEN).items():
        view, _, signature = name.partition(":")
        if view == str(source):
            writer.put_doc(HIDDEN, f"{target}:{signature}", doc)
    copy_notices(writer, source, target)


def refresh_wakes(writer: Writer, collection_id: str) -> None:
    """Let every view of the collection carry the instant at which time next changes something (I6)."""
    wake_at = writer.next_wake(collection_id)
    for view in writer.views(collection_id):
        if view.wake_at != wake_at:
            writer.set_wake(view.id, wake_at)


def grouped_at(reader: Reader, collection_id: str, now: int) -> int:
    """Return the instant (µs) as of which the dates of rules and memberships were last carried out, ``now`` where they never were."""
    grouped = reader.doc(GROUPING, collection_id)
    return int(grouped["at"]) if grouped else now


def _coming_audiences(coming: InForce, at: int, parties: Iterable[str], collection_id: str) -> list[Audience]:
    """Return the audiences that the parties of a view will be under the rules that are about to be in force."""
    collection = collection_by_id(coming, collection_id)
    if collection is None:
        return [NOBODY]
    return [audience_of(coming, coming.parties[name], collection.name, at) for name in parties if name in coming.parties]
