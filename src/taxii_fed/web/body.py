"""Request bodies, read no further than they may be (TAXII 2.1 sections 4.2.1 and 5.5)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from taxii_fed.core.errors import BadRequestError, TooLargeError, UnsupportedMediaError

_CHUNK = 65_536


class Input(Protocol):
    """What WSGI calls ``wsgi.input``."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


def read_body(environ: dict[str, Any], limit: int) -> bytes:
    """Return the body of a request, decompressed.

    Raises `TooLargeError` as soon as more than ``limit`` bytes are announced, sent or unpacked; `UnsupportedMediaError` for a coding
    other than gzip; `BadRequestError` for a body that breaks off.
    """
    pieces = _received(environ, limit)
    coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding in ("", "identity"):
        return b"".join(pieces)
    if coding in ("gzip", "x-gzip"):
        return _unpacked(pieces, limit)
    raise UnsupportedMediaError("Content-Encoding: this server takes gzip, or none.")


def _received(environ: dict[str, Any], limit: int) -> Iterator[bytes]:
    length = _announced(environ, limit)
    stream: Input = environ["wsgi.input"]
    received = 0
    while length is None or received < length:
        # Never more than would settle it: a server may wait until it has all that was asked for.
        size = min(_CHUNK, (limit + 1 if length is None else length) - received)
        try:
            piece = stream.read(size)
        except Exception as error:  # each server has errors of its own for a broken chunk or a lost connection
            raise BadRequestError("The body could not be read to its end.") from error
        if not piece:
            break
        received += len(piece)
        if received > limit:
            raise _too_large(limit)
        yield piece
    if length is not None and received < length:
        raise BadRequestError("The body is shorter than its Content-Length.")


def _announced(environ: dict[str, Any], limit: int) -> int | None:
    """Return the Content-Length; None for a body that ends by itself; 0 where neither says that there is one."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        return None if chunked or environ.get("wsgi.input_terminated") else 0
    if not (text.isascii() and text.isdigit()):
        raise BadRequestError("Content-Length: expected a number of bytes.")
    if len(text) > 18 or int(text) > limit:
        raise _too_large(limit)
    return int(text)


def _unpacked(pieces: Iterator[bytes], limit: int) -> bytes:
    result = bytearray()
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(wbits=31)
                result += unpacker.decompress(rest, limit + 1 - len(result))
                if len(result) > limit:
                    raise _too_large(limit)
                rest = unpacker.unconsumed_tail or unpacker.unused_data
    except zlib.error as error:
        raise BadRequestError("Content-Encoding: the body is no gzip stream.") from error
    if not unpacker.eof and (result or unpacker.unconsumed_tail):
        raise BadRequestError("Content-Encoding: the gzip stream breaks off.")
    return bytes(result)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"This API root takes up to {limit} bytes in one request (max_content_length); send smaller envelopes."
    )
