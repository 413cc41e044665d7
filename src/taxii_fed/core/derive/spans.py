"""Parts of a text by their positions, end exclusive."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter

Span = tuple[int, int]


def overlaps(spans: Sequence[Span], start: int, end: int) -> bool:
    """Return whether any of ``spans``, ascending and without overlap, shares a position with ``start`` to ``end``."""
    index = bisect_right(spans, start, key=itemgetter(0))
    return (index > 0 and spans[index - 1][1] > start) or (index < len(spans) and spans[index][0] < end)


def substitute(text: str, changes: Iterable[tuple[Span, str]]) -> str:
    """Return ``text`` with other text in place of some parts, which don't overlap."""
    parts: list[str] = []
    position = 0
    for (start, end), new in sorted(changes):
        parts += (text[position:start], new)
        position = end
    return "".join(parts) + text[position:]
