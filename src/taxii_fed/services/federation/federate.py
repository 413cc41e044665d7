"""Federation: one pull of one subscription, and one comparison (docs/federation.md).

A pull goes page by page. A page is offered at the door, which makes it durable; then the place moves, in the state of the subscription.
What happens between the two, or to the worker, at worst offers a page twice, and that changes nothing (I4, I5). How to read a server of
any make to its end is `core.federation.pull`; when to come again is `core.federation.backoff`; what the manifest tells is `compare`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from taxii_fed.core.errors import PeerAnswerError, PeerError, PeerQuotaError, StoreError
from taxii_fed.core.federation import pull as pulls
from taxii_fed.core.federation.pull import Pull, Request
from taxii_fed.core.federation.remote import version_instant
from taxii_fed.core.rules.door import Ruling
from taxii_fed.core.rules.model import CollectionTerms
from taxii_fed.ports import Clock, PeerClient, Store
from taxii_fed.services.federation.carried import Joined, join
from taxii_fed.services.federation.leased import LEASE_SECONDS, Leased, TakenOverError, leasing
from taxii_fed.services.federation.outcomes import ECHO
from taxii_fed.services.federation.subscriptions import State, Subscription, Subscriptions
from taxii_fed.services.federation.walk import Walk
from taxii_fed.services.inforce import InForceCache
from taxii_fed.services.intake.arrivals import Offered
from taxii_fed.services.intake.ingest import Giver

SLICE = 600_000_000
"""How long one run of a pull or comparison may take (µs), so that the other collections of a peer get their turn."""

log = logging.getLogger("taxii_fed.federation")


class Intake(Protocol):
    """What `services.intake.ingest.Ingest` does for pulls."""

    @property
    def path_token(self) -> str:
        """What stands for this node in the paths that travel between taxii-fed nodes, "" where nothing does."""
        ...

    def offer(self, giver: Giver, collection: CollectionTerms, objects: Sequence[Offered]) -> Counter[str]:
        """Take in a page and return how many objects met which outcome, all durable."""
        ...

    def gone(self, giver: Giver, collection: CollectionTerms, keys: Sequence[int]) -> int:
        """Note that a peer offers these versions no more."""
        ...

    def held_back(self, giver: Giver, collection: CollectionTerms, keys: Sequence[int]) -> None:
        """Note that the removal of these versions waits for a person."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a run ended. ``elsewhere``: another worker has the subscription. ``unfinished``: it goes on at the next run."""

    subscription: Subscription
    elsewhere: bool = False
    unfinished: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    error: PeerError | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells and is told: ``stop`` ends it after the page in hand; ``seen`` hears of each page (objects, outcomes)."""

    stop: Callable[[], bool] = lambda: False
    seen: Callable[[int, Mapping[str, int]], None] = lambda _count, _outcomes: None


ALONE = Watch()


class Federation:
    """Pulls and compares. Safe to share between threads, save that one thread at a time talks to a peer."""

    def __init__(
        self,
        store: Store,
        ingest: Intake,
        clock: Clock,
        cache: InForceCache,
        subscriptions: Subscriptions,
        connect: Callable[[str], PeerClient],
        owner: str,
    ) -> None:
        self.subscriptions = subscriptions
        self.store = store
        self.ingest = ingest
        self.clock = clock
        self._cache = cache
        self._connect = connect
        self.owner = owner
        self._clients: dict[str, PeerClient] = {}

    # -- peers ----------------------------------------------------------------------------------------------------------
    def client(self, peer: str) -> PeerClient:
        """Return the client of a peer, kept for the next time: it knows by then where the collections are."""
        if peer not in self._clients:
            self._clients[peer] = self._connect(peer)
        return self._clients[peer]

    def cut(self) -> None:
        """Break off all requests under way, from any thread."""
        for client in list(self._clients.values()):
            client.cut()

    def close(self) -> None:
        """Close all connections to peers."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def ends(self, subscription: Subscription) -> tuple[Giver, CollectionTerms]:
        """Return both ends of a subscription as they are in force. Raises `PeerQuotaError` where one is not applied yet."""
        plan = self.subscriptions.plans[subscription.peer]
        with self.store.read() as reader:
            in_force = self._cache.current(reader)
        party = in_force.parties.get(subscription.peer) if in_force else None
        collection = in_force.collections.get(subscription.ours) if in_force else None
        if party is None or collection is None:
            raise PeerQuotaError("this peer or collection is not in force yet: see `taxii-fed plan` and `taxii-fed apply`")
        return Giver(subscription.peer, subscription.theirs, party, plan.terms), collection

    # -- pulling ----------------------------------------------------------------------------------------------------------
    def pull(self, subscription: Subscription, watch: Watch = ALONE) -> Run:
        """Run one pull, or go on with the one under way, and record how it went. Raises only what is the store's fault."""
        plan = self.subscriptions.plans[subscription.peer]
        with leasing(self.store, self.clock, plan, subscription, self.owner) as leased:
            if leased is None:
                return Run(subscription=subscription, elsewhere=True)
            counts: Counter[str] = Counter()
            return recorded(leased, watch, counts, _Pulling(self, leased, watch, counts).run, comparison=False)
        return Run(subscription=subscription, elsewhere=True)

    def offer(self, giver: Giver, collection: CollectionTerms, objects: list[Offered]) -> Counter[str]:
        """Offer a page at the door; an outcome is named by its word.

        What came by way of this very node and is not here any more was taken away here: it is not brought back by its echo.
        """
        echoes = self._echoes(collection, objects)
        rest = [each for each in objects if id(each) not in echoes]
        outcomes = self.ingest.offer(giver, collection, rest) if rest else Counter()
        counts = Counter({str(outcome): count for outcome, count in outcomes.items()})
        if echoes:
            counts[ECHO] = len(echoes)
        return counts

    def _echoes(self, collection: CollectionTerms, objects: list[Offered]) -> set[int]:
        token = self.ingest.path_token
        through_us = [each for each in objects if token and token in each.path]
        if not through_us:
            return set()
        with self.store.read() as reader:
            known = reader.known({each.received.id for each in through_us})
        here = {(name, row.version) for name, rows in known.items() for row in rows if row.collection == collection.id}
        return {
            id(each) for each in through_us if (each.received.id, version_instant(each.received.version_text) or 0) not in here
        }

    def require_room(self, leased: Leased) -> None:
        """Raise `PeerQuotaError` where the peer's quarantine is full, so that what nobody looks at does not fill the disk."""
        with self.store.read() as reader:
            count, size = reader.quarantine_load(leased.subscription.peer)
        if count >= leased.plan.quarantine_objects or size >= leased.plan.quarantine_bytes:
            raise PeerQuotaError(f"{count} objects ({size} bytes) of this peer wait in quarantine, which fills its quota")


