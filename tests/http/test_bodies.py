"""Request bodies: read to the limit and no further."""

import gzip
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxii_fed.core.errors import BadRequestError, TooLargeError, UnsupportedMediaError
from taxii_fed.web.body import read_body

LIMIT = 1000


class Counted(io.BytesIO):
    """A stream that counts the bytes read from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


def environ(body: bytes, **headers: Any) -> dict[str, Any]:
    return {"wsgi.input": Counted(body), "CONTENT_LENGTH": str(len(body)), **headers}


@given(st.binary(max_size=LIMIT))
def test_a_body_within_the_limit_comes_whole(body: bytes):
    assert read_body(environ(body), LIMIT) == body
    assert read_body(environ(gzip.compress(body), HTTP_CONTENT_ENCODING="gzip"), LIMIT + 100) == body
    assert read_body(environ(body, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"), LIMIT) == body


def test_an_announced_length_above_the_limit_is_refused_without_reading():
    given_environ = environ(b"x" * (LIMIT + 1))
    with pytest.raises(TooLargeError):
        read_body(given_environ, LIMIT)
    assert given_environ["wsgi.input"].taken == 0


def test_a_chunked_body_is_refused_as_soon_as_it_passes_the_limit():
    given_environ = environ(b"x" * 10_000_000, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    with pytest.raises(TooLargeError):
        read_body(given_environ, LIMIT)
    assert given_environ["wsgi.input"].taken <= 65_536


def test_a_small_body_that_unpacks_to_a_large_one_is_refused():
    bomb = gzip.compress(b"0" * 50_000_000)
    with pytest.raises(TooLargeError):
        read_body(environ(bomb, HTTP_CONTENT_ENCODING="gzip"), 100_000)


def test_gzip_in_several_members_is_read_whole():
    assert read_body(environ(gzip.compress(b"ab") + gzip.compress(b"cd"), HTTP_CONTENT_ENCODING="x-gzip"), LIMIT) == b"abcd"


@pytest.mark.parametrize(
    ("body", "headers", "kind"),
    [
        (b"abc", {"CONTENT_LENGTH": "5"}, BadRequestError),
        (b"abc", {"CONTENT_LENGTH": "-1"}, BadRequestError),
        (b"abc", {"CONTENT_LENGTH": "9" * 5000}, TooLargeError),
        (b"abc", {"HTTP_CONTENT_ENCODING": "gzip"}, BadRequestError),
        (gzip.compress(b"abc", mtime=0)[:-4], {"HTTP_CONTENT_ENCODING": "gzip"}, BadRequestError),
        (gzip.compress(b"abc", mtime=0) + b"tail", {"HTTP_CONTENT_ENCODING": "gzip"}, BadRequestError),
        (b"abc", {"HTTP_CONTENT_ENCODING": "br"}, UnsupportedMediaError),
        (b"abc", {"HTTP_CONTENT_ENCODING": "gzip, gzip"}, UnsupportedMediaError),
    ],
)
def test_this_body_is_refused(body: bytes, headers: dict[str, str], kind: type[Exception]):
    with pytest.raises(kind):
        read_body(environ(body, **headers), LIMIT)


def test_without_a_length_nor_chunks_there_is_no_body():
    assert read_body(environ(b"abc", CONTENT_LENGTH=""), LIMIT) == b""


def test_a_connection_that_breaks_is_the_clients_fault():
    class Broken(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise OSError("gone")

    with pytest.raises(BadRequestError):
        read_body({"wsgi.input": Broken(), "CONTENT_LENGTH": "5"}, LIMIT)
