"""Pages of a view: ranges of one index, in order, and then the bodies by their keys.

The plain poll is one range of ``listed``. Filters on rank or type are several ranges of ``by_standing`` or ``by_type``, which MongoDB
merges in order; where there would be too many, types are looked at entry by entry. A filter on ids looks at the entries of those ids.
Entries of given instants come beside them, from ``by_version``. The indexes are named outright, so that the plan of a request does not
hang on statistics. `core.taxii.query.select` says what comes out.
"""

from __future__ import annotations

from typing import cast

from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Contents, Page
from taxii_fed.ports import Row as PageRow
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.standing import PLAIN_POLL, any_standing, wanted_standings
from taxii_fed.storage.mongo.tables import Tables, one_of

_MOST_RANGES = 200
"""MongoDB merges so many ranges of an index in order; of more it would read all that they hold, and sort."""
_COLUMNS = ("date_added", "id", "version_text", "spec_version", "body", "size")


def read_page(tables: Tables, view: int, query: ObjectQuery, *, bodies: bool) -> Page:
    """Return one page of a view. ``max_bytes`` cuts it only where bodies are given."""
    rows, more = _select(tables, view, query, cut=bodies)
    contents = _contents(tables, rows) if bodies else {}
    return Page(
        [
            PageRow(int(row["date_added"]), row["id"], row["version_text"], row["spec_version"], contents.get(row["body"], b""))
            for row in rows
        ],
        more=more,
    )


def read_contents(tables: Tables, view: int, query: ObjectQuery) -> Contents:
    """Return the stamps and the joined bodies of the page that `read_page` gives."""
    rows, more = _select(tables, view, query, cut=True)
    contents = _contents(tables, rows)
    return Contents(tuple(int(row["date_added"]) for row in rows), b",".join([contents[row["body"]] for row in rows]), more)


def _contents(tables: Tables, rows: list[Row]) -> dict[int, bytes]:
    found = tables.among("body", "_id", [row["body"] for row in rows])
    return {row["_id"]: cast("bytes", row["content"]) for row in found}


def _select(tables: Tables, view: int, query: ObjectQuery, *, cut: bool) -> tuple[list[Row], bool]:
    """Return the entries of a page, without their bodies, and whether more matched."""
    rows = _matching(tables, view, query)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if cut and query.max_bytes is not None:
        fitting = _fitting(rows, query.max_bytes)
        more = more or fitting < len(rows)
        rows = rows[:fitting]
    return rows, more


def _fitting(rows: list[Row], max_bytes: int) -> int:
    """Return how many of the first bodies fit; the first one always does."""
    left = max_bytes
    for number, row in enumerate(rows):
        left -= row["size"]
        if left < 0 and number:
            return number
    return len(rows)


def _matching(tables: Tables, view: int, query: ObjectQuery) -> list[Row]:
    """Return up to one entry more than the limit, in ascending order."""
    plain = query.ids is None and query.types is None and query.spec_versions is None
    if plain and query.versions == PLAIN_POLL:
        return _range(tables, view, query, {"listed": True}, "listed")
    filters: Row = {}
    if query.ids is not None:
        filters["id"] = one_of(query.ids)
    if query.types is not None:
        filters["type"] = one_of(query.types)
    if query.spec_versions is not None:
        filters["spec_version"] = one_of(query.spec_versions)
    by_id = "by_object" if query.ids is not None else ""
    standings = wanted_standings(query)
    by_type = query.types is not None and len(query.types) * len(standings) <= _MOST_RANGES
    index = by_id or ("by_type" if by_type else "by_standing")
    found = _range(tables, view, query, {**filters, "standing": one_of(standings)}, index) if standings else []
    instants = [] if query.versions.all else [instant for instant in query.versions.instants if instant > 0]
    if instants:
        where = {**filters, "standing": one_of(any_standing(query)), "version": {"$in": instants, "$gt": 0}}
        beside = _range(tables, view, query, where, by_id or "by_version")
        found = sorted({row["date_added"]: row for row in (*found, *beside)}.values(), key=lambda row: int(row["date_added"]))
    return found[: query.limit + 1]


def _range(tables: Tables, view: int, query: ObjectQuery, where: Row, index: str) -> list[Row]:
    after = -1 if query.after is None else query.after
    most = query.limit + 1
    return list(
        tables.find(
            "entry",
            {"view": view, "date_added": {"$gt": after}, **where},
            *_COLUMNS,
            sort="date_added",
            limit=most,
            hint=index,
            batch=most,
        )
    )
