"""Instants and their spellings.

Inside the program an instant is an ``int``: microseconds since 1970-01-01T00:00:00Z (UTC). ``date_added`` is an ``int`` of
*milliseconds* since then, written with six digits (I2). Text appears at the edges only.

Answers TAXII 2.1 section 2 (timestamp), 3.4 (``added_after``) and STIX 2.1 section 3.2.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH_VERSION = "1970-01-01T00:00:00.000Z"
"""The version of an object that has neither ``modified`` nor ``created`` (TAXII 2.1 section 5.3.1)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+\- ])(\d\d):(\d\d))", re.ASCII)
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{3}|\.\d{6})?Z", re.ASCII)
"""What Python's own reader, the fastest there is, reads as RFC 3339 means it."""
_STIX = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", re.ASCII)


def parse_rfc3339(text: str) -> int:
    """Return the instant of any RFC 3339 text, cut to microseconds.

    Any number of fractional digits, ``Z`` or an offset are taken; the ``+`` of an offset may have arrived as a space, as
    URL decoding makes of it. Raises ``ValueError`` with a reason for everything else. A leap second counts as the
    second after it.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not an RFC 3339 timestamp such as 2026-03-02T09:00:00.000000Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{_shown(text)} names a date or time that does not exist") from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1) + leap
    if match[8] is None:
        offset_hours, offset_minutes = int(match[10]), int(match[11])
        if offset_hours > 23 or offset_minutes > 59:
            raise ValueError(f"{_shown(text)} has an offset that does not exist")
        offset = offset_hours * 3600 + offset_minutes * 60
        seconds += offset if match[9] == "-" else -offset
    return seconds * 1_000_000 + int((match[7] or "0")[:6].ljust(6, "0"))


def parse_stix(text: object) -> int:
    """Return the instant of a STIX 2.1 timestamp (section 3.2: UTC with ``Z``, any number of fractional digits).

    Raises ``ValueError`` for everything else.
    """
    if isinstance(text, str) and _USUAL.fullmatch(text):
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError:
            return parse_rfc3339(text)  # which says what is wrong
    if not isinstance(text, str) or _STIX.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a STIX timestamp such as 2026-03-02T09:00:00.000Z")
    return parse_rfc3339(text)


def format_taxii(instant: int) -> str:
    """Return the TAXII timestamp of an instant in microseconds: six digits and ``Z``."""
    seconds, microseconds = divmod(instant, 1_000_000)
    return f"{_format_second(seconds)}.{microseconds:06d}Z"


@lru_cache(maxsize=4096)
def _format_second(seconds: int) -> str:
    """Kept, since what is written lies close together: the entries of a manifest, the lines of a log."""
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}"


def format_stix(instant: int) -> str:
    """Return the STIX timestamp of an instant in microseconds: three digits, six where the last three are not zero."""
    text = format_taxii(instant)
    return f"{text[:23]}Z" if instant % 1000 == 0 else text


def format_date_added(milliseconds: int) -> str:
    """Return a ``date_added`` in milliseconds as TAXII writes it."""
    return format_taxii(milliseconds * 1000)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
