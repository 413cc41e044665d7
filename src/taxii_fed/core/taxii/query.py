"""Filters and positions of a read: what TAXII 2.1 sections 3.4 and 3.5 call filtering and pagination, as one value.

`matches` and `select` are the reference meaning of an `ObjectQuery`; the contract suite holds every store to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VersionMatch:
    """``match[version]``: ``all``, or any of ``last``, ``first`` and exact instants (microseconds)."""

    last: bool = True
    first: bool = False
    all: bool = False
    instants: frozenset[int] = frozenset()


LAST_VERSION = VersionMatch()
ALL_VERSIONS = VersionMatch(last=False, all=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectQuery:
    """One read of one view.

    ``after`` is a position: only entries with a greater ``date_added`` (milliseconds) are wanted. It is the greater of the
    position in ``next`` and of ``added_after``. ``None`` in ``ids``, ``types`` and ``spec_versions`` means no filter; without
    ``spec_versions`` only the latest STIX edition of each object is given (section 3.4.1).
    ``limit`` is at least 1. ``max_bytes`` bounds the sum of the bodies; the first entry is given whatever its size.
    """

    after: int | None = None
    limit: int = 1000
    max_bytes: int | None = None
    ids: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    versions: VersionMatch = LAST_VERSION
    spec_versions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a live entry stands among the live entries of the same given id in its view.

    ``newest``/``oldest``: within its STIX edition. ``top``: its edition is the latest one the view has of the object.
    ``shown`` is False for an entry behind another one with the same (id, version): sources that a change made equal.
    """

    newest: bool = True
    oldest: bool = True
    top: bool = True
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """What an entry looks like to a filter."""

    date_added: int
    id: str
    type: str
    version: int
    spec_version: str
    rank: Rank


_NO_PREFERENCE = (0, "")


def ranks(entries: Iterable[tuple[int, str, int]], preference: Mapping[int, tuple[int, str]] | None = None) -> dict[int, Rank]:
    """Return the rank of each entry of one given id in one view.

    ``entries``: (date_added, spec_version, version in microseconds). Of equal (spec_version, version) one is shown: the one whose
    ``preference`` (by ``date_added``) is least, then the one with the least ``date_added``.
    """
    preferred = preference or {}
    rows = sorted(entries, key=lambda row: (row[1], row[2], preferred.get(row[0], _NO_PREFERENCE), row[0]))
    if not rows:
        return {}
    top = rows[-1][1]
    by_spec: dict[str, tuple[int, int]] = {}
    for _, spec_version, version in rows:
        first, _ = by_spec.get(spec_version, (version, version))
        by_spec[spec_version] = (first, version)
    result: dict[int, Rank] = {}
    before: tuple[str, int] | None = None
    for date_added, spec_version, version in rows:
        first, last = by_spec[spec_version]
        result[date_added] = Rank(
            newest=version == last,
            oldest=version == first,
            top=spec_version == top,
            shown=(spec_version, version) != before,
        )
        before = (spec_version, version)
    return result


def matches(query: ObjectQuery, entry: Listed) -> bool:
    """Return whether a live entry passes the filters of the query, position included."""
    rank = entry.rank
    if not rank.shown:
        return False
    if query.after is not None and entry.date_added <= query.after:
        return False
    if query.ids is not None and entry.id not in query.ids:
        return False
    if query.types is not None and entry.type not in query.types:
        return False
    if query.spec_versions is None:
        if not rank.top:
            return False
    elif entry.spec_version not in query.spec_versions:
        return False
    wanted = query.versions
    return wanted.all or (wanted.last and rank.newest) or (wanted.first and rank.oldest) or entry.version in wanted.instants


def select(query: ObjectQuery, entries: Iterable[Listed]) -> tuple[list[Listed], bool]:
    """Return the page that a store must give, in ascending ``date_added``, and whether more is left (bytes aside)."""
    found = sorted((entry for entry in entries if matches(query, entry)), key=lambda entry: entry.date_added)
    return found[: query.limit], len(found) > query.limit
