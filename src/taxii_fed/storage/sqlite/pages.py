"""Pages of a view: each one statement, and no statement that looks at more entries than it gives.

Four ways lead to a page. The plain poll is one range of ``entry_listed``; all versions,
which peers pull, are that and one of ``entry_older``. Filters on rank, edition or type make several ranges,
one for each standing (and type), which a recursive query merges in order: it keeps the head of each range in a queue and replaces
the one that it takes out. A filter on ids looks at the entries of those ids. `core.taxii.query.select` says what comes out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import cast

import orjson

from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Contents, Page, Row
from taxii_fed.storage.sqlite.names import as_json
from taxii_fed.storage.sqlite.traits import EVERY_VERSION, LISTED, wanted_mask

_END = 1 << 62
_WITHOUT_BODIES = "e.date_added, b.id, b.version_text, b.spec_version, x''"
_WITH_BODIES = "e.date_added, b.id, b.version_text, b.spec_version, b.content"
_CONTENTS = "e.date_added AS date_added, b.content AS content"
_row = cast("type[Row]", partial(tuple.__new__, Row))


def read_page(db: sqlite3.Connection, view: int, query: ObjectQuery, *, bodies: bool) -> Page:
    """Return one page of a view. ``max_bytes`` cuts it only where bodies are given."""
    statement, parameters = _statement(view, query, _WITH_BODIES if bodies else _WITHOUT_BODIES)
    cursor = db.execute(statement, parameters)
    if bodies and query.max_bytes is not None:
        return _within(cursor, query.limit, query.max_bytes)
    rows = list(map(_row, cursor.fetchall()))
    if len(rows) > query.limit:
        return Page(rows[: query.limit], more=True)
    return Page(rows, more=False)


def read_contents(db: sqlite3.Connection, view: int, query: ObjectQuery) -> Contents:
    """Return the stamps and the joined bodies of the page that `read_page` gives.

    SQLite joins them in one step, at a third of the cost of a thousand rows. It holds ``MAX_JOINED`` bytes at the most; what goes beyond
    that, or has to be cut by ``max_bytes``, is joined here.
    """
    statement, parameters = _statement(view, query, _CONTENTS)
    try:
        dates, text = db.execute(_joined(statement), {**parameters, "most": query.limit}).fetchone()
    except sqlite3.DataError:
        return _joined_here(db, view, query)
    if dates is None:
        return Contents((), b"", more=False)
    stamps = orjson.loads(f"[{dates}]")
    if query.max_bytes is not None and len(text) - len(stamps) + 1 > query.max_bytes and len(stamps) > 1:
        return _joined_here(db, view, query)
    more = len(stamps) == query.limit and bool(
        read_page(db, view, replace(query, after=stamps[-1], limit=1), bodies=False).rows
    )
    return Contents(stamps, text, more)


@cache
def _joined(statement: str) -> str:
    """Rows come in the order of the inner query, which is that of the page."""
    return f"SELECT group_concat(date_added), CAST(group_concat(content) AS BLOB) FROM ({statement})"


def _joined_here(db: sqlite3.Connection, view: int, query: ObjectQuery) -> Contents:
    page = read_page(db, view, query, bodies=True)
    return Contents([row.date_added for row in page.rows], b",".join([row.body for row in page.rows]), page.more)


def _within(rows: Iterator[tuple[object, ...]], limit: int, max_bytes: int) -> Page:
    """Take rows while their bodies fit; one row is in memory beyond those given, however large the rest is."""
    taken: list[tuple[object, ...]] = []
    left = max_bytes
    more = False
    for row in rows:
        left -= len(cast("bytes", row[4]))
        if (left < 0 and taken) or len(taken) == limit:
            more = True
            break
        taken.append(row)
    return Page(list(map(_row, taken)), more=more)


def _statement(view: int, query: ObjectQuery, columns: str) -> tuple[str, dict[str, object]]:
    mask = wanted_mask(query)
    instants = frozenset[int]() if query.versions.all else query.versions.instants - {0}
    parameters: dict[str, object] = {
        "view": view,
        "after": -1 if query.after is None else query.after,
        "most": query.limit + 1,
    }
    plain = query.ids is None and query.types is None and query.spec_versions is None
    if plain and not instants:
        if mask == LISTED:
            return _listed(columns), parameters
        if mask == EVERY_VERSION:
            return _every_version(columns), parameters
    parameters |= {
        "mask": mask,
        "instants": as_json(instants),
        "ids": _json_or_null(query.ids),
        "types": _json_or_null(query.types),
        "editions": _json_or_null(query.spec_versions),
    }
    if query.ids is not None:
        return _by_id(columns), parameters
    return _merged(columns, query.types is not None, query.spec_versions is not None, bool(instants)), parameters


def _json_or_null(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else as_json(values)


def _look_up(columns: str) -> str:
    """``found`` is ordered and limited; the join is fixed to follow it, so sorting bodies again is saved."""
    return f"""
