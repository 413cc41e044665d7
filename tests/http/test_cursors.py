"""I8: a cursor is a position in a collection and nothing else."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.taxii.paging import Cursors, after_instant, dates_of_nothing

CURSORS = Cursors(b"k" * 32)
STAMPS = st.integers(0, 2**48 - 1)
HERE, ELSEWHERE = "5d1f0d7a-8c57-4d8e-9b4a-0d9d3c0e6b11", "b571fcd2-e804-4803-bcfe-2197eb9399da"
NOW = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.invariant("I8")
@given(STAMPS)
def test_a_cursor_reads_back_as_the_position_it_was_made_for(stamp: int):
    again = Cursors(b"k" * 32)
    assert again.place_after(None, again.read(CURSORS.issue(HERE, stamp)), HERE) == stamp


@pytest.mark.invariant("I8")
@given(STAMPS)
def test_a_cursor_needs_no_escaping_in_a_url(stamp: int):
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", CURSORS.issue(HERE, stamp))


@pytest.mark.invariant("I8")
@given(STAMPS, st.integers(0, 31), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= é"))
def test_a_cursor_with_one_other_character_is_refused(stamp: int, at: int, character: str):
    issued = CURSORS.issue(HERE, stamp)
    forged = issued[:at] + character + issued[at + 1 :]
    if forged != issued:
        with pytest.raises(BadRequestError):
            CURSORS.read(forged)


@pytest.mark.invariant("I8")
@given(
    st.one_of(st.text(max_size=40), STAMPS.map(lambda stamp: Cursors(b"other key of 32 bytes ..........").issue(HERE, stamp)))
)
def test_what_was_never_issued_is_refused(text: str):
    with pytest.raises(BadRequestError, match="never gave out"):
        CURSORS.read(text)


@given(st.integers(-(10**17), 10**17), st.lists(st.integers(0, 10**14), max_size=20))
def test_added_after_keeps_exactly_the_stamps_above_its_instant(instant: int, stamps: list[int]):
    after = after_instant(instant)
    assert [stamp for stamp in stamps if stamp > after] == [stamp for stamp in stamps if stamp * 1000 > instant]


@given(STAMPS, STAMPS)
def test_beside_a_cursor_the_greater_of_the_two_positions_counts(after: int, stamp: int):
    assert CURSORS.place_after(after, CURSORS.read(CURSORS.issue(HERE, stamp)), HERE) == max(after, stamp)


@pytest.mark.invariant("I2")
@given(st.none() | STAMPS, STAMPS)
def test_a_cursor_of_another_collection_moves_nobody(after: int | None, stamp: int):
    assert CURSORS.place_after(after, CURSORS.read(CURSORS.issue(ELSEWHERE, stamp)), HERE) == after


@pytest.mark.invariant("I2")
def test_an_empty_answer_gives_a_reader_its_own_position_back():
    head = NOW // 1000
    assert dates_of_nothing(head - 5, head, NOW) == head - 5
    assert dates_of_nothing(None, head, NOW) == 0


@pytest.mark.invariant("I2")
@given(st.integers(-(10**14), 3 * 10**14), st.integers(0, 2 * 10**12))
def test_the_date_of_an_empty_answer_never_passes_what_may_still_come(after: int, head: int):
    # What comes later is stamped after the head and after now.
    assert 0 <= dates_of_nothing(after, head, NOW) <= max(head, NOW // 1000)
    assert dates_of_nothing(after, head, NOW) <= max(after, 0)
