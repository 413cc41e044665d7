"""A subscription in hand: its lease, its state, and the right to write them.

Any number of workers may run, and one may die or stall at any point. Whoever takes the lease writes its fence into the state; every later
write of the state checks it, so that a worker that was taken over, or whose subscription was reset, stops at its next page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from taxii_fed.core.errors import (
    PeerBusyError,
    PeerError,
    PeerQuotaError,
    PeerRefusedError,
    StoreUnavailableError,
)
from taxii_fed.core.federation.backoff import Health, Outcome, after
from taxii_fed.ports import Clock, Lease, Store, Writer
from taxii_fed.services.federation.subscriptions import PeerPlan, State, Subscription, change, keep, load
from taxii_fed.services.leases import take

LEASE_SECONDS = 120.0
"""Longer than the store may take for a page; a request to a peer renews it before and after."""

log = logging.getLogger("taxii_fed.federation")


class TakenOverError(Exception):
    """Another worker, or an admin, has taken the subscription over; nothing is wrong."""


class Leased:
    """A subscription of which this worker has the lease. ``state`` is as last written."""

    def __init__(self, store: Store, clock: Clock, plan: PeerPlan, subscription: Subscription, lease: Lease) -> None:
        self.plan = plan
        self.subscription = subscription
        self._store = store
        self._clock = clock
        self._lease = lease
        with store.write() as writer:
            self.state = change(writer, subscription, lambda state: replace(state, fence=lease.fence))
        self._paused = self.state.paused

    @property
    def paused_meanwhile(self) -> bool:
        """Whether somebody paused the peer since; a run that was asked for in spite of a pause goes on."""
        return self.state.paused and not self._paused

    def renew(self, seconds: float) -> None:
        """Keep the lease for so many seconds more. Raises `TakenOverError` where it is another's."""
        lease = self._store.lease(self._lease.name, self._lease.owner, seconds, self._clock.now())
        if lease is None or lease.fence != self._lease.fence:
            raise TakenOverError
        self._lease = lease

    def update(self, how: Callable[[State], State], beside: Callable[[Writer], None] | None = None) -> State:
        """Change the state, and what ``beside`` writes, in one transaction. Raises `TakenOverError`."""
        with self._store.write() as writer:
            state = load(writer, self.subscription)
            if (state.fence, state.epoch) != (self._lease.fence, self.state.epoch):
                raise TakenOverError
            self.state = keep(writer, self.subscription, how(state))
            if beside is not None:
                beside(writer)
        return self.state

    def contact(self, how: Callable[[State], State], beside: Callable[[Writer], None] | None = None) -> State:
        """Change the state after an answer of the peer."""
        now = self._clock.now()
        return self.update(lambda state: replace(how(state), contact_at=now), beside)

    def failed(self, error: PeerError, *, comparison: bool) -> None:
        """Note a failure and when to try again."""
        now = self._clock.now()
        outcome, wait = _judged(error)

        def note(state: State) -> State:
            health = state.compare_health if comparison else state.health
            health = after(
                health,
                outcome,
                now=now,
                every=self.plan.every,
                seed=self.subscription.name + self._lease.owner,
                retry_after=wait,
            )
            if comparison:
                return replace(state, compare_health=health, compare_error=str(error))
            return replace(state, health=health, last_error=str(error), wanted=False)

        state = self.update(note)
        health = state.compare_health if comparison else state.health
        log.warning(
            "%s failed",
            "comparison" if comparison else "pull",
            extra={
                "subscription": self.subscription.name,
                "error": str(error),
                "failures": health.failures,
                "again_in_s": (health.next_attempt - now) // 1_000_000,
            },
        )

    def fine(self, how: Callable[[State], State], *, comparison: bool) -> State:
        """Note a success, with what else changes."""
        now = self._clock.now()

        def note(state: State) -> State:
            health = after(Health(), Outcome.FINE, now=now, every=self.plan.every, seed="")
            if comparison:
                return replace(how(state), compare_health=Health(), compare_error="")
            return replace(how(state), health=health)

        return self.update(note)


def _judged(error: PeerError) -> tuple[Outcome, float | None]:
    if isinstance(error, PeerBusyError):
        return Outcome.BUSY, error.retry_after_seconds
    if isinstance(error, PeerQuotaError) or (isinstance(error, PeerRefusedError) and error.status != 408):
        return Outcome.NO, None
    return Outcome.DOWN, None


@contextmanager
def leasing(store: Store, clock: Clock, plan: PeerPlan, subscription: Subscription, owner: str) -> Iterator[Leased | None]:
    """Take the lease of a subscription and give it back at the end; None while another worker has it."""
    lease = take(store, f"subscription:{subscription.name}", owner, LEASE_SECONDS, clock.now())
    if lease is None:
        yield None
        return
    try:
        yield Leased(store, clock, plan, subscription, lease)
    except TakenOverError:
        log.info("taken over", extra={"subscription": subscription.name})
    finally:
        try:
            store.release(lease)
        except StoreUnavailableError:
            log.warning("lease not released; it runs out by itself", extra={"subscription": subscription.name})