SELECT {columns}
FROM found CROSS JOIN entry AS e ON e.view = :view AND e.date_added = found.date_added
CROSS JOIN body AS b ON b.key = e.body"""


@cache
def _listed(columns: str) -> str:
    return f"""
SELECT {columns}
FROM entry AS e INDEXED BY entry_listed CROSS JOIN body AS b ON b.key = e.body
WHERE e.view = :view AND e.date_added > :after AND e.standing & 5 = 5
ORDER BY e.date_added LIMIT :most"""


@cache
def _every_version(columns: str) -> str:
    """Return the merge of two ranges that are in order; no entry is in both."""
    return f"""
SELECT {columns}
FROM (
    SELECT date_added, body FROM entry INDEXED BY entry_listed
    WHERE view = :view AND date_added > :after AND standing & 5 = 5
    UNION ALL
    SELECT date_added, body FROM entry INDEXED BY entry_older
    WHERE view = :view AND date_added > :after AND standing & 5 = 4
    ORDER BY 1 LIMIT :most) AS e
CROSS JOIN body AS b ON b.key = e.body"""


_PASSES = """
    (:types IS NULL OR b.type IN (SELECT value FROM json_each(:types)))
    AND (:editions IS NULL OR b.spec_version IN (SELECT value FROM json_each(:editions)))"""

_AT_INSTANTS = """
    b.version IN (SELECT value FROM json_each(:instants)) AND (:editions IS NOT NULL OR e.standing & 4)"""


@cache
def _by_id(columns: str) -> str:
    return f"""
WITH found (date_added) AS (
    SELECT e.date_added
    FROM object AS o
    CROSS JOIN entry AS e INDEXED BY entry_by_object ON e.object = o.number AND e.view = :view
    CROSS JOIN body AS b ON b.key = e.body
    WHERE o.id IN (SELECT value FROM json_each(:ids)) AND e.standing IS NOT NULL AND e.date_added > :after
        AND ((:mask >> (e.standing & 15)) & 1 OR {_AT_INSTANTS}) AND {_PASSES}
    ORDER BY 1 LIMIT :most)
{_look_up(columns)}"""


@cache
def _merged(columns: str, types: bool, editions: bool, instants: bool) -> str:
    """Return the merge of ranges, with the entries of some instants beside it.

    The standings that occur in the view are found by hopping over the index, so that ranges that do not exist cost nothing.
    """
    index = "entry INDEXED BY entry_by_type" if types else "entry INDEXED BY entry_by_standing"
    of_type, of_pair = ("AND type = pair.type", "AND type = merged.type") if types else ("", "")
    pair_source = (
        "(SELECT number AS type FROM word WHERE text IN (SELECT value FROM json_each(:types))) AS t CROSS JOIN class"
        if types
        else "(SELECT 0 AS type) AS t CROSS JOIN class"
    )
    in_editions = (
        "AND class.standing >> 4 IN (SELECT number FROM word WHERE text IN (SELECT value FROM json_each(:editions)))"
        if editions
        else ""
    )
    beside = (
        f"""
UNION
SELECT e.date_added FROM body AS b INDEXED BY body_by_version
CROSS JOIN object AS o ON o.id = b.id
CROSS JOIN entry AS e INDEXED BY entry_by_object ON e.object = o.number AND e.view = :view AND e.body = b.key
WHERE b.version <> 0 AND e.standing IS NOT NULL AND e.date_added > :after AND {_AT_INSTANTS} AND {_PASSES}
ORDER BY 1 LIMIT :most"""
        if instants
        else ""
    )
    return f"""
WITH RECURSIVE class (standing) AS (
    SELECT min(standing) FROM entry INDEXED BY entry_by_standing WHERE view = :view AND standing IS NOT NULL
    UNION ALL
    SELECT (SELECT min(standing) FROM entry INDEXED BY entry_by_standing WHERE view = :view AND standing > class.standing)
    FROM class WHERE class.standing IS NOT NULL),
pair (type, standing) AS (
    SELECT t.type, class.standing FROM {pair_source}
    WHERE class.standing IS NOT NULL AND (:mask >> (class.standing & 15)) & 1 {in_editions}),
merged (date_added, type, standing) AS (
    SELECT coalesce((
        SELECT min(date_added) FROM {index}
        WHERE view = :view {of_type} AND standing = pair.standing AND date_added > :after), {_END}), pair.type, pair.standing
    FROM pair
    UNION ALL
    SELECT coalesce((
        SELECT min(date_added) FROM {index}
        WHERE view = :view {of_pair} AND standing = merged.standing AND date_added > merged.date_added), {_END}),
        merged.type, merged.standing
    FROM merged WHERE merged.date_added < {_END}
    ORDER BY 1 LIMIT :most),
found (date_added) AS (SELECT date_added FROM merged {beside})
{_look_up(columns)}"""
