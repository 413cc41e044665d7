"""Positions: where a reader goes on, as TAXII 2.1 sections 3.4 and 3.5 see it (I2, I8).

A ``next`` is a position and nothing else: a ``date_added`` in milliseconds and a MAC over it. No filter, party or view is in it, so it
stays valid beside other filters or none, in every process, for ever; whoever has one can do no more than with ``added_after``.
"""

from __future__ import annotations

import base64
import hmac

from taxii_fed.core.errors import BadRequestError

_STAMP_BYTES = 6
_MAC_BYTES = 12
_TEXT_LENGTH = (_STAMP_BYTES + _MAC_BYTES) * 4 // 3


class Cursors:
    """Makes and reads ``next`` under one key (`core.keys.Keys.cursor_key`): 24 characters of ``A-Z a-z 0-9 - _``.

    18 bytes fill 24 characters without a bit to spare, so each position has one spelling.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, date_added: int) -> str:
        """Return the cursor that goes on after ``date_added`` (milliseconds)."""
        stamp = date_added.to_bytes(_STAMP_BYTES, "big")
        return base64.urlsafe_b64encode(stamp + self._mac(stamp)).decode("ascii")

    def position(self, text: str) -> int:
        """Return the ``date_added`` (milliseconds) that a cursor goes on after. Raises `BadRequestError` for one never issued."""
        if len(text) == _TEXT_LENGTH and text.isascii() and "+" not in text and "/" not in text:
            try:
                raw = base64.b64decode(text, altchars=b"-_", validate=True)
            except ValueError:
                raw = b""
            stamp, mac = raw[:_STAMP_BYTES], raw[_STAMP_BYTES:]
            if hmac.compare_digest(mac, self._mac(stamp)):
                return int.from_bytes(stamp, "big")
        raise BadRequestError("next: this server never gave out that value; send one from an answer, unchanged.")

    def _mac(self, stamp: bytes) -> bytes:
        return hmac.digest(self._key, stamp, "sha256")[:_MAC_BYTES]


def place_after(added_after: int | None, next_position: int | None) -> int | None:
    """Return the position (milliseconds) to read after, None for the beginning.

    ``added_after`` is an instant in microseconds, ``next_position`` a ``date_added``. Where both are sent both count: the greater holds.
    """
    if added_after is None:
        return next_position
    # Every date_added is a whole millisecond: the one above the cut instant is above the instant.
    cut = added_after // 1000
    return cut if next_position is None else max(cut, next_position)


def dates_of_nothing(after: int | None, head: int, now: int) -> int:
    """Return the ``date_added`` (milliseconds) that the date headers of an answer without objects carry.

    It can be sent back and loses nothing, whatever the filters were: the reader's own position, or the beginning of time where it
    sent none. A position in the future is cut to what may already be there (``head``, milliseconds) or to ``now`` (microseconds), so
    that a reader whose clock is ahead misses nothing that comes meanwhile.
    """
    if after is None:
        return 0
    return max(0, min(after, max(head, now // 1000)))
