"""Section 3.1: media types that are served, taken and refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import NotAcceptableError, UnsupportedMediaError
from taxii_fed.web.negotiation import accepts_gzip, require_acceptable, require_taken

SERVED = [
    None,
    "",
    "application/taxii+json;version=2.1",
    "application/taxii+json; version=2.1",
    'Application/TAXII+JSON ; Version="2.1"',
    "application/taxii+json",
    "application/taxii+json;version=2.1;charset=utf-8",
    "application/taxii+json;version=2.1;q=0.5, text/html",
    "text/html, application/taxii+json;version=2.1",
    "application/vnd.oasis.taxii+json; version=2.0, application/taxii+json;version=2.1",
    "application/json, text/plain, */*",
    "application/json",
    "application/*",
    "*/*",
    "*/*;q=0.1",
    "application/stix+json;version=2.1",
    "application/taxii+json;q=not-a-number",
    "utter nonsense",
    ",",
]
REFUSED = [
    "application/vnd.oasis.taxii+json; version=2.0",
    "application/vnd.oasis.stix+json; version=2.0",
    "application/taxii+json;version=2.0",
    "application/taxii+json;version=9.9",
    "text/html",
    "text/html, application/xhtml+xml",
    "application/taxii+json;version=2.1;q=0",
    "*/*;q=0",
]


@pytest.mark.parametrize("accept", SERVED)
def test_this_accept_is_served(accept: str | None):
    require_acceptable(accept)


@pytest.mark.parametrize("accept", REFUSED)
def test_this_accept_is_refused(accept: str):
    with pytest.raises(NotAcceptableError):
        require_acceptable(accept)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/taxii+json;version=2.1",
        "application/taxii+json; version=2.1; charset=utf-8",
        "application/taxii+json",
        'application/taxii+json; VERSION="2.1"',
        "APPLICATION/STIX+JSON; version=2.1",
        "application/stix+json; version=2.0",
        "application/json;charset=UTF-8",
    ],
)
def test_this_content_type_is_taken(content_type: str):
    require_taken(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/xml",
        "application/vnd.oasis.stix+json; version=2.0",
        "application/taxii+json;version=2.0",
        "application/taxii+json; version=9.9",
        "application/json;charset=utf-16",
    ],
)
def test_this_content_type_is_refused(content_type: str | None):
    with pytest.raises(UnsupportedMediaError):
        require_taken(content_type)


@given(st.text(max_size=200))
def test_any_header_at_all_is_either_served_or_refused(text: str):
    for check, refusal in ((require_acceptable, NotAcceptableError), (require_taken, UnsupportedMediaError)):
        with suppress(refusal):
            check(text)
    assert accepts_gzip(text) in {True, False}


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("br", False),
        ("gzip;q=0", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity", False),
    ],
)
def test_gzip_is_used_only_where_it_is_accepted(header: str, accepted: bool):
    assert accepts_gzip(header) is accepted
