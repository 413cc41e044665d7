"""A store moved to another one, of any kind: resumable, and with every key, date and place, so that no reader and no peer notices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from taxii_fed.core.errors import RefusedError, StoreError
from taxii_fed.ports import MOVED, Moving, Store
from taxii_fed.services.rerun import rerun

_MOST_RECORDS = 1000
_MOST_BYTES = 4_000_000
"""Of one transaction in the target: it stays far below what a deployment allows, and a break loses little."""


def migrate(source: Store, target: Store, report: Callable[[str, int], None] = lambda _table, _count: None) -> dict[str, int]:
    """Copy ``source`` into ``target`` and return how many records of each table it holds then.

    The source can be read meanwhile, not written. A move that was broken off goes on from where it was, or begins anew where the source
    has changed since. ``report`` gets each table with how many of its records are there. Raises `RefusedError` where the target holds a
    node of its own, and `StoreError` where the source changed under the move.
    """
    with source.moving() as here, target.moving() as there:
        if here.progress() is not None:
            raise RefusedError("The source is being filled itself by a move that has not come to its end.")
        mark = here.mark()
        counts = _where_it_was(there, mark)
        for name in MOVED[max(0, len(counts) - 1) :]:
            _move(here, there, name, counts, mark, report)
        if here.mark() != mark:
            raise StoreError("the source changed while it was moved: stop what writes to it, and run this again")
        there.put("doc", (), None)
    return counts


def _where_it_was(there: Moving, mark: str) -> dict[str, int]:
    """Return how many records are there, by table, in order up to the one to go on with; empties what another state of the source left."""
    progress = there.progress()
    if progress is None and not there.is_empty():
        raise RefusedError("The target holds a node already. Nothing was changed; name an empty one.")
    if progress is not None and progress["mark"] == mark:
        return {name: progress["counts"][name] for name in MOVED if name in progress["counts"]}
    there.clear()
    return {}


def _move(
    here: Moving, there: Moving, table: str, counts: dict[str, int], mark: str, report: Callable[[str, int], None]
) -> None:
    """Move what is left of a table, and count it."""
    records = here.take(table, counts.setdefault(table, 0))
    put = rerun(there.put)
    while chunk := _chunk(records):
        counts[table] += len(chunk)
        put(table, chunk, {"mark": mark, "counts": dict(counts)})
        report(table, counts[table])


def _chunk(records: Any) -> list[Any]:
    chunk: list[Any] = []
    size = 0
    for record in islice(records, _MOST_RECORDS):
        chunk.append(record)
        size += sum(len(value) for value in record if isinstance(value, bytes)) if isinstance(record, tuple) else 0
        if size > _MOST_BYTES:
            break
    return chunk
