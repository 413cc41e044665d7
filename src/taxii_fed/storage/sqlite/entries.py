"""Reads of the ledger: entries as values."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson

from taxii_fed.core.stix.facts import Use
from taxii_fed.core.taxii.query import ObjectQuery
from taxii_fed.ports import Contents, Entry, Page
from taxii_fed.storage.sqlite.names import Names, as_json
from taxii_fed.storage.sqlite.pages import read_contents, read_page
from taxii_fed.storage.sqlite.traits import is_derived, rank_of

ENTRY_COLUMNS = """
    e.view, e.date_added, b.id, b.type, b.spec_version, b.version, b.version_text,
    CASE e.source WHEN e.object THEN b.id ELSE (SELECT id FROM object WHERE number = e.source) END,
    e.source_key, e.traits, e.rule, e.reasons, e.body, e.ended_at, e.ended_why"""

_LIVE = f"""
SELECT {ENTRY_COLUMNS}
FROM json_each(:numbers) AS j
CROSS JOIN entry AS e INDEXED BY entry_by_object ON e.object = j.value
CROSS JOIN body AS b ON b.key = e.body
WHERE e.source = e.object AND e.view IN (SELECT value FROM json_each(:views)) AND e.ended_at IS NULL
UNION ALL
SELECT {ENTRY_COLUMNS}
FROM json_each(:numbers) AS j
CROSS JOIN entry AS e INDEXED BY entry_by_source ON e.source = j.value AND e.source <> e.object
CROSS JOIN body AS b ON b.key = e.body
WHERE e.view IN (SELECT value FROM json_each(:views)) AND e.ended_at IS NULL
ORDER BY 1, 2"""

_LIVE_BY_ID = f"""
SELECT {ENTRY_COLUMNS}
FROM json_each(:numbers) AS j
CROSS JOIN entry AS e INDEXED BY entry_by_object ON e.object = j.value AND e.view = :view
CROSS JOIN body AS b ON b.key = e.body
WHERE e.ended_at IS NULL
ORDER BY 2"""

_LEDGER = f"""
SELECT {ENTRY_COLUMNS}
FROM entry AS e INDEXED BY entry_by_object CROSS JOIN body AS b ON b.key = e.body
WHERE e.object = :number
UNION ALL
SELECT {ENTRY_COLUMNS}
FROM entry AS e INDEXED BY entry_by_source CROSS JOIN body AS b ON b.key = e.body
WHERE e.source = :number AND e.source <> e.object
ORDER BY 2, 1"""

_WALK = f"""
SELECT {ENTRY_COLUMNS}
FROM entry AS e CROSS JOIN body AS b ON b.key = e.body
WHERE e.view = :view AND e.date_added > :after AND (:ended OR e.ended_at IS NULL)
ORDER BY e.date_added LIMIT :limit"""

_USED = """
SELECT 1
FROM edge CROSS JOIN version AS v ON v.key = edge.version
WHERE edge.target = :target AND edge.use = :use AND edge.collection = :collection
    AND v.object NOT IN (SELECT value FROM json_each(:without)) AND (
    EXISTS (
        SELECT 1 FROM entry AS e INDEXED BY entry_by_object
        WHERE e.object = v.object AND e.view = :view AND e.source_key = v.key AND e.ended_at IS NULL
            AND (e.traits & 32 = 0 OR :copies))
    OR :copies AND EXISTS (
        SELECT 1 FROM entry AS e INDEXED BY entry_by_source
        WHERE e.source = v.object AND e.source <> e.object AND e.view = :view AND e.source_key = v.key AND e.ended_at IS NULL))
