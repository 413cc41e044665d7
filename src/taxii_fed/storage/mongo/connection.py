"""Clients of a MongoDB deployment: how they are opened, and what its errors mean to a caller."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from taxii_fed.core.errors import StoreError, StoreUnavailableError, TransactionLostError

Row = dict[str, Any]

MAJORITY = WriteConcern(w="majority", j=True, wtimeout=10_000)
"""Without a limit a deployment that has lost its majority would hold on to whoever writes; what was written then may still come to hold."""
_TIMES: dict[str, Any] = {"serverSelectionTimeoutMS": 15_000, "socketTimeoutMS": 60_000, "connectTimeoutMS": 10_000}
"""How long to wait for a primary (an election takes seconds), an answer, a connection; the URL may say otherwise."""

_NOT_LET_IN = {18: "refuses the name or the password", 13: "does not give this user the rights it needs (readWrite)"}
_NO_SPACE = {14031}
_TOO_LARGE = {257, 10334, 17419, 17420}
"""A document that no member can hold, or a single operation that its oplog can't."""
_LARGER = "more than a document of MongoDB holds; send less at a time"
_CACHE_TOO_SMALL = {388}
_INTERRUPTED = 11601
_UNDONE_FOR_AGE = {251, 290}
"""What a transaction says that was undone behind its back, of old age for one."""
_TRANSIENT = {"TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError"}
_SHORT_TIME = {
    6, 7, 89, 90, 91, 134, 189, 202, 317, 384, 407, 9001, 10107, 11600, 11602, 13435, 13436,  # connections, elections, shut-downs
    50, 64, 133, 262, 355, 365, 402, 433, 449, 11601,  # interrupted, out of time, overloaded
    24, 46, 112, 225, 239, 246, 251, 267, 290,  # locks, conflicts, transactions and snapshots that are too old
    43, 175, 237,  # cursors that are gone
    63, 150, 249, 250, 272, 281, 282, 343, 356, 363, 13388,  # shards that move, transactions over shards
}  # fmt: skip
"""Error codes of what passes, so that the same work run again may go through."""


def open_client(url: str, name: str) -> tuple[MongoClient[Row], Database[Row]]:
    """Return a client and its database. Majority and the primary are not the URL's choice: the invariants rest on them.

    ``name`` is the URL without secrets. Raises `StoreError` for a URL that can't be used.
    """
    try:
        parsed = parse_uri(url, validate=True, warn=False)
        if not parsed.get("database"):
            raise StoreError(f"{name} names no database; expected mongodb://HOST/DATABASE")
        given = {option.lower() for option in parsed["options"]}
        times = {option: value for option, value in _TIMES.items() if option.lower() not in given}
        client: MongoClient[Row] = MongoClient(
            url, appname="taxii-fed", retryReads=True, retryWrites=True, tz_aware=True, connect=False, **times
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise StoreError(f"{name} can't be used: {_without(url, str(error))}") from None
    return client, client.get_database(
        str(parsed["database"]),
        write_concern=MAJORITY,
        read_concern=ReadConcern("majority"),
        read_preference=ReadPreference.PRIMARY,
    )


def require_transactions(client: MongoClient[Row], name: str) -> None:
    """Raise `StoreError` for a server that stands alone: only replica sets, and clusters of them, have transactions."""
    hello = client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StoreError(f"{name} is a single server, without transactions; make it a replica set (one member will do)")


def without_secrets(url: str) -> str:
    """Return a URL without name, password and options."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _without(url: str, message: str) -> str:
    credentials = url.partition("://")[2].rpartition("@")[0]
    return (
        "the URL is malformed" if credentials and any(part and part in message for part in credentials.split(":")) else message
    )


def as_store_error(error: PyMongoError | DocumentTooLarge, name: str) -> StoreError:
    """Return the error of ours that says what happened to the store called ``name``."""
    if isinstance(error, DocumentTooLarge):
        return StoreError(f"{name}: {_LARGER} ({_first_line(error)})")
    if any(error.has_error_label(label) for label in _TRANSIENT):
        return TransactionLostError(f"{name}: the transaction was lost ({_first_line(error)})")
    if isinstance(error, OperationFailure):
        code, text = _cause(error)
        told = _told(code, text, name)
        if told is not None:
            return told
        if code in _SHORT_TIME or isinstance(error, ExecutionTimeout):
            return TransactionLostError(f"{name}: {text}")
        return StoreError(f"{name} gave an error ({text})")
    if isinstance(error, (AutoReconnect, ConnectionFailure)):
        return TransactionLostError(f"{name} can't be reached ({_first_line(error)})")
    return StoreError(f"{name} gave an error ({type(error).__name__}: {_first_line(error)})")


def _told(code: int, text: str, name: str) -> StoreError | None:
    """Return what a person has to see to, None where it is nothing of that kind."""
    if code in _NOT_LET_IN:
        return StoreError(f"{name} {_NOT_LET_IN[code]} ({text})")
    if code in _NO_SPACE:
        return StoreUnavailableError(f"{name}: the disk of the store is full ({text})")
    if code in _TOO_LARGE:
        return StoreError(f"{name}: {_LARGER} ({text})")
    if code in _CACHE_TOO_SMALL:
        return StoreError(f"{name}: the server's cache (wiredTigerCacheSizeGB) is too small for this transaction ({text})")
    return None


def _cause(error: OperationFailure) -> tuple[int, str]:
    """Return the code of an error, and its first line: of a bulk, those of the write that failed."""
    writes = (error.details or {}).get("writeErrors") if isinstance(error, BulkWriteError) else None
    if writes:
        return int(writes[0].get("code", 0)), _shortened(str(writes[0].get("errmsg", "")))
    return error.code or 0, _first_line(error)


def undone_for_age(error: PyMongoError) -> bool:
    """Return whether an error says that the transaction was undone by the server itself."""
    return isinstance(error, OperationFailure) and _cause(error)[0] in _UNDONE_FOR_AGE


def outcome_unknown(error: PyMongoError) -> bool:
    """Return whether a commit that ended so may have gone through: then it has to be asked for again, which is safe.

    The driver leaves one out: a commit that holds already and waits for the majority is interrupted with its session.
    """
    return error.has_error_label("UnknownTransactionCommitResult") or (
        isinstance(error, WriteConcernError) or (isinstance(error, OperationFailure) and error.code == _INTERRUPTED)
    )


def _first_line(error: Exception) -> str:
    return _shortened(str(error).partition(", full error:")[0].partition(", Timeout:")[0])


def _shortened(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 300 else f"{line[:299]}…"
