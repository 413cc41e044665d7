"""A store on one SQLite file (`taxii_fed.ports.Store`), for any number of threads and processes."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

from taxii_fed.core.errors import StoreError, StoreUnavailableError
from taxii_fed.ports import Clock, Lease, Moving, Place, Read, Reader, View, Writer
from taxii_fed.storage.sqlite.checking import fault_at_start, first_fault
from taxii_fed.storage.sqlite.connection import ForkGuard, Pool, as_store_error, connect, use_wal
from taxii_fed.storage.sqlite.log import tidy_log
from taxii_fed.storage.sqlite.making import BESIDE, make_file, settle_folder
from taxii_fed.storage.sqlite.moving import SqliteMoving
from taxii_fed.storage.sqlite.names import Names, WordCache
from taxii_fed.storage.sqlite.openings import Stamped, note_outlasted
from taxii_fed.storage.sqlite.reader import SqliteReader
from taxii_fed.storage.sqlite.reads import merge_reads
from taxii_fed.storage.sqlite.schema import migrate, require_ours
from taxii_fed.storage.sqlite.turn import Turn
from taxii_fed.storage.sqlite.writer import SqliteWriter


class SqliteStore:
    """See `taxii_fed.ports.Store`. Any error of SQLite leaves a block as a `StoreError` that says what to do.

    ``busy_seconds``: how long a transaction waits for another writer before it gives up with `StoreUnavailableError`.
    """

    def __init__(self, path: Path, *, clock: Clock, create: bool = True, busy_seconds: float = 10.0) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._words = WordCache()
        self._fork = ForkGuard()
        self._outlasted: list[Stamped] = []
        self._prepare(create)
        self._start()

    def _start(self) -> None:
        self._pool = Pool(self._path, busy_seconds=self._busy_seconds)
        self._writer: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._turn = Turn(self._path.with_name(f"{self._path.name}-turn"))
        self._closed = False

    def _prepare(self, create: bool) -> None:
        """Make the file if need be, and bring it to the newest schema."""
        if self._path.is_dir():
            raise StoreError(f"{self._path} is no file")
        if not self._path.exists():
            if not create:
                raise StoreError(f"{self._path} does not exist")
            make_file(self._path, now=self._clock.now(), busy_seconds=self._busy_seconds)
        if not self._path.stat().st_size:
            raise StoreError(f"{self._path} is empty: restore the latest backup, or remove the file to begin anew")
        if not os.access(self._path, os.W_OK):
            raise StoreError(f"{self._path} can't be written: check the rights on the file and its folder")
        with self._errors(), closing(connect(self._path, busy_seconds=self._busy_seconds, writes=True)) as db:
            require_ours(db, str(self._path))
            use_wal(db, self._busy_seconds)
            migrate(db, str(self._path), self._clock.now())

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise as_store_error(error, str(self._path)) from error

    # -- transactions -----------------------------------------------------------------------------------------------------
    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot: that of the first statement in the block."""
        return self._read()

    @contextmanager
    def _read(self) -> Iterator[SqliteReader]:
        self._check_process()
        with self._errors():
            db = self._pool.take()
            try:
                db.execute("BEGIN")
                yield SqliteReader(db, Names(db, self._words))
            except sqlite3.Error:
                db.close()
                raise
            except BaseException:
                self._put_back(db)
                raise
            self._put_back(db)

    def _put_back(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.execute("ROLLBACK")
        self._pool.give(db)

    def glance(self, party: str, collection: str) -> Place | None:
        """Return what `Reader.place` says at present: one statement is a snapshot by itself.

        A thread lets others go first at each statement, and waits for its turn after it: under load that takes longer than the work.
        """
        self._check_process()
        with self._errors():
            db = self._pool.take()
            try:
                place = SqliteReader(db, Names(db, self._words)).place(party, collection)
            except BaseException:
                db.close()
                raise
            self._pool.give(db)
            return place

    def write(self) -> AbstractContextManager[Writer]:
        """Open a transaction: committed when the block ends, undone when it raises. Raises `StoreUnavailableError` when it can't."""
        return self._write()

    @contextmanager
    def _write(self) -> Iterator[SqliteWriter]:
        with self._alone() as db:
            with _transaction(db):
                writer = SqliteWriter(db, self._words, self._clock)
                yield writer
                for earlier in self._outlasted:
                    note_outlasted(db, earlier.lead)
                stamped = writer.finish()
            self._outlasted.clear()
            writer.committed()
            if stamped is not None and stamped.outlasted(self._clock.now()):
                self._outlasted.append(stamped)
            self._tidy(db, patience=2.0 if writer.has_erased else 0.0)

    def _tidy(self, db: sqlite3.Connection, *, patience: float) -> None:
        """Do what belongs after a commit. What fails here is done after a later one: the commit stands."""
        with suppress(sqlite3.Error, OSError):
            if self._outlasted:
                with _transaction(db):
                    for each in self._outlasted:
                        note_outlasted(db, each.lead)
                self._outlasted.clear()
            tidy_log(db, self._log, patience=patience)

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection of this process to one thread at a time, when it is the turn of this process."""
        self._check_process()
        deadline = time.monotonic() + self._busy_seconds
        if not self._lock.acquire(timeout=self._busy_seconds):
            raise StoreUnavailableError(f"{self._path}: the store is busy with another writer of this process")
        try:
            with self._errors():
                if self._closed:
                    raise StoreError("the store is closed")
                if self._writer is None:
                    self._writer = connect(self._path, busy_seconds=self._busy_seconds, writes=True)
                with self._turn.taken(deadline) as came:
                    if not came:
                        raise StoreUnavailableError(f"{self._path}: the store is busy with another writer")
                    yield self._writer
        finally:
            self._lock.release()

    def _check_process(self) -> None:
        if self._fork.crossed():
            self._fork.abandon(self._pool, self._writer, self._lock)
            self._start()

    # -- beside transactions ----------------------------------------------------------------------------------------------
    def lease(self, name: str, owner: str, seconds: float, now: int) -> Lease | None:
        """Take or renew a lease, None while another owner holds it."""
        with self._read() as reader:
            if reader.lease_is_held(name, owner, now):
                return None
        until = now + int(seconds * 1_000_000)
        with self._alone() as db, _transaction(db):
            row = db.execute("SELECT owner, fence, until_at FROM lease WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] not in {owner, ""} and row[2] > now:
                return None
            fence = 1 if row is None else row[1] + (row[0] != owner)
            db.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)", (name, owner, fence, until))
            return Lease(name, owner, fence, until)

    def lease_holder(self, name: str) -> Lease | None:
        """Return the lease as it stands, run out or not, None where nobody took it or it was given back."""
        with self._read() as reader:
            return reader.lease_holder(name)

    def release(self, lease: Lease) -> None:
        """Give a lease back. One that has passed to another owner is left alone."""
        with self._alone() as db, _transaction(db):
            db.execute(
                "UPDATE lease SET owner = '', until_at = 0 WHERE name = ? AND owner = ? AND fence = ?",
                (lease.name, lease.owner, lease.fence),
            )

    def note_reads(self, reads: Sequence[Read]) -> None:
        """Merge reads into what is kept, in a transaction of its own."""
        if reads:
            with self._alone() as db, _transaction(db):
                merge_reads(db, reads)

    def prune(self, statuses_before: int) -> None:
        """Drop statuses older than an instant."""
        with self._alone() as db, _transaction(db):
            db.execute("DELETE FROM status WHERE at < ?", (statuses_before,))

    def commits_past_lead(self) -> int:
        """Return how many commits outlasted the lead since the store was made (I2)."""
        with self._read() as reader:
            return reader.counter("commits_past_lead")

    def iterate_views(self) -> Iterator[View]:
        """Yield all views of all collections, those that nobody reads any more included."""
        with self._read() as reader:
            views = reader.all_views()
        yield from views

    def check(self) -> None:
        """Raise `StoreError` where a look that takes about a second finds damage: at a small file all of it, at a large one a part."""
        with self._errors(), closing(connect(self._path, busy_seconds=self._busy_seconds, writes=False)) as db:
            fault = fault_at_start(db, self._path.stat().st_size)
        if fault:
            raise StoreError(f"{self._path} is damaged; restore the latest backup ({fault})")

    @contextmanager
    def moving(self) -> Iterator[Moving]:
        """Open all of the store for a move: readers go on, writers wait."""
        with self._alone() as db, _transaction(db):

            def settle() -> None:
                db.execute("COMMIT")
                db.execute("BEGIN IMMEDIATE")

            yield SqliteMoving(db, settle)
        self._words = WordCache()

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while others go on.

        Raises `StoreError` where the file is there already, can't be written, or would be no whole store because this one is damaged.
        """
        target = Path(path)
        if target.exists():
            raise StoreError(f"{target} is there already")
        part = target.with_name(f"{target.name}.part")
        try:
            part.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"{target} can't be made: {error.strerror}") from error
        try:
            self._copy_to(part, path)
            if fault := first_fault(part):
                raise StoreError(f"{self._path} is damaged; restore the latest backup. {target} was not written. ({fault})")
            part.replace(target)
            settle_folder(target.parent)
        finally:
            for end in ("", *BESIDE):
                part.with_name(part.name + end).unlink(missing_ok=True)

    def _copy_to(self, part: Path, name: str) -> None:
        with self._errors(), closing(connect(self._path, busy_seconds=self._busy_seconds, writes=False)) as db:
            db.execute("BEGIN")
            try:
                with closing(sqlite3.connect(part)) as copy:
                    db.backup(copy)
            except sqlite3.Error as error:
                raise StoreError(f"{name} can't be written: {error}") from error

    def close(self) -> None:
        """Free connections."""
        self._check_process()
        with self._lock:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._turn.close()
        self._pool.close()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
