"""How an entry stands in its view, packed into small integers that indexes are made of.

``traits``: newest 1, oldest 2, top 4, unversioned 8, shown 16, derived 32, and from bit 6 on the number of the STIX edition.
``standing``: edition << 4 and the lowest four of those bits, or None where the entry is ended or hidden. One standing is one
index range, and what an `ObjectQuery` wants of ranks and versions is a set of the sixteen lowest values: a mask of 16 bits.
"""

from __future__ import annotations

from functools import lru_cache

from taxii_fed.core.taxii.query import ObjectQuery, Rank, VersionMatch

_NEWEST, _OLDEST, _TOP, _UNVERSIONED, _SHOWN, _DERIVED = 1, 2, 4, 8, 16, 32
_EDITION_SHIFT = 6


def rank_bits(rank: Rank) -> int:
    """Return the part of the traits that a rerank changes."""
    return rank.newest | rank.oldest << 1 | rank.top << 2 | rank.shown << 4


def traits_of(rank: Rank, *, version: int, derived: bool, edition: int) -> int:
    """Return the traits of a new entry."""
    return rank_bits(rank) | (version == 0) << 3 | derived << 5 | edition << _EDITION_SHIFT


def standing_of(traits: int) -> int | None:
    """Return the standing of a live entry."""
    return (traits >> _EDITION_SHIFT) << 4 | traits & 15 if traits & _SHOWN else None


def rank_of(traits: int) -> Rank:
    """Return the rank that is packed into traits."""
    return _RANKS[traits & 7 | (traits & _SHOWN) >> 1]


def is_derived(traits: int) -> bool:
    """Return whether the entry is a derived copy or a notice."""
    return bool(traits & _DERIVED)


_RANKS = tuple(
    Rank(newest=bool(bits & 1), oldest=bool(bits & 2), top=bool(bits & 4), shown=bool(bits & 8)) for bits in range(16)
)

LISTED = sum(1 << bits for bits in range(16) if bits & (_NEWEST | _TOP) == _NEWEST | _TOP)
"""The mask of a plain poll: the newest version in the latest edition."""

EVERY_VERSION = sum(1 << bits for bits in range(16) if bits & _TOP)
"""The mask of ``match[version]=all``: every version in the latest edition."""

# In SQL shifts and bit operators bind alike, from left to right.
RERANK = """
UPDATE entry SET traits = (traits & ~23) | :rank,
    standing = CASE WHEN :rank & 16 THEN ((traits >> 6) << 4) | (traits & 8) | (:rank & 7) END
WHERE view = :view AND date_added = :date_added AND ended_at IS NULL"""


def wanted_mask(query: ObjectQuery) -> int:
    """Return which of the sixteen combinations a query wants whatever their version is."""
    return _mask(query.versions, query.spec_versions is None)


@lru_cache(maxsize=64)
def _mask(wanted: VersionMatch, top_only: bool) -> int:
    return sum(1 << bits for bits in range(16) if _wants(wanted, top_only, bits))


def _wants(wanted: VersionMatch, top_only: bool, bits: int) -> bool:
    if top_only and not bits & _TOP:
        return False
    return bool(
        wanted.all
        or (wanted.last and bits & _NEWEST)
        or (wanted.first and bits & _OLDEST)
        or (0 in wanted.instants and bits & _UNVERSIONED)
    )
