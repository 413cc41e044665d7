"""The floor under a POST: the same bodies parsed, the same rows inserted, in the same transactions, and nothing else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import orjson

_BY_OBJECT = "SELECT * FROM object WHERE number IN (SELECT object FROM version WHERE key BETWEEN ? AND ?)"
_BY_KEY = {
    "body": "SELECT * FROM body WHERE key IN (SELECT body FROM version WHERE key BETWEEN ? AND ?)",
    "version": "SELECT * FROM version WHERE key BETWEEN ? AND ?",
    "edge": "SELECT * FROM edge WHERE version BETWEEN ? AND ?",
    "offer": "SELECT * FROM offer WHERE version BETWEEN ? AND ?",
    "entry": "SELECT * FROM entry WHERE source_key BETWEEN ? AND ?",
}


def bare_rate(filled: Path, bodies: Sequence[bytes], scratch: Path) -> float:
    """Return objects a second of parsing ``bodies`` and inserting the rows that they became in ``filled``.

    ``filled`` holds nothing but these bodies, each one transaction. The new file has the same tables, indexes and pragmas.
    """
    counts = [len(orjson.loads(body)["objects"]) for body in bodies]
    with closing(sqlite3.connect(filled)) as source:
        batches = list(_batches(source, counts))
        statements = [
            row[0] for row in source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
        ]
        kept = {table: source.execute(f"SELECT * FROM {table}").fetchall() for table in ("word", "view")}
    scratch.unlink(missing_ok=True)
    with closing(sqlite3.connect(scratch, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode = WAL")
        target.execute("PRAGMA synchronous = FULL")
        target.execute("PRAGMA cache_size = -32000")
        for statement in statements:
            target.execute(statement)
        for table, rows in kept.items():
            _insert(target, table, rows)
        begun = time.perf_counter()
        for body, batch in zip(bodies, batches, strict=True):
            orjson.loads(body)
            target.execute("BEGIN IMMEDIATE")
            for table, rows in batch.items():
                _insert(target, table, rows)
            target.execute("COMMIT")
        return sum(counts) / (time.perf_counter() - begun)


def _batches(source: sqlite3.Connection, counts: Sequence[int]) -> list[dict[str, list[tuple[object, ...]]]]:
    """Return the rows of each transaction by table. Keys grow in the order of arrival; an object is inserted with its first version."""
    batches = []
    first = 1
    inserted: set[object] = set()
    for count in counts:
        place = (first, first + count - 1)
        fresh = [row for row in source.execute(_BY_OBJECT, place) if row[0] not in inserted]
        inserted.update(row[0] for row in fresh)
        batches.append(
            {"object": fresh, **{table: source.execute(query, place).fetchall() for table, query in _BY_KEY.items()}}
        )
        first += count
    return batches


def _insert(target: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        target.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
