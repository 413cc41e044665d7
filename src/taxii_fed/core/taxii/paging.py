"""Positions: where a reader goes on, as TAXII 2.1 sections 3.4 and 3.5 see it (I2, I8).

A ``next`` is a position in a collection and nothing else: a ``date_added`` in milliseconds, a tag of the collection, and a MAC over both.
No filter, party or view is in it, so it stays valid beside other filters or none, in every process, for ever; whoever has one can do no
more than with ``added_after``. In another collection it says nothing: a client that takes its last ``next`` along from collection to
collection would else step over whatever is older there.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from functools import lru_cache

from taxii_fed.core.errors import BadRequestError

_STAMP_BYTES = 6
_TAG_BYTES = 6
_MAC_BYTES = 12
_SIGNED_BYTES = _STAMP_BYTES + _TAG_BYTES
_TEXT_LENGTH = (_SIGNED_BYTES + _MAC_BYTES) * 4 // 3


@dataclass(frozen=True, slots=True)
class Position:
    """Where a ``next`` goes on: after ``date_added`` (milliseconds), in the collection of that `Cursors` tag."""

    date_added: int
    tag: bytes


class Cursors:
    """Makes and reads ``next`` under one key (`core.keys.Keys.cursor_key`): 32 characters of ``A-Z a-z 0-9 - _``.

    24 bytes fill 32 characters without a bit to spare, so each position has one spelling.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._tag = lru_cache(maxsize=4096)(self._tag_of)

    def issue(self, collection_id: str, date_added: int) -> str:
        """Return the cursor that goes on in a collection after ``date_added`` (milliseconds)."""
        signed = date_added.to_bytes(_STAMP_BYTES, "big") + self._tag(collection_id)
        return base64.urlsafe_b64encode(signed + self._mac(signed)).decode("ascii")

    def read(self, text: str) -> Position:
        """Return what a cursor says. Raises `BadRequestError` for one never issued."""
        if len(text) == _TEXT_LENGTH and text.isascii() and "+" not in text and "/" not in text:
            try:
                raw = base64.b64decode(text, altchars=b"-_", validate=True)
            except ValueError:
                raw = b""
            signed, mac = raw[:_SIGNED_BYTES], raw[_SIGNED_BYTES:]
            if hmac.compare_digest(mac, self._mac(signed)):
                return Position(int.from_bytes(signed[:_STAMP_BYTES], "big"), signed[_STAMP_BYTES:])
        raise BadRequestError("next: this server never gave out that value; send one from an answer, unchanged.")

    def place_after(self, after: int | None, position: Position | None, collection_id: str) -> int | None:
        """Return the ``date_added`` to read a collection after, None for the beginning.

        ``after`` is what `after_instant` made of ``added_after``, ``position`` what `read` made of ``next``. Where both are sent both
        count: the greater holds. A position in another collection does not count.
        """
        if position is None or position.tag != self._tag(collection_id):
            return after
        return position.date_added if after is None else max(after, position.date_added)

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")[:_MAC_BYTES]

    def _tag_of(self, collection_id: str) -> bytes:
        return hmac.digest(self._key, b"collection " + collection_id.encode(), "sha256")[:_TAG_BYTES]


def after_instant(added_after: int) -> int:
    """Return the ``date_added`` (milliseconds) to read after for an ``added_after``, an instant in microseconds."""
    # Every date_added is a whole millisecond: the one above the cut instant is above the instant.
    return added_after // 1000


def dates_of_nothing(after: int | None, head: int, now: int) -> int:
    """Return the ``date_added`` (milliseconds) that the date headers of an answer without objects carry.

    It can be sent back and loses nothing, whatever the filters were: the reader's own position, or the beginning of time where it
    sent none. A position in the future is cut to what may already be there (``head``, milliseconds) or to ``now`` (microseconds), so
    that a reader whose clock is ahead misses nothing that comes meanwhile.
    """
    if after is None:
        return 0
    return max(0, min(after, max(head, now // 1000)))