LIMIT 1"""


class EntryReader:
    """The part of `taxii_fed.ports.Reader` that reads views and the ledger."""

    _db: sqlite3.Connection
    _names: Names

    def page(self, view: int, query: ObjectQuery, *, bodies: bool = True) -> Page:
        """Return the page that `core.taxii.query.select` describes, cut further by ``max_bytes`` when ``bodies``."""
        return read_page(self._db, view, query, bodies=bodies)

    def contents(self, view: int, query: ObjectQuery) -> Contents:
        """Return the same page as `page` does with bodies, as one text."""
        return read_contents(self._db, view, query)

    def shown(self, view: int, given_id: str) -> bool:
        """Return whether the view holds any live, shown entry of that id."""
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM object AS o CROSS JOIN entry AS e INDEXED BY entry_by_object"
            " ON e.object = o.number AND e.view = ? AND e.standing IS NOT NULL WHERE o.id = ?)",
            (view, given_id),
        ).fetchone()
        return bool(row[0])

    def live(self, views: Collection[int], sources: Collection[str]) -> dict[int, dict[str, list[Entry]]]:
        """Return live entries by view and source id, ascending by date. Every view asked for has a key."""
        found: dict[int, dict[str, list[Entry]]] = {view: {} for view in views}
        numbers = self._names.objects(sources)
        if numbers and found:
            parameters = {"numbers": as_json(numbers.values()), "views": as_json(found)}
            for entry in self._entries(self._db.execute(_LIVE, parameters)):
                found[entry.view].setdefault(entry.source, []).append(entry)
        return found

    def live_by_id(self, view: int, given_ids: Collection[str]) -> dict[str, list[Entry]]:
        """Return live entries of a view by the id that they go out under, ascending by date."""
        found: dict[str, list[Entry]] = {}
        numbers = self._names.objects(given_ids)
        if numbers:
            for entry in self._entries(self._db.execute(_LIVE_BY_ID, {"numbers": as_json(numbers.values()), "view": view})):
                found.setdefault(entry.id, []).append(entry)
        return found

    def ledger(self, object_id: str) -> list[Entry]:
        """Return all entries ever, live and ended, whose source or given id is ``object_id``, ascending by date."""
        number = self._names.objects((object_id,)).get(object_id)
        return [] if number is None else self._entries(self._db.execute(_LEDGER, {"number": number}))

    def entries(self, view: int, after: int, limit: int, *, ended: bool = False) -> list[Entry]:
        """Return live entries (all with ``ended``) of a view after a stamp, ascending."""
        return self._entries(self._db.execute(_WALK, {"view": view, "after": after, "limit": limit, "ended": ended}))

    def count_live(self, view: int, after: int = 0) -> int:
        """Return how many live entries a view has after a stamp."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM entry WHERE view = ? AND date_added > ? AND ended_at IS NULL", (view, after)
        ).fetchone()
        return int(count)

    def body(self, key: int) -> bytes:
        """Return the bytes that `Entry.body` points to. Raises ``KeyError`` where there are none."""
        row = self._db.execute("SELECT content FROM body WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return bytes(row[0])

    def used_visibly(self, view: int, targets: Mapping[str, Collection[Use]], without: Collection[str] = ()) -> set[str]:
        """Return those targets that the source of a live entry of the view names in one of the given ways.

        For `Use.CREATOR` only entries that are no copies count: a derived copy names the node. Sources in ``without`` don't count.
        """
        row = self._db.execute("SELECT collection FROM view WHERE id = ?", (view,)).fetchone()
        collection = None if row is None else self._names.number(row[0])
        numbers = self._names.objects(targets)
        left_out = as_json(self._names.objects(without).values()) if without else "[]"
        return {
            target
            for target, number in numbers.items()
            if any(self._is_used(view, number, collection, use, left_out) for use in targets[target])
        }

    def _is_used(self, view: int, target: int, collection: int | None, use: Use, without: str) -> bool:
        copies = use is not Use.CREATOR
        parameters = {
            "target": target, "use": use, "collection": collection, "view": view, "copies": copies, "without": without,
        }  # fmt: skip
        return self._db.execute(_USED, parameters).fetchone() is not None

    def given(self, given_ids: Collection[str]) -> dict[str, list[tuple[int, bytes]]]:
        """Return, for each derived id ever given out by this node, the (version, digest) pairs noted for it, ascending."""
        found: dict[str, list[tuple[int, bytes]]] = {}
        rows = self._db.execute(
            "SELECT o.id, g.version, g.digest FROM json_each(?) AS j CROSS JOIN object AS o ON o.id = j.value"
            " CROSS JOIN given AS g ON g.object = o.number ORDER BY g.version, g.digest",
            (as_json(dict.fromkeys(given_ids)),),
        )
        for given_id, version, digest in rows:
            found.setdefault(given_id, []).append((version, digest))
        return found

    def last_given(self, view: int, given_ids: Collection[str]) -> dict[str, int]:
        """Return the greatest version (µs) that the view ever held under each id, ended entries included."""
        return dict(
            self._db.execute(
                "SELECT o.id, max(b.version) FROM json_each(?) AS j CROSS JOIN object AS o ON o.id = j.value"
                " CROSS JOIN entry AS e INDEXED BY entry_by_object ON e.object = o.number AND e.view = ?"
                " CROSS JOIN body AS b ON b.key = e.body GROUP BY o.id",
                (as_json(dict.fromkeys(given_ids)), view),
            )
        )

    def _entries(self, rows: Iterable[tuple[Any, ...]]) -> list[Entry]:
        return [self._entry(*row) for row in rows]

    def _entry(
        self,
        view: int,
        date_added: int,
        given_id: str,
        type_: str,
        spec_version: str,
        version: int,
        version_text: str,
        source: str | None,
        source_key: int,
        traits: int,
        rule: int,
        reasons: str | None,
        body: int,
        ended_at: int | None,
        ended_why: str | None,
    ) -> Entry:
        return Entry(
            view=view,
            date_added=date_added,
            id=given_id,
            type=type_,
            spec_version=spec_version,
            version=version,
            version_text=version_text,
            source=source or "",
            source_key=source_key,
            derived=is_derived(traits),
            rank=rank_of(traits),
            rule=self._names.text(rule),
            reasons=tuple(orjson.loads(reasons)) if reasons else (),
            body=body,
            ended_at=ended_at,
            ended_why=ended_why or "",
        )
