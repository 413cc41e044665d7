"""Comparing a subscription with the peer's whole manifest (docs/federation.md).

Four steps, each resumable: *read* the manifest to its end, a document of the store a page; *fetch* by id what is missing; *judge* what is
gone; *confirm* by a second reading, and only then take away, behind the removal guard. A manifest that can't be read to its end, or is
refused, or says something else the second time, takes nothing away.
"""

from __future__ import annotations

import logging
import secrets
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from taxii_fed.core.errors import PeerAnswerError, PeerError, PeerOverloadedError, PeerRefusedError
from taxii_fed.core.federation import pull as pulls
from taxii_fed.core.federation.pull import Pull, Request
from taxii_fed.core.federation.reconcile import Listing
from taxii_fed.core.federation.remote import ManifestPage, ObjectPage, version_instant
from taxii_fed.ports import Writer
from taxii_fed.services.federation.carried import IDS_AT_ONCE, join
from taxii_fed.services.federation.federate import ALONE, SLICE, Federation, Run, Watch, recorded
from taxii_fed.services.federation.leased import LEASE_SECONDS, Leased, TakenOverError, leasing
from taxii_fed.services.federation.offers import against_record, kept_alive_by_us, on_offer
from taxii_fed.services.federation.outcomes import NOT_GIVEN
from taxii_fed.services.federation.subscriptions import LISTED, Comparing, State, Subscription, Waiting
from taxii_fed.services.federation.walk import Walk
from taxii_fed.services.intake.ingest import DELETED

_REMOVED_AT_ONCE = 500

log = logging.getLogger("taxii_fed.federation")


def reconcile(
    federation: Federation, subscription: Subscription, watch: Watch = ALONE, *, accept_removals: bool = False
) -> Run:
    """Run one comparison, or go on with the one under way, and record how it went.

    ``accept_removals``: a person agrees to what the guard holds back. Raises only what is the store's fault.
    """
    plan = federation.subscriptions.plans[subscription.peer]
    with leasing(federation.store, federation.clock, plan, subscription, federation.owner) as leased:
        if leased is None:
            return Run(subscription=subscription, elsewhere=True)
        counts: Counter[str] = Counter()

        def work() -> bool:
            return _Comparison(federation, leased, watch, counts, accept_removals=accept_removals).run()

        return recorded(leased, watch, counts, work, comparison=True)
    return Run(subscription=subscription, elsewhere=True)


class _StoppedError(Exception):
    """The run was asked to stop, or its slice is over; the rest waits in the store."""


