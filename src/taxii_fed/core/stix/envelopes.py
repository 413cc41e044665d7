"""Bytes of an envelope to the STIX objects in it, each with the very bytes it came in.

`read_envelope` reads what a client posts, `read_page` what a peer answers. Both scan the body once: every object gets its value (for the
rules to look at) and its slice of the body (to be stored and given out, I3), and is checked on its own, so that a bad one fails alone.

Answers TAXII 2.1 sections 3.7 and 5.5 (S-5.5-07, S-5.5-09, S-B-04, S-B-07) and the I-JSON profile (RFC 7493: no duplicate names, no lone
surrogates, numbers in the range of a double). Sizes of whole bodies are the business of the edges.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from taxii_fed.core.errors import BadRequestError, PeerAnswerError, TooLargeError, UnprocessableError
from taxii_fed.core.stix.canonical import digest
from taxii_fed.core.stix.checks import MAX_DEPTH, check_depth, check_object, check_strict, is_id, is_timestamp

__all__ = [
    "PageRead",
    "Received",
    "check_object",
    "check_strict",
    "digest",
    "is_id",
    "read_envelope",
    "read_page",
    "why_no_json",
]

T = TypeVar("T")

MAX_OBJECT_BYTES = 8_000_000
MAX_OBJECTS = 100_000
"""In one envelope: each may fail, and is then named with a reason in a status that has to be stored."""
MAX_PAGE_OBJECTS = 500_000
"""In one page of a peer."""

_SPACE = re.compile(r"[ \t\n\r]*")
_BETWEEN = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Received:
    """One object of an envelope.

    ``index``: its place among the objects. ``raw``: its bytes in the body. ``value``: the parsed object, None where it is no JSON object.
    ``problem``: why it can't be taken, "" when it can. ``id`` and ``version_text`` are what it claims to be, also where it is
    refused; "" where it claims nothing of the kind.
    """

    index: int
    raw: bytes
    value: dict[str, Any] | None
    problem: str
    id: str
    version_text: str


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of a peer: its objects, and how it says to go on."""

    objects: list[Received]
    more: bool
    next: str | None


class _NotJsonError(Exception):
    """The body is no JSON text; the message never holds bytes of the body."""


class _TooManyError(Exception):
    """The list of objects is longer than it may be."""


def read_envelope(body: bytes) -> list[Received]:
    """Return the objects of a posted envelope (or bundle), in its order, refused ones included.

    Raises `BadRequestError` for a body that is no JSON text, `UnprocessableError` for one that is no envelope with objects and
    `TooLargeError` for more than `MAX_OBJECTS` of them.
    """
    try:
        members, objects = _scan(body, MAX_OBJECTS)
    except _NotJsonError as error:
        raise BadRequestError(f"The body is no JSON text: {error}.") from None
    except _TooManyError:
        raise TooLargeError(f"This server takes up to {MAX_OBJECTS} objects in one envelope; send smaller envelopes.") from None
    if members is None:
        raise UnprocessableError('The body is no TAXII envelope: expected a JSON object such as {"objects": [...]}.')
    if objects is None:
        hint = " (a single STIX object goes into a list there, too)" if is_id(members.get("id")) and "type" in members else ""
        raise UnprocessableError(f'The body is no TAXII envelope: expected the member "objects", a list of STIX objects{hint}.')
    if not objects:
        raise UnprocessableError('"objects" is empty: an envelope holds at least one object.')
    return objects


def why_no_json(piece: bytes) -> str:
    """Return why the bytes of one object are no JSON text, with the place in them, "" where they are."""
    try:
        _parsed(piece, json.loads)
    except _NotJsonError as error:
        return str(error)
    return ""


def read_page(body: bytes) -> PageRead:
    """Return what a peer answered to a request for objects; ``{}`` and an empty list are pages without objects.

    Raises `PeerAnswerError` for anything that is no envelope.
    """
    try:
        members, objects = _scan(body, MAX_PAGE_OBJECTS)
    except _NotJsonError as error:
        raise PeerAnswerError(f"the page is no JSON text: {error}") from None
    except _TooManyError:
        raise PeerAnswerError(f"the page holds more than {MAX_PAGE_OBJECTS} objects") from None
    if members is None:
        raise PeerAnswerError("the page is no TAXII envelope: it is no JSON object")
    if objects is None and members.get("objects") is not None:
        raise PeerAnswerError('the page is no TAXII envelope: "objects" is no list')
    more = members.get("more")
    if more is not None and type(more) is not bool:
        raise PeerAnswerError('the page is no TAXII envelope: "more" is neither true nor false')
    position = members.get("next")
    if type(position) is int:
        position = str(position)
    if position is not None and not (type(position) is str and position.isprintable()):
        raise PeerAnswerError('the page is no TAXII envelope: "next" is no printable string')
    return PageRead(objects or [], more is True, position or None)


def _scan(body: bytes, most: int) -> tuple[dict[str, Any] | None, list[Received] | None]:
    """Return the members of the envelope other than a list of objects, and that list of ``most`` at the most.

    The first is None where the body is no JSON object, the second where it has no list ``objects``.
    """
    return _parsed(body, lambda text: _Scanner(text, body if text.isascii() else None, most).envelope())


