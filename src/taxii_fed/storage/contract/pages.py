"""Pages of a view mean what `core.taxii.query` says they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.taxii.query import ALL_VERSIONS, Listed, ObjectQuery, Rank, VersionMatch, select
from taxii_fed.ports import Change, Contents, Opening, Page, Row, Store
from taxii_fed.storage.contract.builders import (
    COLLECTION,
    StoreFactory,
    add,
    derived,
    filled,
    new_version,
    object_id,
    opening,
)
from taxii_fed.storage.contract.profiles import on_one_store

IDS = tuple(object_id(number, kind) for kind in ("indicator", "malware", "ipv4-addr") for number in range(2))
ABSENT = object_id(9)
EDITIONS = ("2.0", "2.1", "2.2")
INSTANTS = (0, 1, 2, 3_000_000)

openings = st.builds(
    lambda given, edition, version, rank: Opening(
        id=given,
        type=given.partition("--")[0],
        spec_version=edition,
        version=version,
        version_text=f"t{version}",
        source="",
        source_key=0,
        rank=rank,
        rule="r",
        content=f"{given} {edition} {version}".encode(),
    ),
    st.sampled_from(IDS),
    st.sampled_from(EDITIONS),
    st.sampled_from(INSTANTS),
    st.builds(Rank, newest=st.booleans(), oldest=st.booleans(), top=st.booleans(), shown=st.integers(0, 4).map(bool)),
)

version_matches = st.one_of(
    st.just(VersionMatch()),
    st.just(ALL_VERSIONS),
    st.builds(VersionMatch, last=st.booleans(), first=st.booleans(), all=st.integers(0, 5).map(lambda number: number == 0),
              instants=st.frozensets(st.sampled_from((*INSTANTS, 99)), max_size=2)),
)  # fmt: skip


def some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """Filters: none, or a few values, of which some match nothing and some come twice."""
    return st.one_of(st.none(), st.none(), st.lists(st.sampled_from(values), max_size=3).map(tuple))


@st.composite
def queries(draw: st.DrawFn, dates: tuple[int, ...]) -> ObjectQuery:
    """Any query over entries with these dates."""
    near = [date + shift for date in dates for shift in (-1, 0)]
    return ObjectQuery(
        after=draw(st.one_of(st.none(), st.sampled_from(near))) if near else None,
        limit=draw(st.sampled_from((1, 2, 3, 5, 100))),
        ids=draw(some((*IDS, ABSENT))),
        types=draw(some(("indicator", "malware", "ipv4-addr", "unheard-of"))),
        versions=draw(version_matches),
        spec_versions=draw(some((*EDITIONS, "1.2"))),
    )


@pytest.mark.taxii("S-3.4-11")
@on_one_store
@given(data=st.data(), rows=st.lists(openings, max_size=12), ended=st.sets(st.integers(0, 11), max_size=4))
def test_a_page_is_what_the_reference_selects(
    store_factory: StoreFactory, data: st.DataObject, rows: list[Opening], ended: set[int]
) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.change(view, Change(opened=tuple(rows)))
    with store.write() as writer:
        entries = writer.entries(view, 0, 100)
        over = [entry for number, entry in enumerate(entries) if number in ended]
        writer.change(view, Change(ended=tuple((entry.date_added, "why") for entry in over)))
        other = writer.create_view(COLLECTION)
        writer.change(other, Change(opened=tuple(rows)))
    listed = {
        entry.date_added: Listed(entry.date_added, entry.id, entry.type, entry.version, entry.spec_version, entry.rank)
        for entry in entries
        if entry not in over
    }
    contents = {entry.date_added: row.content or b"" for entry, row in zip(entries, rows, strict=True)}
    for _ in range(8):
        query = data.draw(queries(tuple(entry.date_added for entry in entries)))
        found, more = select(query, listed.values())
        with store.read() as reader:
            page = reader.page(view, query)
            manifest = reader.page(view, query, bodies=False)
            text = reader.contents(view, query)
        expected = [
            Row(each.date_added, each.id, f"t{each.version}", each.spec_version, contents[each.date_added]) for each in found
        ]
        assert (list(page.rows), page.more) == (expected, more)
        assert (list(text.dates), text.text, text.more) == (
            [row.date_added for row in expected],
            b",".join(row.body for row in expected),
            more,
        )
        assert (list(manifest.rows), manifest.more) == ([row._replace(body=b"") for row in expected], more)
    store.close()


@pytest.mark.invariant("I2")
@on_one_store
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5), count=st.integers(0, 12))
def test_walking_pages_of_any_size_gives_every_entry_once_and_in_order(
    store_factory: StoreFactory, sizes: list[int], count: int
) -> None:
    store = store_factory()
    rows = tuple(derived(None, 0, object_id(number), b"%d" % number) for number in range(count))
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.change(view, Change(opened=rows))
    seen: list[Row] = []
    more, turn = True, 0
    while more:
        query = ObjectQuery(after=seen[-1].date_added if seen else None, limit=sizes[turn % len(sizes)])
        with store.read() as reader:
            page = reader.page(view, query)
        seen.extend(page.rows)
        more, turn = page.more, turn + 1
    assert [row.body for row in seen] == [row.content for row in rows]
    assert [row.date_added for row in seen] == sorted({row.date_added for row in seen})
    store.close()


def _with_bodies(store: Store, *sizes: int) -> int:
    versions = [new_version(number, body=bytes([number]) * size) for number, size in enumerate(sizes)]
    return filled(store, *versions)


def _sizes(page: Page) -> list[int]:
    return [len(row.body) for row in page.rows]


@pytest.mark.parametrize(
    ("max_bytes", "limit", "sizes", "more"),
    [
        (30, 10, [10, 20], True),
        (29, 10, [10], True),
        (60, 10, [10, 20, 30], False),
        (59, 10, [10, 20], True),
        (60, 3, [10, 20, 30], False),
        (60, 2, [10, 20], True),
        (0, 10, [10], True),
    ],
)
def test_max_bytes_cuts_a_page_and_says_that_more_is_left(
    store_factory: StoreFactory, max_bytes: int, limit: int, sizes: list[int], more: bool
) -> None:
    store = store_factory()
    view = _with_bodies(store, 10, 20, 30)
    query = ObjectQuery(limit=limit, max_bytes=max_bytes)
    with store.read() as reader:
        page, text = reader.page(view, query), reader.contents(view, query)
    assert (_sizes(page), page.more) == (sizes, more)
    assert (list(text.dates), text.more) == ([row.date_added for row in page.rows], more)
    assert text.text == b",".join(row.body for row in page.rows)


def test_an_entry_larger_than_the_page_is_given_alone(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = _with_bodies(store, 50_000, 1)
    with store.read() as reader:
        first = reader.page(view, ObjectQuery(max_bytes=10))
        last = reader.page(view, ObjectQuery(max_bytes=10, after=first.rows[0].date_added))
    assert (_sizes(first), first.more, _sizes(last), last.more) == ([50_000], True, [1], False)


def test_max_bytes_does_not_cut_a_page_without_bodies(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = _with_bodies(store, 10, 20)
    with store.read() as reader:
        page = reader.page(view, ObjectQuery(max_bytes=1), bodies=False)
    assert (len(page.rows), page.more) == (2, False)


@pytest.mark.invariant("I3")
@on_one_store
@given(body=st.binary(max_size=300))
def test_bodies_come_back_byte_for_byte(store_factory: StoreFactory, body: bytes) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.change(view, Change(opened=(derived(None, 0, object_id(1), body),)))
    with store.read() as reader:
        (row,) = reader.page(view, ObjectQuery()).rows
        (entry,) = reader.entries(view, 0, 10)
        assert (row.body, reader.body(entry.body), reader.contents(view, ObjectQuery()).text) == (body, body, body)
    store.close()


def test_an_id_or_type_with_a_nul_in_it_stands_for_no_other(store_factory: StoreFactory) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        writer.change(view, Change(opened=(derived(None, 0, object_id(1), b"{}"),)))
    with store.read() as reader:
        for end in ("\0", "\0more"):
            for query in (ObjectQuery(ids=(object_id(1) + end,)), ObjectQuery(types=("indicator" + end,))):
                assert not reader.page(view, query).rows
                assert not reader.contents(view, query).dates
            assert not reader.shown(view, object_id(1) + end)
        assert len(reader.page(view, ObjectQuery(ids=("\0", object_id(1)), types=("indicator",))).rows) == 1


def test_a_view_that_is_not_there_gives_an_empty_page(store_factory: StoreFactory) -> None:
    with store_factory().read() as reader:
        assert reader.page(77, ObjectQuery()) == Page([], more=False)
        assert (reader.contents(77, ObjectQuery()).text, reader.contents(77, ObjectQuery()).more) == (b"", False)
        assert reader.contents(77, ObjectQuery()) == Contents((), b"", more=False)
        assert not reader.shown(77, object_id(1))


def test_shown_tells_of_live_entries_that_are_not_hidden(store_factory: StoreFactory) -> None:
    store = store_factory()
    hidden, plain, gone = (new_version(number) for number in range(3))
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        other = writer.create_view(COLLECTION)
        keys = writer.add_versions([hidden, plain, gone])
        opened = (
            opening(hidden, keys[0], Rank(shown=False)),
            opening(plain, keys[1], Rank(newest=False, oldest=False, top=False)),
            opening(gone, keys[2]),
        )
        writer.change(view, Change(opened=opened))
    with store.write() as writer:
        last = writer.entries(view, 0, 10)[-1].date_added
        writer.change(view, Change(ended=((last, "why"),)))
    with store.read() as reader:
        assert [reader.shown(view, each.object_id) for each in (hidden, plain, gone)] == [False, True, False]
        assert not reader.shown(other, plain.object_id)
        assert not reader.shown(view, ABSENT)


def test_a_page_within_a_transaction_sees_its_ends_and_ranks(store_factory: StoreFactory) -> None:
    store = store_factory()
    view = filled(store, new_version(1), new_version(2), new_version(3))
    with store.write() as writer:
        first, second, third = (row.date_added for row in writer.page(view, ObjectQuery()).rows)
        writer.change(view, Change(ended=((first, "why"),), reranked=((second, Rank(newest=False)),)))
        assert [row.date_added for row in writer.page(view, ObjectQuery()).rows] == [third]
        assert [row.date_added for row in writer.page(view, ObjectQuery(versions=ALL_VERSIONS)).rows] == [second, third]
        add(writer, view, new_version(4))
        assert [row.date_added for row in writer.page(view, ObjectQuery()).rows] == [third]


FRESH = count(1000)
"""Numbers of objects that no other example has, as they share a store."""

PLAIN = (ObjectQuery(), ObjectQuery(limit=2), ObjectQuery(versions=ALL_VERSIONS), ObjectQuery(types=("indicator",), limit=1))


def _pages_of(store: Store, views: Sequence[int]) -> Iterator[tuple[tuple[int, int, int], list[Contents]]]:
    """Yield the state of each view, where the store counts it, and its pages in that state."""
    with store.read() as reader:
        for number in views:
            view = reader.view(number)
            if view.edits is not None:
                yield (number, view.head, view.edits), [reader.contents(number, query) for query in PLAIN]


@pytest.mark.invariant("I6")
@on_one_store
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(("open", "end", "rerank", "copy", "erase", "nothing")), st.integers(0, 5)), max_size=12
    )
)
def test_while_head_and_edits_of_a_view_are_the_same_its_pages_are(
    store_factory: StoreFactory, steps: list[tuple[str, int]]
) -> None:
    store = store_factory()
    with store.write() as writer:
        view = writer.create_view(COLLECTION)
        mirror = writer.create_view(COLLECTION)
        writer.set_mirror(view, mirror)
    known = dict(_pages_of(store, (view, mirror)))
    for step, which in steps:
        with store.write() as writer:
            live = writer.entries(view, 0, 100)
            entry = live[which % len(live)] if live else None
            if step == "open":
                add(writer, view, new_version(next(FRESH)))
            elif step == "end" and entry:
                writer.change(view, Change(ended=((entry.date_added, "why"),)))
            elif step == "rerank" and entry:
                writer.change(view, Change(reranked=((entry.date_added, Rank(newest=bool(which % 2))),)))
            elif step == "copy":
                copied = writer.entries(mirror, 0, 100, ended=True)
                writer.copy_entries(view, mirror, copied[-1].date_added if copied else 0, 2)
            elif step == "erase" and entry:
                writer.erase(entry.id)
        for state, pages in _pages_of(store, (view, mirror)):
            assert known.setdefault(state, pages) == pages, (step, state)
    store.close()
