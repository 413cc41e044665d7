"""Pulling into the real store through the real door, and the property that all of it is for: in the end both sides hold the same."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from federation.simulated_peer import COLLECTION, SimulatedPeer
from nodekit import BANKING, DESK, Kit, in_force, indicator, memory_folder, open_kit
from taxii_fed.core.federation.reconcile import Guard
from taxii_fed.core.rules.door import PeerTerms
from taxii_fed.core.rules.model import Party, Share, To
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation
from taxii_fed.services.federation.subscriptions import PeerPlan, Subscription, Subscriptions

PEER = Party(name="eu-csirt", role="peer", jurisdiction="EU")
BANK = Party(name="bank", role="bank", jurisdiction="HK")
SUBSCRIPTION = Subscription("eu-csirt", COLLECTION, "banking")
RULES = in_force(
    parties=(PEER, BANK),
    share=(Share(name="all", to=To(role=("bank", "own")), up_to=Level.RED, relayed_up_to=Level.RED, unmarked_as=Level.CLEAR),),
)


def federated(kit: Kit, peer: SimulatedPeer, *, owner: str = "worker", **more: Any) -> Federation:
    plan = PeerPlan(name="eu-csirt", subscriptions=(SUBSCRIPTION,), **{"terms": PeerTerms(), **more})
    subscriptions = Subscriptions(kit.store, kit.clock, {"eu-csirt": plan})
    return Federation(kit.store, kit.ingest, kit.clock, kit.cache, subscriptions, lambda _: peer.client(), owner)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    node = open_kit(tmp_path, RULES)
    yield node
    node.store.close()


def seen(kit: Kit, party: str = "bank") -> set[tuple[str, str]]:
    return {(each["id"], each["modified"]) for each in kit.view(party)}


def test_what_is_pulled_is_seen_by_those_whom_the_rules_name(kit: Kit) -> None:
    peer = SimulatedPeer()
    peer.add(*(indicator(number) for number in range(30)))
    run = federated(kit, peer, max_page=7).pull(SUBSCRIPTION)
    assert run.counts == {"new": 30}
    assert seen(kit) == peer.offered()


@pytest.mark.invariant("I10")
def test_what_is_gone_there_is_withdrawn_here_unless_somebody_else_offers_it(kit: Kit) -> None:
    peer = SimulatedPeer()
    ours = indicator(1)
    kit.publish(ours)
    peer.add(ours, indicator(2), indicator(3))
    node = federated(kit, peer)
    node.pull(SUBSCRIPTION)
    peer.remove(ours, indicator(2))
    reconcile(node, SUBSCRIPTION)
    ids = {name for name, _ in seen(kit) if name.startswith("indicator")}
    assert ids == {ours["id"], indicator(3)["id"]}


@pytest.mark.invariant("I4")
def test_own_content_that_comes_back_changes_nothing(kit: Kit) -> None:
    peer = SimulatedPeer()
    kit.publish(indicator(1))
    before = kit.dated("bank")
    peer.add(indicator(1))
    node = federated(kit, peer)
    assert node.pull(SUBSCRIPTION).counts == {"loop-duplicate": 1}
    assert kit.dated("bank") == before
    asked = len(peer.requests)
    assert reconcile(node, SUBSCRIPTION).counts == {}
    assert len(peer.requests) == asked + 1


def test_what_is_refused_at_the_door_is_counted_kept_apart_and_not_fetched_again(kit: Kit) -> None:
    peer = SimulatedPeer()
    peer.add(indicator(1, level=Level.RED), indicator(2), {**indicator(3), "modified": "yesterday"})
    node = federated(kit, peer, terms=PeerTerms(accept_up_to=Level.AMBER))
    assert node.pull(SUBSCRIPTION).counts == {"quarantined-inbound": 1, "new": 1, "invalid": 1}
    peer.entries.pop()
    asked = len(peer.requests)
    assert reconcile(node, SUBSCRIPTION).counts == {}
    assert len(peer.requests) == asked + 1


def test_a_quarantine_has_an_end(kit: Kit) -> None:
    peer = SimulatedPeer()
    peer.add(*(indicator(number, level=Level.RED) for number in range(50)))
    node = federated(kit, peer, terms=PeerTerms(accept_up_to=Level.AMBER), max_page=10, quarantine_objects=15)
    assert node.pull(SUBSCRIPTION).error is not None
    with kit.store.read() as reader:
        assert reader.quarantine_load("eu-csirt")[0] == 20


def test_a_peer_that_is_not_in_force_yet_is_not_pulled_from(kit: Kit) -> None:
    kit.put_in_force(replace(RULES, parties={DESK.name: DESK, BANK.name: BANK}))
    peer = SimulatedPeer()
    run = federated(kit, peer).pull(SUBSCRIPTION)
    assert "taxii-fed apply" in str(run.error)
    assert peer.requests == []


def test_bytes_of_the_peer_go_out_to_readers(kit: Kit) -> None:
    peer = SimulatedPeer()
    peer.add(indicator(1))
    peer.entries[0].raw = peer.entries[0].raw.replace(": ", " :\t").replace("{", '{"x_unknown" : 1.0e2, ', 1)
    federated(kit, peer).pull(SUBSCRIPTION)
    with kit.store.read() as reader:
        (versions,) = reader.versions(BANKING.id, [indicator(1)["id"]]).values()
    assert [version.body.decode() for version in versions] == [peer.entries[0].raw]


class WritersFaultsAndPulls(RuleBasedStateMachine):
    """A peer with writers, of any make and with any faults; a node that pulls and compares; workers that come and go."""

    @initialize(
        paging=st.sampled_from(["position", "session", "page-number", "dates", "ignored"]),
        size=st.integers(1, 12),
        headers=st.sampled_from(["good", "good", "missing", "future"]),
        in_order=st.booleans(),
        fed=st.booleans(),
        id_lists=st.booleans(),
    )
    def begin(self, paging: str, size: int, headers: str, in_order: bool, fed: bool, id_lists: bool) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=memory_folder())
        self.kit = open_kit(Path(self.folder.name), RULES)
        in_order = in_order or paging in ("dates", "ignored")
        self.peer = SimulatedPeer(paging=paging, headers=headers, sorted=in_order, fed=fed, id_lists=id_lists)
        self.peer.now = self.kit.clock.instant - 3_600_000_000
        self.size = size
        self.number = 0
        self.start("first")

    def start(self, owner: str) -> None:
        self.node = federated(self.kit, self.peer, owner=owner, max_page=self.size, overlap=60_000_000, guard=Guard(0.9, 1000))

    @rule(count=st.integers(1, 15), tied=st.booleans(), late=st.booleans())
    def write(self, count: int, tied: bool, late: bool) -> None:
        objects = [indicator(self.number + offset) for offset in range(count)]
        self.number += count
        self.peer.now += 1
        self.peer.add(*objects, at=self.peer.now if tied else None, visible=not late)

    @rule(version=st.integers(1, 5), late=st.booleans())
    def write_another_version(self, version: int, late: bool) -> None:
        obj = indicator(max(self.number - 1, 0), version=version)
        if (obj["id"], obj["modified"]) not in {entry.key for entry in self.peer.entries}:
            self.peer.add(obj, visible=not late)

    @rule()
    def commit(self) -> None:
        self.peer.commit()

    @rule(which=st.integers(0, 200))
    def delete(self, which: int) -> None:
        self.peer.remove(indicator(which % max(self.number, 1)))

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        self.kit.clock.pass_(seconds)
        self.peer.now = max(self.peer.now, self.kit.clock.instant - 3_600_000_000)

    @rule(seed=st.integers(0, 1000), rate=st.integers(2, 10))
    def something_is_wrong(self, seed: int, rate: int) -> None:
        dice = random.Random(seed)
        coming = range(len(self.peer.requests) + 1, len(self.peer.requests) + 60)
        self.peer.knobs.lose = {number for number in coming if dice.random() < 1 / rate}
        self.peer.knobs.expire_tokens = {number for number in coming if dice.random() < 1 / (3 * rate)}
        self.peer.knobs.refuse = {number: 400 for number in coming if dice.random() < 1 / (10 * rate)}

    @rule()
    def pull(self) -> None:
        self.node.pull(SUBSCRIPTION)

    @rule()
    def compare(self) -> None:
        reconcile(self.node, SUBSCRIPTION)

    @rule()
    def another_worker_goes_on(self) -> None:
        self.kit.clock.pass_(3600)
        self.start(f"worker {self.number}")

    @invariant()
    def nothing_is_seen_that_was_never_offered(self) -> None:
        if hasattr(self, "kit"):
            ever = {indicator(number)["id"] for number in range(self.number + 1)}
            assert {name for name, _ in seen_indicators(self.kit)} <= ever

    def teardown(self) -> None:
        if not hasattr(self, "kit"):
            return
        self.peer.commit()
        knobs = self.peer.knobs
        knobs.lose, knobs.expire_tokens, knobs.refuse = set(), set(), {}
        for _ in range(3):
            self.kit.clock.pass_(7200)
            self.node.pull(SUBSCRIPTION)
            reconcile(self.node, SUBSCRIPTION)
        held, offered = seen_indicators(self.kit), self.peer.offered()
        if len({name for name, _ in offered}) == len(offered):
            # A manifest without two versions of anything may be one of newest versions: it says nothing of older ones.
            newest = dict(offered)
            held = {(name, version) for name, version in held if version >= newest.get(name, "")}
        self.kit.store.close()
        self.folder.cleanup()
        assert held == offered, f"missing {offered - held}, left over {held - offered}"


def seen_indicators(kit: Kit) -> set[tuple[str, str]]:
    return {(name, version) for name, version in seen(kit) if name.startswith("indicator--")}


TestBothSidesHoldTheSameInTheEnd = pytest.mark.invariant("I2")(WritersFaultsAndPulls.TestCase)
TestBothSidesHoldTheSameInTheEnd.settings = settings(
    max_examples=settings.default.max_examples // 2,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
