"""What is in force, and how it changes without anything leaking on the way (design, "What is in force", `plan` and `apply`; I6).

A change goes in four steps, each in bounded transactions, and can be taken up by any process after a crash:

1. *split*: parties that will part get views of their own, with what they hold and the dates it has; who loses a collection is unmapped;
2. *withdraw*: what the new rules do not allow ends; arrivals meanwhile must pass the old rules and the new;
3. *switch*: one transaction puts the new rules in force;
4. *release*: what the new rules allow appears, dated now.

So at no instant is more visible than before or after. The passing of a date in a rule or a membership goes the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from taxii_fed.core.audience import NOBODY, Audience, audience_of
from taxii_fed.core.errors import RefusedError, StoreUnavailableError
from taxii_fed.core.facts import Json
from taxii_fed.core.rules import CollectionTerms, InForce, from_doc, to_doc
from taxii_fed.ports import Change, Clock, Lease, Reader, Store, Writer
from taxii_fed.services.inforce import InForceCache, collection_by_id, same_for_all
from taxii_fed.services.leases import owner, take
from taxii_fed.services.rerun import rerun
from taxii_fed.services.views.settle import GROUPING, TRANSITION, Settler, copy_documents, grouped_at, refresh_wakes

APPLY = "apply"
CURRENT = "current"
SPLIT, WITHDRAW, RELEASE = "split", "withdraw", "release"
TIGHTENED = "rule-tightened"

_CHUNK = 400
"""Objects in one transaction: a writer that waits for it waits well under a second."""
_COPY_CHUNK = 5_000
_LEASE_SECONDS = 60
_EVERYTHING_ELSE = "*"
_ALL_TYPES: frozenset[str] = frozenset()
_ONE_PASS = (_ALL_TYPES,)
_PASSES: tuple[frozenset[str], ...] = (
    frozenset({"marking-definition", "identity", "extension-definition"}),
    frozenset({_EVERYTHING_ELSE}),
    frozenset({"relationship", "sighting", "email-message", "network-traffic", "file", "process", "directory", "user-account"}),
    frozenset({"report", "grouping", "note", "opinion", "observed-data", "language-content"}),
)
"""Types in the order in which they are released: what is referred to goes first, so that no copy is cut that need not be."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a configuration relates to what is in force. ``same``: equal. ``moves``: taking it over moves entries, so it waits for apply."""

    same: bool
    moves: bool
    running: bool = False
    """Whether a change is under way."""


