"""Words of a peer made fit for a message: nothing of a peer reaches a log, a terminal or a page as it came."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from taxii_fed.core.timestamps import parse_rfc3339

_LONGEST = 200


def clean(text: object) -> str:
    """Return printable text on one line, cut at 200 characters; everything else is escaped."""
    plain = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text)[:_LONGEST])
    return plain if len(str(text)) <= _LONGEST else f"{plain}…"


def read_date(text: str | None) -> int | None:
    """Return the instant (µs) of a date header, None for one that is missing or no RFC 3339 time."""
    if not text:
        return None
    try:
        return parse_rfc3339(text.strip())
    except ValueError:
        return None


def read_retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks for: a number or an HTTP date; ``now`` in seconds since the epoch."""
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now, 0.0)
