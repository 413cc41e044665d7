"""Leases: one holder at a time, as the callers' clocks see it."""

from __future__ import annotations

from taxii_fed.storage.contract.builders import START, StoreFactory

SECOND = 1_000_000


def test_a_lease_excludes_others_until_it_runs_out(store_factory: StoreFactory) -> None:
    first, second = store_factory(), store_factory()
    lease = first.lease("pull", "a", 10, START)
    assert lease is not None
    assert (lease.name, lease.owner, lease.until) == ("pull", "a", START + 10 * SECOND)
    assert second.lease("pull", "b", 10, START + 10 * SECOND - 1) is None
    taken = second.lease("pull", "b", 10, START + 10 * SECOND)
    assert taken is not None
    assert taken.fence > lease.fence
    assert first.lease("pull", "a", 10, START + 10 * SECOND) is None


def test_a_holder_renews_its_lease_with_the_same_fence(store_factory: StoreFactory) -> None:
    store = store_factory()
    lease = store.lease("pull", "a", 10, START)
    renewed = store.lease("pull", "a", 10, START + 5 * SECOND)
    assert lease is not None
    assert renewed is not None
    assert (renewed.fence, renewed.until) == (lease.fence, START + 15 * SECOND)
    assert store.lease("pull", "b", 10, START + 12 * SECOND) is None


def test_a_released_lease_is_free_at_once_and_its_next_holder_has_a_greater_fence(store_factory: StoreFactory) -> None:
    store = store_factory()
    lease = store.lease("pull", "a", 10, START)
    assert lease is not None
    store.release(lease)
    for owner in ("a", "b"):
        taken = store.lease("pull", owner, 10, START)
        assert taken is not None
        assert taken.fence > lease.fence
        store.release(taken)


def test_a_lease_that_passed_on_is_not_released_by_its_former_holder(store_factory: StoreFactory) -> None:
    store = store_factory()
    old = store.lease("pull", "a", 1, START)
    taken = store.lease("pull", "b", 10, START + SECOND)
    assert old is not None
    assert taken is not None
    store.release(old)
    assert store.lease("pull", "c", 10, START + 2 * SECOND) is None


def test_leases_of_other_names_do_not_meet(store_factory: StoreFactory) -> None:
    store = store_factory()
    assert store.lease("one", "a", 10, START) is not None
    assert store.lease("two", "b", 10, START) is not None


def test_the_holder_of_a_lease_can_be_looked_up_until_it_is_given_back(store_factory: StoreFactory) -> None:
    store = store_factory()
    assert store.lease_holder("pull") is None
    lease = store.lease("pull", "a", 10, START)
    assert lease is not None
    assert store.lease_holder("pull") == lease
    store.release(lease)
    assert store.lease_holder("pull") is None
