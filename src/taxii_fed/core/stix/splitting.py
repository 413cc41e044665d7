"""A file of STIX objects, cut into the bytes of its objects without being held whole.

Taken are bundles and envelopes (the list in ``objects``), bare lists, and objects one after the other, a line each or not. Only the
outer levels are read here; whether an object is good JSON, and good STIX, is the business of `core.stix.envelopes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from taxii_fed.core.errors import BadRequestError

MOST_BYTES = 64_000_000
"""What one object may take, and what comes before a list of them."""

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb"[^ \t\r\n,:{}\[\]\"]+")
_NESTING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]|"', re.DOTALL)
"""Strings, so that the brackets in them don't count, and brackets; a lone quote begins a string that goes on in the next chunk."""


def split_objects(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of each object, as they stand, in order.

    Raises `BadRequestError` with the place of the first byte that fits none of the forms.
    """
    text = _Text(chunks)
    if text.starts_with(_BOM):
        text.go(len(_BOM))
    while first := text.first():
        if first == b"[":
            text.go(1)
            yield from _listed(text)
        elif first == b"{":
            yield from _object_or_list_in_it(text)
        else:
            raise text.wrong(0, "no JSON object or list begins here")


def _listed(text: _Text) -> Iterator[bytes]:
    """Yield the objects of a list whose bracket was read, and go past its end."""
    while (first := text.first()) != b"]":
        if first != b"{":
            raise text.wrong(0, "no object begins here")
        yield text.take(text.end_of(0))
        text.past_comma(b"]")
    text.go(1)


def _object_or_list_in_it(text: _Text) -> Iterator[bytes]:
    """Yield the object that begins here, or the objects of the list that it holds as ``objects``; go past its end."""
    bare = True
    at = text.skip(1)
    while text.byte(at) != b"}":
        key_end = text.end_of(at)
        key = text.piece(at, key_end)
        at = text.skip(key_end)
        if not key.startswith(b'"') or text.byte(at) != b":":
            raise text.wrong(at, "a name and a colon are expected here")
        at = text.skip(at + 1)
        if bare and key == b'"objects"' and text.byte(at) == b"[":
            text.go(at + 1)
            yield from _listed(text)
            bare, at = False, 0
        else:
            at = text.end_of(at)
        at = text.skip(at)
        if text.byte(at) == b",":
            at = text.skip(at + 1)
        elif text.byte(at) != b"}":
            raise text.wrong(at, "a comma or a closing brace is expected here")
        if not bare:
            text.go(at)
            at = 0
    if bare:
        yield text.take(at + 1)
    else:
        text.go(at + 1)


class _Text:
    """The chunks as one text. Offsets are from where reading stands; more is read when an offset asks for it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._bytes = b""
        self._at = 0
        self._dropped = 0

    def _more(self) -> bool:
        """Read a chunk; False at the end."""
        if len(self._bytes) - self._at > MOST_BYTES:
            raise self.wrong(0, f"nothing ends within {MOST_BYTES} bytes from here")
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        self._bytes = self._bytes[self._at :] + chunk
        self._dropped += self._at
        self._at = 0
        return bool(chunk)

    def starts_with(self, prefix: bytes) -> bool:
        while len(self._bytes) < len(prefix) and self._more():
            pass
        return self._bytes.startswith(prefix)

    def byte(self, offset: int) -> bytes:
        """Return the byte at an offset, empty at the end."""
        while self._at + offset >= len(self._bytes):
            if not self._more():
                return b""
        return self._bytes[self._at + offset : self._at + offset + 1]

    def skip(self, offset: int) -> int:
        """Return the offset of what comes after white space."""
        while self.byte(offset):
            match = _SPACE.match(self._bytes, self._at + offset)
            assert match is not None, "the pattern matches nothing, too"
            offset = match.end() - self._at
            if match.end() < len(self._bytes):
                break
        return offset

    def first(self) -> bytes:
        """Go past white space and return the byte there, empty at the end."""
        self.go(self.skip(0))
        return self.byte(0)

    def past_comma(self, closing: bytes) -> None:
        """Go past a comma, or to the closing byte."""
        at = self.skip(0)
        if self.byte(at) == b",":
            self.go(at + 1)
            if self.first() == closing:
                raise self.wrong(0, "an object is expected after a comma")
        elif self.byte(at) != closing:
            raise self.wrong(at, "a comma or the end of the list is expected here")

    def end_of(self, offset: int) -> int:
        """Return the offset behind the JSON value that begins at an offset."""
        first = self.byte(offset)
        if first not in (b"{", b"[", b'"'):
            return self._end_of_scalar(offset)
        while True:
            depth = 0
            for token in _NESTING.finditer(self._bytes, self._at + offset):
                mark = token[0]
                if mark == b'"':
                    break
                depth += (mark in (b"{", b"[")) - (mark in (b"}", b"]"))
                if depth == 0:
                    return token.end() - self._at
            if not self._more():
                raise self.wrong(offset, "what begins here does not end")

    def _end_of_scalar(self, offset: int) -> int:
        while True:
            match = _SCALAR.match(self._bytes, self._at + offset)
            if match is None:
                raise self.wrong(offset, "a value is expected here")
            if match.end() < len(self._bytes) or not self._more():
                return match.end() - self._at

    def piece(self, start: int, end: int) -> bytes:
        return self._bytes[self._at + start : self._at + end]

    def take(self, end: int) -> bytes:
        """Return what lies before an offset, and go there."""
        piece = self.piece(0, end)
        self.go(end)
        return piece

    def go(self, offset: int) -> None:
        self._at += offset

    def wrong(self, offset: int, why: str) -> BadRequestError:
        return BadRequestError(f"byte {self._dropped + self._at + offset}: {why}")
