"""What came in: versions, who uses whom, who offers what, whose it is, and what may not come back."""

from __future__ import annotations

import pytest

from taxii_fed.core.stix.facts import Provenance, Use
from taxii_fed.core.stix.levels import Level
from taxii_fed.ports import Change, Known, NewVersion, Offer, Reader, Version
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    ELSEWHERE,
    START,
    StoreFactory,
    add,
    new_version,
    object_id,
    opening,
)

ABROAD = Provenance(origin="eu", jurisdiction="DE", overlay=Level.CLEAR, party="eu-csirt")


@pytest.mark.invariant("I3")
def test_a_version_is_kept_as_it_came(store_factory: StoreFactory) -> None:
    store = store_factory()
    new = new_version(1, 7, body=b'{"x": 1.0}\x00', provenance=ABROAD, spec_version="2.0")
    with store.write() as writer:
        (key,) = writer.add_versions([new])
    expected = Version(
        key=key,
        collection=COLLECTION,
        object_id=new.object_id,
        type="indicator",
        spec_version="2.0",
        version=7,
        version_text="t7",
        body=b'{"x": 1.0}\x00',
        received_at=START,
        provenance=ABROAD,
    )
    with store.read() as reader:
        assert reader.versions(COLLECTION, [new.object_id]) == {new.object_id: [expected]}
        assert reader.version_by_key(key) == expected
        assert reader.version_by_key(key + 1) is None
        assert reader.known([new.object_id, object_id(9)]) == {
            new.object_id: [Known(key, COLLECTION, 7, "2.0", new.digest, ABROAD)]
        }