class _Comparison:
    """One run of a comparison."""

    def __init__(
        self, federation: Federation, leased: Leased, watch: Watch, counts: Counter[str], *, accept_removals: bool
    ) -> None:
        self._federation = federation
        self._leased = leased
        self._watch = watch
        self._accept = accept_removals
        self._until = federation.clock.now() + SLICE
        self._theirs = leased.subscription.theirs
        self._client = federation.client(leased.subscription.peer)
        self._giver, self._collection = federation.ends(leased.subscription)
        self._counts = counts

    def run(self) -> bool:
        """Go through the steps; return whether the end was reached."""
        if self._leased.state.comparing is None:
            begun = Comparing(key=secrets.token_hex(16), place=pulls.begin(None, self._entries()))
            self._leased.update(lambda state: replace(state, comparing=begun))
        try:
            self._read()
            self._fetch()
            gone, looped, of = self._judge()
            if gone:
                gone = self._confirm(gone)
        except _StoppedError:
            return False
        self._finish(self._take_away(gone + looped, of))
        return True

    # -- read -------------------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        walk = Walk(pulls.lost(self._comparing.place), self._comparing.listed)
        while not walk.finished:
            self._go_on(walk)
            before = walk.pull.restarts
            page = self._manifest(walk)
            self._keep(walk.pull, page, anew=walk.pull.restarts != before)

    def _manifest(self, walk: Walk) -> ManifestPage:
        """Return the next page, an empty one where it could not be read and the walk goes on in another way."""
        try:
            request = walk.request()
        except PeerError:
            self._forget()
            raise
        self._leased.renew(LEASE_SECONDS + 2 * self._leased.plan.answer_seconds)
        try:
            page = self._client.manifest(self._theirs, request)
        except PeerError as error:
            walk.recover(error)
            return ManifestPage(entries=[])
        walk.turn(page.seen())
        return page

    def _keep(self, place: Pull, page: ManifestPage, *, anew: bool) -> None:
        """Store the place with what a page listed; ``anew``: the reading began again, and what it had found no longer counts."""
        listing = Listing(bytes.fromhex(self._comparing.key))
        listing.add(page.entries)
        with self._federation.store.read() as reader:
            wanted, moved = against_record(reader, self._giver, self._collection, page, self._federation.ingest.path_token)
        number = 0 if anew else self._comparing.pages
        filled = bool(page.entries) and not anew

        def turn(state: State) -> State:
            was = state.comparing or self._comparing
            if anew:
                was = replace(was, pages=0, listed=0, broken=0, fed=False)
            count = len(page.entries) + page.broken if filled else 0
            return replace(
                state,
                comparing=replace(
                    was,
                    place=place,
                    pages=was.pages + filled,
                    listed=was.listed + count,
                    broken=was.broken + page.broken,
                    fed=was.fed or bool(page.carried),
                ),
            )

        def note(writer: Writer) -> None:
            writer.add_offers(moved)
            if filled:
                found = [[entry.id, entry.version_text] for entry in wanted]
                writer.put_doc(LISTED, self._page_name(number), {"listed": listing.pack(), "missing": found})

        self._leased.contact(turn, note)

    # -- fetch ------------------------------------------------------------------------------------------------------------
    def _fetch(self) -> None:
        for number in range(self._comparing.fetched, self._comparing.pages):
            with self._federation.store.read() as reader:
                doc = reader.doc(LISTED, self._page_name(number)) or {}
            wanted = [(str(name), str(text)) for name, text in doc.get("missing", ())]
            if wanted:
                self._federation.require_room(self._leased)
            for start in range(0, len(wanted), IDS_AT_ONCE):
                self._go_on()
                self._fetch_some(wanted[start : start + IDS_AT_ONCE])
            self._leased.contact(partial(_with, comparing=replace(self._comparing, fetched=number + 1)))

    def _fetch_some(self, wanted: list[tuple[str, str]]) -> None:
        """Fetch versions by a list of ids, and those that did not come one by one."""
        ids = list(dict.fromkeys(name for name, _ in wanted))
        got: set[tuple[str, int | None]] = set()
        walk = Walk(pulls.begin(None, self._limit()))
        try:
            while not walk.finished:
                request = walk.request()
                page = self._taken(partial(self._client.objects, self._theirs, request, ids), request, ids)
                got.update((each.id, version_instant(each.version_text)) for each in page.objects)
                walk.turn(page.seen())
        except (PeerRefusedError, PeerOverloadedError, PeerAnswerError) as error:
            log.info(
                "a list of ids is not answered", extra={"subscription": self._leased.subscription.name, "error": str(error)}
            )
        for name, text in wanted:
            if (name, version_instant(text)) in got or (name, 0) in got:
                continue
            try:
                self._taken(partial(self._client.object, self._theirs, name, text), Request(limit=1000), [name])
            except (PeerRefusedError, PeerOverloadedError, PeerAnswerError) as error:
                self._counts[NOT_GIVEN] += 1
                log.info("an object is listed but not given", extra={"object": name, "error": str(error)})

    def _taken(self, ask: Callable[[], ObjectPage], request: Request, ids: list[str]) -> ObjectPage:
        """Fetch a page and offer it."""
        self._leased.renew(LEASE_SECONDS + 2 * self._leased.plan.answer_seconds)
        page = ask()
        joined = join(self._client, self._theirs, self._leased.state.fed, page, request, ids)
        self._leased.renew(LEASE_SECONDS)
        outcomes = self._federation.offer(self._giver, self._collection, joined.offered)
        self._counts += outcomes
        self._watch.seen(len(page.objects), outcomes)
        return page

    # -- judge, confirm, take away ----------------------------------------------------------------------------------------
    def _judge(self) -> tuple[array[int], array[int], int]:
        """Return the keys of what is gone, ascending, of what lives on in a loop only, and how many versions the peer had offered."""
        gone, looped, offered = array("q"), array("q"), 0
        if not self._whole(self._comparing.place, self._comparing.broken):
            return gone, looped, offered
        listing = self._listing()
        token = self._federation.ingest.path_token
        for version, path in on_offer(self._federation.store, self._giver, self._collection):
            offered += 1
            if not listing.lists(version.object_id, version.version):
                gone.append(version.key)
            elif token and token in path:
                looped.extend(kept_alive_by_us(self._federation.store, [version.key], token))
        return gone, looped, offered

    def _listing(self) -> Listing:
        """Return what the first reading listed."""
        listing = Listing(bytes.fromhex(self._comparing.key), every_version=self._comparing.fed)
        for number in range(self._comparing.pages):
            with self._federation.store.read() as reader:
                doc = reader.doc(LISTED, self._page_name(number))
            if doc is None:
                self._forget()
                raise _StoppedError
            listing.unpack(doc["listed"])
        return listing

    def _confirm(self, gone: array[int]) -> array[int]:
        """Return what a second reading finds gone, too; nothing at all where it lists something of it again."""
        listing = Listing(secrets.token_bytes(16), every_version=self._comparing.fed)
        walk = Walk(pulls.begin(None, self._entries()))
        broken = 0
        while not walk.finished:
            self._go_on()
            before = walk.pull.restarts
            page = self._manifest(walk)
            if walk.pull.restarts != before:
                listing = Listing(secrets.token_bytes(16), every_version=self._comparing.fed)
                broken = 0
            else:
                listing.add(page.entries)
                broken += page.broken
        confirmed = array("q")
        if not self._whole(walk.pull, broken):
            return confirmed
        for version, _ in on_offer(self._federation.store, self._giver, self._collection):
            at = bisect_left(gone, version.key)
            if at == len(gone) or gone[at] != version.key:
                continue
            if listing.lists(version.object_id, version.version):
                log.warning("two readings of the manifest disagree; nothing is withdrawn", extra=self._extra())
                return array("q")
            confirmed.append(version.key)
        return confirmed

    def _whole(self, place: Pull, broken: int) -> bool:
        if place.doubt or broken:
            log.warning("the manifest can't be read as a whole; nothing is withdrawn", extra=self._extra())
        return not (place.doubt or broken)

    def _take_away(self, gone: array[int], of: int) -> Waiting | None:
        """Tell the door what is gone, behind the guard; return what waits for a person."""
        guard = self._leased.plan.guard
        if guard is not None and not self._accept and guard.stops(len(gone), of):
            log.warning("removals wait for a person", extra={**self._extra(), "gone": len(gone), "of": of})
            before = self._leased.state.waiting
            if before is None or before.gone != len(gone):
                for start in range(0, len(gone), _REMOVED_AT_ONCE):
                    self._leased.renew(LEASE_SECONDS)
                    self._federation.ingest.held_back(
                        self._giver, self._collection, list(gone[start : start + _REMOVED_AT_ONCE])
                    )
            return Waiting(gone=len(gone), of=of, at=self._federation.clock.now())
        for start in range(0, len(gone), _REMOVED_AT_ONCE):
            self._leased.renew(LEASE_SECONDS)
            some = list(gone[start : start + _REMOVED_AT_ONCE])
            self._counts[DELETED] += self._federation.ingest.gone(self._giver, self._collection, some)
        return None

    # -- the end ------------------------------------------------------------------------------------------------------------
    def _finish(self, waiting: Waiting | None) -> None:
        """What the manifest lists is held now, so its greatest date is the watermark, also where the peer's dates went back."""
        now = self._federation.clock.now()
        comparing = self._comparing

        def end(state: State) -> State:
            place = comparing.place
            mark = state.watermark if place.doubt else None if place.greatest is None else min(place.greatest, now)
            return replace(
                state,
                watermark=mark,
                fed=comparing.fed or state.fed or (None if not comparing.listed else False),
                doubt=False,
                comparing=None,
                compared_at=now,
                compare_wanted=False,
                waiting=waiting,
            )

        self._leased.fine(end, comparison=True)
        self._clear(comparing)
        log.info(
            "compared", extra={**self._extra(), "listed": comparing.listed, **{f"n_{w}": n for w, n in self._counts.items()}}
        )

    def _forget(self) -> None:
        """Drop the comparison under way; the next one begins anew."""
        comparing = self._comparing
        self._leased.update(lambda state: replace(state, comparing=None))
        self._clear(comparing)

    def _clear(self, comparing: Comparing) -> None:
        for start in range(0, comparing.pages, 100):
            with self._federation.store.write() as writer:
                for number in range(start, min(start + 100, comparing.pages)):
                    writer.put_doc(LISTED, self._page_name(number), None)

    # -- small things -------------------------------------------------------------------------------------------------------
    @property
    def _comparing(self) -> Comparing:
        comparing = self._leased.state.comparing
        if comparing is None:
            raise TakenOverError
        return comparing

    def _limit(self) -> int:
        return min(self._leased.state.page_size or self._leased.plan.max_page, self._leased.plan.max_page)

    def _entries(self) -> int:
        """Entries are a tenth of objects in size, and fewer pages are fewer chances for something to go wrong."""
        return max(min(10 * self._limit(), pulls.LARGEST_LIMIT), self._limit())

    def _page_name(self, number: int) -> str:
        return f"{self._leased.subscription.name}#{number}"

    def _extra(self) -> dict[str, str]:
        return {"subscription": self._leased.subscription.name}

    def _go_on(self, walk: Walk | None = None) -> None:
        """Raise `_StoppedError` where the run is to end here."""
        over = walk is not None and self._federation.clock.now() > self._until and not walk.pull.kept_by_server
        if self._watch.stop() or self._leased.paused_meanwhile or over:
            raise _StoppedError


def _with(state: State, comparing: Comparing) -> State:
    return replace(state, comparing=comparing)
