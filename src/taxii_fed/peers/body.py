"""Reading the body of an answer within limits: on the wire and unpacked."""

from __future__ import annotations

import zlib

import requests

from taxii_fed.core.errors import PeerOverloadedError, PeerUnreachableError
from taxii_fed.peers.words import clean

CHUNK = 65536
MAX_NESTED = 2_000_000
"""Lists and objects in one answer: three bytes that open and close one take a hundred times as much memory when they are read."""


def read_body(answer: requests.Response, limit: int) -> bytes:
    """Return the plain body.

    Raises `PeerOverloadedError` past ``limit`` bytes, compressed or plain, or past `MAX_NESTED`, and `PeerUnreachableError` where the
    coding is damaged.
    """
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise PeerUnreachableError(f"it answers in the coding {clean(coding)}, which was not asked for")
    inflate = None if coding in ("identity", "") else _Inflate(limit)
    parts: list[bytes] = []
    received = 0
    while chunk := answer.raw.read(CHUNK, decode_content=False):
        received += len(chunk)
        if received > limit:
            raise PeerOverloadedError(f"the answer is larger than {limit} bytes")
        parts.append(chunk if inflate is None else inflate.feed(chunk))
    if inflate is not None:
        inflate.require_end()
    body = b"".join(parts)
    if body.count(b"{") + body.count(b"[") > MAX_NESTED:
        raise PeerOverloadedError(f"the answer holds more than {MAX_NESTED} lists and objects")
    return body


class _Inflate:
    """Decompression that stops at a number of plain bytes."""

    def __init__(self, limit: int) -> None:
        self._left = self._limit = limit
        self._stream = zlib.decompressobj(wbits=47)
        self._members = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return what a chunk holds."""
        parts = []
        try:
            while chunk:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(wbits=47)
                part = self._stream.decompress(chunk, self._left + 1)
                self._left -= len(part)
                if self._left < 0:
                    raise PeerOverloadedError(f"the answer is larger than {self._limit} bytes when unpacked")
                parts.append(part)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error:
            raise PeerUnreachableError("the compressed answer is damaged") from None
        return b"".join(parts)

    def require_end(self) -> None:
        """Raise where the stream broke off."""
        if not self._stream.eof:
            raise PeerUnreachableError("the compressed answer breaks off")
