"""Stories of one peer: given a server that does this, our collection ends up like that."""

from __future__ import annotations

from typing import Any

import pytest

from federation.shelf import SUBSCRIPTION, HandClock, Shelf, federation, state
from federation.simulated_peer import COLLECTION, START, SimulatedPeer, indicator
from taxii_fed.core.errors import PeerAnswerError, PeerBusyError, PeerQuotaError, PeerRefusedError, PeerUnreachableError
from taxii_fed.core.federation.pull import Request
from taxii_fed.core.timestamps import format_taxii
from taxii_fed.services.federation.carried import join
from taxii_fed.services.federation.federate import Federation, Watch

MINUTE = 60_000_000


def many(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [indicator(number) for number in range(start, start + count)]


def pulled(node: Federation, runs: int = 1) -> Any:
    for _ in range(runs):
        run = node.pull(SUBSCRIPTION)
    return run


@pytest.mark.parametrize("paging", ["position", "session", "page-number", "dates"])
@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.taxii("C-3.5-01", "C-3.4-04")
def test_every_way_to_page_brings_everything(paging: str, size: int) -> None:
    peer, shelf = SimulatedPeer(paging=paging), Shelf()
    peer.add(*many(40))
    run = pulled(federation(shelf, peer, max_page=size))
    assert run.error is None
    assert shelf.holds() == peer.offered()


def test_a_second_pull_asks_from_before_the_watermark_and_brings_what_was_committed_behind_it() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    clock = HandClock(START + 60 * MINUTE)
    peer.add(indicator(1), visible=False)
    peer.now += MINUTE
    peer.add(indicator(2))
    node = federation(shelf, peer, clock, overlap=2 * MINUTE)
    pulled(node)
    assert len(shelf.holds()) == 1
    peer.commit()
    pulled(node)
    assert shelf.holds() == peer.offered()
    assert peer.requests[-1][1]["added_after"] == format_taxii(peer.now - 2 * MINUTE)


@pytest.mark.taxii("C-3.4-01", "C-3.4-02", "C-3.4-03")
def test_requests_carry_limit_all_versions_and_six_digit_dates() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(3))
    node = federation(shelf, peer, HandClock(START + MINUTE), max_page=2)
    pulled(node, 2)
    first, second, *_ = (query for path, query in peer.requests if path.endswith("objects/"))
    assert first == {"limit": "2", "match[version]": "all"}
    assert second.keys() == {"limit", "match[version]", "next"}
    assert second["limit"] == "2"
    assert all(query["added_after"].endswith("Z") and len(query["added_after"]) == 27 for _, query in peer.requests[4:])


def test_a_token_that_stays_the_same_does_not_end_a_pull() -> None:
    peer, shelf = SimulatedPeer(paging="session"), Shelf()
    peer.add(*many(25))
    pulled(federation(shelf, peer, max_page=10))
    assert shelf.holds() == peer.offered()


