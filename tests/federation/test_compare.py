"""Stories of comparing with a manifest: what was missed comes, what is gone goes, and a broken manifest changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from federation.shelf import SUBSCRIPTION, HandClock, Shelf, federation, state
from federation.simulated_peer import START, SimulatedPeer, indicator
from taxii_fed.core.errors import PeerAnswerError, PeerRefusedError
from taxii_fed.core.federation.reconcile import Guard
from taxii_fed.services.federation.compare import reconcile
from taxii_fed.services.federation.federate import Federation, Run, Watch

MINUTE = 60_000_000


def many(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [indicator(number) for number in range(start, start + count)]


def pulled_node(peer: SimulatedPeer, shelf: Shelf, **more: Any) -> Federation:
    node = federation(shelf, peer, HandClock(START + 600 * MINUTE), overlap=0, **more)
    assert node.pull(SUBSCRIPTION).error is None
    return node


def compared(node: Federation, **more: Any) -> Run:
    return reconcile(node, SUBSCRIPTION, **more)


@pytest.mark.parametrize("paging", ["position", "session", "page-number", "dates"])
@pytest.mark.parametrize("id_lists", [True, False])
def test_what_was_committed_behind_the_cursor_is_fetched_by_id(paging: str, id_lists: bool) -> None:
    peer, shelf = SimulatedPeer(paging=paging, id_lists=id_lists), Shelf()
    peer.add(*many(50), visible=False)
    peer.now += 60 * MINUTE
    peer.add(*many(10, 100))
    node = pulled_node(peer, shelf, max_page=7)
    peer.commit()
    assert node.pull(SUBSCRIPTION).error is None
    assert len(shelf.holds()) == 10
    run = compared(node)
    assert run.counts["new"] == 50
    assert shelf.holds() == peer.offered()


def test_a_missing_older_version_is_fetched_and_nothing_else() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(indicator(1, 1), visible=False)
    peer.add(indicator(1, 2), indicator(2))
    node = pulled_node(peer, shelf)
    peer.commit()
    assert compared(node).counts == {"loop-duplicate": 1, "new": 1}
    assert compared(node).counts == {}


@pytest.mark.invariant("I10")
def test_what_a_whole_manifest_no_longer_lists_is_taken_away() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    node = pulled_node(peer, shelf, max_page=7)
    peer.remove(indicator(3), indicator(4))
    assert compared(node).counts == {"deleted-at-origin": 2}
    assert shelf.holds() == peer.offered()


def test_a_pull_takes_nothing_away() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(5))
    node = pulled_node(peer, shelf)
    peer.remove(indicator(3))
    node.pull(SUBSCRIPTION)
    assert len(shelf.versions) == 5


def test_what_a_second_reading_lists_again_stays_with_everything_else() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    node = pulled_node(peer, shelf, max_page=100)
    peer.knobs.manifest_hides = {indicator(1)["id"], indicator(2)["id"]}
    asked = len(peer.requests)
    peer.before_answer = lambda number: peer.knobs.manifest_hides.discard(indicator(1)["id"]) if number == asked + 2 else None
    assert compared(node).counts == {}
    assert len(shelf.versions) == 30


def test_a_manifest_cut_at_other_places_takes_nothing_away() -> None:
    peer, shelf = SimulatedPeer(manifest_cut=20), Shelf()
    peer.add(*many(30))
    node = pulled_node(peer, shelf)
    asked = len(peer.requests)

    def longer(number: int) -> None:
        peer.knobs.manifest_cut = 20 if number == asked + 1 else 25

    peer.before_answer = longer
    compared(node)
    assert len(shelf.versions) == 30


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_manifest_changes_nothing_and_does_not_stop_pulls(status: int) -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(3))
    node = pulled_node(peer, shelf)
    peer.knobs.manifest_status = status
    run = compared(node)
    assert isinstance(run.error, PeerRefusedError)
    assert len(shelf.versions) == 3
    assert (state(node).health.failures, state(node).compare_health.failures) == (0, 1)
    peer.add(indicator(10))
    assert node.pull(SUBSCRIPTION).counts["new"] == 1


def test_a_manifest_that_is_always_to_be_begun_anew_counts_as_a_failure() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(100), at=START)
    node = pulled_node(peer, shelf)
    peer.knobs.max_page = 7

    def forgetful(number: int) -> None:
        if "next" in peer.requests[-1][1]:
            peer.knobs.refuse[number] = 404

    peer.before_answer = forgetful
    run = compared(node)
    assert isinstance(run.error, PeerAnswerError)
    assert "begun anew too often" in str(run.error)
    assert (state(node).comparing, state(node).compare_health.failures) == (None, 1)
    assert len(shelf.versions) == 100


def test_a_mass_removal_waits_for_a_person() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    node = pulled_node(peer, shelf, guard=Guard(0.2, 10))
    peer.remove(*many(7))
    compared(node)
    assert len(shelf.versions) == 30
    waiting = state(node).waiting
    assert waiting is not None
    assert (waiting.gone, waiting.of) == (7, 30)
    assert len(shelf.waiting) == 7
    compared(node, accept_removals=True)
    assert shelf.holds() == peer.offered()
    assert state(node).waiting is None


def test_an_empty_manifest_is_a_mass_removal() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    node = pulled_node(peer, shelf, guard=Guard(0.2, 10))
    peer.remove(*many(30))
    compared(node)
    assert len(shelf.versions) == 30


def test_the_guard_lets_few_of_few_go() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(5))
    node = pulled_node(peer, shelf, guard=Guard(0.2, 10))
    peer.remove(*many(4))
    compared(node)
    assert shelf.holds() == peer.offered()


@pytest.mark.invariant("I10")
def test_a_version_that_a_taxii_fed_node_lists_no_more_is_gone_also_where_a_newer_one_is_listed() -> None:
    peer, shelf = SimulatedPeer(fed=True), Shelf()
    peer.add(indicator(1), indicator(1, version=1))
    node = pulled_node(peer, shelf)
    del peer.entries[0]
    compared(node)
    assert shelf.holds() == peer.offered()


def test_a_manifest_of_newest_versions_only_keeps_the_older_ones() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(indicator(1, 1), indicator(1, 2), indicator(2))
    node = pulled_node(peer, shelf)
    peer.knobs.newest_only = True
    assert compared(node).counts == {}
    assert len(shelf.versions) == 3
    peer.remove(indicator(1))
    compared(node)
    assert {name for name, _ in shelf.holds()} == {indicator(2)["id"]}


def test_an_observable_is_known_by_its_id_whatever_version_a_server_makes_up() -> None:
    address = {
        "type": "ipv4-addr",
        "spec_version": "2.1",
        "id": "ipv4-addr--00000000-0000-5000-8000-000000000001",
        "value": "198.51.100.7",
    }
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(address, indicator(1))
    node = pulled_node(peer, shelf)
    asked = len(peer.requests)
    assert compared(node).counts == {}
    assert len(shelf.versions) == 2
    assert len(peer.requests) == asked + 1


def test_a_comparison_that_is_stopped_goes_on_where_it_was() -> None:
    peer, shelf = SimulatedPeer(max_page=10), Shelf()
    peer.add(*many(60), visible=False)
    node = pulled_node(peer, shelf, max_page=10)
    peer.commit()
    asked = len(peer.requests)
    run = compared(node, watch=Watch(stop=lambda: len(peer.requests) >= asked + 4))
    assert run.unfinished
    assert not compared(node).unfinished
    assert shelf.holds() == peer.offered()
    manifests = [query for path, query in peer.requests[asked:] if path.endswith("manifest/") and "match[id]" not in query]
    assert len(manifests) == 4 + 3, "the page before the stop was asked for once more, as a check"


def test_nothing_of_a_comparison_stays_behind_in_the_store() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(60))
    node = pulled_node(peer, shelf, max_page=10)
    compared(node)
    assert {kind for kind, _ in shelf.documents} == {"subscription"}


def test_a_peer_whose_dates_went_back_is_heard_again_after_a_comparison() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(5))
    node = pulled_node(peer, shelf)
    for entry in peer.entries:
        entry.date_added -= 3600 * 1_000_000
    peer.now -= 3600 * 1_000_000
    peer.add(indicator(10))
    node.pull(SUBSCRIPTION)
    assert len(shelf.versions) == 5
    compared(node)
    assert state(node).watermark == peer.now
    peer.add(indicator(11))
    node.pull(SUBSCRIPTION)
    assert shelf.holds() == peer.offered()


def test_what_lies_in_quarantine_is_not_fetched_again() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    shelf.outcome = lambda _offered: "quarantined-inbound"
    peer.add(*many(5))
    node = pulled_node(peer, shelf)
    assert compared(node).counts == {}
    assert len(shelf.apart) == 5


def test_an_object_that_is_listed_and_never_given_does_not_stop_the_others() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(5), visible=False)
    node = pulled_node(peer, shelf)
    peer.commit()
    given = peer.entries.copy()

    def hide(number: int) -> None:
        path, _ = peer.requests[-1]
        peer.entries = given[1:] if "objects" in path else given

    peer.before_answer = hide
    run = compared(node)
    assert run.error is None
    assert run.counts["not-given"] == 1
    assert len(shelf.versions) == 4


def test_doubt_brings_a_comparison_forward_but_not_more_than_hourly() -> None:
    from taxii_fed.services.federation.subscriptions import comparison_due

    peer, shelf = SimulatedPeer(paging="dates", max_page=10), Shelf()
    peer.add(*many(30), at=START + 1)
    node = pulled_node(peer, shelf, max_page=10)
    plan, now = node.subscriptions.plans["eu-csirt"], START + 600 * MINUTE
    assert state(node).doubt
    assert len(shelf.versions) == 10
    assert not comparison_due(plan, state(node), now + 59 * MINUTE)
    assert comparison_due(plan, state(node), now + 60 * MINUTE)
