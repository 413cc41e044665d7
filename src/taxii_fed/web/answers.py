"""What an endpoint answers, and how it goes out: length, date headers, ETag, compression."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus

from taxii_fed.core.timestamps import format_date_added
from taxii_fed.services.reading.values import Found
from taxii_fed.web.negotiation import accepts_gzip

try:
    from isal import igzip
except ImportError:  # no wheel for this machine
    igzip = None  # type: ignore[assignment, unused-ignore]

Headers = list[tuple[str, str]]

COMPRESS_FROM = 4096
"""Bytes below which compression costs more than it saves."""

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(slots=True)
class Answer:
    """An HTTP answer: status, body, headers beyond those that every answer has, and how many objects it holds (for the log)."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    objects: int = 0


def date_headers(found: Found) -> Headers:
    """Return the two headers of section 3.2."""
    first = format_date_added(found.first)
    last = first if found.last == found.first else format_date_added(found.last)
    return [("X-TAXII-Date-Added-First", first), ("X-TAXII-Date-Added-Last", last)]


def entity_tag(key: bytes, kind: str, found: Found) -> str:
    """Return the ETag of a page: weak, as the compressed form shares it.

    In a view a ``date_added`` stands for one version and its bytes, for ever. So the dates of a page say all about its content, also
    when an entry has ended without the view's head moving; and they hold nothing but what the page itself shows (I1).
    """
    mac = blake2b(b"%b:%d:%d:" % (kind.encode(), found.view, found.more), key=key, digest_size=12)
    mac.update(array("q", found.dates))
    return f'W/"{mac.hexdigest()}"'


def matches_tag(if_none_match: str, tag: str) -> bool:
    """Return whether an If-None-Match header names ``tag``, compared weakly (RFC 9110, section 8.8.3.2)."""
    opaque = tag.removeprefix("W/")
    candidates = (each.strip().removeprefix("W/") for each in if_none_match.split(","))
    return any(each in (opaque, "*") for each in candidates)


def compressed(answer: Answer, accept_encoding: str | None) -> Answer:
    """Return the answer, with a body compressed by gzip where the client takes that and it is worth it."""
    if accept_encoding and len(answer.body) >= COMPRESS_FROM and accepts_gzip(accept_encoding):
        headers = [*answer.headers, ("Content-Encoding", "gzip")]
        return Answer(answer.status, _gzip(answer.body), headers, answer.objects)
    return answer


def _gzip(body: bytes) -> bytes:
    """Return ``body`` as one gzip member; several in a row are not safe: some clients stop after the first."""
    if igzip is not None:
        return igzip.compress(body, compresslevel=1, mtime=0)
    packer = zlib.compressobj(level=1, wbits=31)
    return packer.compress(body) + packer.flush()


def joined(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return the values of a header, joined by commas; "" where there is none."""
    return ", ".join(value for key, value in headers if key.lower() == name.lower())