class Governor:
    """Puts rules in force."""

    def __init__(self, store: Store, settler: Settler, cache: InForceCache, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._cache = cache
        self._clock = clock

    # -- taking over without a move ---------------------------------------------------------------------------------------

    @rerun
    def adopt(self, coming: InForce, fingerprint: str) -> Standing:
        """Take over a configuration where that moves no entry, and always in an empty store; return how it stands then."""
        with self._store.read() as reader:
            standing = self.standing(reader, coming, fingerprint)
        if standing.same or standing.moves:
            return standing
        with self._store.write() as writer:
            standing = self.standing(writer, coming, fingerprint)
            if standing.same or standing.moves:
                return standing
            # As of the last grouping: dates that have passed since are still to be carried out, entries and all.
            self._switch(writer, to_doc(coming), fingerprint, None, ())
        return Standing(same=True, moves=False)

    def standing(self, reader: Reader, coming: InForce, fingerprint: str) -> Standing:
        """Return how a configuration relates to what is in force."""
        applied = reader.in_force()
        running = reader.doc(APPLY, CURRENT) is not None
        if applied is None:
            return Standing(same=False, moves=False, running=running)
        if applied.fingerprint == fingerprint:
            return Standing(same=True, moves=False, running=running)
        present = self._cache.current(reader)
        assert present is not None
        return Standing(same=False, moves=running or self._moves(reader, present, coming), running=running)

    def _moves(self, reader: Reader, present: InForce, coming: InForce) -> bool:
        if (present.markings, present.jurisdictions, present.identity) != (
            coming.markings,
            coming.jurisdictions,
            coming.identity,
        ):
            return True
        now = self._clock.now()
        ahead = sorted({at for at in (*present.dates(), *coming.dates()) if at > now})
        for collection in present.collections.values():
            readers = reader.readers(collection.id)
            after = collection_by_id(coming, collection.id)
            if not reader.walk(collection.id, "", 1).ids:
                continue
            if after is None or any(name not in coming.parties for name in readers):
                return bool(readers)
            instants = {grouped_at(reader, collection.id, now), now, *ahead}
            if any(self._moves_at(reader, readers, (present, collection), (coming, after), at) for at in instants):
                return True
        return any(
            audience_of(coming, party, each.name, at).reads and reader.walk(each.id, "", 1).ids
            for each in coming.collections.values()
            if collection_by_id(present, each.id) is None
            for party in coming.parties.values()
            for at in (now, *ahead)
        )

    def _moves_at(
        self,
        reader: Reader,
        readers: Collection[str],
        present: tuple[InForce, CollectionTerms],
        coming: tuple[InForce, CollectionTerms],
        at: int,
    ) -> bool:
        """Return whether somebody would get something else at ``at`` than under the rules in force; joining a view that stands is not."""
        (before, collection), (after, renamed) = present, coming
        held = {name: audience_of(before, party, collection.name, at).signature for name, party in before.parties.items()}
        known = {held[name] for name in readers if name in held}
        for name, party in after.parties.items():
            audience = audience_of(after, party, renamed.name, at)
            if audience.signature == held.get(name, NOBODY.signature):
                continue
            joins = name not in readers and audience.signature in known and not reader.past_views(collection.id, name)
            if not joins:
                return True
        return False

    # -- apply --------------------------------------------------------------------------------------------------------------

    def apply(self, coming: InForce, fingerprint: str, progress: Callable[[str, int], None] | None = None) -> None:
        """Put a configuration in force, step by step; return when all is released.

        Raises `RefusedError` while another process does so with other rules.
        """
        with self._lease() as held:
            with self._store.write() as writer:
                under_way = writer.doc(APPLY, CURRENT)
                if under_way is not None and under_way["fingerprint"] != fingerprint:
                    raise RefusedError("Another change of rules is under way; finish it first with `taxii-fed apply --resume`.")
                if under_way is None:
                    writer.put_doc(APPLY, CURRENT, self._plan_doc(to_doc(coming), fingerprint, self._clock.now()))
            self._run(held, progress)

    def resume(self, progress: Callable[[str, int], None] | None = None) -> bool:
        """Go on with a change that stopped half way; return whether there was one."""
        with self._store.read() as reader:
            if reader.doc(APPLY, CURRENT) is None:
                return False
        with self._lease() as held:
            self._run(held, progress)
        return True

    def regroup(self, due: int) -> None:
        """Carry out the passing of dates in rules and memberships up to ``due`` (µs) at least: the same rules, as of now.

        A change that stopped half way comes first: it was planned as of its own time, when these dates lay ahead.
        """
        with self._lease() as held:
            self._run(held, None)
            with self._store.write() as writer:
                applied = writer.in_force()
                if applied is None:
                    return
                _require_unchanged(writer, None)
                at = max(due, self._clock.now())
                writer.put_doc(APPLY, CURRENT, self._plan_doc(applied.doc, applied.fingerprint, at))
            self._run(held, None)

    def _plan_doc(self, doc: Json, fingerprint: str, at: int) -> Json:
        return {"doc": doc, "fingerprint": fingerprint, "at": at, "stage": SPLIT}

    def _lease(self) -> _Held:
        return _Held(self._store, owner(), self._clock)

    def _run(self, held: _Held, progress: Callable[[str, int], None] | None) -> None:
        while True:
            with self._store.read() as reader:
                change = reader.doc(APPLY, CURRENT)
            if change is None:
                return
            stage = change["stage"]
            if stage == SPLIT:
                self._split(change)
            elif stage == WITHDRAW:
                change = self._walk(held, change, _ONE_PASS, TIGHTENED, progress)
                with self._store.write() as writer:
                    _require_unchanged(writer, change)
                    made = self._switch(writer, change["doc"], change["fingerprint"], change["at"], change["moving"])
                    moving = {
                        each: [*change["moving"].get(each, ()), *made.get(each, ())] for each in {**change["moving"], **made}
                    }
                    after = {**change, "stage": RELEASE, "doc": None, "moving": moving, "place": None}
                    writer.put_doc(APPLY, CURRENT, after)
            else:
                change = self._walk(held, change, _PASSES, "", progress)
                with self._store.write() as writer:
                    _require_unchanged(writer, change)
                    writer.put_doc(APPLY, CURRENT, None)

    # -- step 1 -------------------------------------------------------------------------------------------------------------

    def _split(self, change: Json) -> None:
        coming = from_doc(InForce, change["doc"])
        with self._store.read() as reader:
            present = self._cache.current(reader)
            assert present is not None
            collections = list(present.collections.values())
        moving = {each.id: self._split_collection(each, present, coming, change["at"]) for each in collections}
        with self._store.write() as writer:
            _require_unchanged(writer, change)
            for collection_id in (each for each, views in moving.items() if views):
                writer.put_doc(TRANSITION, collection_id, {"doc": change["doc"], "at": change["at"]})
            writer.put_doc(APPLY, CURRENT, {**change, "stage": WITHDRAW, "moving": moving, "place": None})

    def _split_collection(self, collection: CollectionTerms, present: InForce, coming: InForce, at: int) -> list[int]:
        """Give every view one outcome to come, and return the views whose outcome changes."""
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

    # -- steps 2 and 4 ------------------------------------------------------------------------------------------------------

    def _walk(
        self,
        held: _Held,
        change: Json,
        passes: Sequence[frozenset[str]],
        event: str,
        progress: Callable[[str, int], None] | None,
    ) -> Json:
        """Settle every object of the moving views, in chunks, the place kept with each; return the change as it stands then.

        One chunk is one transaction and one settling. As all of them get their turn, none draws in those that hang on what it means.
        """
        place = change.get("place") or {"collection": 0, "pass": 0, "last": ""}
        moving = [(collection_id, views) for collection_id, views in sorted(change["moving"].items()) if views]
        done = 0
        while place["collection"] < len(moving):
            held.renew()
            collection_id, views = moving[place["collection"]]
            with self._store.write() as writer:
                _require_unchanged(writer, change)
                tail = writer.walk(collection_id, place["last"], _CHUNK)
                wanted = [each for each in tail.ids if _in_pass(each, passes[place["pass"]])]
                self._settler.settle(writer, collection_id, (), self._clock.now(), unchanged=wanted, event=event, only=views)
                if tail.last:
                    place = {**place, "last": tail.last}
                elif place["pass"] + 1 < len(passes):
                    place = {**place, "pass": place["pass"] + 1, "last": ""}
                else:
                    place = {"collection": place["collection"] + 1, "pass": 0, "last": ""}
                change = {**change, "place": place}
                writer.put_doc(APPLY, CURRENT, change)
            done += len(wanted)
            if progress is not None:
                progress(change["stage"], done)
        return change

    # -- step 3 -------------------------------------------------------------------------------------------------------------

    def _switch(
        self, writer: Writer, doc: Json, fingerprint: str, at: int | None, moving: Iterable[str]
    ) -> dict[str, list[int]]:
        """Put rules in force and map every party to its view, all in the caller's transaction; return the new views by collection.

        ``at`` (µs) is when the dates of rules and memberships are judged; None: as of the last time that they were.
        """
        applied = writer.in_force()
        coming = from_doc(InForce, doc)
        now = self._clock.now()
        if applied is None or applied.fingerprint != fingerprint:
            writer.put_in_force(doc, fingerprint, now)
        made: dict[str, list[int]] = {}
        for collection in coming.collections.values():
            writer.put_doc(TRANSITION, collection.id, None)
            since = at if at is not None else grouped_at(writer, collection.id, now)
            writer.put_doc(GROUPING, collection.id, {"at": since})
            made[collection.id] = self._map(writer, collection, coming, since)
        for collection_id in moving:
            writer.put_doc(TRANSITION, collection_id, None)
        return made

    def _map(self, writer: Writer, collection: CollectionTerms, coming: InForce, at: int) -> list[int]:
        """Map every party to its view, and return the views that this made."""
        made: list[int] = []
        now = self._clock.now()
        readers = writer.readers(collection.id)
        audiences = {name: audience_of(coming, party, collection.name, at) for name, party in coming.parties.items()}
        by_signature: dict[str, int] = {}
        signatures: dict[int, str] = {}
        for name, mapped in sorted(readers.items(), key=lambda each: each[1]):
            view = mapped
            audience = audiences.get(name)
            if audience is None or not audience.reads:
                writer.assign(collection.id, name, None, now)
                continue
            # Parties part here only where nothing was ever published; where something was, `_split` has parted them.
            taken = signatures.setdefault(view, audience.signature)
            if taken != audience.signature:
                known = by_signature.get(audience.signature)
                if known is None:
                    known = writer.create_view(collection.id, writer.view(view).head)
                    made.append(known)
                view = known
                writer.assign(collection.id, name, view, now)
                signatures[view] = audience.signature
            by_signature.setdefault(audience.signature, view)
        for name, audience in sorted(audiences.items()):
            if name in readers or not audience.reads:
                continue
            past = writer.past_views(collection.id, name)
            standing = by_signature.get(audience.signature)
            if standing is None or (past and past[-1] != standing):
                head = max((writer.view(each).head for each in past), default=0)
                standing = writer.create_view(collection.id, head)
                made.append(standing)
                by_signature.setdefault(audience.signature, standing)
            writer.assign(collection.id, name, standing, now)
        self._note_boundary(writer, collection, list(audiences.values()))
        return made

    def _note_boundary(self, writer: Writer, collection: CollectionTerms, audiences: list[Audience]) -> None:
        until = min((audience.until_at for audience in audiences if audience.until_at is not None), default=None)
        if until is not None:
            writer.add_wakes(collection.id, [(until, "")])
        refresh_wakes(writer, collection.id)


class _Held:
    """The lease of whoever changes rules, renewed from chunk to chunk."""

    def __init__(self, store: Store, holder: str, clock: Clock) -> None:
        self._store = store
        self._owner = holder
        self._clock = clock
        self._lease: Lease | None = None

    def __enter__(self) -> Self:
        self.renew()
        return self

    def renew(self) -> None:
        """Take or keep the lease. Raises `StoreUnavailableError` where another process has it; what was done stays done."""
        lease = take(self._store, APPLY, self._owner, _LEASE_SECONDS, self._clock.now())
        if lease is None:
            raise StoreUnavailableError("Another process is putting rules in force; try again shortly.")
        self._lease = lease

    def __exit__(self, *_: object) -> None:
        if self._lease is not None:
            self._store.release(self._lease)


def _require_unchanged(reader: Reader, change: Json | None) -> None:
    """Raise `StoreUnavailableError` where the change under way is not as this process left it: a lease that ran out was taken over."""
    if reader.doc(APPLY, CURRENT) != change:
        raise StoreUnavailableError("Another process has gone on with putting rules in force; try again shortly.")


def _in_pass(object_id: str, types: frozenset[str]) -> bool:
    kind = object_id.partition("--")[0]
    if types is _ALL_TYPES:
        return True
    if _EVERYTHING_ELSE in types:
        return not any(kind in each for each in _PASSES)
    return kind in types
