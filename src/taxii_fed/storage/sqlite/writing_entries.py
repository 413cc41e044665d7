"""Openings become rows: names to numbers, contents to bodies, ranks to traits. All but the stamp."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from taxii_fed.ports import Opening
from taxii_fed.storage.sqlite.names import Counters, NewNames, as_json
from taxii_fed.storage.sqlite.openings import OpeningRow
from taxii_fed.storage.sqlite.traits import standing_of, traits_of


class EntryPreparer:
    """Prepares openings within one transaction; equal contents of equal (id, version) are stored once in it."""

    def __init__(self, db: sqlite3.Connection, names: NewNames, counters: Counters, bodies: dict[int, int]) -> None:
        self._db = db
        self._names = names
        self._counters = counters
        self._bodies = bodies
        """Version key to body key, as far as this transaction knows."""
        self._words = _Words(names)
        self._contents: dict[tuple[str, str, int, bytes], int] = {}

    def rows(self, openings: Sequence[Opening]) -> list[OpeningRow]:
        """Return the rows of openings, in order. Raises ``KeyError`` where the version with the bytes is not there."""
        if not openings:
            return []
        numbers = self._names.require_objects(
            [opening.id for opening in openings] + [opening.source for opening in openings if opening.source]
        )
        self._find_bodies(openings)
        self._store_contents(openings)
        return [self._row(opening, numbers) for opening in openings]

    def _row(self, opening: Opening, numbers: dict[str, int]) -> OpeningRow:
        words = self._words
        content = opening.content
        traits = traits_of(
            opening.rank,
            version=opening.version,
            derived=content is not None,
            edition=words[opening.spec_version],
        )
        return OpeningRow(
            numbers[opening.id],
            numbers[opening.source] if opening.source else None,
            opening.source_key,
            words[opening.type],
            standing_of(traits),
            traits,
            words[opening.rule],
            orjson.dumps(opening.reasons).decode() if opening.reasons else None,
            self._bodies[opening.source_key]
            if content is None
            else self._contents[opening.id, opening.spec_version, opening.version, content],
        )

    def _find_bodies(self, openings: Sequence[Opening]) -> None:
        wanted = {
            opening.source_key for opening in openings if opening.content is None and opening.source_key not in self._bodies
        }
        if wanted:
            self._bodies.update(
                self._db.execute(
                    "SELECT v.key, v.body FROM json_each(?) AS j CROSS JOIN version AS v ON v.key = j.value", (as_json(wanted),)
                )
            )

    def _store_contents(self, openings: Sequence[Opening]) -> None:
        rows = []
        for opening in openings:
            if opening.content is None:
                continue
            identity = (opening.id, opening.spec_version, opening.version, opening.content)
            if identity not in self._contents:
                key = self._contents[identity] = self._counters.take("body")
                rows.append(
                    (
                        key,
                        opening.id,
                        opening.type,
                        opening.spec_version,
                        opening.version,
                        opening.version_text,
                        opening.content,
                    )
                )
        self._db.executemany("INSERT INTO body VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


class _Words(dict[str, int]):
    """Numbers of words, looked up or given once in a transaction."""

    def __init__(self, names: NewNames) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, text: str) -> int:
        number = self[text] = self._names.require_number(text)
        return number
