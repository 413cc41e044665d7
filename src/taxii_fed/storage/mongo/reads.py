"""Who fetched what: ranges of stamps, merged as they come in.

The turn is held meanwhile, so it is a handful of commands for each account, however many pages it fetched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from taxii_fed.ports import Read
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.tables import Tables, one_of

_READER = ("view", "party", "account")


def merge_reads(tables: Tables, reads: Iterable[Read]) -> None:
    """Join each range with those of the same view, party and account that it meets or overlaps; the latest address stays."""
    rows: dict[tuple[int, str, str], list[Row]] = defaultdict(list)
    for read in reads:
        row = {"view": read.view, "party": read.party, "account": read.account, "first": read.first, "last": read.last}
        rows[read.view, read.party, read.account].append({**row, "at": read.at, "address": read.address})
    for reader, new in rows.items():
        _merge(tables, dict(zip(_READER, reader, strict=True)), _joined(new))


def _merge(tables: Tables, reader: Row, new: Sequence[Row]) -> None:
    """Store ranges of one reader, none of which touches another."""
    first, last = new[0]["first"], new[-1]["last"]
    where = {**reader, "first": {"$lte": last + 1}, "last": {"$gte": first - 1}}
    stored = [row for row in tables.find("fetched", where) if any(_touch(row, each) for each in new)]
    if stored:
        tables.delete("fetched", {**reader, "_id": one_of([row["_id"] for row in stored])})
    tables.insert("fetched", [{column: row[column] for column in row if column != "_id"} for row in _joined([*stored, *new])])


def _joined(rows: Sequence[Row]) -> list[Row]:
    """Return the ranges that are left when those that meet or overlap are one, ascending."""
    joined: list[Row] = []
    for row in sorted(rows, key=lambda each: int(each["first"])):
        if joined and _touch(joined[-1], row):
            latest = max(joined[-1], row, key=lambda each: (int(each["at"]), str(each["address"])))
            joined[-1] |= {"last": max(joined[-1]["last"], row["last"]), "at": latest["at"], "address": latest["address"]}
        else:
            joined.append(dict(row))
    return joined


def _touch(one: Row, other: Row) -> bool:
    return bool(one["first"] <= other["last"] + 1 and one["last"] >= other["first"] - 1)
