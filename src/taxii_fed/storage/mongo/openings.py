"""Openings wait here until the last moment of a transaction, which gives them their stamps (I2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pymongo import UpdateOne

from taxii_fed.ports import Clock, Opening
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.counters import Counters
from taxii_fed.storage.mongo.standing import rank_number, standing_columns
from taxii_fed.storage.mongo.tables import Tables

MAX_LEAD_MS = 60_000


@dataclass(frozen=True, slots=True)
class Stamped:
    """What the last moment of a transaction gave: the earliest stamp (ms), and the lead that it was taken with."""

    earliest: int
    lead: int

    def outlasted(self, now: int) -> bool:
        """Return whether at ``now`` (µs), after the commit, the clock was already past a stamp."""
        return now > self.earliest * 1000

    def hurried(self, now: int) -> bool:
        """Return whether at ``now`` (µs), after the commit, half of the lead or more was gone: the next one may well outlast it."""
        return now > self.earliest * 1000 - self.lead * 500


@dataclass(slots=True)
class Openings:
    """The staged openings of one transaction, by view, in the order in which they were staged."""

    by_view: dict[int, list[Row]] = field(default_factory=dict)

    def bodies(self) -> set[int]:
        """Return the keys of bodies that will be needed."""
        return {row["body"] for rows in self.by_view.values() for row in rows}

    def stage(self, view: int, rows: list[Row]) -> None:
        """Put rows behind those that the view has."""
        if rows:
            self.by_view.setdefault(view, []).extend(rows)

    def stamp(self, tables: Tables, clock: Clock, lead: int) -> Stamped | None:
        """Insert all openings; the commit must follow at once. Returns None where there were none."""
        if not self.by_view:
            return None
        heads = {row["_id"]: int(row["head"]) for row in tables.among("view", "_id", self.by_view, None, "head")}
        soonest = clock.now() // 1000 + lead
        earliest = 0
        rows: list[Row] = []
        for view, staged in self.by_view.items():
            first = max(heads[view] + 1, soonest)
            rows += [{"view": view, "date_added": stamp, **row} for stamp, row in enumerate(staged, first)]
            heads[view] = first + len(staged) - 1
            earliest = min(earliest or first, first)
        tables.insert("entry", rows)
        tables.write("view", [UpdateOne({"_id": view}, {"$set": {"head": heads[view]}}) for view in self.by_view])
        return Stamped(earliest, lead)


class OpeningRows:
    """Makes documents of openings within one transaction; equal contents of equal (id, version) are stored once in it."""

    def __init__(self, tables: Tables, counters: Counters, bodies: dict[int, tuple[int, int]]) -> None:
        self._tables = tables
        self._counters = counters
        self._bodies = bodies
        """Version key to the key and size of its body, as far as this transaction knows."""
        self._contents: dict[tuple[str, str, int, bytes], int] = {}

    def rows(self, openings: Sequence[Opening]) -> list[Row]:
        """Return the documents of openings, in order. Raises ``KeyError`` where the version with the bytes is not there."""
        if not openings:
            return []
        self._find_bodies(openings)
        self._store_contents(openings)
        return [self._row(opening) for opening in openings]

    def _row(self, opening: Opening) -> Row:
        rank = rank_number(opening.rank)
        body, size = self._bodies[opening.source_key] if opening.content is None else self._content(opening)
        row: Row = {
            "id": opening.id,
            "type": opening.type,
            "spec_version": opening.spec_version,
            "version": opening.version,
            "version_text": opening.version_text,
            "source": opening.source,
            "source_key": opening.source_key,
            "derived": opening.derived,
            "rank": rank,
            "rule": opening.rule,
            "body": body,
            "size": size,
            **standing_columns(rank, unversioned=opening.version == 0),
        }
        return row | {"reasons": list(opening.reasons)} if opening.reasons else row

    def _find_bodies(self, openings: Sequence[Opening]) -> None:
        wanted = {each.source_key for each in openings if each.content is None} - self._bodies.keys()
        for row in self._tables.among("version", "_id", wanted, None, "body", "size"):
            self._bodies[row["_id"]] = (row["body"], row["size"])

    def _content(self, opening: Opening) -> tuple[int, int]:
        assert opening.content is not None
        key = self._contents[opening.id, opening.spec_version, opening.version, opening.content]
        return key, len(opening.content)

    def _store_contents(self, openings: Sequence[Opening]) -> None:
        rows: list[Row] = []
        for opening in openings:
            if opening.content is None:
                continue
            identity = (opening.id, opening.spec_version, opening.version, opening.content)
            if identity not in self._contents:
                self._contents[identity] = self._counters.take("body")
                rows.append({"_id": self._contents[identity], "content": opening.content})
        self._tables.insert("body", rows)
