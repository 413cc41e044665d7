"""One pull of everything, now: what `sync --once` and `peer pull` do, and what they say at the end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation, Run, Watch
from taxii_fed.services.federation.outcomes import in_words
from taxii_fed.services.federation.subscriptions import Subscription


class Audience(Protocol):
    """Who looks on while it goes."""

    def begins(self, subscription: Subscription, *, comparison: bool) -> Callable[[int, Mapping[str, int]], None]:
        """Hear that work on a subscription begins; what is returned hears of each page."""
        ...

    def ends(self, subscription: Subscription) -> None:
        """Hear that it has ended."""
        ...


class Stopping(Protocol):
    """What tells that it is time to stop."""

    @property
    def stopping(self) -> bool:
        """Whether a signal came."""
        ...


class Once:
    """The job of `Runner.once`: every subscription of a peer, one after the other, to its end.

    A paused peer is left alone unless it was ``named``.
    """

    def __init__(
        self, federation: Federation, audience: Audience, stopping: Stopping, *, compare: bool, accept: bool, named: bool
    ) -> None:
        self._federation = federation
        self._audience = audience
        self._stopping = stopping
        self._compare = compare
        self._accept = accept
        self._named = named
        self._lock = threading.Lock()
        self._lines: dict[str, list[str]] = {}
        self.failed = False

    def __call__(self, peer: str) -> None:
        """Pull all of one peer."""
        states = self._federation.subscriptions.states()
        for subscription in self._federation.subscriptions.of(peer):
            if self._stopping.stopping:
                return
            if states[subscription].paused and not self._named:
                self._say(subscription, "paused")
                continue
            if states[subscription].paused:
                self._say(subscription, f"paused: beside this, nothing is pulled until 'taxii-fed peer resume {peer}'")
            run = self._run(subscription, comparison=False)
            if self._compare and run.error is None and not run.elsewhere:
                self._run(subscription, comparison=True)

    def _run(self, subscription: Subscription, *, comparison: bool) -> Run:
        seen = self._audience.begins(subscription, comparison=comparison)
        watch = Watch(stop=lambda: self._stopping.stopping, seen=seen)
        counts: Counter[str] = Counter()
        try:
            while True:
                if comparison:
                    run = reconcile(self._federation, subscription, watch, accept_removals=self._accept)
                else:
                    run = self._federation.pull(subscription, watch)
                counts.update(run.counts)
                if not run.unfinished or self._stopping.stopping or self._is_paused(subscription):
                    break
        finally:
            self._audience.ends(subscription)
        self._say(subscription, self._told(subscription, run, counts, comparison=comparison))
        return run

    def _is_paused(self, subscription: Subscription) -> bool:
        return not self._named and self._federation.subscriptions.states()[subscription].paused

    def _told(self, subscription: Subscription, run: Run, counts: Counter[str], *, comparison: bool) -> str:
        what = "compared" if comparison else "pulled"
        if run.elsewhere:
            return f"{what}: left to another worker, which is at it"
        if run.error is not None:
            self.failed = True
            return f"not {what}: {run.error}"
        found = in_words(counts) or "nothing new"
        waiting = self._federation.subscriptions.states()[subscription].waiting
        if comparison and waiting is not None:
            self.failed = True
            found += (
                f"; {waiting.gone} of {waiting.of} versions are gone there, too many at once, so they stay: "
                f"'taxii-fed ledger --peer {subscription.peer}' lists them. If they may go, add --yes"
            )
        return f"{what}: {found}" + (" (not to the end)" if run.unfinished else "")

    def _say(self, subscription: Subscription, text: str) -> None:
        with self._lock:
            self._lines.setdefault(subscription.peer, []).append(f"{subscription.peer} → {subscription.ours} {text}")

    def lines(self) -> list[str]:
        """Return what to tell, peer by peer."""
        return [line for peer in self._federation.subscriptions.plans for line in self._lines.get(peer, ())]
