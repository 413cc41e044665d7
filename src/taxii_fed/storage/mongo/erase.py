"""The stronger delete: an object leaves the database, and only hashes of its ids stay in the ledger (I10 needs who had it, and when)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson
from pymongo import UpdateOne

from taxii_fed.core.stix.facts import Use
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.counters import Counters
from taxii_fed.storage.mongo.entries import edge_of
from taxii_fed.storage.mongo.standing import NO_STANDING
from taxii_fed.storage.mongo.tables import Tables, one_of, pack, unpack


def hashed(object_id: str) -> str:
    """Return what stands in the ledger for an erased id."""
    return f"sha256:{hashlib.sha256(object_id.encode()).hexdigest()}"


def erase_object(tables: Tables, counters: Counters, object_id: str, now: int) -> set[int]:
    """Remove versions, bodies of source and copies, quarantine, edges, offers and wakes of an object; close its entries.

    Returns the views whose entries were changed.
    """
    for table in ("quarantine", "wake", "approval"):
        tables.delete(table, {"object": object_id})
    tables.update("door", {"object": object_id}, {"$set": {"object": hashed(object_id)}})
    _clear_statuses(tables, object_id)
    _clear_mentions(tables, object_id)
    bodies = _remove_versions(tables, object_id)
    entries = list(tables.find("entry", {"source": object_id}))
    blank = _blank_bodies(tables, counters, object_id, entries)
    tables.write("entry", [_closed(entry, blank[entry["body"]], object_id, now) for entry in entries])
    tables.delete_among("body", "_id", bodies - set(blank.values()))
    _forget_unused(tables, {object_id, *(entry["id"] for entry in entries)})
    return {int(entry["view"]) for entry in entries}


def _closed(entry: Row, body: int, object_id: str, now: int) -> UpdateOne:
    columns: Row = {"id": hashed(entry["id"]), "source": hashed(object_id), "body": body, "size": 0}
    if "reasons" in entry:
        columns["reasons"] = [reason.replace(object_id, hashed(object_id)) for reason in entry["reasons"]]
    if entry.get("ended_at") is None:
        columns |= {"ended_at": now, "ended_why": "erased"}
    return UpdateOne({"view": entry["view"], "date_added": entry["date_added"]}, {"$set": columns, "$unset": NO_STANDING})


def _clear_statuses(tables: Tables, object_id: str) -> None:
    changed = []
    for row in tables.find("status", {}, batch=100):
        text = orjson.dumps(unpack(row["doc"])).decode()
        if object_id in text:
            clean = orjson.loads(text.replace(object_id, hashed(object_id)))
            changed.append(UpdateOne({"_id": row["_id"]}, {"$set": {"doc": pack(clean)}}))
    tables.write("status", changed)


def _clear_mentions(tables: Tables, object_id: str) -> None:
    """Take the id out of the reasons of entries whose sources name it."""
    edges = [edge_of(object_id, use) for use in Use]
    users = list(tables.find("version", {"edges": one_of(edges)}, "object"))
    keys = {row["_id"] for row in users}
    changed = []
    for entry in tables.among(
        "entry", "source", [row["object"] for row in users], None, "view", "date_added", "source_key", "reasons"
    ):
        reasons = [reason.replace(object_id, hashed(object_id)) for reason in entry.get("reasons", ())]
        if entry["source_key"] in keys and reasons != entry.get("reasons", []):
            place = {"view": entry["view"], "date_added": entry["date_added"]}
            changed.append(UpdateOne(place, {"$set": {"reasons": reasons}}))
    tables.write("entry", changed)


def _remove_versions(tables: Tables, object_id: str) -> set[int]:
    """Remove all versions of an object and return the keys of their bodies, which are still there."""
    rows = list(tables.find("version", {"object": object_id}, "body"))
    tables.delete_among("offer", "version", [row["_id"] for row in rows])
    tables.delete("version", {"object": object_id})
    return {row["body"] for row in rows}


def _blank_bodies(tables: Tables, counters: Counters, object_id: str, entries: list[Row]) -> dict[int, int]:
    """Return, for each body of the entries, the key of one without bytes, leaving those that copies of other sources share."""
    bodies = {entry["body"] for entry in entries}
    ids = [entry["id"] for entry in entries]
    shared = {
        row["body"] for row in tables.among("entry", "id", ids, {"source": {"$ne": object_id}}, "body") if row["body"] in bodies
    }
    tables.write("body", [UpdateOne({"_id": body}, {"$set": {"content": b""}}) for body in bodies - shared])
    fresh = {body: counters.take("body") for body in shared}
    tables.insert("body", [{"_id": key, "content": b""} for key in fresh.values()])
    return {body: fresh.get(body, body) for body in bodies}


def _forget_unused(tables: Tables, ids: Iterable[str]) -> None:
    """Forget the home of ids that nothing bears any more, and what is known of copies given out under them."""
    for each in ids:
        borne = any(
            tables.one(table, where, "_id") is not None
            for table, where in (("entry", {"id": each}), ("entry", {"source": each}), ("version", {"object": each}))
        )
        if not borne:
            tables.delete("given", {"object": each})
            tables.delete("home", {"_id": each})
