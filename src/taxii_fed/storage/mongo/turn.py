"""Whose turn it is to write: one transaction at a time in the whole deployment (ADR 0009).

A document outside of any transaction keeps waiting writers apart, and a write to another one inside the transaction proves that they were:
whoever writes without the turn, after a pause so long that it passed on, meets a write conflict and commits nothing. Of the processes that
wait, one is the next, so that none that gives the turn back and asks again keeps it from the others.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

from pymongo import ReturnDocument, WriteConcern
from pymongo.database import Database
from pymongo.errors import PyMongoError

from taxii_fed.core.errors import StoreUnavailableError, TransactionLostError
from taxii_fed.storage.mongo.connection import Row
from taxii_fed.storage.mongo.schema import META, TURN

TURN_SECONDS = 8.0
_RENEW_SECONDS = 2.0
_SILENT_SECONDS = 60.0
"""For how long a writer that sends nothing keeps its turn: a transaction gets no older."""
_NEXT_SECONDS = 1.0
"""For how long a process that does not ask again stays the next."""
_SHORTEST_WAIT, _LONGEST_WAIT_OF_THE_NEXT, _LONGEST_WAIT = 0.002, 0.01, 0.05
_NOW: Row = {"$toLong": "$$NOW"}
"""The server's clock, in milliseconds: all processes agree on it."""


def _asking(owner: Any, process: str) -> list[Row]:
    """Take the turn where it is free, and nobody else next; else become the next, where nobody is.

    Free is what is nobody's, or over, or of this process, whose threads wait in another line: it could not be given back, or an answer
    was lost.
    """
    free = [{"$eq": ["$owner", None]}, {"$eq": ["$process", process]}, {"$lt": ["$until", _NOW]}]
    first = [{"$eq": [{"$ifNull": ["$next", None]}, None]}, {"$eq": ["$next", process]}, {"$lt": ["$next_until", _NOW]}]
    # Most of those who ask change nothing, and nothing is what they should cost.
    stale = {"$or": [{"$ne": ["$next", process]}, {"$lt": ["$next_until", _in(_NEXT_SECONDS / 2)]}]}
    taken: Row = {
        "former": "$owner",
        "owner": {"$literal": owner},
        "process": process,
        "until": _in(TURN_SECONDS),
        "next": None,
    }
    asked: Row = {"next": process, "next_until": _in(_NEXT_SECONDS)}
    return [
        {"$set": {"first": {"$or": first}}},
        {"$set": {"taken": {"$and": ["$first", {"$or": free}]}}},
        {"$set": {"asked": {"$and": ["$first", {"$not": ["$taken"]}, stale]}}},
        {"$set": {column: {"$cond": ["$asked", value, f"${column}"]} for column, value in asked.items()}},
        {"$set": {column: {"$cond": ["$taken", value, f"${column}"]} for column, value in taken.items()}},
        {"$unset": ["first", "taken", "asked"]},
    ]


def _in(seconds: float) -> Row:
    return {"$add": [_NOW, int(seconds * 1000)]}


def _held_by(owner: Any, process: str) -> list[Row]:
    return [{"$set": {"owner": owner, "process": process, "until": _in(TURN_SECONDS)}}]


class Turn:
    """The turn of one process; its threads queue up in front of it. ``owner`` is the id of the session that writes."""

    def __init__(self, db: Database[Row], name: str, *, patience: float) -> None:
        self._db = db
        self._table = db.get_collection(META, write_concern=WriteConcern(w=1))
        self._name = name
        self._patience = patience
        self._lock = threading.Lock()
        self._process = uuid.uuid4().hex
        self._owner: Any = None
        self._former: Any = None
        self._renewed = self._worked = 0.0
        self._beat = threading.Timer(0, lambda: None)

    def take(self, owner: Any) -> None:
        """Wait for the turn. Raises `StoreUnavailableError` where it does not come."""
        deadline = time.monotonic() + self._patience
        if not self._lock.acquire(timeout=self._patience):
            raise StoreUnavailableError(f"{self._name}: the store is busy with another writer of this process")
        try:
            self._wait(owner, deadline)
        except BaseException:
            self._lock.release()
            raise
        self._owner, self._worked = owner, time.monotonic()
        self._renewed = self._worked
        self._arm(owner)

    def _wait(self, owner: Any, deadline: float) -> None:
        pause = _SHORTEST_WAIT
        while True:
            turn = self._table.find_one_and_update(
                {"_id": TURN}, _asking(owner, self._process), return_document=ReturnDocument.AFTER
            )
            if turn is not None and turn["owner"] == owner:
                break
            if time.monotonic() > deadline:
                raise StoreUnavailableError(f"{self._name}: the store is busy with another writer")
            is_next = turn is not None and turn["next"] == self._process
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 — waiters should not march in step
            pause = min(pause * 1.5, _LONGEST_WAIT_OF_THE_NEXT if is_next else _LONGEST_WAIT)
        self._former = turn["former"] if turn["former"] != owner else None
        self.end_former()

    def end_former(self) -> None:
        """End the transaction of a writer that is gone, or has paused too long: its locks would outlive it by a minute.

        Where this user may not do so, the wait is for the server to do it.
        """
        if self._former is not None:
            with suppress(PyMongoError):
                self._db.client.admin.command("killSessions", [{"id": self._former}])

    def keep(self) -> None:
        """Keep the turn for longer, when it is time to. Raises `TransactionLostError` where it has passed to another."""
        self._worked = time.monotonic()
        if self._worked - self._renewed >= _RENEW_SECONDS and not self._renew(self._owner):
            raise TransactionLostError(f"{self._name}: the transaction paused for so long that another writer took over")

    def _renew(self, owner: Any) -> bool:
        now = time.monotonic()
        kept = self._table.update_one({"_id": TURN, "owner": owner}, _held_by(owner, self._process)).matched_count == 1
        self._renewed = now if kept else 0.0
        return kept

    def _arm(self, owner: Any) -> None:
        self._beat = threading.Timer(_RENEW_SECONDS, self._keep_while_busy, (owner,))
        self._beat.daemon = True
        self._beat.start()

    def _keep_while_busy(self, owner: Any) -> None:
        """Keep the turn of a writer that is busy with one long command, or with a long thought."""
        with suppress(PyMongoError):
            if not self._renew(owner):
                return
        if self._owner == owner and time.monotonic() - self._worked < _SILENT_SECONDS:
            self._arm(owner)

    def give(self, *, ended: bool) -> None:
        """Give the turn to the next. Where that does not get through it passes on by itself.

        Where the transaction is not known to have ended, the next one ends it: a lost command may still get to the server.
        """
        self._beat.cancel()
        try:
            with suppress(PyMongoError):
                how = {"until": 0} if not ended else {"owner": None}
                self._table.update_one({"_id": TURN, "owner": self._owner}, {"$set": how})
        finally:
            self._owner = None
            self._lock.release()
