"""A new file, which is whole from the moment that it has its name."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from taxii_fed.core.errors import StoreError
from taxii_fed.storage.sqlite.connection import as_store_error, connect, use_wal
from taxii_fed.storage.sqlite.schema import migrate

BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of what SQLite keeps beside a file. Left of a file that is gone, it would be taken for part of a new one."""


def make_file(path: Path, *, now: int, busy_seconds: float) -> None:
    """Make a store with the newest schema where there is no file.

    However many processes do so at once, and whenever one is killed: who looks finds no file or a whole one, never an empty one. Raises
    `StoreError`.
    """
    try:
        with _alone(path.parent):
            if not path.exists():
                _make(path, now, busy_seconds)
    except sqlite3.Error as error:
        raise as_store_error(error, str(path)) from error
    except OSError as error:
        raise StoreError(f"{path} can't be opened: {error.strerror}") from error


def settle_folder(folder: Path) -> None:
    """Make sure that the folder remembers a new name after a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: Path, now: int, busy_seconds: float) -> None:
    new = path.with_name(f"{path.name}-new")
    new.unlink(missing_ok=True)
    for end in BESIDE:
        new.with_name(new.name + end).unlink(missing_ok=True)
        path.with_name(path.name + end).unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(connect(new, busy_seconds=busy_seconds, writes=True)) as db:
        use_wal(db, busy_seconds)
        migrate(db, str(path), now)
    new.rename(path)
    settle_folder(path.parent)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else makes a file in a folder. The system takes the lock from whoever is killed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
