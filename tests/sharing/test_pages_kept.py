"""Pages kept in memory are never other than what the store would give (I1, I6)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodekit import BANKING, DESK, in_force, indicator, memory_folder, open_kit, stix_id
from taxii_fed.core.rules.model import Party, Share
from taxii_fed.core.stix.levels import Level
from taxii_fed.core.taxii.paging import Cursors
from taxii_fed.core.taxii.query import ALL_VERSIONS, ObjectQuery, VersionMatch
from taxii_fed.ports import Contents, View
from taxii_fed.services.reading.browse import Browse
from taxii_fed.services.reading.pagecache import PageCache
from taxii_fed.services.reading.values import Caller, Limits

READER = Party(name="reader", role="bank")
QUERIES = (
    ObjectQuery(limit=2),
    ObjectQuery(limit=50),
    ObjectQuery(limit=50, versions=ALL_VERSIONS),
    ObjectQuery(limit=50, types=("indicator",)),
)


def rules(level: Level):
    return in_force(parties=(READER,), share=(Share(name="all", up_to=level, relayed_up_to=Level.GREEN),))


acts = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 5), st.sampled_from([Level.GREEN, Level.AMBER])),
    st.tuples(st.just("delete"), st.integers(0, 5), st.none()),
    st.tuples(st.just("rules"), st.none(), st.sampled_from([Level.GREEN, Level.AMBER])),
)


@pytest.mark.invariant("I1", "I6")
@given(story=st.lists(acts, max_size=12))
def test_a_reader_gets_what_the_store_holds_whatever_was_read_before(story):
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        kit = open_kit(Path(folder), rules(Level.GREEN))
        browse = Browse(kit.store, kit.clock, kit.cache, Cursors(b"k" * 32), Limits(), kit.waker.wake)
        for version, (act, number, level) in enumerate(story):
            kit.clock.pass_(1)
            if act == "publish":
                kit.publish(indicator(number, level=level, version=version))
            elif act == "delete" and {obj["id"] for obj in kit.view("desk")} & {stix_id("indicator", number)}:
                kit.ingest.delete(DESK, BANKING, stix_id("indicator", number), VersionMatch())
            elif act == "rules":
                kit.put_in_force(rules(level))
            for query in QUERIES:
                found = browse.objects(Caller(READER.name), BANKING.api_root, BANKING.id, query)
                with kit.store.read() as reader:
                    held = reader.contents(reader.place(READER.name, BANKING.id).view.id, query)
                assert (found.text or b"", found.more) == (held.text, held.more)
        kit.store.close()


def view(*, head: int = 10, edits: int | None = 1) -> View:
    return View(id=1, collection=BANKING.id, head=head, wake_at=None, edits=edits)


def page(text: bytes = b"{}", *, more: bool = False) -> Contents:
    return Contents(dates=(5,), text=text, more=more)


def test_a_page_is_given_for_the_state_of_the_view_that_it_was_read_in():
    kept, query = PageCache(), QUERIES[0]
    kept.put(view(), query, page())
    assert kept.get(view(), query) == page()
    assert kept.get(view(head=11), query) is None
    assert kept.get(view(), QUERIES[1]) is None
    assert kept.get(view(edits=2), query) is None
    assert kept.get(view(), query) is None


def test_a_page_with_more_behind_it_outlives_what_is_added_but_no_edit():
    kept, query = PageCache(), QUERIES[0]
    kept.put(view(), query, page(more=True))
    assert kept.get(view(head=99), query) == page(more=True)
    assert kept.get(view(head=99, edits=2), query) is None


def test_memory_is_bounded_and_a_view_that_tells_no_edits_is_not_kept():
    kept = PageCache(most_bytes=10, largest=8)
    for limit in range(1, 6):
        kept.put(view(), ObjectQuery(limit=limit), page(b"x" * 4))
    assert [kept.get(view(), ObjectQuery(limit=limit)) is not None for limit in range(1, 6)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    kept.put(view(), ObjectQuery(limit=9), page(b"x" * 9))
    assert kept.get(view(), ObjectQuery(limit=9)) is None
    kept.put(view(edits=None), ObjectQuery(limit=1), page())
    assert kept.get(view(edits=None), ObjectQuery(limit=1)) is None
