"""A backup in the place of a store."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from taxii_fed.core.errors import RefusedError, StoreError
from taxii_fed.ports import Clock
from taxii_fed.storage.sqlite.connection import as_store_error
from taxii_fed.storage.sqlite.store import SqliteStore

_BESIDE = ("", "-wal", "-shm", "-journal")


def restore_file(backup: Path, target: Path, clock: Clock) -> None:
    """Copy a backup to where the store belongs, once the copy has been found whole; the backup stays as it is.

    Raises `RefusedError` where a store is there, `SchemaError` for a file that is none of ours or of a newer version, `StoreError` for a
    damaged one.
    """
    for suffix in _BESIDE:
        there = target.with_name(target.name + suffix)
        if there.exists():
            raise RefusedError(f"{there} is there already; move it away first. Nothing was changed.")
    part = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy, backup.open("rb") as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        _require_whole(part)
        SqliteStore(part, clock=clock, create=False).close()
        part.rename(target)
    finally:
        for suffix in _BESIDE:
            part.with_name(part.name + suffix).unlink(missing_ok=True)


def _require_whole(file: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as db:
            found = [text for (text,) in db.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        raise as_store_error(error, str(file)) from error
    if found != ["ok"]:
        raise StoreError(f"the backup is damaged: {found[0]}")
