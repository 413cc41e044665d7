"""The worker: what is due is done, one peer holds up no other, and a stop leaves nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from federation.shelf import IN_FORCE, OURS, SUBSCRIPTION, FixedRules, HandClock, Shelf, federation, plan, state
from federation.simulated_peer import COLLECTION, MemoryClient, SimulatedPeer, indicator
from taxii_fed.core.errors import PeerUnreachableError, StoreUnavailableError
from taxii_fed.core.federation.backoff import Health, Outcome, after
from taxii_fed.core.rules.model import InForce, Party
from taxii_fed.ports import PeerClient
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, State, Subscription, Subscriptions, due
from taxii_fed.worker import runner as running
from taxii_fed.worker.runner import Runner

WAIT = 30.0


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TICK_SECONDS", 0.01)


@contextmanager
def at_work(node: Federation, clock: HandClock, wake: Callable[[], object] = lambda: None) -> Iterator[Runner]:
    worker = Runner(node, clock, wake)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(WAIT)
        assert not thread.is_alive()


class Fed(FixedRules):
    def __init__(self, *peers: str) -> None:
        self._peers = peers

    def current(self, _reader: Any) -> InForce:
        return InForce(
            node="hk-hub",
            identity=IN_FORCE.identity,
            parties={name: Party(name=name, role="peer", jurisdiction="EU") for name in self._peers},
            collections={"banking": OURS},
        )


def node_with(shelf: Shelf, clock: HandClock, clients: dict[str, PeerClient], **more: Any) -> Federation:
    plans = {
        name: PeerPlan(name=name, terms=plan().terms, subscriptions=(Subscription(name, COLLECTION, "banking"),), **more)
        for name in clients
    }
    return Federation(
        shelf, shelf, clock, Fed(*clients), Subscriptions(shelf, clock, plans), lambda name: clients[name], "worker"
    )


class Stuck(MemoryClient):
    """A peer that does not answer until its client gives up."""

    def __init__(self) -> None:
        super().__init__(SimulatedPeer())
        self.asked, self._given_up = threading.Event(), threading.Event()

    def objects(self, *_: Any, **__: Any) -> Any:
        self.asked.set()
        self._given_up.wait(WAIT)
        raise PeerUnreachableError("the request was broken off here")

    def cut(self) -> None:
        self._given_up.set()


def test_a_peer_that_does_not_answer_holds_up_no_other_and_a_stop_breaks_it_off() -> None:
    shelf, clock, stuck, peer = Shelf(), HandClock(), Stuck(), SimulatedPeer()
    peer.add(indicator(1))
    arrived = threading.Event()
    shelf.before_offer = arrived.set
    node = node_with(shelf, clock, {"slow": stuck, "quick": peer.client()})
    with at_work(node, clock):
        assert stuck.asked.wait(WAIT)
        assert arrived.wait(WAIT)
    states = {each.peer: each_state for each, each_state in node.subscriptions.states().items()}
    assert states["slow"].health.failures == 0, "what we broke off ourselves is not the peer's failure"
    assert shelf.holds() == peer.offered()


def test_time_takes_effect_without_peers_and_a_store_that_is_away_is_waited_for() -> None:
    woken = threading.Event()
    calls = iter([StoreUnavailableError("busy"), None, None])

    def wake() -> None:
        error = next(calls, None)
        if error is not None:
            raise error
        woken.set()

    with at_work(node_with(Shelf(), HandClock(), {}), HandClock(), wake):
        assert woken.wait(WAIT)


def test_a_pull_that_is_not_due_waits_for_its_time() -> None:
    shelf, clock, peer = Shelf(), HandClock(), SimulatedPeer()
    node = node_with(shelf, clock, {"quick": peer.client()})
    asked = threading.Semaphore(0)
    peer.before_answer = lambda _: asked.release()
    with at_work(node, clock):
        assert asked.acquire(timeout=WAIT)
        clock.instant += 299_000_000
        assert not asked.acquire(timeout=0.1)
        clock.instant += 2_000_000
        assert asked.acquire(timeout=WAIT)


def test_a_fault_of_ours_in_one_pull_is_recorded_and_the_worker_goes_on() -> None:
    shelf, clock, peer = Shelf(), HandClock(), SimulatedPeer()
    peer.add(indicator(1))
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise RuntimeError("a bug")

    shelf.before_offer = fail
    node = node_with(shelf, clock, {"quick": peer.client()})
    with at_work(node, clock):
        assert failed.wait(WAIT)
    (found,) = node.subscriptions.states().values()
    assert found.last_error == "a fault in this program; the log has it"
    assert found.health.failures == 1


# -- what is due -----------------------------------------------------------------------------------------------------------------

NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        (State(), "pull"),
        (State(paused=True), None),
        (State(paused=True, wanted=True), None),
        (State(pulled_at=NOW, health=Health(next_attempt=NOW + 1)), None),
        (State(pulled_at=NOW, health=Health(next_attempt=NOW)), "pull"),
        (State(health=Health(failures=2, next_attempt=NOW + 1)), None),
        (State(wanted=True, health=Health(next_attempt=NOW + 1)), "pull"),
        (State(pulled_at=NOW, compared_at=NOW - 25 * HOUR, health=Health(next_attempt=NOW + 1)), "comparison"),
        (State(pulled_at=NOW, compared_at=NOW - 25 * HOUR, health=Health(next_attempt=NOW)), "pull"),
        (State(compared_at=NOW - 25 * HOUR, health=Health(failures=1, next_attempt=NOW + 1)), "comparison"),
        (
            State(
                compared_at=NOW - 25 * HOUR, health=Health(next_attempt=NOW + 1), compare_health=Health(next_attempt=NOW + 1)
            ),
            None,
        ),
        (State(compare_wanted=True, health=Health(next_attempt=NOW + 1)), "comparison"),
    ],
)
def test_a_pull_is_due_before_a_comparison_and_neither_before_its_time(stands: State, expected: str | None) -> None:
    found = due(plan(), SUBSCRIPTION, stands, NOW)
    assert (found and ("comparison" if found.comparison else "pull")) == expected


def test_pause_resume_want_and_reset() -> None:
    shelf, clock, peer = Shelf(), HandClock(NOW), SimulatedPeer()
    peer.add(indicator(1))
    node = federation(shelf, peer, clock)
    node.pull(SUBSCRIPTION)
    switches = node.subscriptions

    def is_due() -> bool:
        return due(plan(), SUBSCRIPTION, state(node), clock.instant) is not None

    assert not is_due()
    switches.want("eu-csirt")
    assert is_due()
    switches.pause("eu-csirt")
    assert not is_due()
    switches.resume("eu-csirt")
    assert is_due()
    node.pull(SUBSCRIPTION)
    switches.reset("eu-csirt", None)
    assert state(node).watermark is None
    assert is_due()


def test_waits_double_up_to_an_hour_and_are_spread_by_their_seed() -> None:
    health = Health()
    waits = []
    for _ in range(12):
        health = after(health, Outcome.DOWN, now=NOW, every=60_000_000, seed="a")
        waits.append((health.next_attempt - NOW) / 1_000_000)
    assert 24 <= waits[0] <= 36
    assert all(later > earlier for earlier, later in pairwise(waits[:7]))
    assert 2880 <= waits[-1] <= 4320
    other = after(Health(), Outcome.DOWN, now=NOW, every=60_000_000, seed="b")
    assert other.next_attempt != after(Health(), Outcome.DOWN, now=NOW, every=60_000_000, seed="a").next_attempt
    assert other == after(Health(), Outcome.DOWN, now=NOW, every=60_000_000, seed="b")


def test_patience_asked_for_is_granted_up_to_a_day() -> None:
    for asked, least, most in ((90.0, 90, 99), (1e9, 86_400, 95_040), (0.0, 40, 80)):
        wait = after(Health(), Outcome.BUSY, now=NOW, every=1, seed="a", retry_after=asked).next_attempt - NOW
        assert least <= wait / 1_000_000 <= most