@pytest.mark.parametrize("lost", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("paging", ["position", "session", "page-number", "dates"])
@pytest.mark.invariant("I2")
def test_a_lost_reply_loses_no_object_even_where_a_token_is_used_up(paging: str, lost: int) -> None:
    peer, shelf = SimulatedPeer(paging=paging, lose={lost}), Shelf()
    peer.add(*many(50))
    node = federation(shelf, peer, max_page=10)
    assert pulled(node).error is None
    assert shelf.holds() == peer.offered()


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("paging", ["position", "session", "page-number", "dates"])
def test_a_worker_that_dies_between_page_and_place_repeats_and_loses_nothing(paging: str) -> None:
    peer, shelf = SimulatedPeer(paging=paging), Shelf()
    peer.add(*many(50))
    clock = HandClock()
    offers = 0

    def die_at_the_third() -> None:
        nonlocal offers
        offers += 1
        if offers == 3:
            raise KeyboardInterrupt

    shelf.before_offer = die_at_the_third
    with pytest.raises(KeyboardInterrupt):
        pulled(federation(shelf, peer, clock, max_page=10))
    clock.instant += 3600 * 1_000_000
    other = federation(shelf, peer, clock, owner="another", max_page=10)
    assert pulled(other).error is None
    assert shelf.holds() == peer.offered()
    assert len(shelf.versions) == 50


def test_a_resumed_pull_goes_on_where_it_was_when_the_server_repeats_its_pages() -> None:
    peer, shelf = SimulatedPeer(paging="position", down={4, 5, 6, 7, 8}), Shelf()
    peer.add(*many(50))
    node = federation(shelf, peer, max_page=10)
    assert isinstance(pulled(node).error, PeerUnreachableError)
    peer.knobs.down = set()
    asked = len(peer.requests)
    pulled(node)
    assert shelf.holds() == peer.offered()
    assert len([path for path, _ in peer.requests[asked:] if path.endswith("objects/")]) == 4


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_refused_token_begins_the_pull_anew(status: int) -> None:
    peer, shelf = SimulatedPeer(refuse={4: status}), Shelf()
    peer.add(*many(30))
    run = pulled(federation(shelf, peer, max_page=10))
    assert run.error is None
    assert shelf.holds() == peer.offered()


def test_a_server_that_forgets_every_token_is_read_by_stages_and_leaves_a_doubt() -> None:
    peer, shelf = SimulatedPeer(expire_tokens=set(range(1000))), Shelf()
    peer.add(*many(30))
    node = federation(shelf, peer, max_page=10)
    assert pulled(node).error is None
    assert shelf.holds() == peer.offered()
    assert state(node).doubt
    assert len(peer.requests) < 30


def test_a_server_without_dates_that_forgets_every_token_is_given_up_and_asked_again_later() -> None:
    peer, shelf = SimulatedPeer(expire_tokens=set(range(1000)), headers="missing"), Shelf()
    peer.add(*many(30))
    node = federation(shelf, peer, max_page=10)
    assert isinstance(pulled(node).error, PeerAnswerError)
    assert state(node).doubt
    assert state(node).watermark is None
    assert len(peer.requests) < 40


@pytest.mark.taxii("C-3.5-02")
@pytest.mark.parametrize("paging", ["position", "dates", "session"])
def test_more_that_never_stops_ends_at_the_page_without_anything_new(paging: str) -> None:
    peer, shelf = SimulatedPeer(paging=paging, never_ends=True), Shelf()
    peer.add(*many(25))
    node = federation(shelf, peer, max_page=10)
    assert pulled(node).error is None
    assert shelf.holds() == peer.offered()
    assert len(peer.requests) < 15


def test_a_page_that_repeats_for_ever_ends_the_pull_and_leaves_a_doubt() -> None:
    peer, shelf = SimulatedPeer(repeat_from=10, headers="missing"), Shelf()
    peer.add(*many(50))
    node = federation(shelf, peer, max_page=10)
    assert pulled(node).error is None
    assert state(node).doubt
    assert len(peer.requests) < 10


def test_a_server_that_ignores_next_is_read_by_dates() -> None:
    peer, shelf = SimulatedPeer(paging="ignored"), Shelf()
    peer.add(*many(50))
    assert pulled(federation(shelf, peer, max_page=10)).error is None
    assert shelf.holds() == peer.offered()


@pytest.mark.parametrize("ties", [5, 10, 40])
def test_ties_across_the_edge_of_a_page_are_kept_together(ties: int) -> None:
    peer, shelf = SimulatedPeer(paging="dates"), Shelf()
    peer.add(*many(7))
    peer.add(*many(ties, 100), at=peer.now + 1)
    peer.now += 1
    peer.add(*many(7, 200))
    assert pulled(federation(shelf, peer, max_page=10)).error is None
    assert shelf.holds() == peer.offered()


@pytest.mark.parametrize("paging", ["position", "session", "page-number"])
def test_unsorted_pages_bring_everything(paging: str) -> None:
    peer, shelf = SimulatedPeer(paging=paging, sorted=False), Shelf()
    peer.add(*many(50))
    node = federation(shelf, peer, HandClock(START + MINUTE), max_page=10)
    pulled(node)
    assert shelf.holds() == peer.offered()


@pytest.mark.taxii("C-3.7-01")
@pytest.mark.parametrize("empty", ["{}", '{"objects": []}', '{"more": false}'])
def test_every_form_of_nothing_is_an_empty_page(empty: str) -> None:
    peer, shelf = SimulatedPeer(empty=empty), Shelf()
    node = federation(shelf, peer)
    assert pulled(node).error is None
    assert state(node).watermark is None


@pytest.mark.parametrize("headers", ["missing", "javascript"])
def test_without_usable_dates_the_watermark_stays_and_all_is_asked_again(headers: str) -> None:
    peer, shelf = SimulatedPeer(headers=headers), Shelf()
    peer.add(*many(25))
    node = federation(shelf, peer, max_page=10)
    pulled(node, 2)
    assert shelf.holds() == peer.offered()
    assert state(node).watermark is None


def test_a_date_far_in_the_future_does_not_hide_what_comes_later() -> None:
    peer, shelf = SimulatedPeer(headers="future"), Shelf()
    clock = HandClock(START + MINUTE)
    peer.add(indicator(1))
    node = federation(shelf, peer, clock)
    pulled(node)
    assert state(node).watermark == clock.instant
    peer.now = clock.instant
    peer.add(indicator(2))
    pulled(node)
    assert shelf.holds() == peer.offered()


def test_a_clock_behind_ours_moves_the_watermark_by_its_own_dates() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(3))
    node = federation(shelf, peer, HandClock(START + 100 * MINUTE))
    pulled(node)
    assert state(node).watermark == peer.now


