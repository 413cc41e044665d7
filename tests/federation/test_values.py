"""The pure parts of federation: states that survive the store, listings as large as they come, what travels between nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.simulated_peer import indicator
from taxii_fed.core.federation import pull as pulls
from taxii_fed.core.federation.backoff import Health
from taxii_fed.core.federation.pull import Pull, Request, Seen
from taxii_fed.core.federation.reconcile import Guard, Listed, Listing, missing
from taxii_fed.core.federation.remote import Carried, read_carried, version_instant
from taxii_fed.core.rules.model import from_doc, to_doc
from taxii_fed.core.stix.levels import Level
from taxii_fed.services.federation.subscriptions import Comparing, Ran, State, Waiting

instants = st.integers(0, 4_000_000_000_000_000)
requests = st.builds(Request, st.none() | instants, st.text(max_size=8), st.integers(1, 10_000))
walks = st.builds(
    Pull, since=st.none() | instants, stage=st.none() | instants, limit=st.integers(1, 10_000), ask=requests,
    back=st.none() | requests, content=st.text(max_size=4), checking=st.booleans(), pages=st.integers(0, 9), greatest=st.none() | instants,
    restarts=st.integers(0, 9), doubt=st.booleans(), finished=st.booleans(),
)  # fmt: skip
states = st.builds(
    State, epoch=st.integers(0, 9), watermark=st.none() | instants, place=st.none() | walks,
    counts=st.dictionaries(st.sampled_from(["new", "loop-duplicate"]), st.integers(0, 9)),
    ran=st.lists(st.builds(Ran, at=instants, counts=st.just({"new": 1})), max_size=2).map(tuple),
    health=st.builds(Health, failures=st.integers(0, 9), failing_since=st.none() | instants, next_attempt=instants),
    last_error=st.text(max_size=9), paused=st.booleans(), fed=st.none() | st.booleans(),
    comparing=st.none() | st.builds(Comparing, key=st.just("00"), place=walks, pages=st.integers(0, 9)),
    waiting=st.none() | st.builds(Waiting, gone=st.integers(0, 9), of=st.integers(0, 9), at=instants),
)  # fmt: skip


@given(states)
def test_a_state_comes_back_from_the_store_as_it_was(stands: State) -> None:
    assert from_doc(State, json.loads(json.dumps(to_doc(stands)))) == stands


@given(
    walks,
    st.builds(
        Seen,
        count=st.integers(0, 3),
        content=st.text(max_size=2),
        more=st.booleans(),
        next=st.text(max_size=2),
        first=st.none() | instants,
        last=st.none() | instants,
    ),
)
def test_a_page_never_moves_a_finished_walk_back_nor_loses_where_it_began(walk: Pull, seen: Seen) -> None:
    after = pulls.take(walk, seen)
    assert after.since == walk.since
    assert after.limit == walk.limit
    assert after.doubt >= walk.doubt
    assert after.finished >= (seen.count == 0 and not seen.more and not walk.checking)


@given(walks)
def test_a_lost_reply_is_never_asked_for_again_with_its_own_token(walk: Pull) -> None:
    after = pulls.lost(walk)
    if walk.ask.next and not walk.checking and walk.back is not None:
        assert after.checking
        assert after.ask == walk.back
    else:
        assert after == walk


@given(instants, st.none() | instants, instants)
def test_the_watermark_goes_neither_back_nor_past_now(greatest: int, before: int | None, now: int) -> None:
    walk = pulls.begin(None, 10)
    mark = pulls.watermark(pulls.take(walk, Seen(count=1, content="x", last=greatest)), before, now)
    assert mark is not None
    assert mark >= (before or 0)
    assert mark <= max(now, before or 0)


names = st.integers(0, 30).map(lambda number: f"indicator--{number}")
entries = st.lists(
    st.builds(lambda name, version: Listed(name, version, str(version)), names, st.none() | st.integers(1, 5)), max_size=40
)


@given(entries, entries, names, st.integers(1, 5))
def test_a_listing_lists_what_was_put_in_also_after_a_walk_through_the_store(
    first: list[Listed], second: list[Listed], name: str, version: int
) -> None:
    key = b"k" * 16
    stored = Listing(key)
    stored.add(first)
    whole = Listing(key)
    whole.unpack(stored.pack())
    whole.add(second)
    found = [each.version for each in [*first, *second] if each.id == name]
    several: dict[str, set[int | None]] = {}
    for each in [*first, *second]:
        several.setdefault(each.id, set()).add(each.version)
    if any(len(versions) > 1 for versions in several.values()):
        assert whole.lists(name, version) == (version in found or None in found)
    elif found and None not in found:
        newest = max(each for each in found if each is not None)
        assert whole.lists(name, version) == (version <= newest)
    assert whole.lists(name, 0) == bool(found)


@given(entries, st.dictionaries(names, st.sets(st.integers(0, 5), min_size=1)))
def test_what_is_held_is_never_missing_and_what_is_not_always_is(listed: list[Listed], held: dict[str, set[int]]) -> None:
    wanted = missing(listed, held)
    for each in listed:
        versions = held.get(each.id, set())
        known = bool(versions) and (each.version is None or each.version in versions or 0 in versions)
        assert (each in wanted) == (not known)


@pytest.mark.parametrize(
    ("gone", "of", "stops"), [(2, 9, False), (9, 9, False), (2, 10, False), (3, 10, True), (10, 10, True), (0, 10, False)]
)
def test_the_guard_stops_more_than_its_share_of_enough(gone: int, of: int, stops: bool) -> None:
    assert Guard(0.2, 10).stops(gone, of) is stops


@given(
    st.builds(
        Carried,
        st.sampled_from(["", "HK", "CN"]),
        st.none() | st.sampled_from(Level),
        st.lists(st.sampled_from(["a", "b"]), max_size=4).map(tuple),
    )
)
def test_what_travels_beside_an_object_arrives(carried: Carried) -> None:
    assert read_carried(json.loads(json.dumps(carried.to_json()))) == carried


@pytest.mark.taxii("C-7.1.1-01")
@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        7,
        {"path": "a"},
        {"path": [1]},
        {"path": [""]},
        {"path": ["a"] * 65},
        {"path": ["a\nb"]},
        {"jurisdiction": 3},
        {"jurisdiction": "x" * 200},
    ],
)
def test_what_makes_no_sense_is_not_taken_for_something(value: Any) -> None:
    assert read_carried(value) is None


@pytest.mark.invariant("I6")
@pytest.mark.parametrize("level", ["PURPLE", 3, [], {}, ""])
def test_a_level_that_can_not_be_read_is_the_strictest(level: Any) -> None:
    assert read_carried({"level": level}) == Carried(level=Level.RED)


def test_a_version_is_an_instant_the_epoch_where_there_is_none_nothing_where_it_is_no_time() -> None:
    assert version_instant(indicator(1)["modified"]) == 1_767_225_600_000_000
    assert version_instant("") == 0
    assert version_instant("yesterday") is None