def recorded(leased: Leased, watch: Watch, counts: Counter[str], work: Callable[[], bool], *, comparison: bool) -> Run:
    """Do the work of one run, record a failure, and return how it ended.

    A request that `Federation.cut` broke off, because the worker is to stop, is no failure. A fault in this program is one: it must not
    take the other subscriptions with it.
    """
    error: PeerError
    try:
        return Run(subscription=leased.subscription, counts=counts, unfinished=not work())
    except PeerError as failure:
        if watch.stop():
            return Run(subscription=leased.subscription, counts=counts, unfinished=True)
        error = failure
    except (StoreError, TakenOverError):
        raise
    except Exception:
        log.exception("a run failed through a fault of ours", extra={"subscription": leased.subscription.name})
        error = PeerAnswerError("a fault in this program; the log has it")
    leased.failed(error, comparison=comparison)
    return Run(subscription=leased.subscription, counts=counts, error=error)


class _Pulling:
    """One run of a pull."""

    def __init__(self, federation: Federation, leased: Leased, watch: Watch, counts: Counter[str]) -> None:
        self._federation = federation
        self._leased = leased
        self._watch = watch
        self._until = federation.clock.now() + SLICE
        self._counts = counts
        self._fed = leased.state.fed

    def run(self) -> bool:
        """Pull page after page; return whether the end was reached."""
        leased, plan, federation = self._leased, self._leased.plan, self._federation
        giver, collection = federation.ends(leased.subscription)
        federation.require_room(leased)
        walk = Walk(self._begun(leased.state), sum(leased.state.counts.values()))
        coming: Future[Joined] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="page") as ahead:
            while not walk.finished:
                if self._must_stop(walk):
                    return False
                request = self._request(walk)
                leased.renew(LEASE_SECONDS + 2 * plan.answer_seconds)
                try:
                    joined = coming.result() if coming else self._fetch(walk, request)
                except PeerError as error:
                    coming = None
                    self._keep(walk.recover(error))
                    continue
                leased.renew(LEASE_SECONDS)
                pull = walk.turn(joined.page.seen())
                self._fed = joined.fed
                # The next page travels while this one is stored; the place still says that it is to be asked for.
                coming = None if walk.finished or self._must_stop(walk) else ahead.submit(self._fetch, walk, walk.pull.ask)
                outcomes = federation.offer(giver, collection, joined.offered)
                self._turn(pull, outcomes, joined)
        self._finish(walk.pull)
        return True

    def _fetch(self, walk: Walk, request: Request) -> Joined:
        leased = self._leased
        client = self._federation.client(leased.subscription.peer)
        page = client.objects(leased.subscription.theirs, request)
        walk.answered = True
        return join(client, leased.subscription.theirs, self._fed, page, request)

    def _begun(self, state: State) -> Pull:
        plan = self._leased.plan
        if state.place is not None:
            return pulls.lost(state.place)
        return pulls.begin(pulls.cursor(state.watermark, plan.overlap), min(state.page_size or plan.max_page, plan.max_page))

    def _must_stop(self, walk: Walk) -> bool:
        """A server that keeps our place itself would have forgotten it by the next run, so it gets more than its slice."""
        over = self._federation.clock.now() > self._until and walk.answered
        return self._watch.stop() or self._leased.paused_meanwhile or (over and not walk.pull.kept_by_server)

    def _request(self, walk: Walk) -> Request:
        try:
            return walk.request()
        except PeerError:
            self._leased.update(lambda state: replace(state, place=None, counts={}, doubt=True))
            raise

    def _keep(self, pull: Pull) -> None:
        """Store a place that moved back, and the page size that it goes on with."""
        self._leased.update(lambda state: replace(state, place=pull, page_size=pull.limit))

    def _turn(self, pull: Pull, outcomes: Counter[str], joined: Joined) -> None:
        """Move the place past a page that is durable."""
        self._counts += outcomes
        self._leased.contact(lambda state: replace(state.counted(outcomes), place=pull, fed=joined.fed, last_error=""))
        self._watch.seen(len(joined.page.objects), outcomes)
        if any(outcomes.get(ruling) for ruling in Ruling if ruling.kept_apart):
            self._federation.require_room(self._leased)

    def _finish(self, pull: Pull) -> None:
        """The watermark moves only here, after the last page."""
        now = self._federation.clock.now()
        most = self._leased.plan.max_page

        def end(state: State) -> State:
            reached = pulls.watermark(pull, state.watermark, now)
            size = pulls.next_limit(pull, most)
            return replace(state.ended(now), watermark=reached, page_size=size, doubt=state.doubt or pull.doubt)

        state = self._leased.fine(end, comparison=False)
        counts = {f"n_{word}": count for word, count in state.ran[-1].counts.items()}
        log.info("pulled", extra={"subscription": self._leased.subscription.name, "pages": pull.pages, **counts})
