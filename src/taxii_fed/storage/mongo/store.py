"""A store on MongoDB (`taxii_fed.ports.Store`), for any number of threads, processes and machines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import ConfigurationError, DocumentTooLarge, InvalidOperation, PyMongoError
from pymongo.read_concern import ReadConcern

from taxii_fed.core.errors import StoreError, TransactionLostError
from taxii_fed.ports import Clock, Lease, Moving, Place, Read, Reader, View, Writer
from taxii_fed.storage.mongo.connection import (
    MAJORITY,
    Row,
    as_store_error,
    open_client,
    outcome_unknown,
    require_transactions,
    undone_for_age,
    without_secrets,
)
from taxii_fed.storage.mongo.leases import give_lease, lease_holder, take_lease
from taxii_fed.storage.mongo.moving import MongoMoving
from taxii_fed.storage.mongo.openings import MAX_LEAD_MS
from taxii_fed.storage.mongo.primary import Primary
from taxii_fed.storage.mongo.reader import MongoReader
from taxii_fed.storage.mongo.reads import merge_reads
from taxii_fed.storage.mongo.schema import META, NODE, PROBE, migrate
from taxii_fed.storage.mongo.tables import Tables
from taxii_fed.storage.mongo.turn import Turn
from taxii_fed.storage.mongo.writer import MongoWriter

SNAPSHOT = ReadConcern("snapshot")
_COMMIT_SECONDS = 20.0
_LIFE_SECONDS = 55.0
"""MongoDB undoes a transaction that is older than a minute, unless told otherwise (``transactionLifetimeLimitSeconds``)."""


class MongoStore:
    """See `taxii_fed.ports.Store`. Any error of MongoDB leaves a block as a `StoreError` that says what to do.

    ``busy_seconds``: how long a transaction waits for its turn before it gives up with `StoreUnavailableError`.
    """

    def __init__(self, url: str, *, clock: Clock, create: bool = True, busy_seconds: float = 30.0) -> None:
        self._url = url
        self._name = without_secrets(url)
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._closed = False
        self._abandoned: list[MongoClient[Row]] = []
        self._start()
        try:
            with self._errors():
                require_transactions(self._client, self._name)
                migrate(self._db, self._name, create=create, now=clock.now())
                self._has_snapshots = _has_snapshots(self._db)
        except BaseException:
            self._client.close()
            raise

    def _start(self) -> None:
        self._client, self._db = open_client(self._url, self._name)
        self._turn = Turn(self._db, self._name, patience=self._busy_seconds)
        self._primary = Primary(self._db)
        self._hurried: list[tuple[int, bool]] = []
        self._process = os.getpid()

    def _database(self) -> Database[Row]:
        """Return the database, over connections of this process: a forked child leaves those of its parent alone."""
        if self._closed:
            raise StoreError("the store is closed")
        if os.getpid() != self._process:
            self._abandoned.append(self._client)
            self._start()
        return self._db

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (PyMongoError, DocumentTooLarge) as error:
            if isinstance(error, InvalidOperation) and self._closed:
                raise StoreError("the store is closed") from error
            raise as_store_error(error, self._name) from error

    # -- transactions -----------------------------------------------------------------------------------------------------
    def read(self) -> AbstractContextManager[Reader]:
        """Open a snapshot, not older than anything that was answered before."""
        return self._read()

    def glance(self, party: str, collection: str) -> Place | None:  # noqa: ARG002 — the port's
        """Return None: to be sure of the present takes a snapshot here."""
        return None

    @contextmanager
    def _read(self) -> Iterator[MongoReader]:
        db = self._database()
        with self._errors():
            while True:
                primary = self._primary.confirm()
                with db.client.start_session(snapshot=self._has_snapshots) as session:
                    if not self._has_snapshots:
                        session.start_transaction(read_concern=SNAPSHOT)
                    tables = Tables(db, session)
                    node = tables.one(META, {"_id": NODE})
                    assert node is not None
                    if self._primary.present() == primary:
                        yield MongoReader(tables, node)
                        return

    def write(self) -> AbstractContextManager[Writer]:
        """Open a transaction: committed when the block ends, undone when it raises.

        Raises `StoreUnavailableError` when the turn does not come, and `TransactionLostError` where the deployment lost it: then nothing
        of it was stored, or all of it where the answer to the commit got lost.
        """
        return self._write()

    @contextmanager
    def _write(self) -> Iterator[MongoWriter]:
        with self._transaction() as (tables, node):
            writer = MongoWriter(tables, self._clock, node)
            yield writer
            stamped = writer.finish()
            self._commit(tables.session)
            now = self._clock.now()
            if stamped is not None and stamped.hurried(now):
                self._hurried.append((stamped.lead, stamped.outlasted(now)))
            self._note_hurried()

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Tables, Row]]:
        """Open a transaction in its turn; the block commits it, or it is undone. The turn passes on when the block ends."""
        db = self._database()
        ended = False
        with self._errors(), db.client.start_session() as session:
            self._turn.take(session.session_id["id"])
            try:
                with self._of_age():
                    node = self._begin(session)
                    yield Tables(db, session, self._turn.keep), node
                ended = True
            finally:
                _abort(session)
                self._turn.give(ended=ended)

    @contextmanager
    def _of_age(self) -> Iterator[None]:
        """Say so where a transaction was undone for its age: run again, it would get as old."""
        began = time.monotonic()
        try:
            yield
        except PyMongoError as error:
            if undone_for_age(error) and time.monotonic() - began > _LIFE_SECONDS:
                raise StoreError(
                    f"{self._name}: one transaction took longer than the deployment allows; raise transactionLifetimeLimitSeconds"
                ) from error
            raise

    def _begin(self, session: ClientSession) -> Row:
        """Begin a transaction by writing the document that all of them write, and return it (ADR 0009).

        A conflict means that a former holder of the turn is still committing, or was cut off.
        """
        deadline = time.monotonic() + self._busy_seconds
        while True:
            session.start_transaction(read_concern=SNAPSHOT, write_concern=MAJORITY)
            try:
                node = self._db[META].find_one_and_update({"_id": NODE}, {"$inc": {"turns": 1}}, session=session)
            except PyMongoError as error:
                if not error.has_error_label("TransientTransactionError") or time.monotonic() > deadline:
                    raise
                session.abort_transaction()
                time.sleep(0.02)
                self._turn.keep()
                self._turn.end_former()
            else:
                assert node is not None
                return node

    def _commit(self, session: ClientSession) -> None:
        """Commit, asking again while the outcome is not known: a commit may be repeated."""
        deadline = time.monotonic() + _COMMIT_SECONDS
        while True:
            try:
                session.commit_transaction()
            except PyMongoError as error:
                if not outcome_unknown(error):
                    raise
                if time.monotonic() > deadline:
                    raise TransactionLostError(f"{self._name}: whether the transaction was committed is not known") from error
                time.sleep(0.05)
            else:
                return

    def _note_hurried(self) -> None:
        """Double the lead for everybody where it hardly sufficed, and count where it did not.

        What fails here is done after a later commit.
        """
        with suppress(PyMongoError):
            while self._hurried:
                lead, outlasted = self._hurried[0]
                how = {"$max": {"lead": min(lead * 2, MAX_LEAD_MS)}, "$inc": {"past_lead": int(outlasted)}}
                self._db[META].update_one({"_id": NODE}, how)
                self._hurried.pop(0)

    # -- beside transactions ----------------------------------------------------------------------------------------------
    def lease(self, name: str, owner: str, seconds: float, now: int) -> Lease | None:
        """Take or renew a lease, None while another owner holds it."""
        with self._errors():
            return take_lease(self._database(), name, owner, seconds, now)

    def lease_holder(self, name: str) -> Lease | None:
        """Return the lease as it stands, run out or not, None where nobody took it or it was given back."""
        with self._errors():
            return lease_holder(self._database(), name)

    def release(self, lease: Lease) -> None:
        """Give a lease back. One that has passed to another owner is left alone."""
        with self._errors():
            give_lease(self._database(), lease)

    def note_reads(self, reads: Sequence[Read]) -> None:
        """Merge reads into what is kept, in a transaction of its own."""
        if reads:
            with self._transaction() as (tables, _):
                merge_reads(tables, reads)
                self._commit(tables.session)

    def prune(self, statuses_before: int) -> None:
        """Drop statuses older than an instant."""
        with self._errors():
            self._database()["status"].delete_many({"at": {"$lt": statuses_before}})

    def commits_past_lead(self) -> int:
        """Return how many commits outlasted the lead since the store was made (I2)."""
        with self._read() as reader:
            return int(reader.node["past_lead"])

    def iterate_views(self) -> Iterator[View]:
        """Yield all views of all collections, those that nobody reads any more included."""
        with self._read() as reader:
            views = reader.all_views()
        yield from views

    def check(self) -> None:
        """Do nothing: the members of a deployment look after what lies on their disks."""

    @contextmanager
    def moving(self) -> Iterator[Moving]:
        """Open all of the store for a move, in the turn: readers go on, writers wait."""
        db = self._database()
        ended = False
        with self._errors(), db.client.start_session() as session:
            self._turn.take(session.session_id["id"])

            @contextmanager
            def transaction() -> Iterator[Tables]:
                try:
                    with self._errors():
                        self._begin(session)
                        yield Tables(db, session, self._turn.keep)
                        self._commit(session)
                finally:
                    _abort(session)

            try:
                yield MongoMoving(db, self._turn.keep, transaction)
                ended = True
            finally:
                self._turn.give(ended=ended)

    def backup(self, path: str) -> None:
        """Refuse: a deployment has tools of its own, which see all of its members."""
        raise StoreError(
            f"{self._name} is backed up by the tools of MongoDB (mongodump --oplog, or snapshots of its disks); {path} was not written"
        )

    def close(self) -> None:
        """Free connections."""
        self._closed = True
        if os.getpid() == self._process:
            self._client.close()


def _abort(session: ClientSession) -> None:
    """End the transaction of a session where one is open."""
    with suppress(PyMongoError):
        if session.in_transaction:
            session.abort_transaction()


def _has_snapshots(db: Database[Row]) -> bool:
    """Return whether the server gives snapshots outside of transactions: they last longer, and cost no command to end.

    Looked at rather than asked: some that speak the protocol take the read concern and don't keep to it.
    """
    probe = {"_id": PROBE}
    db[META].update_one(probe, {"$inc": {"looks": 1}}, upsert=True)
    try:
        with db.client.start_session(snapshot=True) as session:
            before = db[META].find_one(probe, session=session)
            db[META].update_one(probe, {"$inc": {"looks": 1}})
            return before == db[META].find_one(probe, session=session)
    except ConfigurationError:
        return False