def _parsed(body: bytes, parse: Callable[[str], T]) -> T:
    """Return what ``parse`` makes of a body. Raises `_NotJsonError`."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise _NotJsonError("it starts with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NotJsonError(f"it is not UTF-8 at byte {error.start}") from None
    try:
        return parse(text)
    except json.JSONDecodeError as error:
        fault = f"{error.msg[:1].lower()}{error.msg[1:]}".removesuffix(" at")
        raise _NotJsonError(f"{fault} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _NotJsonError("it is nested too deep") from None


class _Scanner:
    """Walks the two outer levels of an envelope by hand and leaves each object to the decoder of the standard library.

    That one says where an object ends; its hooks note what RFC 8259 lets pass and I-JSON does not, without stopping the walk.
    """

    def __init__(self, text: str, ascii_body: bytes | None, most: int) -> None:
        self._text = text
        self._ascii_body = ascii_body
        self._most = most
        self._fault = ""
        self._escapes_surrogates = _SURROGATE_ESCAPE.search(text) is not None
        self._decode = json.JSONDecoder(
            object_pairs_hook=self._on_object,
            parse_int=self._on_integer,
            parse_float=self._on_float,
            parse_constant=self._on_constant,
        ).raw_decode

    def envelope(self) -> tuple[dict[str, Any] | None, list[Received] | None]:
        at = self._skip(0)
        if not self._text.startswith("{", at):
            _, at = self._decode(self._text, at)
            self._require_end(at)
            return None, None
        members: dict[str, Any] = {}
        objects: list[Received] | None = None
        at = self._skip(at + 1)
        while not self._text.startswith("}", at):
            if not self._text.startswith('"', at):
                self._fail("expecting a member name in double quotes", at)
            name, end = self._decode(self._text, at)
            if name in members:
                self._fail("a member name is there twice", at)
            at = self._skip(end)
            if not self._text.startswith(":", at):
                self._fail("expecting ':' after a member name", at)
            at = self._skip(at + 1)
            if name == "objects" and self._text.startswith("[", at):
                objects, at = self._objects(at + 1)
                members[name] = None
            else:
                members[name], at = self._decode(self._text, at)
            at = self._separate(at, "}", "an envelope member")
        self._require_end(at + 1)
        return members, objects

    def _objects(self, at: int) -> tuple[list[Received], int]:
        objects: list[Received] = []
        at = self._skip(at)
        while not self._text.startswith("]", at):
            if len(objects) == self._most:
                raise _TooManyError
            self._fault = ""
            value, end = self._decode(self._text, at)
            objects.append(self._received(len(objects), value, at, end))
            at = self._separate(end, "]", "an object")
        return objects, at + 1

    def _received(self, index: int, value: Any, start: int, end: int) -> Received:
        text = self._text[start:end]
        raw = text.encode() if self._ascii_body is None else self._ascii_body[start:end]
        problem = self._fault or self._check_form(value, raw) or check_object(value)
        if type(value) is not dict:
            return Received(index, raw, None, problem, "", "")
        name = value.get("id")
        version = value.get("modified") or value.get("created") or ""
        if problem and not (type(name) is str and len(name) <= 290 and name.isprintable()):
            name = ""
        if problem and not is_timestamp(version):
            version = ""
        return Received(index, raw, value, problem, str(name), str(version))

    def _check_form(self, value: Any, raw: bytes) -> str:
        if len(raw) > MAX_OBJECT_BYTES:
            return f"{len(raw)} bytes, more than {MAX_OBJECT_BYTES}"
        if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and type(value) in (dict, list) and (problem := check_depth(value)):
            return problem
        if self._escapes_surrogates:
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                return "a string holds half of a surrogate pair"
        return ""

    # -- hooks of the decoder ---------------------------------------------------------------------------------------------
    def _on_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            self._fault = self._fault or "a member name is there twice in one JSON object"
        return value

    def _on_integer(self, digits: str) -> int | float:
        # Up to 19 characters fit into the 64 bits that orjson writes; RFC 8785 makes doubles of greater ones anyway.
        return int(digits) if len(digits) <= 19 else self._on_float(digits)

    def _on_float(self, digits: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            self._fault = self._fault or "a number is out of the range of a double"
        return number

    def _on_constant(self, name: str) -> None:
        self._fault = self._fault or f"{name} is no JSON value"

    # -- white space and commas -------------------------------------------------------------------------------------------
    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        assert match is not None, "the pattern matches nothing, too"
        return match.end()

    def _separate(self, at: int, close: str, what: str) -> int:
        """Return where the next item starts, or where ``close`` stands."""
        match = _BETWEEN.match(self._text, at)
        if match is None:
            at = self._skip(at)
            if not self._text.startswith(close, at):
                self._fail(f"expecting ',' or '{close}' after {what}", at)
            return at
        if self._text.startswith(close, match.end()):
            self._fail(f"expecting {what} after ','", match.end())
        return match.end()

    def _require_end(self, at: int) -> None:
        at = self._skip(at)
        if at != len(self._text):
            self._fail("more text after the end of the JSON value", at)

    def _fail(self, message: str, at: int) -> None:
        raise json.JSONDecodeError(message, self._text, at)
