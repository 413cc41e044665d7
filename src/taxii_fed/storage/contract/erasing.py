"""The stronger delete: nothing of an object stays but hashes of its ids in the ledger."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery
from taxii_fed.ports import Change, DoorEvent, Entry, Offer, Reader
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    ELSEWHERE,
    START,
    ManualClock,
    StoreFactory,
    add,
    derived,
    new_version,
    object_id,
    opening,
    quarantined,
)

GONE, OTHER = object_id(1), object_id(2)
COPY, SHARED, REPORT = object_id(1, "note"), object_id(2, "note"), object_id(1, "report")


def hashed(each: str) -> str:
    """Return what stands for an erased id."""
    return f"sha256:{hashlib.sha256(each.encode()).hexdigest()}"


def _closed(reader: Reader, entry: Entry, given: str, at: int) -> Entry:
    (found,) = reader.entries(entry.view, entry.date_added - 1, 1, ended=True)
    assert reader.body(found.body) == b""
    return replace(
        entry,
        id=hashed(given),
        source=hashed(GONE),
        body=found.body,
        ended_at=entry.ended_at or at,
        ended_why=entry.ended_why or "erased",
    )


@pytest.mark.invariant("I10")
def test_an_erased_object_leaves_only_hashes_in_the_ledger(store_factory: StoreFactory) -> None:
    clock = ManualClock()
    store = store_factory(clock)
    gone, other = new_version(GONE), new_version(OTHER, edges=[(GONE, Use.REFERENCE)])
    old, away = new_version(GONE, 2), new_version(GONE, collection=ELSEWHERE)
    with store.write() as writer:
        first, second = writer.create_view(COLLECTION), writer.create_view(ELSEWHERE)
        keys = writer.add_versions([gone, other, old, away])
        copies = (
            derived(gone, keys[0], COPY, b"copy"),
            derived(gone, keys[0], SHARED, b"same"),
            derived(other, keys[1], SHARED, b"same"),
        )
        writer.change(first, Change(opened=(opening(gone, keys[0]), opening(old, keys[2]), *copies, opening(other, keys[1]))))
        writer.change(second, Change(opened=(opening(away, keys[3]),)))
        writer.note_given([(COPY, 1, b"c" * 32), (SHARED, 1, b"s" * 32)])
    with store.write() as writer:
        before = [*writer.entries(first, 0, 9), *writer.entries(second, 0, 9)]
        writer.change(first, Change(ended=((before[1].date_added, "replaced"),)))
    clock.instant += 50
    with store.write() as writer:
        writer.erase(GONE)
    with store.read() as reader:
        after = [*reader.entries(first, 0, 9, ended=True), *reader.entries(second, 0, 9, ended=True)]
        over = replace(before[1], ended_at=START, ended_why="replaced")
        assert after == [
            _closed(reader, before[0], GONE, START + 50),
            _closed(reader, over, GONE, START + 50),
            _closed(reader, before[2], COPY, START + 50),
            _closed(reader, before[3], SHARED, START + 50),
            before[4],
            before[5],
            _closed(reader, before[6], GONE, START + 50),
        ]
        assert reader.ledger(GONE) == reader.ledger(COPY) == []
        assert len(reader.ledger(hashed(GONE))) == 5
        assert reader.ledger(SHARED) == [before[4]]
        assert [reader.body(before[number].body) for number in (4, 5)] == [b"same", other.body]
        assert [row.id for row in reader.page(first, ObjectQuery(versions=ALL_VERSIONS)).rows] == [SHARED, OTHER]
        assert reader.page(second, ObjectQuery()).rows == []
        assert reader.given([COPY, SHARED]) == {SHARED: [(1, b"s" * 32)]}
        assert reader.users(COLLECTION, [GONE], [Use.REFERENCE]) == {GONE: [OTHER]}


@pytest.mark.invariant("I10")
def test_an_erased_object_is_gone_from_everywhere_else(store_factory: StoreFactory) -> None:
    store = store_factory()
    bank = object_id(1, "identity")
    event = DoorEvent(at=1, collection=COLLECTION, object_id=GONE, version_text="t1", giver="local:bank", reason="new")
    with store.write() as writer:
        keys = writer.add_versions(
            [new_version(GONE, edges=[(bank, Use.CREATOR)]), new_version(OTHER, edges=[(bank, Use.CREATOR)])]
        )
        writer.add_offers([Offer(key, "local:bank") for key in keys])
        writer.set_homes({GONE: "local:bank", OTHER: "local:bank"})
        writer.quarantine_add(quarantined(1))
        writer.quarantine_add(quarantined(2))
        writer.add_wakes(COLLECTION, [(5, GONE), (6, OTHER)])
        writer.add_wakes(ELSEWHERE, [(5, GONE)])
        writer.approve(COLLECTION, GONE, 1, "embargo", "bank", "alice", 1)
        writer.note_door([event])
        writer.put_status("s", "bank", {"successes": [{"id": GONE}, {"id": OTHER}]}, 1)
    with store.write() as writer:
        writer.erase(GONE)
    with store.read() as reader:
        assert reader.known([GONE, OTHER]).keys() == reader.versions(COLLECTION, [GONE, OTHER]).keys() == {OTHER}
        assert reader.homes([GONE, OTHER]) == {OTHER: "local:bank"}
        assert [version.object_id for version, _ in reader.offered_by("local:bank", 0, 9)] == [OTHER]
        assert reader.users(COLLECTION, [bank], [Use.CREATOR]) == {bank: [OTHER]}
        assert reader.walk(COLLECTION, "", 9).ids == (OTHER,)
        assert [item.object_id for item in reader.quarantine()] == [OTHER]
        assert reader.wakes(9, 9) == [(COLLECTION, 6, OTHER)]
        assert reader.approvals(COLLECTION, [GONE]) == set()
        assert reader.door_events() == [replace(event, object_id=hashed(GONE))]
        assert reader.status("s") == ("bank", {"successes": [{"id": hashed(GONE)}, {"id": OTHER}]})


def test_reasons_do_not_name_an_erased_object(store_factory: StoreFactory) -> None:
    store = store_factory()
    gone, report = new_version(GONE), new_version(REPORT, edges=[(GONE, Use.REFERENCE)])
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        keys = writer.add_versions([gone, report])
        opened = (opening(gone, keys[0], reasons=(f"about {GONE}",)), opening(report, keys[1], reasons=(f"cut {GONE}", "x")))
        writer.change(view, Change(opened=opened))
    with store.write() as writer:
        writer.erase(GONE)
    with store.read() as reader:
        assert [entry.reasons for entry in reader.entries(view, 0, 9, ended=True)] == [
            (f"about {hashed(GONE)}",),
            (f"cut {hashed(GONE)}", "x"),
        ]


def test_an_erased_object_may_come_back_and_be_erased_again(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.erase(GONE)
    for version in (1, 2):
        with store.write() as writer:
            add(writer, view, new_version(GONE, version))
        with store.write() as writer:
            assert [entry.version for entry in writer.ledger(GONE)] == [version]
            writer.erase(GONE)
            assert writer.known([GONE]) == {}
    with store.read() as reader:
        assert [(entry.version, entry.ended_why) for entry in reader.ledger(hashed(GONE))] == [(1, "erased"), (2, "erased")]


def test_an_object_may_be_erased_and_stored_anew_in_one_transaction(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        add(writer, view, new_version(GONE))
    with store.write() as writer:
        writer.erase(GONE)
        add(writer, view, new_version(GONE, 2))
    with store.read() as reader:
        assert [row.version_text for row in reader.page(view, ObjectQuery(ids=(GONE,))).rows] == ["t2"]
        assert [known.version for known in reader.known([GONE])[GONE]] == [2]
