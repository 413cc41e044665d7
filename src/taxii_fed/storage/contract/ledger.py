"""Entries: how they begin, change rank, end, and stay readable for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, Rank, VersionMatch
from taxii_fed.ports import Change, Entry, Store
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    ELSEWHERE,
    START,
    ManualClock,
    StoreFactory,
    add,
    derived,
    filled,
    new_version,
    object_id,
    opening,
)

COPY = object_id(1, "note")


def entries(store: Store, view: int, *, ended: bool = True) -> list[Entry]:
    """Return the entries of a view."""
    with store.read() as reader:
        return reader.entries(view, 0, 1000, ended=ended)


@pytest.mark.invariant("I9")
def test_an_entry_keeps_all_that_its_opening_said(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    version = new_version(1, 5)
    rank = Rank(newest=False, oldest=True, top=False, shown=True)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        (key,) = writer.add_versions([version])
        writer.change(view, Change(opened=(opening(version, key, rank, rule="banks read", reasons=("a", "b")),)))
    with store.read() as reader:
        (entry,) = reader.entries(view, 0, 10)
        assert entry == Entry(
            view=view,
            date_added=reader.view(view).head,
            id=version.object_id,
            type="indicator",
            spec_version="2.1",
            version=5,
            version_text="t5",
            source=version.object_id,
            source_key=key,
            derived=False,
            rank=rank,
            rule="banks read",
            reasons=("a", "b"),
            body=entry.body,
        )
        assert reader.body(entry.body) == version.body


def test_what_opens_in_many_views_at_once_is_there_by_the_rule_names_of_each(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    versions = [new_version(1), new_version(2), new_version(3)]
    with store.write() as writer:
        first, second = writer.create_view(COLLECTION), writer.create_view(COLLECTION)
        keys = writer.add_versions(versions)
        rules = ("banks read", "insurers read", "banks read")
        opened = [opening(*each) for each in zip(versions, keys, strict=True)]
        opened = [replace(each, rule=rule, reasons=("a",)) for each, rule in zip(opened, rules, strict=True)]
        opened[2] = replace(opened[2], content=b"copy")
        writer.open_in_all([(first, {}), (second, {"banks read": "vendors read", "brokers read": "never"})], opened)
        writer.change(second, Change(opened=(opening(versions[0], keys[0], rule="last"),)))
    kept, renamed = entries(store, first), entries(store, second)
    assert [entry.rule for entry in kept] == list(rules)
    assert [entry.rule for entry in renamed] == ["vendors read", "insurers read", "vendors read", "last"]
    for one, other in zip(kept, renamed[:3], strict=True):
        assert replace(other, view=one.view, date_added=one.date_added, rule=one.rule) == one
    with store.read() as reader:
        assert reader.body(renamed[2].body) == b"copy"


def test_a_derived_copy_and_a_notice_keep_bytes_of_their_own(store_factory: StoreFactory) -> None:
    store = store_factory()
    version = new_version(1)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        (key,) = writer.add_versions([version])
        writer.change(
            view, Change(opened=(derived(version, key, COPY, b"copy"), derived(None, 0, object_id(2, "note"), b"notice")))
        )
    with store.read() as reader:
        copy, notice = reader.entries(view, 0, 10)
        assert (copy.id, copy.source, copy.source_key, copy.derived) == (COPY, version.object_id, key, True)
        assert (notice.source, notice.source_key, notice.derived) == ("", 0, True)
        assert [reader.body(copy.body), reader.body(notice.body)] == [b"copy", b"notice"]


def test_equal_content_in_one_transaction_is_one_body(store_factory: StoreFactory) -> None:
    store = store_factory()
    one, two = new_version(1), new_version(2)
    with store.write() as writer:
        views = [writer.create_view(COLLECTION), writer.create_view(COLLECTION)]
        keys = writer.add_versions([one, two])
        for view in views:
            shared = (
                derived(one, keys[0], COPY, b"same"),
                derived(two, keys[1], COPY, b"same"),
                derived(one, keys[0], COPY, b"other"),
            )
            writer.change(view, Change(opened=(*shared, opening(one, keys[0]))))
    found = [entries(store, view) for view in views]
    bodies = [[entry.body for entry in rows] for rows in found]
    assert bodies[0] == bodies[1]
    assert bodies[0][0] == bodies[0][1]
    assert len(set(bodies[0])) == 3


def test_an_entry_that_ends_leaves_the_view_and_stays_in_the_ledger(store_factory: StoreFactory) -> None:
    clock = ManualClock()
    store = store_factory(clock)
    view = filled(store, new_version(1), new_version(2))
    first, second = entries(store, view)
    clock.instant += 5
    with store.write() as writer:
        writer.change(view, Change(ended=((first.date_added, "rule-tightened"),)))
    over = replace(first, ended_at=START + 5, ended_why="rule-tightened")
    with store.read() as reader:
        assert reader.entries(view, 0, 9) == [second]
        assert reader.entries(view, 0, 9, ended=True) == [over, second]
        assert reader.ledger(first.id) == [over]
        assert (reader.live([view], [first.id]), reader.live_by_id(view, [first.id])) == ({view: {}}, {})
        assert reader.count_live(view) == 1
        assert reader.body(over.body) == new_version(1).body


def test_ending_what_has_ended_or_never_was_changes_nothing(store_factory: StoreFactory) -> None:
    clock = ManualClock()
    store = store_factory(clock)
    view = filled(store, new_version(1))
    (entry,) = entries(store, view)
    with store.write() as writer:
        writer.change(view, Change(ended=((entry.date_added, "first"), (entry.date_added, "second"), (5, "never"))))
    before = entries(store, view)
    clock.instant += 1
    with store.write() as writer:
        writer.change(view, Change(ended=((entry.date_added, "third"),), reranked=((entry.date_added, Rank(top=False)),)))
    assert entries(store, view) == before
    assert before[0].ended_why == "first"


def test_a_new_rank_replaces_the_old_one(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, new_version(1, 0), new_version(1, 7, spec_version="2.0"))
    rows = entries(store, view)
    ranks = [Rank(newest=False, shown=False), Rank(oldest=False, top=False)]
    with store.write() as writer:
        writer.change(view, Change(reranked=tuple((row.date_added, rank) for row, rank in zip(rows, ranks, strict=True))))
    assert entries(store, view) == [replace(row, rank=rank) for row, rank in zip(rows, ranks, strict=True)]
    with store.write() as writer:
        writer.change(view, Change(reranked=tuple((row.date_added, Rank()) for row in rows)))
    with store.read() as reader:
        assert len(reader.page(view, ObjectQuery()).rows) == 2


def test_a_new_rank_leaves_edition_and_version_as_they_are(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, new_version(1, 7), new_version(1, 9, spec_version="2.0"), new_version(2, 0, spec_version="2.2"))
    first, older_edition, unversioned = (row.date_added for row in entries(store, view))
    rank = Rank(newest=True, oldest=True, top=False)
    with store.write() as writer:
        writer.change(view, Change(reranked=tuple((date, rank) for date in (older_edition, unversioned))))
    asked = {
        ("2.0",): [older_edition], ("2.2",): [unversioned], ("2.1",): [first], ("2.0", "2.2"): [older_edition, unversioned],
    }  # fmt: skip
    by_version = ObjectQuery(versions=VersionMatch(last=False, instants=frozenset({0})), spec_versions=("2.2",))
    with store.read() as reader:
        for editions, dates in asked.items():
            page = reader.page(view, ObjectQuery(spec_versions=editions))
            assert [row.date_added for row in page.rows] == dates
        assert [row.date_added for row in reader.page(view, by_version).rows] == [unversioned]


def test_live_entries_are_found_by_their_source_in_each_view(store_factory: StoreFactory) -> None:
    store = store_factory()
    one, two = new_version(1), new_version(2)
    with store.write() as writer:
        first, second, third = (writer.create_view(COLLECTION) for _ in range(3))
        keys = writer.add_versions([one, two])
        writer.change(
            first, Change(opened=(opening(one, keys[0]), derived(one, keys[0], COPY, b"copy"), opening(two, keys[1])))
        )
        writer.change(second, Change(opened=(derived(two, keys[1], COPY, b"copy"),)))
        writer.change(third, Change(opened=(opening(one, keys[0]),)))
    with store.read() as reader:
        original, copy, other = reader.entries(first, 0, 9)
        (elsewhere,) = reader.entries(second, 0, 9)
        assert reader.live([first, second], [one.object_id, two.object_id, object_id(9)]) == {
            first: {one.object_id: [original, copy], two.object_id: [other]},
            second: {two.object_id: [elsewhere]},
        }
        assert reader.live([second], [one.object_id]) == {second: {}}
        assert reader.live([], [one.object_id]) == {}
        assert reader.live_by_id(first, [COPY, one.object_id, object_id(9)]) == {COPY: [copy], one.object_id: [original]}
        assert reader.ledger(two.object_id) == sorted([other, elsewhere], key=lambda entry: entry.date_added)
        assert {(entry.view, entry.source) for entry in reader.ledger(COPY)} == {
            (first, one.object_id),
            (second, two.object_id),
        }


def test_a_walk_over_entries_takes_up_where_it_left_off(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, *(new_version(number) for number in range(5)))
    rows = entries(store, view)
    with store.write() as writer:
        writer.change(view, Change(ended=((rows[1].date_added, "why"),)))
    with store.read() as reader:
        assert reader.entries(view, 0, 2) == [rows[0], rows[2]]
        assert reader.entries(view, rows[2].date_added, 2) == rows[3:]
        assert [row.date_added for row in reader.entries(view, rows[0].date_added, 2, ended=True)] == [
            rows[1].date_added,
            rows[2].date_added,
        ]
        assert [reader.count_live(view), reader.count_live(view, rows[2].date_added)] == [4, 2]


def test_copies_of_a_view_keep_stamps_ranks_and_ends(store_factory: StoreFactory) -> None:
    store = store_factory()
    source = filled(store, *(new_version(number) for number in range(5)))
    rows = entries(store, source)
    with store.write() as writer:
        writer.change(
            source, Change(ended=((rows[1].date_added, "why"),), reranked=((rows[2].date_added, Rank(newest=False)),))
        )
        target = writer.create_view(COLLECTION)
        assert writer.copy_entries(source, target, 0, 3) == rows[2].date_added
        assert writer.view(target).head == rows[2].date_added
    with store.write() as writer:
        assert writer.copy_entries(source, target, rows[2].date_added, 3) == rows[4].date_added
        assert writer.copy_entries(source, target, rows[4].date_added, 3) == 0
    assert entries(store, target) == [replace(row, view=target) for row in entries(store, source)]
    with store.read() as reader:
        for query in (
            ObjectQuery(),
            ObjectQuery(versions=ALL_VERSIONS),
            ObjectQuery(types=("indicator",)),
            ObjectQuery(ids=(rows[2].id,)),
        ):
            assert reader.page(target, query) == reader.page(source, query)
    with store.write() as writer:
        add(writer, target, new_version(7))
    with store.read() as reader:
        assert reader.view(target).head > reader.view(source).head


def test_a_copy_does_not_lower_the_head_of_its_target(store_factory: StoreFactory) -> None:
    store = store_factory(ManualClock())
    source = filled(store, new_version(1))
    with store.write() as writer:
        target = writer.create_view(COLLECTION, START)
        writer.copy_entries(source, target, 0, 10)
        assert writer.view(target).head == START


def test_a_mirror_repeats_ends_and_ranks_but_no_openings(store_factory: StoreFactory) -> None:
    store = store_factory()
    source = filled(store, new_version(1), new_version(2))
    first, second = (row.date_added for row in entries(store, source))
    with store.write() as writer:
        target = writer.create_view(COLLECTION)
        writer.copy_entries(source, target, 0, 10)
        writer.set_mirror(source, target)
        assert writer.view(source).mirror == target
    with store.write() as writer:
        writer.change(source, Change(ended=((first, "why"),), reranked=((second, Rank(oldest=False)),)))
        add(writer, source, new_version(3))
    assert entries(store, target) == [replace(row, view=target) for row in entries(store, source)[:2]]
    with store.write() as writer:
        writer.set_mirror(source, 0)
        writer.change(source, Change(ended=((second, "why"),)))
    assert [row.ended_at is None for row in entries(store, target)] == [False, True]


def test_targets_are_used_visibly_by_live_entries_of_their_sources(store_factory: StoreFactory) -> None:
    store = store_factory()
    bank, mark, extension, unused = (
        object_id(1, kind) for kind in ("identity", "marking-definition", "extension-definition", "tool")
    )
    plain = new_version(1, edges=[(bank, Use.CREATOR), (mark, Use.MARKING)])
    changed = new_version(2, edges=[(bank, Use.CREATOR), (extension, Use.EXTENSION)])
    away = new_version(3, edges=[(unused, Use.MARKING)], collection=ELSEWHERE)
    every = {target: tuple(Use) for target in (bank, mark, extension, unused)}
    with store.write() as writer:
        view, other, third = writer.create_view(COLLECTION), writer.create_view(COLLECTION), writer.create_view(ELSEWHERE)
        keys = writer.add_versions([plain, changed, away])
        writer.change(view, Change(opened=(opening(plain, keys[0]),)))
        writer.change(other, Change(opened=(derived(changed, keys[1], COPY, b"copy"),)))
        writer.change(third, Change(opened=(opening(away, keys[2]),)))
    with store.read() as reader:
        assert reader.used_visibly(view, every) == {bank, mark}
        assert reader.used_visibly(view, {bank: [Use.MARKING], mark: [Use.MARKING, Use.CREATOR]}) == {mark}
        assert reader.used_visibly(other, every) == {extension}
        assert reader.used_visibly(third, every) == {unused}
        assert reader.used_visibly(view, {}) == set()
        assert reader.used_visibly(view, every, without=[plain.object_id]) == set()
        assert reader.used_visibly(view, every, without=[changed.object_id, object_id(99)]) == {bank, mark}
    with store.write() as writer:
        writer.change(view, Change(ended=((writer.view(view).head, "why"),)))
        assert writer.used_visibly(view, every) == set()


def test_only_the_version_that_is_visible_counts_as_a_user(store_factory: StoreFactory) -> None:
    store = store_factory()
    mark = object_id(1, "marking-definition")
    old, new = new_version(1, 1, edges=[(mark, Use.MARKING)]), new_version(1, 2)
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        keys = writer.add_versions([old, new])
        writer.change(view, Change(opened=(opening(new, keys[1]),)))
    with store.read() as reader:
        assert reader.used_visibly(view, {mark: [Use.MARKING]}) == set()
        assert reader.users(COLLECTION, [mark], [Use.MARKING]) == {mark: [old.object_id]}


def test_what_was_given_out_under_a_derived_id_is_remembered(store_factory: StoreFactory) -> None:
    store = store_factory()
    other = object_id(2, "note")
    with store.write() as writer:
        writer.note_given([(COPY, 5, b"b" * 32), (COPY, 5, b"a" * 32), (COPY, 3, b"c" * 32)])
        writer.note_given([(COPY, 5, b"a" * 32), (other, 1, b"d" * 32)])
    with store.read() as reader:
        assert reader.given([COPY, other, object_id(3)]) == {
            COPY: [(3, b"c" * 32), (5, b"a" * 32), (5, b"b" * 32)],
            other: [(1, b"d" * 32)],
        }
        assert reader.given([]) == {}


def test_the_last_version_given_in_a_view_counts_ended_entries(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        view, other = writer.create_view(COLLECTION), writer.create_view(COLLECTION)
        writer.change(
            view, Change(opened=tuple(derived(None, 0, COPY, b"%d" % number, version=number) for number in (4, 9, 2)))
        )
    with store.write() as writer:
        writer.change(view, Change(ended=tuple((entry.date_added, "why") for entry in writer.entries(view, 0, 2))))
    with store.read() as reader:
        assert reader.last_given(view, [COPY, object_id(1)]) == {COPY: 9}
        assert reader.last_given(other, [COPY]) == {}
