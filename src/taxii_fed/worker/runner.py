"""The worker: a loop of five visible steps. Pick what is due, lease it, run it, record how it went, release it.

Picking is here; the lease is taken and given back, and the outcome recorded, by `services.federation.federate` around each run. A
peer has a thread while something of it is due, so that a slow one holds up nobody but itself. The loop also lets time take effect
where no reader looks (`wake`). Any number of workers may run on one store; one that dies loses its leases by time and another goes
on where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from taxii_fed.core.errors import StoreError
from taxii_fed.ports import Clock
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation, Run, Watch
from taxii_fed.services.federation.subscriptions import Due, due

THREADS = 16
"""Peers that are asked at the same time."""

TICK_SECONDS = 1.0
"""How often the loop looks for work."""

log = logging.getLogger("taxii_fed.worker")


class Runner:
    """One worker. Nothing runs before `run` or `once` is called, and nothing after it has returned."""

    def __init__(self, federation: Federation, clock: Clock, wake: Callable[[], object]) -> None:
        self._federation = federation
        self._clock = clock
        self._wake = wake
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let `run` end soon: a page in hand is finished, a request under way is broken off. Fit for a signal handler."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def run(self) -> None:
        """Work until `stop`."""
        busy: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(THREADS, thread_name_prefix="peer") as pool:
            while not self._stop.is_set():
                self._let_time_pass()
                for peer, found in self._pick(set(busy)).items():
                    busy[peer] = pool.submit(self._work, found)
                self._stop.wait(TICK_SECONDS)
                busy = {peer: future for peer, future in busy.items() if not future.done()}
            self._federation.cut()
            wait(busy.values())
        self._federation.close()

    def once(self, job: Callable[[str], None], peers: Sequence[str]) -> None:
        """Do a job for each of several peers, at the same time, and return when all are done or broken off."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="peer") as pool:
            jobs = [pool.submit(job, peer) for peer in peers]
            while not all(each.done() for each in jobs):
                wait(jobs, timeout=TICK_SECONDS)
                if self._stop.is_set():
                    self._federation.cut()
        self._federation.close()
        for each in jobs:
            each.result()

    def _let_time_pass(self) -> None:
        try:
            self._wake()
        except StoreError as error:
            log.warning("the store is not available", extra={"error": str(error)})

    def _pick(self, busy: set[str]) -> dict[str, list[Due]]:
        """Return what is due, by peer, without the peers at work."""
        found: dict[str, list[Due]] = {}
        try:
            states = self._federation.subscriptions.states()
        except StoreError as error:
            log.warning("the store is not available", extra={"error": str(error)})
            return found
        for subscription, state in states.items():
            plan = self._federation.subscriptions.plans[subscription.peer]
            work = due(plan, subscription, state, self._clock.now())
            if work is not None and subscription.peer not in busy:
                found.setdefault(subscription.peer, []).append(work)
        return found

    def _work(self, found: Sequence[Due]) -> None:
        """Run what is due of one peer, one after the other."""
        for work in found:
            if self._stop.is_set():
                return
            try:
                self._run(work)
            except StoreError as error:
                log.warning("the store is not available", extra={"subscription": work.subscription.name, "error": str(error)})

    def _run(self, work: Due) -> Run:
        watch = Watch(stop=self._stop.is_set)
        if work.comparison:
            return reconcile(self._federation, work.subscription, watch)
        return self._federation.pull(work.subscription, watch)
