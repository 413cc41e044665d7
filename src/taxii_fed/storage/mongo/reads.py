"""Who fetched what: ranges of stamps, merged as they come in."""

from __future__ import annotations

from collections.abc import Iterable

from taxii_fed.ports import Read
from taxii_fed.storage.mongo.tables import Tables, one_of


def merge_reads(tables: Tables, reads: Iterable[Read]) -> None:
    """Join each range with those of the same view, party and account that it meets or overlaps; the latest address stays."""
    for read in reads:
        reader = {"view": read.view, "party": read.party, "account": read.account}
        where = {**reader, "first": {"$lte": read.last + 1}, "last": {"$gte": read.first - 1}}
        touching = list(tables.find("fetched", where))
        tables.delete("fetched", {"_id": one_of([row["_id"] for row in touching])})
        row = {**reader, "first": read.first, "last": read.last, "at": read.at, "address": read.address}
        latest = max([*touching, row], key=lambda each: int(each["at"]))
        row |= {
            "first": min(int(each["first"]) for each in [*touching, row]),
            "last": max(int(each["last"]) for each in [*touching, row]),
            "at": latest["at"],
            "address": latest["address"],
        }
        tables.insert("fetched", [row])