def test_the_watermark_moves_only_after_the_last_page() -> None:
    peer, shelf = SimulatedPeer(down={3, 4, 5, 6, 7}), Shelf()
    peer.add(*many(30))
    node = federation(shelf, peer, HandClock(START + MINUTE), max_page=10)
    pulled(node)
    assert shelf.versions
    assert state(node).watermark is None
    assert state(node).place is not None


def test_pages_shrink_where_they_are_too_much_and_grow_again_slowly() -> None:
    peer, shelf = SimulatedPeer(overloaded_above=300), Shelf()
    peer.add(*many(5))
    node = federation(shelf, peer, max_page=1000)
    assert pulled(node).error is None
    assert state(node).page_size == 250
    peer.add(*many(500, 100))
    pulled(node)
    assert state(node).page_size == 312


def test_a_server_that_is_overloaded_whatever_is_asked_is_left_alone() -> None:
    peer, shelf = SimulatedPeer(overloaded_above=1), Shelf()
    node = federation(shelf, peer, max_page=1000)
    assert pulled(node).error is not None
    assert len(peer.requests) < 10


@pytest.mark.parametrize("paging", ["position", "page-number", "dates"])
def test_a_page_that_can_never_be_read_ends_the_run_and_is_asked_for_again_later(paging: str) -> None:
    peer, shelf = SimulatedPeer(paging=paging), Shelf()
    peer.add(*many(30))
    peer.entries[15].raw = "{"
    run = pulled(federation(shelf, peer, max_page=10))
    assert isinstance(run.error, PeerAnswerError)
    assert len(shelf.versions) == 10
    assert len(peer.requests) < 10


def test_the_peer_that_asks_for_patience_gets_it() -> None:
    peer, shelf = SimulatedPeer(busy={1: "120"}), Shelf()
    clock = HandClock()
    node = federation(shelf, peer, clock)
    assert isinstance(pulled(node).error, PeerBusyError)
    wait = state(node).health.next_attempt - clock.instant
    assert 120 * 1_000_000 <= wait <= 133 * 1_000_000


def test_no_is_not_down() -> None:
    clock = HandClock()
    refusing = federation(Shelf(), SimulatedPeer(refuse={1: 403}), clock)
    down = federation(Shelf(), SimulatedPeer(down={1}), clock)
    assert isinstance(pulled(refusing).error, PeerRefusedError)
    assert isinstance(pulled(down).error, PeerUnreachableError)
    assert state(refusing).health.next_attempt > state(down).health.next_attempt
    assert "refuses" in state(refusing).last_error


def test_what_went_wrong_is_forgotten_after_a_pull_that_went_well() -> None:
    peer, shelf = SimulatedPeer(down={1, 2}), Shelf()
    clock = HandClock()
    node = federation(shelf, peer, clock)
    pulled(node, 2)
    assert (state(node).health.failures, state(node).health.failing_since) == (2, clock.instant)
    pulled(node)
    assert (state(node).health.failures, state(node).last_error) == (0, "")
    assert state(node).health.next_attempt == clock.instant + 300_000_000


def test_two_workers_never_pull_one_subscription_at_once() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    clock = HandClock()
    first, second = (federation(shelf, peer, clock, owner=name, max_page=10) for name in ("first", "second"))
    tried = []
    peer.before_answer = lambda number: tried.append(second.pull(SUBSCRIPTION)) if number == 3 else None
    assert not pulled(first).elsewhere
    assert [run.elsewhere for run in tried] == [True]


def test_a_worker_that_was_taken_over_stops_writing() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    clock = HandClock()
    first, second = (federation(shelf, peer, clock, owner=name, max_page=10) for name in ("first", "second"))

    def stall(number: int) -> None:
        if number == 3:
            clock.instant += 3600 * 1_000_000
            pulled(second)

    peer.before_answer = stall
    assert pulled(first).elsewhere
    assert shelf.holds() == peer.offered()
    assert state(first).watermark is not None
    assert state(first).place is None


