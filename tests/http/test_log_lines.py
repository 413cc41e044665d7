"""Log lines: one for a request, and nothing that a client sends can make it two."""

import errno
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.loglines import MAX_VALUE, describe, format_of
from taxii_fed.web.app import to_standard_error

FIELDS = st.dictionaries(st.sampled_from(["path", "filters", "reason"]), st.text(max_size=40) | st.integers(), max_size=3)
AT = 1_772_442_000_000_000


def test_a_line_in_logfmt():
    fields = {"party": "bank", "path": "/finance/", "filters": "limit=5", "reason": 'a "b"', "empty": "", "objects": 3}
    assert format_of("logfmt")(AT, fields) == (
        'time=2026-03-02T09:00:00.000000Z party=bank path=/finance/ filters="limit=5" reason="a \\"b\\"" objects=3\n'
    )


def test_the_same_line_in_json():
    line = format_of("json")(AT, {"party": "bank", "reason": "x\ny", "empty": "", "objects": 3})
    assert json.loads(line) == {"time": "2026-03-02T09:00:00.000000Z", "party": "bank", "reason": "x\ny", "objects": 3}


@given(st.sampled_from(["logfmt", "json"]), FIELDS)
def test_a_line_is_one_line_of_plain_ascii(form: str, fields: dict[str, str | int]):
    line = format_of(form)(AT, fields)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert line.endswith("\n")


@given(st.text())
def test_a_value_can_not_begin_a_field_of_its_own(value: str):
    line = format_of("logfmt")(AT, {"path": value})
    told = line.removeprefix("time=2026-03-02T09:00:00.000000Z").strip()
    if value:
        shown = told.removeprefix("path=")
        assert shown == value or json.loads(shown) == (value if len(value) <= MAX_VALUE else value[:MAX_VALUE] + "…")
        assert shown != value or not set(value) & set(' ="\\')
    else:
        assert told == ""


def test_a_long_value_is_cut():
    assert len(format_of("logfmt")(AT, {"path": "x" * 100_000})) < MAX_VALUE + 100


def test_an_error_is_told_in_one_line_with_what_it_says_first():
    try:
        json.loads("{")
    except ValueError as error:
        told = describe(error)
    assert told.startswith("JSONDecodeError: Expecting property name")
    assert told.endswith("test_an_error_is_told_in_one_line_with_what_it_says_first")
    assert " at decoder.py:" in told


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), BrokenPipeError(), ValueError("closed file")])
def test_a_line_that_nobody_takes_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch, error: Exception):
    class Unwritable:
        def write(self, line: str) -> None:
            raise error

    monkeypatch.setattr(sys, "stderr", Unwritable())
    to_standard_error("a line\n")