def test_keys_grow_in_the_order_of_arrival_and_are_never_given_again(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        first = writer.add_versions([new_version(2), new_version(1)])
        writer.remove_versions(first)
        second = writer.add_versions([new_version(2)])
    with store.write() as writer:
        writer.remove_versions(second)
    with store_factory().write() as writer:
        third = writer.add_versions([new_version(2)])
    keys = first + second + third
    assert keys[0] > 0
    assert keys == sorted(set(keys))


def test_versions_of_an_object_come_in_ascending_order_and_by_collection(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.add_versions([new_version(1, 5), new_version(1, 2), new_version(1, 9), new_version(2, 1)])
        writer.add_versions([new_version(1, 3, collection=ELSEWHERE)])
    with store.read() as reader:
        found = reader.versions(COLLECTION, [object_id(1), object_id(2), object_id(3)])
        assert {each: [version.version for version in rows] for each, rows in found.items()} == {
            object_id(1): [2, 5, 9],
            object_id(2): [1],
        }
        assert {known.version for known in reader.known([object_id(1)])[object_id(1)]} == {2, 3, 5, 9}
        assert reader.versions("unheard-of", [object_id(1)]) == {}


@pytest.mark.invariant("I4")
@pytest.mark.parametrize(
    "again", [[new_version(1, 1)], [new_version(2), new_version(1, 1, body=b"other")], [new_version(3), new_version(3)]]
)
def test_an_id_and_version_that_is_there_is_refused_and_nothing_stored(
    store_factory: StoreFactory, again: list[NewVersion]
) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.add_versions([new_version(1, 1)])
        with pytest.raises(ValueError, match=r"already|twice"):
            writer.add_versions(again)
    with store.read() as reader:
        assert reader.known([object_id(number) for number in (1, 2, 3)]).keys() == {object_id(1)}


def test_the_same_version_may_lie_in_another_collection_and_in_another_edition(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.add_versions([new_version(1), new_version(1, collection=ELSEWHERE), new_version(1, spec_version="2.0")])
        assert len(writer.known([object_id(1)])[object_id(1)]) == 3


def test_a_removed_version_is_gone_with_its_offers_and_edges(store_factory: StoreFactory) -> None:
    store = store_factory()
    bank = object_id(1, "identity")
    with store.write() as writer:
        keys = writer.add_versions([new_version(1, version, edges=[(bank, Use.CREATOR)]) for version in (1, 2)])
        writer.add_offers(Offer(key, "local:bank") for key in keys)
    with store.write() as writer:
        writer.remove_versions(keys[:1])
        assert [version.key for version in writer.versions(COLLECTION, [object_id(1)])[object_id(1)]] == keys[1:]
        assert set(writer.offers(keys)) == {keys[1]}
        assert writer.users(COLLECTION, [bank], [Use.CREATOR]) == {bank: [object_id(1)]}
        writer.remove_versions([*keys, 999])
    with store.read() as reader:
        assert (reader.known([object_id(1)]), reader.users(COLLECTION, [bank], [Use.CREATOR])) == ({}, {})
        assert (reader.offers(keys), reader.offered_by("local:bank", 0, 9)) == ({}, [])


@pytest.mark.invariant("I10")
def test_bytes_stay_while_an_entry_holds_them(store_factory: StoreFactory) -> None:
    store = store_factory()
    held, staged = new_version(1), new_version(2)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        keys = add(writer, view, held)
    with store.write() as writer:
        keys += writer.add_versions([staged])
        writer.change(view, Change(opened=(opening(staged, keys[1]),)))
        writer.remove_versions(keys)
    with store.read() as reader:
        assert [reader.body(entry.body) for entry in reader.entries(view, 0, 9)] == [held.body, staged.body]


def test_users_are_found_by_how_they_name_a_target(store_factory: StoreFactory) -> None:
    store = store_factory()
    target, bank = object_id(1, "malware"), object_id(1, "identity")
    with store.write() as writer:
        writer.add_versions(
            [
                new_version(1, 1, edges=[(target, Use.REFERENCE), (bank, Use.CREATOR), (target, Use.REFERENCE)]),
                new_version(1, 2, edges=[(target, Use.REFERENCE)]),
                new_version(2, edges=[(bank, Use.CREATOR), (bank, Use.REFERENCE)]),
                new_version(3, edges=[(target, Use.REFERENCE)], collection=ELSEWHERE),
            ]
        )
    with store.read() as reader:

        def users(*uses: Use) -> dict[str, list[str]]:
            found = reader.users(COLLECTION, [target, bank, object_id(9)], uses)
            return {each: sorted(rows) for each, rows in found.items()}

        assert users(Use.REFERENCE) == {target: [object_id(1)], bank: [object_id(2)]}
        assert users(Use.CREATOR) == {bank: [object_id(1), object_id(2)]}
        assert users(Use.CREATOR, Use.REFERENCE) == {target: [object_id(1)], bank: [object_id(1), object_id(2)]}
        assert users() == users(Use.MARKING) == {}


def _walk(reader: Reader, collection: str, limit: int) -> list[tuple[str, ...]]:
    pages: list[tuple[str, ...]] = []
    tail = reader.walk(collection, "", limit)
    while tail.last:
        pages.append(tail.ids)
        tail = reader.walk(collection, tail.last, limit)
    return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_walk_over_a_collection_gives_each_object_once(store_factory: StoreFactory, limit: int) -> None:
    store = store_factory()
    with store.write() as writer:
        for number, version in ((3, 1), (1, 1), (3, 2), (2, 1), (1, 2), (4, 1)):
            writer.add_versions([new_version(number, version)])
            writer.add_versions([new_version(number + 5, version, collection=ELSEWHERE)])
    with store.read() as reader:
        pages = _walk(reader, COLLECTION, limit)
        assert sorted(each for page in pages for each in page) == [object_id(number) for number in (1, 2, 3, 4)]
        assert all(len(page) <= limit for page in pages)
        assert _walk(reader, "unheard-of", limit) == []


def test_an_object_that_loses_its_oldest_version_is_still_walked_over(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        keys = writer.add_versions([new_version(1, 1), new_version(2, 1), new_version(1, 2)])
        writer.remove_versions(keys[:1])
    with store.read() as reader:
        assert sorted(each for page in _walk(reader, COLLECTION, 1) for each in page) == [object_id(1), object_id(2)]


def test_the_first_home_stays(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        writer.set_homes({object_id(1): "local:bank"})
        writer.set_homes({object_id(1): "peer:eu", object_id(2): "peer:eu"})
    with store.read() as reader:
        assert reader.homes([object_id(number) for number in (1, 2, 3)]) == {
            object_id(1): "local:bank",
            object_id(2): "peer:eu",
        }


def test_offers_are_renewed_and_taken_away(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        keys = writer.add_versions([new_version(number) for number in range(4)])
        writer.add_offers([Offer(key, "peer:eu:x", ("a",)) for key in reversed(keys)])
        writer.add_offers([Offer(keys[0], "local:bank"), Offer(keys[1], "peer:eu:x", ("b", "c"))])
    with store.write() as writer:
        writer.remove_offers("peer:eu:x", [keys[2], 999])
        writer.remove_offers("unheard-of", keys)
    with store.read() as reader:
        assert {key: sorted(offers, key=lambda offer: offer.giver) for key, offers in reader.offers(keys).items()} == {
            keys[0]: [Offer(keys[0], "local:bank"), Offer(keys[0], "peer:eu:x", ("a",))],
            keys[1]: [Offer(keys[1], "peer:eu:x", ("b", "c"))],
            keys[3]: [Offer(keys[3], "peer:eu:x", ("a",))],
        }
        offered = reader.offered_by("peer:eu:x", 0, 2)
        assert [(version.key, path) for version, path in offered] == [(keys[0], ("a",)), (keys[1], ("b", "c"))]
        assert [version.key for version, _ in reader.offered_by("peer:eu:x", keys[1], 2)] == [keys[3]]
        assert reader.offered_by("unheard-of", 0, 9) == []


def test_refusals_are_remembered_until_forgotten(store_factory: StoreFactory) -> None:
    store = store_factory()
    one, two, three = (bytes([number]) * 32 for number in range(3))
    with store.write() as writer:
        writer.refuse([one, two], 1)
        writer.refuse([two], 2)
    with store.write() as writer:
        assert writer.refused([one, two, three]) == {one, two}
        writer.accept_again([one, three])
    with store.read() as reader:
        assert (reader.refused([one, two, three]), reader.refused([])) == ({two}, set())