def test_a_reset_stops_the_pull_under_way_and_the_next_one_begins_there() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    node = federation(shelf, peer, HandClock(START + MINUTE), max_page=10, overlap=0)
    peer.before_answer = lambda number: node.subscriptions.reset("eu-csirt", START + 5) if number == 3 else None
    assert pulled(node).elsewhere
    peer.before_answer = lambda number: None
    asked = len(peer.requests)
    pulled(node)
    assert peer.requests[asked][1]["added_after"] == format_taxii(START + 5)


def test_a_stop_ends_the_run_after_the_page_in_hand_and_the_next_run_goes_on() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(30))
    node = federation(shelf, peer, max_page=10)
    run = node.pull(SUBSCRIPTION, Watch(stop=lambda: len(shelf.batches) == 2))
    assert run.unfinished
    assert len(shelf.versions) == 20
    assert not pulled(node).unfinished
    assert shelf.holds() == peer.offered()


def test_a_full_quarantine_stops_a_peer_before_it_fills_the_disk() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    shelf.outcome = lambda _offered: "quarantined-inbound"
    peer.add(*many(100))
    node = federation(shelf, peer, max_page=10, quarantine_objects=25)
    assert isinstance(pulled(node).error, PeerQuotaError)
    assert len(shelf.apart) == 30
    pulled(node)
    assert len(shelf.apart) == 30


def test_a_collection_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taxii_fed.services.federation.walk.MOST_OBJECTS", 200)
    peer, shelf = SimulatedPeer(), Shelf()
    peer.before_answer = lambda number: peer.add(*many(20, number * 100))
    peer.add(*many(20))
    run = pulled(federation(shelf, peer, max_page=10))
    assert isinstance(run.error, PeerAnswerError)
    assert len(shelf.versions) <= 250


@pytest.mark.invariant("I3")
def test_bytes_come_through_as_they_were_sent() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(indicator(1))
    raw = '{"spec_version" : "2.1",\n "x_odd": 1.50, ' + peer.entries[0].raw[1:].replace('"spec_version": "2.1", ', "")
    peer.entries[0].raw = raw
    pulled(federation(shelf, peer))
    assert [version.body.decode() for version in shelf.versions.values()] == [raw]


def test_counts_of_the_last_pulls_are_kept() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(3))
    node = federation(shelf, peer)
    pulled(node, 7)
    assert [ran.counts for ran in state(node).ran] == [{"loop-duplicate": 3}] * 5


def test_a_look_at_the_manifest_does_not_use_up_a_token_of_the_objects() -> None:
    peer = SimulatedPeer(paging="session")
    peer.add(*many(6))
    client = peer.client()
    token = client.objects(COLLECTION, Request(limit=2)).next
    second = Request(next=token, limit=2)
    join(client, COLLECTION, None, client.objects(COLLECTION, second), second)
    assert [each.id for each in client.objects(COLLECTION, second).objects] == [indicator(4)["id"], indicator(5)["id"]]


@pytest.mark.invariant("I6")
def test_a_peer_that_stops_saying_where_objects_come_from_is_not_taken_for_their_origin() -> None:
    peer, shelf = SimulatedPeer(fed=True), Shelf()
    peer.add(*many(3))
    node = federation(shelf, peer)
    pulled(node)
    assert {each.jurisdiction for batch in shelf.batches for each in batch} == {"HK"}
    peer.knobs.fed = False
    peer.add(indicator(10))
    assert "peer reset" in str(pulled(node).error)
    assert len(shelf.versions) == 3
    node.subscriptions.reset("eu-csirt", None)
    assert pulled(node).error is None
    assert len(shelf.versions) == 4


def test_what_was_withdrawn_between_objects_and_manifest_is_left_out() -> None:
    peer, shelf = SimulatedPeer(fed=True), Shelf()
    peer.add(*many(3))
    node = federation(shelf, peer)
    peer.before_answer = lambda number: peer.remove(indicator(1)) if number == 2 else None
    pulled(node)
    assert {name for name, _ in shelf.holds()} == {indicator(0)["id"], indicator(2)["id"]}


def test_a_pause_stops_the_pull_under_way_after_the_page_in_hand() -> None:
    peer, shelf = SimulatedPeer(), Shelf()
    peer.add(*many(50))
    node = federation(shelf, peer, max_page=10)
    shelf.before_offer = lambda: node.subscriptions.pause("eu-csirt")
    assert pulled(node).unfinished
    assert len(shelf.versions) == 10
    node.subscriptions.resume("eu-csirt")
    shelf.before_offer = lambda: None
    pulled(node)
    assert shelf.holds() == peer.offered()
