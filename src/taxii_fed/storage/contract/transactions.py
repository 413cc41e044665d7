"""Snapshots, and transactions that happen as a whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from taxii_fed.core.errors import StoreError
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Change, Offer
from taxii_fed.storage import open_store
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    ManualClock,
    StoreFactory,
    add,
    filled,
    new_version,
    object_id,
    opening,
    quarantined,
)


@pytest.mark.invariant("I5")
def test_a_block_that_raises_leaves_no_trace(store_factory: StoreFactory) -> None:
    store = store_factory()
    with pytest.raises(ZeroDivisionError), store.write() as writer:
        view = writer.create_view(COLLECTION)
        (key,) = add(writer, view, new_version(1))
        writer.add_offers([Offer(key, "local:bank")])
        writer.set_homes({object_id(1): "local:bank"})
        writer.assign(COLLECTION, "bank", view, 1)
        writer.put_in_force({"node": "a"}, "f", 1)
        writer.put_doc("kind", "name", {"a": 1})
        writer.quarantine_add(quarantined())
        writer.put_status("s", "bank", {"id": "s"}, 1)
        writer.add_wakes(COLLECTION, [(1, object_id(1))])
        raise ZeroDivisionError
    with store.read() as reader:
        assert reader.place("bank", COLLECTION).view is None
        assert (reader.views(COLLECTION), reader.in_force(), reader.revision()) == ([], None, 0)
        assert (reader.known([object_id(1)]), reader.homes([object_id(1)])) == ({}, {})
        assert (reader.doc("kind", "name"), reader.quarantine(), reader.status("s")) == (None, [], None)
        assert (reader.wakes(9, 9), reader.offered_by("local:bank", 0, 9)) == ([], [])


def test_what_follows_a_failed_transaction_is_not_disturbed_by_it(store_factory: StoreFactory) -> None:
    store = store_factory()
    with pytest.raises(ZeroDivisionError), store.write() as writer:
        add(writer, writer.create_view("unheard-of"), new_version("unheard--1", collection="unheard-of"))
        raise ZeroDivisionError
    view = filled(store, new_version(1))
    with store.read() as reader:
        (row,) = reader.page(view, ObjectQuery(types=("indicator",))).rows
        assert row.id == object_id(1)
        (version,) = reader.versions(COLLECTION, [object_id(1)])[object_id(1)]
        assert (version.collection, version.type) == (COLLECTION, "indicator")
        assert reader.page(view, ObjectQuery(types=("unheard",))).rows == []


def test_a_reader_keeps_its_snapshot_while_others_write(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, new_version(1))
    with store.read() as reader:
        before = reader.page(view, ObjectQuery())
        filled(store, new_version(2))
        with store.write() as writer:
            add(writer, view, new_version(3))
            writer.put_in_force({"node": "a"}, "f", 1)
        assert reader.page(view, ObjectQuery()) == before
        assert (reader.known([object_id(3)]), reader.revision()) == ({}, 0)
    with store.read() as reader:
        assert len(reader.page(view, ObjectQuery()).rows) == 2


def test_readers_are_not_held_up_by_a_writer_nor_see_what_is_not_committed(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, new_version(1))
    with store.write() as writer:
        writer.change(view, Change(ended=((writer.view(view).head, "why"),)))
        writer.put_doc("kind", "name", {"a": 1})
        with store.read() as reader:
            assert (reader.count_live(view), reader.doc("kind", "name")) == (1, None)
    with store.read() as reader:
        assert (reader.count_live(view), reader.doc("kind", "name")) == (0, {"a": 1})


def test_a_transaction_reads_its_own_writes(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        (key,) = add(writer, view, new_version(1))
        writer.add_offers([Offer(key, "local:bank", ("x",))])
        writer.set_homes({object_id(1): "local:bank"})
        writer.assign(COLLECTION, "bank", view, 1)
        assert writer.place("bank", COLLECTION).view == writer.view(view)
        assert [known.key for known in writer.known([object_id(1)])[object_id(1)]] == [key]
        assert writer.offers([key]) == {key: [Offer(key, "local:bank", ("x",))]}
        assert writer.homes([object_id(1)]) == {object_id(1): "local:bank"}


def test_threads_that_write_at_once_all_get_their_turn(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    view = filled(store)
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        for turn in range(5):
            with store.write() as writer:
                add(writer, view, new_version(number * 10 + turn))
                seen = writer.doc("counter", "all") or {"value": 0}
                writer.put_doc("counter", "all", {"value": seen["value"] + 1})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert (reader.doc("counter", "all"), reader.count_live(view)) == ({"value": 20}, 20)
        stamps = [row.date_added for row in reader.page(view, ObjectQuery()).rows]
        assert stamps == list(range(stamps[0], stamps[0] + 20))


@pytest.mark.invariant("I5")
def test_what_was_committed_is_there_when_the_store_is_opened_again(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, new_version(1))
    with store.read() as reader:
        before = reader.entries(view, 0, 9)
    store.close()
    with store_factory().read() as reader:
        assert reader.entries(view, 0, 9) == before


def test_a_store_is_opened_by_its_url(store_factory: StoreFactory) -> None:
    view = filled(store_factory(), new_version(1))
    store = open_store(store_factory.url, base_dir=Path("/nowhere"), clock=ManualClock(), create=False)
    with store.read() as reader:
        assert reader.count_live(view) == 1
    store.close()


def test_a_closed_store_says_so(store_factory: StoreFactory) -> None:
    store = store_factory()
    filled(store, new_version(1))
    store.close()
    with pytest.raises(StoreError, match="closed"), store.read() as reader:
        reader.revision()
    with pytest.raises(StoreError, match="closed"), store.write() as writer:
        writer.create_view(COLLECTION)


def test_an_opening_needs_a_view_and_a_version_that_are_there(store_factory: StoreFactory) -> None:
    store = store_factory()
    with pytest.raises(KeyError), store.write() as writer:
        writer.change(99, Change())
    view = filled(store)
    with pytest.raises(KeyError), store.write() as writer:
        writer.change(view, Change(opened=(opening(new_version(1), 1234),)))
