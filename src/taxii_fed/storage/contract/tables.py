"""Who stands where, what is in force, and the small tables beside the versions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import Applied, DoorEvent, Place, Read, Store
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    ELSEWHERE,
    START,
    StoreFactory,
    add,
    new_version,
    object_id,
    quarantined,
)
from taxii_fed.storage.contract.profiles import on_one_store


# -- parties and views -----------------------------------------------------------------------------------------------------
def test_a_party_stands_in_the_view_that_it_is_mapped_to(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.read() as reader:
        assert reader.place("bank", COLLECTION) == Place(0, None)
    with store.write() as writer:
        view, other = writer.create_view(COLLECTION), writer.create_view(COLLECTION)
        writer.assign(COLLECTION, "bank", view, 10)
        writer.assign(COLLECTION, "cert", other, 10)
        writer.put_in_force({}, "f", 10)
        add(writer, view, new_version(1))
        writer.set_wake(view, 77)
    with store.read() as reader:
        place = reader.place("bank", COLLECTION)
        assert place == Place(1, reader.view(view))
        assert place.view is not None
        assert (place.view.collection, place.view.wake_at, place.view.mirror) == (COLLECTION, 77, 0)
        assert place.view.head > 0
        assert reader.place("bank", ELSEWHERE) == Place(1, None)
        assert reader.readers(COLLECTION) == {"bank": view, "cert": other}
        assert reader.readers(ELSEWHERE) == {}
    with store.write() as writer:
        writer.set_wake(view, None)
        assert writer.view(view).wake_at is None


def test_a_glance_never_shows_a_past_state(store_factory: StoreFactory) -> None:
    store = store_factory()
    assert store.glance("bank", COLLECTION) in (None, Place(0, None))
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.assign(COLLECTION, "bank", view, 10)
        add(writer, view, new_version(1))
    for number in range(3):
        with store.write() as writer:
            writer.set_wake(view, number)
            writer.put_in_force({}, "f", number)
        seen = store.glance("bank", COLLECTION)
        with store.read() as reader:
            assert seen in (None, reader.place("bank", COLLECTION))
        assert seen is None or seen.revision == number + 1


def test_past_mappings_stay_readable(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        one, two = writer.create_view(COLLECTION), writer.create_view(COLLECTION)
        writer.assign(COLLECTION, "bank", one, 10)
        writer.assign(COLLECTION, "bank", one, 15)
        writer.assign(COLLECTION, "cert", one, 12)
    with store.write() as writer:
        writer.assign(COLLECTION, "bank", two, 20)
        writer.assign(COLLECTION, "cert", None, 25)
        writer.assign(COLLECTION, "vendor", None, 26)
        writer.assign(COLLECTION, "bank", one, 30)
    with store.read() as reader:
        assert reader.past_readers(one) == [("bank", 10, 20), ("cert", 12, 25), ("bank", 30, None)]
        assert reader.past_readers(two) == [("bank", 20, 30)]
        assert reader.readers(COLLECTION) == {"bank": one}
        assert reader.place("cert", COLLECTION).view is None
        assert reader.past_views(COLLECTION, "bank") == [one, two, one]
        assert (reader.past_views(COLLECTION, "vendor"), reader.past_views(ELSEWHERE, "bank")) == ([], [])


def test_views_in_use_are_those_that_are_read_or_being_built(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        retired, used, target, new = (writer.create_view(COLLECTION) for _ in range(4))
        away = writer.create_view(ELSEWHERE)
        for view in (retired, used, target):
            writer.assign(COLLECTION, "bank", view, 10)
        writer.assign(COLLECTION, "bank", used, 20)
        writer.set_mirror(used, target)
    with store.read() as reader:
        assert [view.id for view in reader.views(COLLECTION)] == sorted([used, target, new])
        assert [view.id for view in reader.views(ELSEWHERE)] == [away]
        with pytest.raises(KeyError):
            reader.view(away + 1)
    assert [view.id for view in store.iterate_views()] == sorted([retired, used, target, new, away])


# -- what is in force ------------------------------------------------------------------------------------------------------
def test_revisions_of_what_is_in_force_are_numbered_and_stay(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.read() as reader:
        assert (reader.in_force(), reader.in_force_at(START), reader.revision()) == (None, None, 0)
    first, second = {"node": "a", "share": [{"name": "Ω"}]}, {"node": "b"}
    with store.write() as writer:
        assert writer.put_in_force(first, "one", 10) == 1
        assert writer.put_in_force(second, "two", 20) == 2
        assert writer.revision() == 2
    with store.read() as reader:
        assert reader.in_force() == Applied(2, 20, second, "two")
        assert [reader.in_force_at(instant) for instant in (9, 10, 19, 20, 99)] == [
            None,
            *[Applied(1, 10, first, "one")] * 2,
            *[Applied(2, 20, second, "two")] * 2,
        ]
        assert reader.revision() == reader.place("bank", COLLECTION).revision == 2


# -- statuses, wakes, approvals ----------------------------------------------------------------------------------------------
def test_statuses_are_kept_until_pruned(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.put_status("a", "bank", {"id": "a", "status": "complete"}, 10)
        writer.put_status("b", "cert", {"id": "b"}, 20)
    store.prune(20)
    with store.read() as reader:
        assert [reader.status(each) for each in ("a", "b", "c")] == [None, ("cert", {"id": "b"}), None]


def test_wakes_come_due_in_order(store_factory: StoreFactory) -> None:
    store = store_factory()
    one, two = object_id(1), object_id(2)
    with store.write() as writer:
        writer.add_wakes(COLLECTION, [(30, one), (10, two), (20, one)])
        writer.add_wakes(COLLECTION, [(10, two)])
        writer.add_wakes(ELSEWHERE, [(5, one)])
    with store.read() as reader:
        assert reader.wakes(20, 9) == [(ELSEWHERE, 5, one), (COLLECTION, 10, two), (COLLECTION, 20, one)]
        assert reader.wakes(20, 1) == [(ELSEWHERE, 5, one)]
        assert reader.wakes(4, 9) == []
        assert (reader.next_wake(COLLECTION), reader.next_wake(ELSEWHERE), reader.next_wake("none")) == (10, 5, None)
    with store.write() as writer:
        writer.remove_wakes(COLLECTION, [(10, two), (20, one), (99, one)])
        assert (writer.next_wake(COLLECTION), writer.wakes(99, 9)) == (30, [(ELSEWHERE, 5, one), (COLLECTION, 30, one)])


def test_an_approval_is_for_one_version_one_rule_and_one_party(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.approve(COLLECTION, object_id(1), 5, "embargo", "bank", "alice", 10)
        writer.approve(COLLECTION, object_id(1), 5, "embargo", "bank", "bob", 20)
        writer.approve(COLLECTION, object_id(1), 6, "embargo", "cert", "alice", 10)
        writer.approve(ELSEWHERE, object_id(2), 5, "embargo", "bank", "alice", 10)
    with store.read() as reader:
        assert reader.approvals(COLLECTION, [object_id(1), object_id(2)]) == {
            (object_id(1), 5, "embargo", "bank"),
            (object_id(1), 6, "embargo", "cert"),
        }
        assert reader.approvals(ELSEWHERE, [object_id(1)]) == set()
        assert reader.consents(object_id(1)) == [
            (COLLECTION, 5, "embargo", "bank", "alice", 10),
            (COLLECTION, 6, "embargo", "cert", "alice", 10),
        ]
        assert reader.consents(object_id(3)) == []


# -- the door ----------------------------------------------------------------------------------------------------------------
def test_quarantine_keeps_each_thing_once(store_factory: StoreFactory) -> None:
    store = store_factory()
    items = [
        quarantined(1),
        quarantined(2, giver="peer:us:y", body=b"12345"),
        quarantined(1, body=b"other"),
        replace(quarantined(1, reason="above"), overlay=Level.AMBER_STRICT),
        quarantined(1, collection=ELSEWHERE),
        quarantined(3, giver="peer:euro:x", body=b"123"),
    ]
    with store.write() as writer:
        numbers = [writer.quarantine_add(item) for item in items]
        assert writer.quarantine_add(replace(items[0], at=START + 1, path=())) == numbers[0]
    kept = [replace(item, id=number) for item, number in zip(items, numbers, strict=True)]
    with store.read() as reader:
        assert len(set(numbers)) == len(items)
        assert reader.quarantine() == kept
        assert reader.quarantine(limit=2) == kept[:2]
        assert reader.quarantine(after=numbers[1], limit=2) == kept[2:4]
        assert reader.quarantine(number=numbers[3]) == [kept[3]]
        assert reader.quarantine(collection=ELSEWHERE) == [kept[4]]
        assert reader.quarantine(object_id=object_id(1), collection=COLLECTION) == [kept[0], kept[2], kept[3]]
        assert reader.quarantine(giver="peer:us:y") == [kept[1]]
        assert reader.quarantined_ids(COLLECTION, [object_id(1), object_id(2), object_id(9)]) == {object_id(1), object_id(2)}
        assert reader.quarantined_ids(ELSEWHERE, [object_id(2)]) == set()
        assert reader.quarantine_counts() == {"peer:eu:x": 4, "peer:us:y": 1, "peer:euro:x": 1}
        assert reader.quarantine_load("eu") == (4, 2 + 5 + 2 + 2)
        assert [reader.quarantine_load(peer) for peer in ("us", "euro", "e", "x")] == [(1, 5), (1, 3), (0, 0), (0, 0)]
    with store.write() as writer:
        writer.quarantine_remove([numbers[0], 999])
        assert writer.quarantine() == kept[1:]
        assert writer.quarantine_add(items[0]) not in numbers


def _event(
    reason: str = "new",
    *,
    given: int = 1,
    giver: str = "peer:eu:x",
    at: int = 10,
    version: str = "t1",
    collection: str = COLLECTION,
) -> DoorEvent:
    return DoorEvent(at=at, collection=collection, object_id=object_id(given), version_text=version, giver=giver, reason=reason)


@pytest.mark.invariant("I9")
def test_the_door_does_not_repeat_itself(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.note_door([_event(), _event(at=11), _event(giver="local:bank", at=12), _event(at=13), _event(given=2, at=13)])
        writer.note_door([_event("known", at=14), _event("known", at=15), _event(at=16)])
    with store.read() as reader:
        assert reader.door_events(object_id=object_id(1), giver="peer:eu:x") == [
            _event(at=16),
            _event("known", at=14),
            _event(),
        ]
        assert [event.at for event in reader.door_events()] == [16, 14, 13, 12, 10]
        assert [event.at for event in reader.door_events(since=13, limit=2)] == [16, 14]
        assert [event.at for event in reader.door_events(giver="local:bank")] == [12]
        assert [event.at for event in reader.door_events(object_id=object_id(2))] == [13]


@pytest.mark.invariant("I9")
def test_the_door_does_not_repeat_itself_of_several_versions_and_collections(store_factory: StoreFactory) -> None:
    """A peer is asked again for what overlaps, so all versions of an object come in turn with every pull."""
    store = store_factory()
    for at in (10, 20, 30):
        with store.write() as writer:
            writer.note_door([_event(at=at), _event(at=at, version="t2"), _event(at=at, collection=ELSEWHERE)])
    with store.read() as reader:
        assert reader.door_events() == [_event(collection=ELSEWHERE), _event(version="t2"), _event()]


# -- who fetched what ----------------------------------------------------------------------------------------------------------
def _read(first: int, last: int, *, at: int = 10, view: int = 1, party: str = "bank", address: str = "") -> Read:
    return Read(view, party, "siem", first, last, at, address)


def test_reads_that_meet_are_merged(store_factory: StoreFactory) -> None:
    store = store_factory()
    store.note_reads(
        [_read(10, 20, address="a"), _read(31, 40), _read(50, 60), _read(10, 20, view=2), _read(10, 20, party="cert")]
    )
    store.note_reads([_read(21, 30, at=9, address="old"), _read(55, 57, at=12, address="b")])
    store.note_reads([])
    with store.read() as reader:
        assert reader.reads(view=1, party="bank") == [_read(10, 40, address="a"), _read(50, 60, at=12, address="b")]
        assert reader.reads(party="cert") == [_read(10, 20, party="cert")]
        assert reader.reads(view=2) == [_read(10, 20, view=2)]
        assert len(reader.reads()) == 4


@on_one_store
@given(ranges=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=12))
def test_merged_reads_hold_the_stamps_that_were_read_and_no_others(
    store_factory: StoreFactory, ranges: list[tuple[int, int]]
) -> None:
    store = store_factory()
    view = _new_view(store)
    store.note_reads([_read(first, first + size, view=view) for first, size in ranges])
    with store.read() as reader:
        kept = reader.reads(view=view)
    assert {stamp for read in kept for stamp in range(read.first, read.last + 1)} == {
        stamp for first, size in ranges for stamp in range(first, first + size + 1)
    }
    assert all(one.last + 1 < two.first for one, two in pairwise(kept))
    store.close()


def _new_view(store: Store) -> int:
    with store.write() as writer:
        return writer.create_view(COLLECTION)


# -- documents -------------------------------------------------------------------------------------------------------------------
def test_documents_are_written_replaced_and_deleted(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.put_doc("kind", "b", {"value": 1})
        writer.put_doc("kind", "a", {"value": [1, 2.5, None, "Ω", {"deep": True}]})
        writer.put_doc("other", "a", {})
        writer.put_doc("kind", "b", {"value": 2})
    with store.write() as writer:
        writer.put_doc("other", "a", None)
        writer.put_doc("other", "never", None)
    with store.read() as reader:
        assert reader.docs("kind") == {"a": {"value": [1, 2.5, None, "Ω", {"deep": True}]}, "b": {"value": 2}}
        assert (reader.doc("kind", "b"), reader.doc("kind", "c"), reader.docs("other")) == ({"value": 2}, None, {})
