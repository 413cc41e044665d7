"""What is asked for when something is read, and what is found, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from taxii_fed.core.rules.model import CollectionTerms, Party
from taxii_fed.ports import Reader, Row

Json = dict[str, Any]

Annotate = Callable[[Reader, CollectionTerms, int, Sequence[Row]], Sequence[Json | None]]
"""Gives each row of a manifest its custom properties: (snapshot, collection, view id, rows) to one dict, or None, for each row."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a page may be: objects without ``limit``, objects at most, bytes of objects at most."""

    page_size: int = 1000
    max_page_size: int = 10_000
    max_page_bytes: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the party's name, and the account and address for the ledger of reads."""

    party: str
    account: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """A collection and what one party may do with it; at least one of the two is true."""

    terms: CollectionTerms
    party: Party
    can_read: bool
    can_write: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a view: the stamps of its entries, ascending (milliseconds), and in their order ``text`` or ``rows``.

    ``text`` are the bodies, joined by commas. ``more``: whether more matched; ``next`` then goes on there. ``first`` and ``last`` are for
    the date headers. ``view`` is 0 where what is given is the standard's own and lies in no view; ``head`` is the view's. ``extras`` are
    those of `Annotate`.
    """

    view: int
    head: int
    first: int
    last: int
    dates: Sequence[int] = ()
    more: bool = False
    next: str = ""
    text: bytes = b""
    rows: Sequence[Row] = ()
    extras: Sequence[Json | None] = ()
