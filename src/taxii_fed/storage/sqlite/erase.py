"""The stronger delete: an object leaves the file, and only hashes of its ids stay in the ledger (I10 needs who had it, and when).

The connection overwrites what it frees (``secure_delete``); the store empties the write-ahead log after the commit.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

from taxii_fed.storage.sqlite.names import NewNames

_MINE = (
    "SELECT view, date_added, object, body FROM entry INDEXED BY entry_by_object WHERE object = :number AND source = :number"
)
_COPIES = (
    "SELECT view, date_added, object, body FROM entry INDEXED BY entry_by_source WHERE source = :number AND source <> object"
)

_CLOSE = """
UPDATE entry SET object = :object, source = :source, body = :body, standing = NULL,
    reasons = replace(reasons, :erased, :hash),
    ended_why = iif(ended_at IS NULL, 'erased', ended_why), ended_at = coalesce(ended_at, :now)
WHERE view = :view AND date_added = :date_added"""

_MENTIONS = """
UPDATE entry SET reasons = replace(reasons, :erased, :hash)
WHERE instr(reasons, :erased) AND (view, date_added) IN (
    SELECT e.view, e.date_added FROM edge JOIN version AS v ON v.key = edge.version
    JOIN entry AS e ON e.source_key = v.key AND (e.object = v.object OR (e.source = v.object AND e.source <> e.object))
    WHERE edge.target = :number)"""


def hashed(object_id: str) -> str:
    """Return what stands in the ledger for an erased id."""
    return f"sha256:{hashlib.sha256(object_id.encode()).hexdigest()}"


def erase_object(db: sqlite3.Connection, names: NewNames, object_id: str, now: int) -> None:
    """Remove versions, bodies of source and copies, quarantine, edges, offers and wakes of an object; close its entries."""
    _forget_by_text(db, object_id)
    number = names.objects((object_id,)).get(object_id)
    if number is None:
        return
    db.execute(_MENTIONS, {"number": number, "erased": object_id, "hash": hashed(object_id)})
    version_bodies = _remove_versions(db, number)
    entries = db.execute(f"{_MINE} UNION {_COPIES}", {"number": number}).fetchall()
    ids = names.ids({number, *(given for _, _, given, _ in entries)})
    hashes = names.require_objects(hashed(each) for each in ids.values())
    replaced = {each: hashes[hashed(text)] for each, text in ids.items()}
    blank = {
        body: _blank(db, names, number, given, body, hashed(ids[given]))
        for given, body in {(row[2], row[3]) for row in entries}
    }
    db.executemany(
        _CLOSE,
        [
            {
                "view": view,
                "date_added": date_added,
                "object": replaced[given],
                "source": replaced[number],
                "body": blank[body],
                "erased": object_id,
                "hash": hashed(object_id),
                "now": now,
            }
            for view, date_added, given, body in entries
        ],
    )
    db.executemany("UPDATE view SET edits = edits + 1 WHERE id = ?", {(view,) for view, *_ in entries})
    db.executemany("DELETE FROM body WHERE key = ?", [(body,) for body in version_bodies - blank.keys()])
    _drop_unused_ids(db, ids)


def _forget_by_text(db: sqlite3.Connection, object_id: str) -> None:
    db.execute("DELETE FROM quarantine WHERE object_id = ?", (object_id,))
    db.execute("DELETE FROM wake WHERE object_id = ?", (object_id,))
    db.execute("DELETE FROM approval WHERE object_id = ?", (object_id,))
    db.execute("UPDATE door SET object_id = ? WHERE object_id = ?", (hashed(object_id), object_id))
    db.execute(
        "UPDATE status SET doc = CAST(replace(CAST(doc AS TEXT), :id, :hash) AS BLOB) WHERE instr(doc, CAST(:id AS BLOB))",
        {"id": object_id, "hash": hashed(object_id)},
    )


def _remove_versions(db: sqlite3.Connection, number: int) -> set[int]:
    """Remove all versions of an object and return the keys of their bodies, which are still there."""
    rows = db.execute("SELECT key, body FROM version WHERE object = ?", (number,)).fetchall()
    for key, _ in rows:
        db.execute("DELETE FROM edge WHERE version = ?", (key,))
        db.execute("DELETE FROM offer WHERE version = ?", (key,))
        db.execute("DELETE FROM version WHERE key = ?", (key,))
    return {body for _, body in rows}


def _blank(db: sqlite3.Connection, names: NewNames, source: int, given: int, body: int, name: str) -> int:
    """Return the key of a body without bytes for the erased entries, leaving one that copies of other sources share."""
    (shared,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM entry INDEXED BY entry_by_object WHERE object = ? AND body = ? AND source IS NOT ?)",
        (given, body, source),
    ).fetchone()
    if not shared:
        db.execute("UPDATE body SET id = ?, content = x'' WHERE key = ?", (name, body))
        return body
    key = names.new_body_key()
    db.execute(
        "INSERT INTO body SELECT ?, ?, type, spec_version, version, version_text, x'' FROM body WHERE key = ?",
        (key, name, body),
    )
    return key


def _drop_unused_ids(db: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Drop ids that nothing names any more, with what is known of copies given out under them."""
    for number in numbers:
        (used,) = db.execute(
            "SELECT EXISTS (SELECT 1 FROM entry WHERE object = :n) OR EXISTS (SELECT 1 FROM version WHERE object = :n)"
            " OR EXISTS (SELECT 1 FROM entry WHERE source = :n AND source <> object)",
            {"n": number},
        ).fetchone()
        if used:
            continue
        db.execute("DELETE FROM given WHERE object = ?", (number,))
        (named,) = db.execute("SELECT EXISTS (SELECT 1 FROM edge WHERE target = ?)", (number,)).fetchone()
        db.execute(
            "UPDATE object SET home = NULL WHERE number = ?" if named else "DELETE FROM object WHERE number = ?", (number,)
        )
