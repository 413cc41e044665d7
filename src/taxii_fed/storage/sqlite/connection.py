"""Connections to one file: how they are opened, kept and lent out, and what SQLite's errors mean to a caller."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from pathlib import Path

from taxii_fed.core.errors import SchemaError, StoreError, StoreUnavailableError

_TRY_AGAIN = {
    sqlite3.SQLITE_BUSY: "the store is busy with another writer",
    sqlite3.SQLITE_LOCKED: "the store is busy with another writer",
    sqlite3.SQLITE_FULL: "the disk of the store is full",
    sqlite3.SQLITE_IOERR: "the disk of the store gave an error",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
}
_FOR_GOOD = {
    sqlite3.SQLITE_CANTOPEN: "can't be opened: check that the folder exists and may be written by this user",
    sqlite3.SQLITE_READONLY: "can't be written: check the rights on the file and its folder",
    sqlite3.SQLITE_PERM: "can't be opened: check the rights on the file and its folder",
    sqlite3.SQLITE_TOOBIG: "takes no object, document or page of more than 64 MB",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore the latest backup",
}


def as_store_error(error: sqlite3.Error, name: str) -> StoreError:
    """Return the error of ours that says what happened to the file called ``name``."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _TRY_AGAIN:
        return StoreUnavailableError(f"{name}: {_TRY_AGAIN[code]} ({error})")
    if code == sqlite3.SQLITE_NOTADB:
        return SchemaError(f"{name} is no store of taxii-fed ({error})")
    return StoreError(f"{name} {_FOR_GOOD.get(code, 'gave an error')} ({error})")


def connect(path: Path, *, busy_seconds: float, writes: bool) -> sqlite3.Connection:
    """Open one connection to an existing file; transactions are begun and ended by hand. Raises ``sqlite3.Error``."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        for pragma in _WRITER if writes else _READER:
            db.execute(f"PRAGMA {pragma}")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_JOINED)
    except BaseException:
        db.close()
        raise
    return db


MAX_JOINED = 64_000_000
"""Bytes of one value, and so of a page that SQLite joins: the memory that a reading connection may take for it.

Writers have the same limit, so that nothing gets in which could not be read again.
"""

_READER = ("query_only = ON", "temp_store = MEMORY", "cache_size = -4000")
_WRITER = (
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "temp_store = MEMORY",
    "cache_size = -32000",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 67108864",
)


def use_wal(db: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch the file to write-ahead logging. SQLite does not wait for others here by itself, so this does."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                raise StoreError(f"the file system refuses shared memory, which the store needs (journal mode {mode})")
            return


class Pool:
    """Reading connections, lent to one block at a time and given back."""

    def __init__(self, path: Path, *, busy_seconds: float, keep: int = 32) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._keep = keep
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    def take(self) -> sqlite3.Connection:
        """Return a connection that nobody else uses. Raises ``sqlite3.Error``, or `StoreError` after `close`."""
        try:
            return self._idle.pop()
        except IndexError:
            if self._closed:
                raise StoreError("the store is closed") from None
            return connect(self._path, busy_seconds=self._busy_seconds, writes=False)

    def give(self, db: sqlite3.Connection) -> None:
        """Take a connection back, outside of any transaction."""
        if self._closed or len(self._idle) >= self._keep:
            db.close()
        else:
            self._idle.append(db)

    def close(self) -> None:
        """Close what is idle, and later what is still lent out."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class ForkGuard:
    """Tells a forked child that connections made before the fork are its parent's.

    SQLite forbids to carry a connection over a fork, closing it included; so what was there before is kept, untouched.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._abandoned: list[object] = []

    def crossed(self) -> bool:
        """Return whether this is another process than at the last look."""
        return os.getpid() != self._process

    def abandon(self, *things: object) -> None:
        """Keep ``things`` from being closed by garbage collection, and take this process for ours."""
        self._abandoned.extend(things)
        self._process = os.getpid()
