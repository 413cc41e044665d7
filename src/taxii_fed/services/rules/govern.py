"""What is in force, and how it changes without anything leaking on the way (docs/architecture.md, "What is in force"; I6).

A change goes in four steps, each in bounded transactions, and can be taken up by any process after a crash:

1. *split*: parties that will part get views of their own, with what they hold and the dates it has; who loses a collection is unmapped;
2. *withdraw*: what the new rules do not allow ends; arrivals meanwhile must pass the old rules and the new;
3. *switch*: one transaction puts the new rules in force;
4. *release*: what the new rules allow appears, dated now.

So at no instant is more visible than before or after. The passing of a date in a rule or a membership goes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Self

from taxii_fed.core.errors import RefusedError, StoreUnavailableError
from taxii_fed.core.rules.model import InForce, from_doc, to_doc
from taxii_fed.core.stix.facts import Json
from taxii_fed.ports import Clock, Lease, Reader, Store, Writer
from taxii_fed.services.inforce import InForceCache, note_removed_accounts
from taxii_fed.services.leases import owner, take
from taxii_fed.services.rerun import rerun
from taxii_fed.services.rules.mapping import map_parties
from taxii_fed.services.rules.parting import TIGHTENED, Parting
from taxii_fed.services.rules.standing import Standing, moves
from taxii_fed.services.views.settle import GROUPING, TRANSITION, Settler, grouped_at

APPLY = "apply"
CURRENT = "current"
SPLIT, WITHDRAW, RELEASE = "split", "withdraw", "release"

_CHUNK_ENTRIES, _MOST_OBJECTS, _LEAST_OBJECTS = 5_000, 1_000, 50
"""Objects times views in one transaction, and objects: a writer that waits for it waits well under a second."""
_MOST_WALKED = 20
"""Times that ids are looked through for one transaction: most passes want few of them."""
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
        return Standing(same=False, moves=running or moves(reader, present, coming, self._clock.now()), running=running)

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
                change = self._walk(held, change, _ONE_PASS, progress)
                with self._store.write() as writer:
                    _require_unchanged(writer, change)
                    made = self._switch(writer, change["doc"], change["fingerprint"], change["at"], change["moving"])
                    moving = {
                        each: [*change["moving"].get(each, ()), *made.get(each, ())] for each in {**change["moving"], **made}
                    }
                    after = {**change, "stage": RELEASE, "doc": None, "moving": moving, "place": None}
                    writer.put_doc(APPLY, CURRENT, after)
            else:
                change = self._walk(held, change, _PASSES, progress)
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
        parting = Parting(self._store, self._clock)
        moving = {each.id: parting.part(each, present, coming, change["at"]) for each in collections}
        with self._store.write() as writer:
            _require_unchanged(writer, change)
            for collection_id in (each for each, views in moving.items() if views):
                writer.put_doc(TRANSITION, collection_id, {"doc": change["doc"], "at": change["at"]})
            writer.put_doc(APPLY, CURRENT, {**change, "stage": WITHDRAW, "moving": moving, "place": None})

    # -- steps 2 and 4 ------------------------------------------------------------------------------------------------------

    def _walk(
        self,
        held: _Held,
        change: Json,
        passes: Sequence[frozenset[str]],
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
                most = min(_MOST_OBJECTS, max(_LEAST_OBJECTS, _CHUNK_ENTRIES // len(views)))
                wanted, last = _next_of(writer, collection_id, place["last"], passes[place["pass"]], most)
                self._settler.settle(
                    writer, collection_id, (), self._clock.now(), unchanged=wanted, event=TIGHTENED, only=views
                )
                if last:
                    place = {**place, "last": last}
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
        before = from_doc(InForce, applied.doc) if applied is not None else None
        now = self._clock.now()
        if applied is None or applied.fingerprint != fingerprint:
            writer.put_in_force(doc, fingerprint, now)
            if before is not None:
                note_removed_accounts(writer, before, coming)
        made: dict[str, list[int]] = {}
        for collection in coming.collections.values():
            writer.put_doc(TRANSITION, collection.id, None)
            since = at if at is not None else grouped_at(writer, collection.id, now)
            writer.put_doc(GROUPING, collection.id, {"at": since})
            made[collection.id] = map_parties(
                writer, collection, coming, since, now, before.parties if before is not None else ()
            )
        for collection_id in moving:
            writer.put_doc(TRANSITION, collection_id, None)
        return made


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
        now = self._clock.now()
        if self._lease is not None and self._lease.until - now > _LEASE_SECONDS * 500_000:
            return
        lease = take(self._store, APPLY, self._owner, _LEASE_SECONDS, now)
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


def _next_of(reader: Reader, collection_id: str, last: str, types: frozenset[str], most: int) -> tuple[list[str], str]:
    """Return the next objects of a pass after ``last``, ``most`` of them, and the place behind them, "" at the end."""
    found: list[str] = []
    for _ in range(_MOST_WALKED):
        tail = reader.walk(collection_id, last, most - len(found))
        found += [each for each in tail.ids if _in_pass(each, types)]
        last = tail.last
        if not last or len(found) >= most:
            break
    return found, last


def _in_pass(object_id: str, types: frozenset[str]) -> bool:
    kind = object_id.partition("--")[0]
    if types is _ALL_TYPES:
        return True
    if _EVERYTHING_ELSE in types:
        return not any(kind in each for each in _PASSES)
    return kind in types
