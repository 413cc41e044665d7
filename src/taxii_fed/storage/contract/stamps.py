"""Stamps are unique, strictly increasing in commit order, and never behind the clock when they become visible (I2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import LEAD_MS, Change, Reader, Store
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    START,
    ManualClock,
    StoreFactory,
    add,
    derived,
    filled,
    new_version,
    object_id,
)
from taxii_fed.storage.contract.profiles import on_one_store

SOONEST = START // 1000 + LEAD_MS


def stamps(reader: Reader, view: int) -> list[int]:
    """Return the stamps of a view's live entries."""
    return [entry.date_added for entry in reader.entries(view, 0, 1000)]


def _open(store: Store, view: int, count: int = 1) -> None:
    with store.write() as writer:
        opened = tuple(derived(None, 0, object_id(number), b"x") for number in range(count))
        writer.change(view, Change(opened=opened))


@pytest.mark.invariant("I2")
def test_openings_are_stamped_in_list_order_a_lead_ahead_of_the_clock(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    versions = [new_version(number) for number in (3, 1, 2)]
    view = filled(store, *versions)
    with store.read() as reader:
        entries = reader.entries(view, 0, 10)
        assert [entry.date_added for entry in entries] == [SOONEST, SOONEST + 1, SOONEST + 2]
        assert [entry.id for entry in entries] == [version.object_id for version in versions]
        assert reader.view(view).head == SOONEST + 2


@pytest.mark.invariant("I2")
def test_the_clock_is_read_at_the_end_of_the_transaction(store_factory: StoreFactory) -> None:
    clock = ManualClock()
    store = store_factory(clock)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        add(writer, view, new_version(1))
        clock.instant += 7_000_000
    with store.read() as reader:
        assert stamps(reader, view) == [SOONEST + 7000]


@pytest.mark.invariant("I2")
def test_part_of_a_millisecond_never_makes_a_stamp_fall_behind(store_factory: StoreFactory) -> None:
    clock = ManualClock(START + 999)
    store = store_factory(clock)
    view = filled(store, new_version(1))
    with store.read() as reader:
        assert stamps(reader, view)[0] * 1000 > clock.instant


@pytest.mark.invariant("I2")
def test_a_stamp_follows_the_head_where_the_clock_lags_behind_it(store_factory: StoreFactory) -> None:
    clock = ManualClock()
    store = store_factory(clock)
    view = filled(store, new_version(1), new_version(2))
    clock.instant -= 3_600_000_000
    _open(store, view, 2)
    with store.read() as reader:
        assert stamps(reader, view) == [SOONEST, SOONEST + 1, SOONEST + 2, SOONEST + 3]


@pytest.mark.invariant("I2")
def test_each_view_counts_for_itself(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    first = filled(store, *(new_version(number) for number in range(5)))
    with store.write() as writer:
        second = writer.create_view(COLLECTION)
    _open(store, second)
    with store.read() as reader:
        assert stamps(reader, second) == [SOONEST]
        assert reader.view(first).head == SOONEST + 4


@pytest.mark.invariant("I2")
def test_a_new_view_may_start_behind_a_given_head(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    with store.write() as writer:
        view = writer.create_view(COLLECTION, SOONEST + 50)
    _open(store, view)
    with store.read() as reader:
        assert stamps(reader, view) == [SOONEST + 51]


@pytest.mark.invariant("I2")
def test_changes_of_one_view_in_one_transaction_keep_their_order(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        for number in (2, 1, 3):
            add(writer, view, new_version(number))
    with store.read() as reader:
        assert [entry.id for entry in reader.entries(view, 0, 10)] == [object_id(number) for number in (2, 1, 3)]


@pytest.mark.invariant("I2")
def test_openings_are_read_only_after_the_commit(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    version = new_version(1)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        add(writer, view, version)
        assert (writer.entries(view, 0, 10), writer.count_live(view), writer.view(view).head) == ([], 0, 0)
        assert writer.live([view], [version.object_id]) == {view: {}}
    with store.read() as reader:
        assert reader.count_live(view) == 1


@pytest.mark.invariant("I2", "I5")
def test_a_transaction_that_fails_gives_no_stamps(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    view = filled(store, new_version(1))
    with pytest.raises(ZeroDivisionError), store.write() as writer:
        add(writer, view, new_version(2))
        raise ZeroDivisionError
    with store.read() as reader:
        assert (stamps(reader, view), reader.view(view).head) == ([SOONEST], SOONEST)
        assert reader.known([object_id(2)]) == {}


@pytest.mark.invariant("I2")
@on_one_store
@given(steps=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(-5_000_000, 5_000_000)), max_size=8))
def test_stamps_grow_in_commit_order_whatever_the_clock_does(
    store_factory: StoreFactory, steps: list[tuple[int, int, int]]
) -> None:
    clock = ManualClock()
    store = store_factory(clock)
    with store.write() as writer:
        views = [writer.create_view(COLLECTION), writer.create_view(COLLECTION)]
    taken: list[list[int]] = [[], []]
    for which, count, shift in steps:
        clock.instant += shift
        _open(store, views[which], count)
        with store.read() as reader:
            new = [row.date_added for row in reader.page(views[which], ObjectQuery(after=max(taken[which], default=None))).rows]
        assert len(new) == count
        assert all(stamp * 1000 > clock.instant for stamp in new)
        taken[which].extend(new)
    assert all(each == sorted(set(each)) for each in taken)
    store.close()


@pytest.mark.invariant("I2")
def test_a_commit_that_outlasts_the_lead_is_counted_and_doubles_it_for_everybody(store_factory: StoreFactory) -> None:
    slow = store_factory(ManualClock(step=LEAD_MS * 1000 + 2000))
    view = filled(slow, new_version(1))
    assert slow.commits_past_lead() == 1
    other = store_factory(ManualClock(START + 3_600_000_000))
    _open(other, view)
    with other.read() as reader:
        assert reader.view(view).head == START // 1000 + 3_600_000 + 2 * LEAD_MS
    assert other.commits_past_lead() == 1


@pytest.mark.invariant("I2")
def test_the_lead_grows_up_to_a_minute(store_factory: StoreFactory) -> None:
    slow = store_factory(ManualClock(step=3_600_000_000))
    with slow.write() as writer:
        view = writer.create_view(COLLECTION)
    for _ in range(9):
        _open(slow, view)
    assert slow.commits_past_lead() == 9
    later = ManualClock(START + 1_000_000_000_000)
    store = store_factory(later)
    _open(store, view)
    with store.read() as reader:
        assert reader.view(view).head == later.instant // 1000 + 60_000


@pytest.mark.invariant("I2")
def test_a_transaction_without_openings_outlasts_nothing(store_factory: StoreFactory) -> None:
    slow = store_factory(ManualClock(step=3_600_000_000))
    with slow.write() as writer:
        writer.create_view(COLLECTION)
    assert slow.commits_past_lead() == 0
