"""A backup in the place of a store."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from taxii_fed.core.errors import RefusedError, StoreError
from taxii_fed.ports import Clock, Store
from taxii_fed.storage.sqlite.checking import first_fault
from taxii_fed.storage.sqlite.connection import as_store_error
from taxii_fed.storage.sqlite.making import BESIDE, settle_folder
from taxii_fed.storage.sqlite.schema import require_ours
from taxii_fed.storage.sqlite.store import SqliteStore


def restore_file(backup: Path, target: Path, clock: Clock, check: Callable[[Store], None]) -> None:
    """Copy a backup to where the store belongs, once the copy has been found whole; the backup stays as it is.

    ``check`` gets the open copy before it is put in place, and keeps it from that with an error. Raises `RefusedError` where a store is
    there, `SchemaError` for a file that is none of ours or of a newer version, `StoreError` for an empty or damaged one.
    """
    for end in ("", *BESIDE, ".part"):
        there = target.with_name(target.name + end)
        if there.exists():
            raise RefusedError(f"{there} is there already; move it away first. Nothing was changed.")
    part = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy, backup.open("rb") as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        _require_whole(part, str(backup))
        store = SqliteStore(part, clock=clock, create=False)
        try:
            with store.read() as reader:
                if reader.in_force() is None:
                    raise _no_backup(str(backup))
            check(store)
        finally:
            store.close()
        part.rename(target)
        settle_folder(target.parent)
    finally:
        for end in ("", *BESIDE, "-turn"):
            part.with_name(part.name + end).unlink(missing_ok=True)


def _require_whole(file: Path, name: str) -> None:
    """Raise `StoreError` where the copy of the backup called ``name`` is not a whole store of a version that is known."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as db:
            if not require_ours(db, name):
                raise _no_backup(name)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise _damaged(name, str(error)) from error
        raise as_store_error(error, name) from error
    if fault := first_fault(file):
        raise _damaged(name, fault)


def _no_backup(name: str) -> StoreError:
    return StoreError(f"{name} is no backup of taxii-fed. Nothing was changed.")


def _damaged(name: str, fault: str) -> StoreError:
    return StoreError(f"{name} is damaged: {fault}. Nothing was changed; restore another backup.")
