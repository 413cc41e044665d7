"""The MongoDB that the tests speak to: the one that TAXII_FED_TEST_MONGODB names, else a stand-in.

The stand-in is SecantusDB, started as a process in an environment of its own (``.foreign/secantusdb``) and reached over a loopback socket
alone; nothing of it is imported. It tells the truth about transactions, conflicts and errors, and nothing about speed, plans and failover.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from pymongo import MongoClient

from foreign.servers import environment, free_port
from taxii_fed.ports import Clock, Store
from taxii_fed.storage.contract.builders import ManualClock, StoreFactory
from taxii_fed.storage.mongo import MongoStore

NAMED = os.environ.get("TAXII_FED_TEST_MONGODB", "")


@contextmanager
def mongodb(folder: Path) -> Iterator[str]:
    """Yield the URL of a server, without a database; skip where there is none and none can be installed."""
    if NAMED:
        yield NAMED
        return
    port = free_port()
    command = [
        str(environment("secantusdb") / "secantusd-py"), "--port", str(port), "--storage-path", str(folder / "data"),
        "--enable-test-commands", "--cache-size", "256M", "--log-level", "WARNING",
    ]  # fmt: skip
    url = f"mongodb://127.0.0.1:{port}/?replicaSet=secantus"
    with (folder / "mongodb.log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            with MongoClient(url, serverSelectionTimeoutMS=60_000) as client:
                client.admin.command("ping")
            yield url
        finally:
            running.kill()
            running.wait()


def database_of(url: str, name: str) -> str:
    """Return the URL of a database of a server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


@dataclass
class MongoFactory:
    """Opens stores on a database of one server."""

    server: str
    prefix: str = field(default_factory=lambda: f"test_{uuid.uuid4().hex[:12]}")
    number: int = 0
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    opened: list[MongoStore] = field(default_factory=list)

    @property
    def url(self) -> str:
        return database_of(self.server, f"{self.prefix}_{self.number}")

    def __call__(self, clock: Clock | None = None) -> Store:
        store = MongoStore(self.url, clock=clock or ManualClock())
        self.opened.append(store)
        return store

    def another(self) -> StoreFactory:
        return MongoFactory(self.server, self.prefix, next(self.numbers), self.numbers, self.opened)

    def close(self) -> None:
        """Close what is open and drop what was made."""
        for store in self.opened:
            store.close()
        with MongoClient(self.server) as client:
            for name in client.list_database_names():
                if name.startswith(self.prefix):
                    client.drop_database(name)


def real() -> str:
    """Return the URL of a real MongoDB; skip where none is named."""
    if not NAMED:
        pytest.skip("TAXII_FED_TEST_MONGODB names no MongoDB")
    return NAMED
