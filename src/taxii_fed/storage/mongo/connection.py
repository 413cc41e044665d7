"""Clients of a MongoDB deployment: how they are opened, and what its errors mean to a caller."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from taxii_fed.core.errors import StoreError, StoreUnavailableError, TransactionLostError

Row = dict[str, Any]

MAJORITY = WriteConcern(w="majority", j=True)
_TIMES: dict[str, Any] = {"serverSelectionTimeoutMS": 15_000, "socketTimeoutMS": 60_000, "connectTimeoutMS": 10_000}
"""How long to wait for a primary (an election takes seconds), an answer, a connection; the URL may say otherwise."""

_NOT_LET_IN = {18: "refuses the name or the password", 13: "does not give this user the rights it needs (readWrite)"}
_FULL = {14031, 10334}
_TRANSIENT = {"TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError"}
_SHORT_TIME = {
    6, 7, 43, 50, 89, 91, 112, 189, 202, 225, 237, 239, 246, 251, 262, 263, 290, 317, 384, 9001, 10107, 11600, 11602, 13435, 13436,
}  # fmt: skip
"""Error codes of what passes: connections, elections, conflicts, snapshots and transactions that have become too old."""


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


def without_secrets(url: str) -> str:
    """Return a URL without name, password and options."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _without(url: str, message: str) -> str:
    credentials = url.partition("://")[2].rpartition("@")[0]
    return (
        "the URL is malformed" if credentials and any(part and part in message for part in credentials.split(":")) else message
    )


def as_store_error(error: PyMongoError, name: str) -> StoreError:
    """Return the error of ours that says what happened to the store called ``name``."""
    if any(error.has_error_label(label) for label in _TRANSIENT):
        return TransactionLostError(f"{name}: the transaction was lost ({_first_line(error)})")
    if isinstance(error, OperationFailure):
        if error.code in _NOT_LET_IN:
            return StoreError(f"{name} {_NOT_LET_IN[error.code]} ({_first_line(error)})")
        if error.code in _FULL:
            return StoreUnavailableError(f"{name}: the disk of the store is full ({_first_line(error)})")
        if error.code in _SHORT_TIME or isinstance(error, ExecutionTimeout):
            return TransactionLostError(f"{name}: {_first_line(error)}")
    if isinstance(error, (AutoReconnect, ConnectionFailure)):
        return TransactionLostError(f"{name} can't be reached ({_first_line(error)})")
    return StoreError(f"{name} gave an error ({type(error).__name__}: {_first_line(error)})")


def _first_line(error: PyMongoError) -> str:
    text = str(error).partition(", full error:")[0].partition(", Timeout:")[0].partition("\n")[0]
    return text if len(text) <= 300 else f"{text[:299]}…"
