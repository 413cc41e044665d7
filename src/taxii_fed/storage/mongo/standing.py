"""How an entry stands in its view, as small numbers that indexes are made of.

``rank``: newest 1, oldest 2, top 4, shown 8. ``standing``: the lowest three of those, and 8 for an entry without a version of its own;
only live, shown entries have one. What an `ObjectQuery` wants of ranks is a list of standings, each of them one range of an index.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from taxii_fed.core.taxii.query import Listed, ObjectQuery, Rank, VersionMatch, matches

_SHOWN = _UNVERSIONED = 8
PLAIN_POLL = ObjectQuery().versions

_RANKS = tuple(
    Rank(newest=bool(bits & 1), oldest=bool(bits & 2), top=bool(bits & 4), shown=bool(bits & _SHOWN)) for bits in range(16)
)


def rank_number(rank: Rank) -> int:
    """Return a rank as a number."""
    return rank.newest | rank.oldest << 1 | rank.top << 2 | rank.shown << 3


def rank_of(number: int) -> Rank:
    """Return the rank that a number stands for."""
    return _RANKS[number]


def standing_columns(rank: int, *, unversioned: bool) -> dict[str, Any]:
    """Return the columns by which a live entry is found: none where it is hidden."""
    if not rank & _SHOWN:
        return {}
    columns: dict[str, Any] = {"standing": rank & 7 | (_UNVERSIONED if unversioned else 0)}
    return columns | {"listed": True} if rank & 5 == 5 else columns


NO_STANDING = {"standing": "", "listed": ""}


def wanted_standings(query: ObjectQuery) -> list[int]:
    """Return the standings that a query wants whatever the version is."""
    return list(_standings(query.versions, query.spec_versions is None))


def any_standing(query: ObjectQuery) -> list[int]:
    """Return the standings among which a query looks for instants."""
    return [bits for bits in range(16) if query.spec_versions is not None or bits & 4]


@lru_cache(maxsize=64)
def _standings(versions: VersionMatch, top_only: bool) -> tuple[int, ...]:
    query = ObjectQuery(versions=versions, spec_versions=None if top_only else ("",))
    return tuple(bits for bits in range(16) if matches(query, _example(bits)))


def _example(bits: int) -> Listed:
    return Listed(0, "", "", 0 if bits & _UNVERSIONED else -1, "", _RANKS[bits & 7 | _SHOWN])
