"""Section 3.4: query strings as queries, and what is malformed."""

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import BadRequestError
from taxii_fed.core.taxii.paging import Cursors, Position
from taxii_fed.core.taxii.query import ObjectQuery, VersionMatch
from taxii_fed.core.timestamps import parse_rfc3339
from taxii_fed.services.reading.values import Limits
from taxii_fed.web import query

CURSORS = Cursors(b"k" * 32)
LIMITS = Limits(page_size=1000, max_page_size=10_000, max_page_bytes=5)


def asked(text: str, known: frozenset[str] = query.LISTING) -> ObjectQuery:
    query.position(query.parameters(text, known), CURSORS)
    return query.object_query(query.parameters(text, known), LIMITS)


def position(text: str) -> Position | None:
    return query.position(query.parameters(text, query.LISTING), CURSORS)


def refusal(text: str) -> str:
    with pytest.raises(BadRequestError) as caught:
        asked(text)
    return caught.value.description


def test_nothing_asked_is_the_newest_of_everything_from_the_beginning():
    assert asked("") == ObjectQuery(limit=1000, max_bytes=5)


def test_all_filters_at_once():
    text = (
        "added_after=2026-03-02T09:00:00.000Z&limit=7&match[id]=indicator--a,tool--b&match[type]=indicator,tool"
        "&match[version]=first,2026-01-01T00:00:00Z&match%5Bspec_version%5D=2.0,2.1"
    )
    assert asked(text) == ObjectQuery(
        after=parse_rfc3339("2026-03-02T09:00:00Z") // 1000,
        limit=7,
        max_bytes=5,
        ids=("indicator--a", "tool--b"),
        types=("indicator", "tool"),
        versions=VersionMatch(last=False, first=True, instants=frozenset({parse_rfc3339("2026-01-01T00:00:00Z")})),
        spec_versions=("2.0", "2.1"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "limit=0",
        "limit=-1",
        "limit=",
        "limit=abc",
        "limit=1.5",
        "limit=+5",
        "limit=١",
        "limit=1&limit=1",
        "added_after=",
        "added_after=yesterday",
        "added_after=2026-03-02",
        "added_after=2026-13-02T00:00:00Z",
        "added_after=2026-03-02T09:00:00Z,2026-03-03T09:00:00Z",
        "added_after=2026-03-02T09:00:00Z&added_after=2026-03-03T09:00:00Z",
        "next=",
        "next=garbage",
        "match[id]=",
        "match[id]=indicator",
        "match[id]=indicator--a, indicator--b",
        "match[id]=indicator--a,,indicator--b",
        "match[id]=a--b&match[id]=c--d",
        "match[type]=",
        "match[type]=a b",
        "match[type]=indicator&match%5Btype%5D=tool",
        "match[version]=",
        "match[version]=newest",
        "match[version]=all,last",
        "match[version]=last,last",
        "match[version]=all,all",
        "match[version]=2026-01-01T00:00:00Z,2026-01-01T00:00:00.000Z",
        "match[version]=2026-01-01T00:00:00+00:00",
        "match[spec_version]=latest",
        "match[spec_version]=2.1&match[spec_version]=2.0",
    ],
)
def test_this_is_malformed_and_the_refusal_names_the_parameter(text: str):
    assert refusal(text).startswith(text.partition("=")[0].replace("%5B", "[").replace("%5D", "]"))


@pytest.mark.parametrize("text", ["match[match[type]]=indicator", "match[zzz]=1", "api_key=x&api_key=y", "monitor", "&&=&"])
def test_parameters_of_the_client_itself_are_ignored(text: str):
    assert asked(text) == asked("")


def test_a_limit_above_the_cap_is_cut_not_refused():
    assert asked("limit=" + "9" * 5000).limit == 10_000
    assert asked("limit=00010").limit == 10


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:00:00.000Z",
        "2026-03-02T09:00:00.000000000Z",
        "2026-03-02T10:00:00+01:00",
        "2026-03-02T10:00:00%2B01:00",
        "2026-03-02t09:00:00z",
    ],
)
def test_added_after_is_taken_in_every_form_of_rfc_3339(text: str):
    assert asked(f"added_after={text}").after == parse_rfc3339("2026-03-02T09:00:00Z") // 1000


def test_a_cursor_and_added_after_are_read_each_by_itself():
    cursor = CURSORS.issue("banking", 1_772_442_000_500)
    text = f"next={cursor}&added_after=2026-03-02T09:00:00Z"
    assert asked(text).after == parse_rfc3339("2026-03-02T09:00:00Z") // 1000
    assert position(text) == CURSORS.read(cursor)
    assert position("limit=5") is None


def test_a_query_of_absurd_length_is_refused():
    assert "longer than" in refusal("match[id]=" + ",".join(["indicator--a"] * 5000))


def test_filters_that_an_endpoint_does_not_have_are_ignored_there():
    assert asked("match[type]=tool&match[id]=x--y&limit=3", query.ONE_OBJECT) == asked("limit=3")


@given(
    st.dictionaries(
        st.sampled_from(sorted(query.LISTING)) | st.text(max_size=10),
        st.text(max_size=30)
        | st.lists(st.sampled_from(["all", "last", "first", "2.1", "a--b", "tool", "5"]), max_size=4).map(",".join),
        max_size=6,
    )
)
def test_any_query_string_is_either_a_query_or_a_refusal(pairs: dict[str, str]):
    with suppress(BadRequestError):
        assert 1 <= asked(urlencode(pairs, errors="surrogatepass")).limit <= 10_000
